import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createProofKey } from '../kit/dpop.ts'
import { type Header, rawRequest, sendRaw } from '../kit/raw.ts'
import { HOST, type Setting, sharedSetting } from './setting.ts'
import { newAgent, revoke } from './streaming.ts'

const credential = { headers: ['authorization', 'x-api-key', 'x-goog-api-key'] }

let setting: Setting
let token: string

beforeAll(async () => {
  setting = await sharedSetting({
    issuer: { admin: 'all' },
    routes: [
      { match: 'GET,POST /v1/messages', scopes: [], credential },
      { match: 'GET /v1/keys-only', scopes: [], credential: { headers: ['x-api-key'] } },
      { match: 'GET /v1/optional', scopes: [], access: 'optional', credential },
      { match: 'GET /v1/watched', scopes: [], mode: 'shadow', credential },
      { match: 'GET /v1/page', scopes: [], credential, cors: { origins: ['https://app.example'] } },
      { match: 'GET /v1/usual', scopes: [] },
    ],
  })
  token = await setting.token({ client_id: 'sdk' })
})
beforeEach(() => setting.origin.clear())

/** Sends headers as they are written, also twice. */
const ask = async (target: string, ...headers: readonly Header[]) => {
  const sent = rawRequest({ method: 'GET', target, headers: [['Host', HOST], ...headers] })
  const answer = await sendRaw(setting.gate.port, sent)
  const code = answer.status < 400 ? undefined : JSON.parse(answer.body).code
  return Object.assign(answer, { code })
}
const seen = (name: string) => setting.origin.requests.at(-1)?.header(name)

describe('a token in a header that the rule names', () => {
  it('is accepted, also again, and the origin does not get the header', async () => {
    for (const name of ['x-api-key', 'X-Api-Key', 'x-goog-api-key', 'x-api-key']) {
      const answer = await ask('/v1/messages', [name, token], ['X_Api_Key', token])
      expect(answer.status).toBe(200)
      expect(seen('x-agent-id')).toBe('sdk')
      const names = ['x-api-key', 'x_api_key', 'x-goog-api-key', 'authorization']
      expect(names.map(seen)).toEqual(names.map(() => undefined))
    }
  })

  it('is accepted in Authorization too, unless the rule leaves it out', async () => {
    const authorized: Header = ['Authorization', `Bearer ${token}`]
    expect((await ask('/v1/messages', authorized)).status).toBe(200)
    expect((await ask('/v1/keys-only', ['x-api-key', token])).status).toBe(200)
    for (const headers of [[authorized], []]) {
      const refused = await ask('/v1/keys-only', ...headers)
      expect([refused.status, refused.code]).toEqual([401, 'credential_missing'])
      expect(JSON.parse(refused.body).hint).toContain('in x-api-key')
    }
  })

  it('is read nowhere else: a rule without the key forwards the header, and has no token', async () => {
    const refused = await ask('/v1/usual', ['x-api-key', token])
    expect([refused.status, refused.code]).toEqual([401, 'credential_missing'])
    const allowed = await ask(
      '/v1/usual',
      ['Authorization', `Bearer ${token}`],
      ['x-api-key', 'of-the-origin'],
    )
    expect([allowed.status, seen('x-api-key')]).toEqual([200, 'of-the-origin'])
  })

  it.each<[string, ...Header[]]>([
    ['beside Authorization', ['x-api-key', 'TOKEN'], ['Authorization', 'Bearer TOKEN']],
    ['beside Basic', ['x-api-key', 'TOKEN'], ['Authorization', 'Basic YTpi']],
    ['in two of the headers', ['x-api-key', 'TOKEN'], ['x-goog-api-key', 'TOKEN']],
    ['in one header twice', ['x-api-key', 'TOKEN'], ['x-api-key', 'TOKEN']],
    ['beside a lone comma', ['x-api-key', 'TOKEN,']],
    ['after a scheme', ['x-api-key', 'Bearer TOKEN']],
    ['in quotes', ['x-api-key', '"TOKEN"']],
    ['as nothing', ['x-api-key', '']],
  ])('is refused %s', async (_, ...headers) => {
    const sent = headers.map(([name, value]): Header => [name, value.replace('TOKEN', token)])
    const answer = await ask('/v1/messages', ...sent)
    expect([answer.status, answer.code]).toEqual([400, 'credential_header_malformed'])
    expect(setting.origin.requests).toEqual([])
    // On a rule with optional access it is not taken as nothing.
    expect((await ask('/v1/optional', ...sent)).status).toBe(400)
  })

  it('is another credential than in Authorization: what one header has is not remembered for the other', async () => {
    const known = await setting.token({ client_id: 'twice' })
    expect((await ask('/v1/messages', ['x-api-key', known])).status).toBe(200)
    for (const value of [`x-api-key ${known}`, known, `x-api-key\t${known}`]) {
      const answer = await ask('/v1/messages', ['Authorization', value])
      expect([answer.status, answer.code]).toEqual([401, 'scheme_unsupported'])
    }
  })

  it('is refused if it is bound to a key, also where it was accepted in Authorization before', async () => {
    const key = await createProofKey()
    for (const cnf of [{ jkt: key.jkt }, { 'x5t#S256': 'x' }, { kid: 'x' }]) {
      const bound = await setting.token({ cnf })
      const answer = await ask('/v1/messages', ['x-api-key', bound])
      expect([answer.status, answer.code]).toEqual([401, 'token_bound_elsewhere'])
    }
  })

  it('ends with a revocation as in any header', async () => {
    const agent = newAgent()
    const own = await setting.token({ client_id: agent })
    expect((await ask('/v1/messages', ['x-api-key', own])).status).toBe(200)
    await revoke(setting, agent)
    const answer = await ask('/v1/messages', ['x-api-key', own])
    expect([answer.status, answer.code]).toEqual([401, 'token_revoked'])
  })

  it('is optional where access is: nothing sent is nobody', async () => {
    expect((await ask('/v1/optional')).status).toBe(200)
    expect(seen('x-agent-id')).toBeUndefined()
    expect((await ask('/v1/optional', ['x-api-key', token])).status).toBe(200)
    expect(seen('x-agent-id')).toBe('sdk')
  })

  it('stays in shadow mode, where the origin checks it', async () => {
    expect((await ask('/v1/watched', ['x-api-key', token])).status).toBe(200)
    expect(seen('x-api-key')).toBe(token)
  })

  it('makes every answer private, since caches know only Authorization', async () => {
    setting.origin.on('/v1/messages', (_, res) => res.setHeader('vary', 'Accept').end('x'))
    const answer = await ask('/v1/messages', ['x-api-key', token])
    expect(answer.header('cache-control')).toContain('private')
    expect(answer.header('vary')).toBe('Accept, Authorization, x-api-key, x-goog-api-key')
  })

  it('may be sent by scripts of other origins', async () => {
    const sent = rawRequest({
      method: 'OPTIONS',
      target: '/v1/page',
      headers: [
        ['Host', HOST],
        ['Origin', 'https://app.example'],
        ['Access-Control-Request-Method', 'GET'],
        ['Access-Control-Request-Headers', 'x-api-key'],
      ],
    })
    const answer = await sendRaw(setting.gate.port, sent)
    expect(answer.header('access-control-allow-headers')).toBe(
      'authorization,x-api-key,x-goog-api-key,content-type',
    )
  })
})
