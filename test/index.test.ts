import { generateKeyPairSync } from 'node:crypto'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Policy } from '../src/gate/model/policy.ts'
import {
  createGuard,
  createSigningKeys,
  forward,
  type Guard,
  parsePolicy,
  respond,
} from '../src/index.ts'
import { createIssuer, type Issuer } from './kit/issuer.ts'
import { type Origin, startOrigin } from './kit/origin.ts'

const RESOURCE = 'https://api.example.com'
const APP = 'https://app.example.com'
/** The origin's own credential. */
const SECRET = 'origin-credential-93b1f07d'
const PREFLIGHT = { origin: APP, 'access-control-request-method': 'GET' }

let issuer: Issuer
let origin: Origin
let guard: Guard
let token: string

beforeAll(async () => {
  ;[issuer, origin] = await Promise.all([createIssuer(), startOrigin()])
  guard = createGuard(policyOf())
  token = await issuer.mint({ scope: 'notes:read edgewarden:read' })
})
beforeEach(() => origin.clear())
afterAll(() => Promise.all([issuer.close(), origin.close()]))

const policyOf = () => {
  const cors = { origins: [APP] }
  const parsed = parsePolicy(
    {
      GATE: { resource: RESOURCE, origin: origin.url },
      ISSUERS: { acme: { issuer: issuer.issuer, allow_insecure_http: true, admin: 'own' } },
      ROUTES: [
        {
          match: 'GET /v1/injected',
          scopes: ['notes:read'],
          cors,
          inject: { Authorization: `Bearer \${KEY}` },
        },
        { match: 'GET,OPTIONS /v1/notes', scopes: ['notes:read'], cors },
        { match: 'GET /v1/plain', scopes: ['notes:write'] },
        { match: 'GET /v1/shadow', scopes: ['notes:write'], cors, mode: 'shadow' },
        { match: '* /v1/slow', scopes: [], timeout: '200ms' },
        { match: '* /open', access: 'public', cors },
      ],
    },
    { secrets: { KEY: SECRET } },
  )
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value.policy
}

type Init = RequestInit & { readonly bearer?: string; readonly duplex?: 'half' }

const requestOf = (path: string, { bearer, ...init }: Init = {}) => {
  const request = new Request(RESOURCE + path, init)
  if (bearer !== undefined) request.headers.set('authorization', `Bearer ${bearer}`)
  return request
}
const ask = async (path: string, init?: Init) => {
  const request = requestOf(path, init)
  return forward(request, await guard(request))
}
const codeOf = async (response: Response) => [
  response.status,
  ((await response.json()) as { readonly code?: string }).code,
]
const corsHeaders = ({ headers }: Response) =>
  [...headers.keys()].filter((name) => name.startsWith('access-control-'))

describe('a preflight', () => {
  it.each(['/v1/injected', '/v1/notes', '/open'])(
    'to %s is answered without a token, and never sent on',
    async (path) => {
      const response = await ask(path, { method: 'OPTIONS', headers: PREFLIGHT })
      expect([response.status, await response.text()]).toEqual([204, ''])
      expect(corsHeaders(response)).toEqual([])
      expect(origin.requests).toEqual([])
    },
  )

  it('to a rule without cors is refused', async () => {
    const response = await ask('/v1/plain', { method: 'OPTIONS', headers: PREFLIGHT })
    expect(await codeOf(response)).toEqual([403, 'preflight_refused'])
    expect(origin.requests).toEqual([])
  })
})

it('only an agent that passed goes on with what its rule injects', async () => {
  const response = await ask('/v1/injected', { bearer: token })
  expect(response.status).toBe(200)
  for (const init of [{}, { bearer: 'x.y.z' }, { method: 'OPTIONS', headers: PREFLIGHT }]) {
    await ask('/v1/injected', init)
  }
  expect(origin.requests.map((one) => one.header('authorization'))).toEqual([`Bearer ${SECRET}`])
})

