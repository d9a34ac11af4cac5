import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { askGate, type Setting, startSetting } from '../../e2e/setting.ts'
import { withShards } from '../../e2e/shards.ts'
import { type AccessTeam, startAccessTeam } from '../../kit/access-team.ts'
import { createKey, type Members, type SigningKey, unsigned } from '../../kit/signing.ts'
import { WITH_AUDIT } from '../audit/support.ts'
import { ACT, CONSOLE, cookieIn, OPERATOR, PAGE } from './console-setting.ts'

const APPROVE = 'edgewarden:approve'
const SCOPES = `edgewarden:audit:read ${APPROVE}`
const KEY_ISSUER = 'https://keys.example'
const SESSION = '__Host-edgewarden-console'
const CALLBACK = '/person/callback/access'
const INVALID = [403, 'console_person_invalid']
const REFUSED = [403, 'console_person_refused']
const STALE = [403, 'console_person_stale']

/** A gate whose people sign in by Access only; its team, and another team. */
let setting: Setting
let team: AccessTeam
let other: AccessTeam
/** The key of an operator's key file. */
let file: SigningKey
let bundle: Awaited<ReturnType<typeof withShards>>

beforeAll(async () => {
  ;[bundle, team, other, file] = await Promise.all([
    withShards(inject('consoleBundle')),
    startAccessTeam(),
    startAccessTeam(),
    createKey('ES256', 'file-key'),
  ])
  setting = await startSetting({
    bundle: bundle.path,
    durableObjects: { ...WITH_AUDIT, REPLAYS: 'TroubledReplays' },
    reaching: true,
    issuer: { agent_prefix: 'acme/' },
    others: {
      access: {
        ...{ issuer: team.url, jwks_uri: `${team.url}/cdn-cgi/access/certs` },
        ...{ allow_insecure_http: true, profile: 'generic', audiences: [team.aud] },
        ...{ agent_id: 'email', agent_prefix: 'people/', required_claims: [] },
        ...{ max_lifetime: '24h', scope: '/custom/edgewarden', admin: 'all', rules: false },
        person: { access: true },
      },
      file: {
        ...{ issuer: KEY_ISSUER, jwks: { keys: [file.jwk] }, agent_prefix: 'file/' },
        ...{ admin: 'all', rules: false },
      },
    },
    gate: {
      ...{ assertion: 'identity', console: { host: CONSOLE }, client_ip: 'x-caller' },
      clock_tolerance: '60s',
    },
    routes: [{ match: 'POST /v1/refunds', scopes: [], approval: { within: '30m' } }],
  })
})
afterAll(async () => {
  await setting.close()
  await Promise.all([team.close(), other.close(), bundle.remove()])
})

/** Each test has a person and a network of its own: a login makes one session, and sign-ins of a network are bounded. */
let person: string
let people = 0
beforeEach(() => {
  person = `person-${++people}`
  team.says({ user_uuid: person })
})

const now = () => Math.floor(Date.now() / 1000)
const at = (path: string, headers: Members = {}, method = 'GET') =>
  askGate(setting.gate, path, {
    ...{ method, redirect: 'manual' },
    headers: { 'x-caller': `10.0.${people}.1`, host: CONSOLE, ...headers } as Record<
      string,
      string
    >,
  })
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
    ?.split(';')[0] ?? ''

interface Begun {
  readonly url: URL
  readonly cookie: string
  /** Where Access sends the person back. */
  readonly back: string
}
const begun = async (headers: Members = {}): Promise<Begun> => {
  const answer = await at('/person/start?issuer=access', { ...ACT, ...headers }, 'POST')
  if (answer.status !== 200) throw new Error(await answer.text())
  const url = new URL(((await answer.json()) as { url: string }).url)
  const back = new URL(url.searchParams.get('returnTo') ?? url)
  return { url, cookie: cookieIn(answer) ?? '', back: back.pathname + back.search }
}
const assertionOf = (claims: Members = {}) =>
  team.assertion({ sub: person, custom: { edgewarden: SCOPES }, ...claims })
/** The browser comes back from Access, with this assertion. */
const back = ({ back: path, cookie }: Begun, assertion?: string, headers: Members = {}) =>
  at(path, { cookie, ...(assertion && { 'cf-access-jwt-assertion': assertion }), ...headers })
