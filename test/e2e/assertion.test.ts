import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { assertionIn } from './asserting.ts'
import {
  type AskInit,
  askGate,
  type BesideSetting,
  outcome,
  RESOURCE,
  type Setting,
  startSetting,
} from './setting.ts'

let setting: Setting
/** An origin whose API begins at `/base`. */
let based: Origin
const gates: Partial<Record<'request' | 'body' | 'off' | 'small', Gate>> = {}

beforeAll(async () => {
  based = await startOrigin()
  const options: Omit<BesideSetting, 'vars'> = {
    routes: [
      { match: '* /v1/*', scopes: [] },
      { match: 'GET /v2/{id}', scopes: { any: ['docs:read', 'docs:read:{id}'] } },
      { match: '* /public/*', access: 'public' },
      { match: '* /optional/*', scopes: [], access: 'optional' },
      { match: '* /shadow/*', scopes: ['docs:read'], mode: 'shadow' },
      {
        match: '* /tools/{tool}:run',
        scopes: [],
        strip_prefix: '/tools',
        origin: `${based.url}/base`,
      },
    ],
  }
  const names = ['request', 'body', 'off'] as const
  const beside = names.map((assertion) => ({ ...options, gate: { assertion } }))
  setting = await startSetting({ ...options, beside })
  for (const [index, name] of names.entries()) gates[name] = setting.gate.beside[index] as Gate
  // Where others sign by another algorithm it would wait for an hour before it changes to its own.
  const assertion = { binding: 'body', max_body: 100, algorithm: 'EdDSA' }
  gates.small = await setting.another({ ...options, gate: { assertion } })
})
beforeEach(() => {
  setting.origin.clear()
  based.clear()
})
afterAll(async () => {
  await setting.close()
  await based.close()
})

const at = (name: keyof typeof gates): Gate => {
  const gate = gates[name]
  if (!gate) throw new Error(`no gate ${name}`)
  return gate
}

/** Asks with a good token, and gives what the origin was told. */
const told = async (
  path: string,
  {
    gate = setting.gate,
    origin = setting.origin,
    audience = origin.url,
    ...init
  }: AskInit & {
    readonly gate?: Gate
    readonly origin?: Origin
    readonly audience?: string
  } = {},
) => {
  const response = await askGate(gate, path, { token: await setting.token(), ...init })
  expect(response.status).toBe(200)
  expect(origin.requests).toHaveLength(1)
  return assertionIn(gate, origin.requests[0], audience)
}

describe('an assertion of who is calling', () => {
  it('verifies by what the gate publishes, and has what the headers have', async () => {
    const token = await setting.token({
      sub: 'alice',
      client_id: 'agent-7',
      scope: 'docs:read other',
      agent_type: 'planner',
      workflow_id: 'run-1',
      jti: 'token-1',
      act: { sub: 'planner', act: { sub: 'before' } },
    })
    const { payload, protectedHeader } = await told('/v2/7?page=2', { token })
    expect(protectedHeader).toEqual({
      alg: 'ES256',
      typ: 'agent-assertion+jwt',
      kid: expect.stringMatching(/^[\w-]{43}$/),
    })
    const { iat = 0, exp = 0, jti, ...said } = payload
    const iss = setting.issuer.issuer
    expect(said).toEqual({
      iss: RESOURCE,
      aud: setting.origin.url,
      sub: 'agent-7',
      agent_iss: iss,
      agent_sub: 'alice',
      client_id: 'agent-7',
      scope: 'docs:read other',
      grant: 'docs:read',
      agent_type: 'planner',
      workflow_id: 'run-1',
      act: { sub: 'planner', iss, act: { sub: 'before', iss } },
      token_jti: 'token-1',
      route: 'GET,HEAD /v2/7',
      possession: 'bearer',
    })
    expect(exp - iat).toBe(60)
    expect(jti).not.toBe('token-1')
  })

  it('is no access token', async () => {
    const { text } = await told('/v1/x')
    expect(await outcome(await setting.ask('/v1/x', { token: text }))).toEqual({
      status: 401,
      code: 'type_forbidden',
    })
    expect(setting.origin.requests).toHaveLength(1)
  })
})

describe('an assertion of the request', () => {
  it('has method and URL as they are sent to the origin', async () => {
    const { payload } = await told('/v1/a%20b/%e2%82%ac?c=d', {
      gate: at('request'),
      method: 'DELETE',
    })
    expect(payload).toMatchObject({
      htm: 'DELETE',
      htu: `${setting.origin.url}/v1/a%20b/%E2%82%AC`,
      route: 'GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS /v1/*',
    })
    expect(payload.htu).toBe(setting.origin.url + setting.origin.requests[0]?.url.split('?')[0])
  })

  it("has the origin's own path, and none of the prefix that goes", async () => {
    const { payload } = await told('/tools/search:run?q', {
      gate: at('request'),
      origin: based,
      audience: `${based.url}/base`,
    })
    expect(payload).toMatchObject({
      htm: 'GET',
      htu: `${based.url}/base/search:run`,
      route: 'GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS /base/{tool}:run',
    })
    expect(based.requests[0]?.url).toBe('/base/search:run?q')
  })
})

describe('an assertion of the body', () => {
  const sha256 = (body: string | Uint8Array, form: 'base64' | 'base64url' = 'base64url') =>
    createHash('sha256').update(body).digest(form)

  it('has the digest of its bytes, and these arrive', async () => {
    const body = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256)
    const { payload } = await told('/v1/x', { gate: at('body'), method: 'POST', body })
    expect(payload).toMatchObject({ htm: 'POST', bdh: sha256(body) })
    expect(setting.origin.requests[0]?.bodySha256).toBe(sha256(body))
    expect(setting.origin.requests[0]?.header('content-length')).toBe('70000')
  })

  const digest = (text: string) => `sha-256=:${sha256(text, 'base64')}:`
  it.each<[string, string, number, string | undefined]>([
    ['right', digest('hello'), 200, undefined],
    ['right, beside one that says nothing', `md5=:AAAA:, ${digest('hello')}`, 200, undefined],
    ['of an algorithm nobody knows', 'md5=:AAAA:', 200, undefined],
    ['wrong', digest('other'), 400, 'digest_mismatch'],
    ['malformed', `sha-256=${sha256('hello', 'base64')}`, 400, 'digest_mismatch'],
  ])('holds the body against a Content-Digest that is %s', async (_, said, status, code) => {
    const response = await askGate(at('body'), '/v1/x', {
      token: await setting.token(),
      method: 'POST',
      body: 'hello',
      headers: { 'content-digest': said },
    })
    expect(await outcome(response)).toEqual({ status, code })
    expect(setting.origin.requests.map((each) => each.header('content-digest'))).toEqual(
      status === 200 ? [said] : [],
    )
  })
})
