import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { askGate, type Setting, startSetting } from '../../e2e/setting.ts'
import type { Gate } from '../../kit/gate.ts'
import {
  authorize,
  type InteractiveServer,
  startInteractiveServer,
} from '../../kit/mcp/interactive-server.ts'
import { type Origin, startOrigin } from '../../kit/origin.ts'
import { createKey, type Members } from '../../kit/signing.ts'
import { cookieIn, OPERATOR } from './console-setting.ts'

/** Browsers send it by http, and authorization servers send codes there. */
const HOST = 'localhost'
const RESOURCE = 'https://api.example.com'
const SCOPES = ['edgewarden:read', 'edgewarden:audit:read']
const CLIENT = 'edgewarden-console'
const CALLBACK = `http://${HOST}/person/callback/acme`
const SESSION = '__Host-edgewarden-console'
const SIGN_IN = '__Host-edgewarden-sign-in'

/** A gate before an authorization server for people, and one before an issuer that signs what a test wants. */
let server: InteractiveServer
let setting: Setting
let forging: Gate
let endpoint: Origin

const now = () => Math.floor(Date.now() / 1000)
const person = { client_id: CLIENT, scopes: SCOPES }
const options = (issuer: Members) => ({
  bundle: inject('consoleBundle'),
  gate: { assertion: 'identity', console: { host: HOST }, client_ip: 'x-caller' },
  issuer: { admin: 'all', agent_prefix: 'acme/', person, ...issuer },
})

beforeAll(async () => {
  ;[server, endpoint] = await Promise.all([
    startInteractiveServer({
      ...{ resources: [RESOURCE], scopes: SCOPES, redirectUri: CALLBACK },
      lifetimes: { [CLIENT]: 300 },
    }),
    startOrigin(),
  ])
  setting = await startSetting(options({ issuer: server.url, jwks_uri: undefined }))
  const { issuer, jwksUri } = setting.issuer
  setting.issuer.setMetadata({
    openid: {
      issuer,
      jwks_uri: jwksUri,
      authorization_endpoint: 'https://login.example.com/authorize?tenant=1',
      token_endpoint: `${endpoint.url}/token`,
      authorization_response_iss_parameter_supported: true,
      acr_values_supported: ['pwd', 'phr', 'phrh'],
      id_token_signing_alg_values_supported: ['ES256'],
    },
  })
  forging = await setting.another(options({}))
})
afterAll(async () => {
  await Promise.all([setting.close(), endpoint.close()])
  await server.close()
})

let callers = 0
/** Each has a network of its own, as the gate bounds the sign-ins of each. */
const nextCaller = () => `10.${callers >> 8}.${callers++ & 255}.1`

const PAGE = { 'sec-fetch-site': 'same-origin' }
const ACT = { ...PAGE, origin: `http://${HOST}`, 'x-edgewarden-console': '1' }
const at = (gate: Gate, path: string, headers: Members = {}, method = 'GET') =>
  askGate(gate, path, {
    ...{ method, redirect: 'manual' },
    headers: { 'x-caller': nextCaller(), host: HOST, ...headers } as Record<string, string>,
  })
const begin = (gate: Gate, name = 'acme', headers: Members = {}) =>
  at(gate, `/person/start?issuer=${name}`, { ...ACT, ...headers }, 'POST')

interface Begun {
  readonly url: URL
  readonly cookie: string
}

const begun = async (gate: Gate): Promise<Begun> => {
  const answer = await begin(gate)
  if (answer.status !== 200) throw new Error(await answer.text())
  const { url } = (await answer.json()) as { url: string }
  return { url: new URL(url), cookie: cookieIn(answer) ?? '' }
}

/** The issuer's answer to a sign-in, as the browser brings it. */
const answerTo = ({ url }: Begun, over: Members = {}) => {
  const { issuer } = setting.issuer
  const members = { code: 'a-code', state: url.searchParams.get('state'), iss: issuer, ...over }
  const given = Object.entries(members).filter(([, value]) => value !== undefined)
  return new URLSearchParams(Object.fromEntries(given) as Record<string, string>)
}
const back = (gate: Gate, query: URLSearchParams, cookie: string, headers: Members = {}) =>
  at(gate, `/person/callback/acme?${query}`, { cookie, ...headers })