const whoIs = async (headers: Members) =>
  (await (await at('/api/console', { ...PAGE, ...headers })).json()) as Members

describe('a person signs in by Cloudflare Access', () => {
  it('after a logout there, and decides on a call', async () => {
    const one = await begun()
    expect(one.url.origin + one.url.pathname).toBe(`http://${CONSOLE}/cdn-cgi/access/logout`)
    expect(one.url.searchParams.get('returnTo')).toMatch(
      `http://${CONSOLE}${CALLBACK}?state=${new URL(one.back, one.url).searchParams.get('state')}`,
    )
    const assertion = await assertionOf()
    const answer = await back(one, assertion)
    expect(await outcome(answer)).toEqual([303, '/'])
    expect(answer.headers.getSetCookie().join('\n')).toMatch(/__Host-edgewarden-sign-in=; .*=0;/)
    expect(team.asked().map((request) => request.header('cookie'))).toEqual([
      `CF_Authorization=${assertion}`,
    ])
    const cookie = sessionIn(answer)
    expect(await whoIs({ cookie })).toMatchObject({
      ...{ agent: 'people/maria@acme.example', scopes: expect.arrayContaining(SCOPES.split(' ')) },
      person: { issuer: team.url, subject: person, at: expect.any(Number) },
    })
    const id = await asked()
    expect(await decide({ cookie }, id)).toMatchObject({
      ...{ status: 200, state: 'granted' },
      decision: { by: { issuer: team.url, subject: person } },
    })
    const acts = async () =>
      (await read(await at('/api/decisions?kind=act', { ...PAGE, cookie }))).decisions
    await expect.poll(acts).toContainEqual(
      expect.objectContaining({
        ...{ act: 'approve', approval: id },
        decided_by: { issuer: team.url, subject: person },
      }),
    )
  })

  it('also if Access has not sent them on after the logout: the page completes what was begun', async () => {
    const one = await begun()
    const again = await begun({ cookie: one.cookie })
    expect(again.url.pathname + again.url.search).toBe(one.back)
    expect(await outcome(await back(again, await assertionOf()))).toEqual([303, '/'])
  })
})