describe("the gate's own addresses", () => {
  it.each([
    ['GET', '/.edgewarden/health', 'route_unknown'],
    ['GET', '/.edgewarden/ready', 'route_unknown'],
    ['GET', '/.edgewarden/policy', 'credential_missing'],
    ['POST', '/.edgewarden/explain', 'credential_missing'],
    ['POST', '/.edgewarden/none', 'route_unknown'],
    ['GET', '/.edgewarden', 'route_unknown'],
  ])('are not there: %s %s', async (method, path, code) => {
    expect((await codeOf(await ask(path, { method })))[1]).toBe(code)
    const allowed = await ask(path, { method, bearer: token })
    expect(await codeOf(allowed)).toEqual([404, 'route_unknown'])
    expect(origin.requests).toEqual([])
  })
})

it('the metadata of the resource is served', async () => {
  expect(await (await ask('/.well-known/oauth-protected-resource')).json()).toMatchObject({
    resource: RESOURCE,
    authorization_servers: [issuer.issuer],
  })
  expect(origin.requests).toEqual([])
})

describe('a decision', () => {
  it.each([
    ['/v1/notes', undefined, 401, 'credential_missing'],
    ['/v1/notes', 'x.y.z', 401, 'token_malformed'],
    ['/v1/plain', 'good', 403, 'scope_missing'],
    ['/none', 'good', 404, 'route_unknown'],
  ])('that refuses is answered alike by both: %s %s', async (path, kind, status, code) => {
    const bearer = kind === 'good' ? token : kind
    const request = requestOf(path, bearer === undefined ? {} : { bearer })
    const decision = await guard(request)
    for (const response of [respond(request, decision), await forward(request, decision)]) {
      expect(response && (await codeOf(response))).toEqual([status, code])
      expect(response?.headers.has('www-authenticate')).toBe(status !== 404)
    }
    expect(origin.requests).toEqual([])
  })

  it('that allows is answered by the origin, which is told who calls', async () => {
    const request = requestOf('/v1/notes?a=1', { bearer: token })
    const decision = await guard(request)
    expect(respond(request, decision)).toBeUndefined()
    expect((await forward(request, decision)).status).toBe(200)
    const [arrived] = origin.requests
    expect(arrived?.url).toBe('/v1/notes?a=1')
    expect(arrived?.header('x-agent-issuer')).toBe(issuer.issuer)
    expect(arrived?.header('authorization')).toBeUndefined()
  })

  it('that only shadow mode lets through goes on as it came', async () => {
    const request = requestOf('/v1/shadow', { bearer: token, headers: { 'x-agent-id': 'root' } })
    const decision = await guard(request)
    expect([decision.outcome, respond(request, decision)]).toEqual(['denied', undefined])
    expect((await forward(request, decision)).status).toBe(200)
    const [arrived] = origin.requests
    expect(arrived?.header('authorization')).toBe(`Bearer ${token}`)
    expect(arrived?.header('x-agent-id')).toBeUndefined()
  })
})