const outcome = async (answer: Response) => [
  answer.status,
  answer.status === 303
    ? answer.headers.get('location')
    : ((await answer.json()) as { code: string }).code,
]
const sessionIn = (answer: Response) =>
  answer.headers
    .getSetCookie()
    .find((one) => one.startsWith(`${SESSION}=`))
    ?.split(';')[0]
const whoIs = async (gate: Gate, cookie: string) =>
  (await (await at(gate, '/api/console', { ...PAGE, cookie })).json()) as Members

const INVALID = [403, 'console_person_invalid']
const STALE = [403, 'console_person_stale']
const REFUSED = [403, 'console_person_refused']

/** What the forging issuer answers a code with; each part is laid over what is good. */
interface Forged {
  readonly id?: Members
  readonly idHeader?: Members
  readonly access?: Members
  readonly body?: Members
  readonly foreign?: boolean
}

/** Lets the issuer answer the next codes, and returns the requests for tokens since. */
const forge = async (one: Begun, { id, idHeader, access, body, foreign }: Forged = {}) => {
  const { issuer } = setting
  const key = foreign ? await createKey('ES256', issuer.kid) : issuer.key
  const idToken = await issuer.mintRaw(
    { alg: 'ES256', kid: issuer.kid, ...idHeader },
    {
      ...{ iss: issuer.issuer, aud: CLIENT, sub: 'maria', iat: now(), exp: now() + 60 },
      ...{ nonce: one.url.searchParams.get('nonce'), auth_time: now(), ...id },
    },
    key,
  )
  const token = await issuer.mint({
    ...{ sub: 'maria', client_id: CLIENT, scope: SCOPES.join(' '), ...access },
  })
  const tokens = { access_token: token, token_type: 'Bearer', id_token: idToken, ...body }
  endpoint.on('/token', (_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(tokens))
  })
  const before = endpoint.requests.length
  return () => endpoint.requests.slice(before)
}
/** Begins a sign-in, and completes it with an issuer that forges. */
const forged = async (parts: Forged, over: Members = {}) => {
  const one = await begun(forging)
  await forge(one, parts)
  return back(forging, answerTo(one, over), one.cookie)
}

