import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ISSUER_TOKENS, issuerEntries, mintLike } from '../kit/issuer-tokens.ts'
import { createKey, type SigningKey } from '../kit/signing.ts'
import { outcome, type Setting, startSetting } from './setting.ts'

let setting: Setting
let keys: ReadonlyMap<string, SigningKey>
beforeAll(async () => {
  keys = new Map(
    await Promise.all(
      ISSUER_TOKENS.map(async ({ name }) => [name, await createKey('RS256')] as const),
    ),
  )
  // Nobody serves these issuers' documents here, so their keys stand in the entries.
  const entries = Object.entries(issuerEntries()).map(([name, entry]) => [
    name,
    { ...entry, jwks: { keys: [keyOf(name).jwk] } },
  ])
  setting = await startSetting({ more: { ISSUERS: Object.fromEntries(entries) } })
}, 60_000)
beforeEach(() => setting.origin.clear())
afterAll(() => setting?.close())

const keyOf = (name: string): SigningKey => {
  const key = keys.get(name)
  if (!key) throw new Error(`${name} has no key`)
  return key
}

const now = () => Math.floor(Date.now() / 1000)

describe.each(ISSUER_TOKENS)('over HTTP a token of $name', ({ name, tokens }) => {
  it.each(tokens)('$name: $code', async (token) => {
    const minted = await mintLike(token, keyOf(name), now())
    const answer = await outcome(await setting.ask('/v1/any', { token: minted }))
    if (!token.identity) {
      expect(answer).toEqual({ status: 401, code: token.code })
      expect(setting.origin.requests).toEqual([])
      return
    }
    expect(answer.status).toBe(200)
    const { agentId, clientId, scope } = token.identity
    const [request] = setting.origin.requests
    expect({
      id: request?.header('x-agent-id'),
      client: request?.header('x-agent-client-id'),
      scope: request?.header('x-agent-scope') ?? '',
      issuer: request?.header('x-agent-issuer'),
      token: request?.header('x-agent-token-id'),
      authorization: request?.header('authorization'),
    }).toEqual({
      id: `${name}/${agentId}`,
      client: clientId,
      scope,
      issuer: token.payload.iss,
      token: token.payload.jti,
      authorization: undefined,
    })
  })

  it('signed by another issuer’s key is refused', async () => {
    const [token] = tokens
    const other = ISSUER_TOKENS.find((one) => one.name !== name)
    if (!token || !other) throw new Error('nothing to sign')
    const foreign = { ...keyOf(other.name), kid: keyOf(name).kid }
    const minted = await mintLike(token, foreign, now())
    const answer = await outcome(await setting.ask('/v1/any', { token: minted }))
    expect(answer).toEqual({ status: 401, code: 'signature_invalid' })
  })
})