describe('nobody signs in', () => {
  const refuses = async (assertion: string, code: unknown[], isAsked = false) => {
    const answer = await back(await begun(), assertion)
    expect(await outcome(answer)).toEqual(code)
    expect(sessionIn(answer)).toBe('')
    expect(team.asked()).toHaveLength(isAsked ? 1 : 0)
  }

  it('without an assertion, also not by the code flow, which this issuer does not have', async () => {
    expect(await outcome(await back(await begun()))).toEqual(INVALID)
    const one = await begun()
    const coded = { ...one, back: `${one.back}&code=a-code&iss=${encodeURIComponent(team.url)}` }
    expect(await outcome(await back(coded))).toEqual(INVALID)
    expect(team.asked()).toEqual([])
  })

  it.each<[string, () => Promise<string> | string, unknown[]]>([
    ['of a service token', () => assertionOf({ sub: '', common_name: 'e367.access' }), REFUSED],
    ['with an empty subject', () => assertionOf({ sub: '' }), REFUSED],
    ['with a common name beside a subject', () => assertionOf({ common_name: 'a' }), REFUSED],
    ['for another application', () => assertionOf({ aud: ['f'.repeat(64)] }), INVALID],
    ['without an audience', () => assertionOf({ aud: undefined }), INVALID],
    ['that has expired', () => assertionOf({ exp: now() - 1 }), INVALID],
    ['without an end', () => assertionOf({ exp: undefined }), INVALID],
    ['of the global session', () => assertionOf({ type: 'org' }), INVALID],
    ['without a type', () => assertionOf({ type: undefined }), INVALID],
    ['of another team', () => other.assertion({ sub: person }), INVALID],
    [
      'of another team that names this one',
      () => other.assertion({ iss: team.url, sub: person }),
      INVALID,
    ],
    ['that names another team', () => assertionOf({ iss: other.url }), INVALID],
    [
      'without a signature',
      async () => {
        const [, payload = ''] = (await assertionOf()).split('.')
        return unsigned({ alg: 'none', typ: 'JWT' }, Buffer.from(payload, 'base64url'))
      },
      INVALID,
    ],
    ['that is no token', () => 'maria@acme.example', INVALID],
    ['sent twice', async () => `${await assertionOf()}, ${await assertionOf()}`, INVALID],
  ])('with an assertion %s', (_name, assertion, code) =>
    Promise.resolve(assertion()).then((text) => refuses(text, code)),
  )

  it('with another algorithm, or with the public key as a secret', async () => {
    const claims = { sub: person }
    const secret = new TextEncoder().encode(JSON.stringify(team.key.jwk))
    await refuses(await team.assertion(claims, { alg: 'HS256' }, secret), INVALID)
    const pss = await createKey('PS256', team.key.kid)
    await refuses(await team.assertion(claims, { alg: 'PS256' }, pss), INVALID)
    await refuses(await team.assertion(claims, { alg: 'RS512' }), INVALID)
    const { elliptic } = team
    const published = { alg: 'ES256', kid: elliptic.kid }
    await refuses(await team.assertion(claims, published, elliptic), INVALID)
    await refuses(await team.assertion(claims, {}, await createKey('RS256', team.key.kid)), INVALID)
  })

  it("by a forged header with their address, or by the cookie of Access without Access's header", async () => {
    const one = await begun()
    const forged = {
      'cf-access-authenticated-user-email': 'maria@acme.example',
      cookie: `${one.cookie}; CF_Authorization=${await assertionOf()}`,
    }
    const missing = [403, 'console_session_missing']
    expect(await outcome(await at('/api/console', { ...PAGE, ...forged }))).toEqual(missing)
    expect(await outcome(await back(one, undefined, forged))).toEqual(INVALID)
    expect(team.asked()).toEqual([])
  })

  it('with a login from before the sign-in, however new the assertion is', async () => {
    for (const iat of [now() - 3_600, now() - 120, undefined, `${now()}`]) {
      team.says({ user_uuid: person, iat })
      await refuses(await assertionOf(), STALE, true)
    }
  })

  it.each<[string, Members | number]>([
    ['of another person', { user_uuid: 'somebody-else' }],
    ['of nobody', { user_uuid: undefined }],
    ['of a service token', { service_token_status: true }],
    ['with the id of a service token', { service_token_id: 'e367.access' }],
    ['in a refusal', 401],
    ['in a redirect', 302],
  ])('with an identity %s', async (_name, said) => {
    const [identity, status] = typeof said === 'number' ? [{}, said] : [said]
    team.says({ user_uuid: person, ...identity }, status)
    await refuses(await assertionOf(), REFUSED, true)
  })

  it('twice with one login: whoever else has the assertion gets no session', async () => {
    const [mine, theirs] = [await begun(), await begun()]
    const assertion = await assertionOf()
    expect(await outcome(await back(mine, assertion))).toEqual([303, '/'])
    expect(await outcome(await back(theirs, assertion))).toEqual(INVALID)
    // Nor with a new assertion of the same login.
    expect(await outcome(await back(await begun(), await assertionOf()))).toEqual(INVALID)
  })

  it('with the state of another browser, or twice with one', async () => {
    const [one, theirs] = [await begun(), await begun()]
    const assertion = await assertionOf()
    expect(await outcome(await back({ ...one, cookie: theirs.cookie }, assertion))).toEqual(INVALID)
    expect(await outcome(await back({ ...one, cookie: '' }, assertion))).toEqual(INVALID)
    expect(await outcome(await back(one, assertion))).toEqual([303, '/'])
    team.says({ user_uuid: person, iat: now() + 1 })
    expect(await outcome(await back(one, assertion))).toEqual(INVALID)
  })

  it('from another page, which can begin no sign-in', async () => {
    const answer = await at(
      '/person/start?issuer=access',
      { ...ACT, origin: 'https://evil.example' },
      'POST',
    )
    expect(await outcome(answer)).toEqual([403, 'console_request_foreign'])
  })

  it('while Access does not answer who they are', async () => {
    team.says({ user_uuid: person }, 'cut')
    await refuses(await assertionOf(), [503, 'console_person_unavailable'], true)
  })

  it.each([
    ['who signs in', ['', 'fails', 'fails']],
    ['that the sign-in is new', ['fails', 'fails']],
  ])('while the gate cannot store %s; the next sign-in begins anew', async (_what, trouble) => {
    const one = await begun()
    await setting.gate.call('REPLAYS', '0', 'behave', trouble)
    const navigating = { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site' }
    const answer = await back(one, await assertionOf(), navigating)
    expect(await outcome(answer)).toEqual([303, '/#refused=console_unavailable'])
    expect(sessionIn(answer)).toBe('')
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-edgewarden-sign-in=; .*Max-Age=0/),
    ])
    // As a browser: it keeps the cookie unless the answer has removed it.
    const kept = cookieIn(answer) === `${one.cookie.split('=')[0]}=` ? {} : { cookie: one.cookie }
    const next = await begun(kept)
    expect(next.back).not.toBe(one.back)
    expect(next.url.pathname).toBe('/cdn-cgi/access/logout')
    team.says({ user_uuid: person, iat: now() + 1 })
    expect(await outcome(await back(next, await assertionOf()))).toEqual([303, '/'])
  })

  it('with an actor, who acts for the person', async () => {
    await refuses(await assertionOf({ act: { sub: 'agent' } }), REFUSED, true)
  })

  it('of a network that comes back too often, and Access is asked no more', async () => {
    const headers = { 'x-caller': '192.0.2.7' }
    for (let i = 0; i < 10; i++) {
      const answer = await back(await begun(headers), await assertionOf({ aud: ['a'] }), headers)
      expect(await outcome(answer)).toEqual(INVALID)
    }
    const one = await begun()
    const answer = await back(one, await assertionOf(), headers)
    expect(await outcome(answer)).toEqual([429, 'console_person_busy'])
    expect(team.asked()).toEqual([])
  })
})