describe('a person signs in', () => {
  it('at an authorization server, and the console shows who they are', async () => {
    const listed = await at(setting.gate, '/person', PAGE)
    expect(await listed.json()).toEqual({ issuers: ['acme'] })
    const { url, cookie } = await begun(setting.gate)
    const query = await authorize(url, CALLBACK)
    expect(query.get('iss')).toBe(server.url)
    const answer = await back(setting.gate, query, cookie)
    expect(await outcome(answer)).toEqual([303, '/'])
    const [session, ended] = answer.headers.getSetCookie()
    expect(session).toMatch(
      /^__Host-edgewarden-console=[\w.-]+; Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Strict$/,
    )
    expect(ended).toMatch(/^__Host-edgewarden-sign-in=; Path=\/; Max-Age=0; Secure; HttpOnly/)
    const who = await whoIs(setting.gate, sessionIn(answer) ?? '')
    expect(who).toMatchObject({
      issuer: server.url,
      scopes: SCOPES,
      person: { issuer: server.url, subject: 'ada', at: expect.closeTo(now(), -2) },
    })
    expect(JSON.stringify(who)).not.toMatch(/eyJ/)
  })

  it('with PKCE: a code that is stolen on its way is good for nothing', async () => {
    const { url } = await begun(setting.gate)
    const query = await authorize(url, CALLBACK)
    const redeemed = await fetch(`${server.url}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        ...{ grant_type: 'authorization_code', client_id: CLIENT, redirect_uri: CALLBACK },
        code: query.get('code') ?? '',
      }),
    })
    expect(redeemed.status).toBe(400)
  })

  it('by a request that asks for a new and strong authentication, and a code that the verifier redeems', async () => {
    const one = await begun(forging)
    const asked = Object.fromEntries(one.url.searchParams)
    expect(one.url.origin + one.url.pathname).toBe('https://login.example.com/authorize')
    expect(asked).toEqual({
      ...{ tenant: '1', response_type: 'code', client_id: CLIENT, redirect_uri: CALLBACK },
      ...{ scope: `openid ${SCOPES.join(' ')}`, resource: RESOURCE, code_challenge_method: 'S256' },
      ...{ max_age: '0', prompt: 'login', acr_values: 'phrh phr' },
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    })
    const requests = await forge(one)
    const answer = await back(forging, answerTo(one), one.cookie)
    expect(await outcome(answer)).toEqual([303, '/'])
    const [request, ...others] = requests()
    expect(others).toEqual([])
    const sent = Object.fromEntries(new URLSearchParams(String(request?.body)))
    const { code_verifier = '', ...rest } = sent
    expect(rest).toEqual({
      ...{ grant_type: 'authorization_code', code: 'a-code', client_id: CLIENT },
      ...{ redirect_uri: CALLBACK, resource: RESOURCE },
    })
    const hash = createHash('sha256').update(code_verifier).digest('base64url')
    expect(hash).toBe(asked.code_challenge)
    expect(await whoIs(forging, sessionIn(answer) ?? '')).toMatchObject({
      person: { issuer: setting.issuer.issuer, subject: 'maria' },
    })
  })

  it('without any scope of the gate, and may only see who they are', async () => {
    const cookie = sessionIn(await forged({ access: { scope: 'documents:read' } })) ?? ''
    expect(await whoIs(forging, cookie)).toMatchObject({ scopes: [], person: { subject: 'maria' } })
    const answer = await at(forging, '/api/policy', { ...PAGE, cookie })
    expect(await outcome(answer)).toEqual([403, 'scope_missing'])
    // Others need a scope to get a code.
    const token = await setting.token({ sub: 'maria', client_id: CLIENT, scope: 'documents:read' })
    const coded = await askGate(forging, '/.edgewarden/console', { method: 'POST', token })
    expect(await outcome(coded)).toEqual([403, 'scope_missing'])
  })

  it('and a revocation of their subject ends the session', async () => {
    const answer = await forged({ id: { sub: 'rita' }, access: { sub: 'rita' } })
    const cookie = sessionIn(answer) ?? ''
    expect(await whoIs(forging, cookie)).toMatchObject({ person: { subject: 'rita' } })
    const revoked = await askGate(forging, '/.edgewarden/revocations', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      token: await setting.token({ scope: OPERATOR }),
      body: JSON.stringify({ kind: 'subject', issuer: setting.issuer.issuer, value: 'rita' }),
    })
    expect(revoked.status).toBe(200)
    expect(await whoIs(forging, cookie)).toMatchObject({ code: 'token_revoked' })
  })
})

describe('nobody signs in', () => {
  it.each<[string, Members]>([
    ['with another state', { state: 'x'.repeat(43) }],
    ['without a state', { state: undefined }],
    ['with the answer of another issuer', { iss: 'https://attacker.example' }],
    ['with an answer that does not name the issuer', { iss: undefined }],
    ['without a code', { code: undefined }],
  ])('%s, and no code is sent', async (_what, over) => {
    const one = await begun(forging)
    const requests = await forge(one)
    const answer = await back(forging, answerTo(one, over), one.cookie)
    expect(await outcome(answer)).toEqual(INVALID)
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-edgewarden-sign-in=;/),
    ])
    expect(requests()).toEqual([])
  })

  it('in another browser: not without the cookie, and not with that of another sign-in', async () => {
    const [one, other] = [await begun(forging), await begun(forging)]
    const requests = await forge(one)
    const session = sessionIn(await forged({})) ?? ''
    const [, sealed = ''] = session.split('=')
    for (const cookie of [
      '',
      other.cookie,
      `${one.cookie}; ${other.cookie}`,
      `${one.cookie.slice(0, -2)}xx`,
      `${SIGN_IN}=${sealed}`,
    ]) {
      expect(await outcome(await back(forging, answerTo(one), cookie))).toEqual(INVALID)
    }
    expect(requests().length).toBe(1)
  })

  it('twice with one answer', async () => {
    const one = await begun(forging)
    const requests = await forge(one)
    const once = () => back(forging, answerTo(one), one.cookie)
    const answers = await Promise.all([once(), once(), once()])
    const outcomes = await Promise.all(answers.map(outcome))
    expect(outcomes.sort()).toEqual([[303, '/'], INVALID, INVALID])
    expect(await outcome(await once())).toEqual(INVALID)
    expect(requests().length).toBe(1)
  })

  it('at the address of another issuer, or of another host', async () => {
    const one = await begun(forging)
    const requests = await forge(one)
    const other = await at(forging, `/person/callback/other?${answerTo(one)}`, {
      cookie: one.cookie,
    })
    expect(await outcome(other)).toEqual(INVALID)
    const host = await back(forging, answerTo(one), one.cookie, { host: `${HOST}:1` })
    expect(await outcome(host)).toEqual(INVALID)
    const { status } = await back(forging, answerTo(one), one.cookie, { host: 'api.example.com' })
    expect(status).toBe(404)
    expect(requests()).toEqual([])
  })

  it.each<[string, Forged]>([
    ['with the nonce of another sign-in', { id: { nonce: 'other' } }],
    ['without a nonce', { id: { nonce: undefined } }],
    ['with the ID token of another client', { id: { aud: 'other' } }],
    ['with the ID token of another issuer', { id: { iss: 'https://attacker.example' } }],
    ['with an ID token that has expired', { id: { exp: now() - 60 } }],
    ['with an ID token that another key has signed', { foreign: true }],
    ['with an ID token without a signature', { idHeader: { alg: 'none' } }],
    ['without an ID token', { body: { id_token: undefined } }],
  ])('%s', async (_what, parts) => {
    expect(await outcome(await forged(parts))).toEqual(INVALID)
  })

  it.each<[string, Members]>([
    ['if the issuer does not say when they authenticated', { auth_time: undefined }],
    ['by an authentication of an hour ago', { auth_time: now() - 3600 }],
    ['by an authentication of the minute before the sign-in', { auth_time: now() - 60 }],
  ])('%s', async (_what, id) => {
    expect(await outcome(await forged({ id }))).toEqual(STALE)
  })

  it.each<[string, Forged]>([
    ['for whom somebody else acts', { access: { act: { sub: 'agent-1' } } }],
    ['for whom somebody else acts, by the ID token', { id: { act: { sub: 'agent-1' } } }],
    ['with the access token of another person', { access: { sub: 'olga' } }],
    ['with the access token of another client', { access: { client_id: 'agent-1' } }],
    ['with an access token for another API', { access: { aud: 'https://other.example' } }],
    ['with an access token that has expired', { access: { exp: now() - 60 } }],
    ['by a name with control characters', { id: { sub: 'a\u0007' }, access: { sub: 'a\u0007' } }],
  ])('%s', async (_what, parts) => {
    expect(await outcome(await forged(parts))).toEqual(REFUSED)
  })

  it('with an ID token in place of the access token', async () => {
    const one = await begun(forging)
    const requests = await forge(one)
    await back(forging, answerTo(one), one.cookie)
    expect(requests().length).toBe(1)
    const two = await begun(forging)
    const { issuer } = setting
    const token = await issuer.mintRaw(
      { alg: 'ES256', kid: issuer.kid },
      { ...issuer.claims({ sub: 'maria', client_id: CLIENT }), aud: CLIENT, scope: SCOPES[0] },
    )
    await forge(two, { body: { access_token: token } })
    expect(await outcome(await back(forging, answerTo(two), two.cookie))).toEqual(REFUSED)
  })

  it('whom the issuer refuses, and the page says why', async () => {
    const over = { code: undefined, error: 'access_denied' }
    expect(await outcome(await forged({}, over))).toEqual(REFUSED)
    const one = await begun(forging)
    const headers = { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site' }
    const answer = await back(forging, answerTo(one, over), one.cookie, headers)
    expect(await outcome(answer)).toEqual([303, '/#refused=console_person_refused'])
    const codes = (await (await at(forging, '/codes.json')).json()) as Members
    expect(codes.console_person_refused).toHaveLength(3)
  })

  it('while the token endpoint refuses the code, redirects, or cannot be reached', async () => {
    const one = await begun(forging)
    await forge(one)
    endpoint.on('/token', (_req, res) => {
      const body = JSON.stringify({ error: 'invalid_grant' })
      res.writeHead(400, { 'content-type': 'application/json' }).end(body)
    })
    expect(await outcome(await back(forging, answerTo(one), one.cookie))).toEqual(REFUSED)
    const two = await begun(forging)
    const requests = await forge(two)
    endpoint.on('/token', (_req, res) => res.writeHead(307, { location: '/elsewhere' }).end())
    expect(await outcome(await back(forging, answerTo(two), two.cookie))).toEqual(INVALID)
    expect(requests().map(({ url }) => url)).toEqual(['/token'])
    const three = await begun(forging)
    endpoint.on('/token', (req) => req.destroy())
    const cut = await back(forging, answerTo(three), three.cookie)
    expect(await outcome(cut)).toEqual([503, 'console_person_unavailable'])
  })

  it("by a token that is handed over: not by an operator's key, and not by a token of the issuer", async () => {
    const token = await setting.token({ sub: 'maria', client_id: CLIENT, scope: OPERATOR })
    const bearer = { authorization: `Bearer ${token}`, 'cf-access-jwt-assertion': token }
    const one = await begun(forging)
    const without = await at(forging, `/person/callback/acme?${answerTo(one)}`, bearer)
    expect(await outcome(without)).toEqual(INVALID)
    const asserted = await at(forging, '/api/console', { ...PAGE, ...bearer })
    expect(asserted.status).toBe(200)
    expect(await asserted.json()).not.toHaveProperty('person')
    const direct = await askGate(forging, '/.edgewarden/console', { token })
    expect(await direct.json()).not.toHaveProperty('person')
    const coded = await askGate(forging, '/.edgewarden/console', { method: 'POST', token })
    const { url } = (await coded.json()) as { url: string }
    const code = new URL(url).hash.slice('#code='.length)
    const entered = await askGate(forging, '/session', {
      method: 'POST',
      headers: { ...ACT, host: HOST, 'content-type': 'application/json' },
      body: JSON.stringify({ code, person: { subject: 'maria', at: now() } }),
    })
    expect(entered.status).toBe(204)
    const who = await whoIs(forging, cookieIn(entered) ?? '')
    expect(who.scopes).toContain('edgewarden:agents')
    expect(who).not.toHaveProperty('person')
  })

  it('from another page, or at an issuer where nobody signs in', async () => {
    for (const headers of [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      const answer = await begin(forging, 'acme', headers)
      expect(await outcome(answer)).toEqual([403, 'console_request_foreign'])
    }
    expect(await outcome(await begin(forging, 'other'))).toEqual([403, 'console_person_unknown'])
  })

  it('of a network that begins too many, and the issuer gets no request for them', async () => {
    const headers = { 'x-caller': '192.0.2.7' }
    const codes: unknown[] = []
    for (let i = 0; i < 22; i++) codes.push((await begin(forging, 'acme', headers)).status)
    expect(codes).toEqual([...Array(20).fill(200), 429, 429])
    const one = await begun(forging)
    const requests = await forge(one)
    const answer = await back(forging, answerTo(one), one.cookie, headers)
    expect(await outcome(answer)).toEqual([429, 'console_person_busy'])
    expect(requests()).toEqual([])
    // The answer can still be used.
    expect(await outcome(await back(forging, answerTo(one), one.cookie))).toEqual([303, '/'])
  })
})
