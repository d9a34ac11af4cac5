import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ISSUER_TOKENS, issuerEntries, mintLike } from '../kit/issuer-tokens.ts'
import { createKey, type SigningKey } from '../kit/signing.ts'
import { outcome, type Setting, startSetting } from './setting.ts'

let setting: Setting
/** Two are enough for all issuers, as no two neighbours have the same. */
let keys: readonly SigningKey[]
beforeAll(async () => {
  keys = await Promise.all([createKey('RS256'), createKey('RS256')])
  // Nobody serves these issuers' documents here, so their keys stand in the entries.
  const entries = Object.entries(issuerEntries()).map(([name, entry]) => [
    name,
    { ...entry, jwks_uri: undefined, jwks: { keys: [keyOf(name).jwk] } },
  ])
  setting = await startSetting({ more: { ISSUERS: Object.fromEntries(entries) } })
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting?.close())

const indexOf = (name: string) => ISSUER_TOKENS.findIndex((one) => one.name === name)

/** The key of an issuer, by its own id; `shift` 1 for that of its neighbour. */
const keyOf = (name: string, shift = 0): SigningKey => {
  const key = keys[(indexOf(name) + shift) % keys.length]
  if (!key) throw new Error(`${name} has no key`)
  const use = name === 'spiffe' ? 'jwt-svid' : 'sig'
  return { ...key, kid: name, jwk: { ...key.jwk, kid: name, use } }
}

const now = () => Math.floor(Date.now() / 1000)

describe.each(ISSUER_TOKENS)('over HTTP a token of $name', ({ name, issuer, tokens }) => {
  it.each(tokens)('$name: $code', async (token) => {
    const minted = await mintLike(token, keyOf(name), now())
    const answer = await outcome(await setting.ask('/v1/any', { token: minted }))
    if (!token.identity) {
      expect(answer).toEqual({ status: 401, code: token.code })
      expect(setting.origin.requests).toEqual([])
      return
    }
    expect(answer.status).toBe(200)
    const { agentId, clientId, scope, workflowId } = token.identity
    const [request] = setting.origin.requests
    expect({
      id: request?.header('x-agent-id'),
      client: request?.header('x-agent-client-id'),
      scope: request?.header('x-agent-scope') ?? '',
      workflow: request?.header('x-agent-workflow-id'),
      issuer: request?.header('x-agent-issuer'),
      token: request?.header('x-agent-token-id'),
      authorization: request?.header('authorization'),
    }).toEqual({
      id: `${name}/${agentId}`,
      client: clientId,
      scope,
      workflow: workflowId,
      issuer,
      token: token.payload.jti,
      authorization: undefined,
    })
  })

  it('signed by another issuer’s key is refused', async () => {
    const [token] = tokens
    if (!token) throw new Error('nothing to sign')
    const minted = await mintLike(token, keyOf(name, 1), now())
    const answer = await outcome(await setting.ask('/v1/any', { token: minted }))
    expect(answer).toEqual({ status: 401, code: 'signature_invalid' })
  })
})