describe("an agent with an operator's key file, and an assertion of the person", () => {
  const keyToken = (claims: Members = {}) =>
    setting.issuer.mint(
      {
        ...{ iss: KEY_ISSUER, sub: person, client_id: 'cli' },
        ...{ scope: `${OPERATOR} ${APPROVE}`, auth_time: now(), ...claims },
      },
      { kid: file.kid },
      { key: file },
    )

  it('cannot sign in with a token of the key in place of the assertion', async () => {
    const answer = await back(await begun(), await keyToken({ type: 'app', aud: team.aud }))
    expect(await outcome(answer)).toEqual(INVALID)
    expect(team.asked()).toEqual([])
  })

  it('cannot decide with an assertion that is handed over, alone or beside a session of the key', async () => {
    const id = await asked()
    const coded = await setting.ask('/.edgewarden/console', {
      ...{ method: 'POST', token: await keyToken() },
    })
    const { hash } = new URL(((await coded.json()) as { url: string }).url)
    const entered = await askGate(setting.gate, '/session', {
      ...{ method: 'POST', body: JSON.stringify({ code: hash.slice('#code='.length) }) },
      headers: { ...ACT, host: CONSOLE, 'content-type': 'application/json' },
    })
    const assertion = await assertionOf()
    for (const cookie of [cookieIn(entered) ?? '', '']) {
      const headers = { cookie, 'cf-access-jwt-assertion': assertion }
      expect(await whoIs(headers)).not.toHaveProperty('person')
      expect(await decide(headers, id)).toMatchObject({
        ...{ status: 403, code: 'approval_person_needed' },
      })
    }
    const direct = { authorization: `Bearer ${assertion}` }
    expect(await decide(direct, id)).toMatchObject({ status: 403 })
    expect(setting.origin.requests).toEqual([])
  })
})

interface Told {
  readonly status: number
  readonly approval: { readonly id: string }
  readonly shown_digest: string
  readonly decisions: readonly Members[]
}
const read = async (answer: Response) =>
  ({ status: answer.status, ...((await answer.json()) as Members) }) as Members & Told
const asked = async () => {
  const token = await setting.token({ sub: `agent-${people}`, client_id: `agent-${people}` })
  const headers = { 'content-type': 'application/json' }
  const body = '{"amount":5}'
  const answer = await setting.ask('/v1/refunds', { method: 'POST', body, token, headers })
  return (await read(answer)).approval.id
}
const decide = async (headers: Members, id: string) => {
  const path = `/api/approvals/${id}`
  const shown = await read(await at(path, { ...PAGE, ...headers }))
  const body = JSON.stringify({ decision: 'approve', shown_digest: shown.shown_digest ?? '' })
  return read(
    await askGate(setting.gate, path, {
      ...{ method: 'POST', body },
      headers: { host: CONSOLE, 'content-type': 'application/json', ...ACT, ...headers },
    }),
  )
}