describe('an origin', () => {
  it.each<[string, Init]>([
    ['GET', {}],
    ['HEAD', {}],
    ['DELETE', {}],
    ['POST', { body: 'a body' }],
  ])('that is silent is left, and its %s answered 504', async (method, init) => {
    origin.on('/v1/slow', () => {})
    const response = await ask('/v1/slow', { method, bearer: token, ...init })
    expect(response.status).toBe(504)
    if (method !== 'HEAD') expect(await codeOf(response)).toEqual([504, 'origin_timeout'])
    expect(await (await origin.arrival()).answered()).toBe('cut')
  })

  it.each<[string, Init]>([
    ['GET', {}],
    ['POST', { body: 'a body' }],
  ])('is left when the caller leaves before it has answered (%s)', async (method, init) => {
    origin.on('/open', () => {})
    const caller = new AbortController()
    const answer = ask('/open', { method, ...init, signal: caller.signal })
    const arrived = await origin.arrival()
    await arrived.finished()
    caller.abort()
    expect(await arrived.answered()).toBe('cut')
    expect((await answer).ok).toBe(false)
  })

  it('is told of each request by itself, where a `send` reads and changes the headers late', async () => {
    const told: string[] = []
    const tell = async (n: string) => {
      const request = requestOf('/v1/notes', { bearer: token, headers: { 'x-n': n } })
      const answer = await forward(request, await guard(request), {
        requestId: `id-${n}`,
        async send(_target, _url, { headers }) {
          await new Promise((done) => setImmediate(done))
          told.push(`${headers.get('x-n')} ${headers.get('x-request-id')} ${headers.get('via')}`)
          headers.delete('via')
          return new Response('ok')
        },
      })
      expect(answer.status).toBe(200)
    }
    const names = ['1', '2', '3', '4', '5', '6']
    for (const n of names.slice(0, 3)) await tell(n)
    await Promise.all(names.slice(3).map(tell))
    expect(told.sort()).toEqual(names.map((n) => `${n} id-${n} 1.1 edgewarden`))
  })

  it('never gets a body that breaks off as a whole one, and is not blamed for it', async () => {
    let sender: ReadableStreamDefaultController<Uint8Array> | undefined
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        sender = controller
        controller.enqueue(new Uint8Array(500))
      },
    })
    const answer = ask('/open', { method: 'POST', body, duplex: 'half' })
    const arrived = await origin.arrival()
    await arrived.received(500)
    sender?.error(new Error('gone'))
    expect(await codeOf(await answer)).toEqual([400, 'body_incomplete'])
    expect(await arrived.finished()).toBe('cut')
  })

  it.each<[string, (request: Request) => Promise<unknown>]>([
    ['as text', (request) => request.text()],
    [
      'chunk by chunk',
      async ({ body }) => {
        for await (const _ of body ?? []);
      },
    ],
  ])('gets no empty body for one that was read before (%s)', async (_, read) => {
    const request = requestOf('/open', { method: 'POST', body: 'transfer 5' })
    await read(request)
    const answer = await forward(request, await guard(request))
    expect(await codeOf(answer)).toEqual([503, 'unavailable'])
    expect(origin.requests).toEqual([])
  })
})

describe('an assertion', () => {
  const parsed = (gate: object, secrets: Record<string, string> = {}) => {
    const read = parsePolicy(
      {
        GATE: { resource: RESOURCE, origin: origin.url, ...gate },
        ISSUERS: { acme: { issuer: issuer.issuer, allow_insecure_http: true } },
        ROUTES: [{ match: 'POST /v1/notes', scopes: [] }],
      },
      { secrets },
    )
    if (!read.ok) throw new Error(JSON.stringify(read.reason))
    return read.value.policy
  }
  const said = async (policy: Policy, signingKeys = createSigningKeys(policy)) => {
    const guarded = createGuard(policy, { signingKeys })
    const request = requestOf('/v1/notes', { bearer: token, method: 'POST', body: 'hello' })
    const response = await forward(request, await guarded(request))
    expect(response.status).toBe(200)
    const text = origin.requests[0]?.header('x-agent-assertion') ?? ''
    const keys = createLocalJWKSet({ keys: [...(await signingKeys.published())] })
    return jwtVerify(text, keys, { issuer: RESOURCE, audience: origin.url })
  }

  it('is signed by a key of this process', async () => {
    const { payload, protectedHeader } = await said(parsed({}))
    expect(protectedHeader.alg).toBe('ES256')
    expect(payload).toMatchObject({ sub: 'agent-1', route: 'POST /v1/notes' })
  })

  it('is signed by a key of the operator', async () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const keys = [privateKey.export({ format: 'jwk' })]
    const policy = parsed({}, { ASSERTION_KEYS: JSON.stringify({ keys }) })
    expect((await said(policy)).protectedHeader.alg).toBe('EdDSA')
  })

  it('has the digest of a body, which arrives', async () => {
    const { payload } = await said(parsed({ assertion: 'body' }))
    expect(payload).toMatchObject({ bdh: 'LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ' })
    expect(origin.requests[0]?.body).toBe('hello')
  })

  it('is of no empty body in place of one that was read before', async () => {
    const errors: unknown[] = []
    const guarded = createGuard(parsed({ assertion: 'body' }), {
      onError: (_, error) => errors.push(error),
    })
    const request = requestOf('/v1/notes', { bearer: token, method: 'POST', body: 'transfer 5' })
    for await (const _ of request.body ?? []);
    const answer = await forward(request, await guarded(request))
    expect(await codeOf(answer)).toEqual([503, 'unavailable'])
    expect(origin.requests).toEqual([])
    expect(errors.map(String)).toEqual(['TypeError: The body of the request was read before'])
  })
})
