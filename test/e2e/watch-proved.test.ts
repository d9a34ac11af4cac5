import { afterAll, beforeAll, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { agenticClaims, checksumOf, type RegisteredAgent } from '../kit/agentic.ts'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import { eventually } from '../kit/eventually.ts'
import { createKey, type Members, sign } from '../kit/signing.ts'
import { clocked, gather } from './keys-setting.ts'
import { learned, sightingOf, tell } from './learned.ts'
import { HOST, outcome, RESOURCE, type Setting, startSetting } from './setting.ts'

/** For each signal of the watch: what a thief without the key sends counts for nothing, and what the holder sends counts. */

const FACTS = 'x-platform-facts'
const OPS = await createKey()
const ISSUERS_OPS = {
  ops: {
    issuer: 'https://ops.example',
    jwks: { keys: [OPS.jwk] },
    admin: 'all',
    rules: false,
  },
}
/** Who can approve a call. */
const PEOPLE = {
  issuer: 'https://people.example',
  ...{ agent_prefix: 'people/', admin: 'all', rules: false, person: { client_id: 'gate' } },
}
/** In shadow mode a request without proof is allowed. */
const SHADOW = 'GET /shadow/{name}'
const [APPROVED, NEW] = [checksumOf('a'), checksumOf('b')]
const WINDOW = 300_000
const HOUR = 3_600_000

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({
    ...(await clocked(WITH_AUDIT)),
    factsHeader: FACTS,
    issuer: { profile: 'agentic-jwt', agent_prefix: 'acme/' },
    gate: { client_ip: 'x-client', console: { host: 'ops.example.com' } },
    others: { people: PEOPLE },
    routes: [
      { match: SHADOW, scopes: [], mode: 'shadow' },
      { match: 'GET /scoped/{name}', scopes: ['chat:write'], mode: 'shadow' },
      { match: 'GET /steps/{name}', scopes: [], steps: ['pay'] },
      { match: 'GET /denied/{name}', scopes: ['admin'] },
      { match: 'GET /asked/{name}', scopes: [], approval: {} },
      { match: 'GET /v1/{name}', scopes: [] },
    ],
    more: {
      WATCH: { all: { action: 'quarantine', at_most: 100 } },
      AUDIT: { rows_a_day: 'unlimited', addresses: true },
      ISSUERS_OPS,
    },
  })
  await gather(setting.gate, 'soon')
  // Without keys, shadow mode would allow requests of nobody.
  const first = await newAgent('first')
  await eventually(async () => {
    const answers = await send(first, { path: '/v1/x' }, false)
    expect(answers).toEqual([{ status: 200, code: undefined }])
  })
})
afterAll(() => setting.close())

const call = async (path: string, init: RequestInit = {}) => {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: 'https://ops.example', aud: RESOURCE, sub: 'maria', client_id: 'cli' }
  const scope = 'edgewarden:agents edgewarden:audit:read'
  const more = { jti: crypto.randomUUID(), iat: now, exp: now + 60, scope }
  const token = await sign({ typ: 'at+jwt', kid: OPS.kid }, { ...claims, ...more }, OPS)
  const response = await setting.ask(`/.edgewarden${path}`, { ...init, token })
  return (await response.json()) as Readonly<Record<'alerts' | 'decisions', readonly Members[]>>
}

const newAgent = async (id: string): Promise<RegisteredAgent> => ({
  id,
  checksum: APPROVED,
  registration: `reg_${id}_1`,
  key: await createProofKey(),
})

interface Deed {
  /** `{i}` is the number of the request. */
  readonly path?: string
  readonly times?: number
  readonly checksum?: string
  /** The countries and the network that the requests come from. */
  readonly countries?: readonly string[]
  readonly network?: string
  /** Another path for a thief, who is refused before the proof is read. */
  readonly thief?: string
}

/** Sends the requests of a deed, all with one token: with good proofs, or with none and those of another key. */
const send = async (agent: RegisteredAgent, deed: Deed, isThief: boolean) => {
  const { path = '/shadow/x', times = 1, checksum = APPROVED, countries = ['DE'] } = deed
  const token = await setting.token(agenticClaims({ ...agent, checksum }))
  const other = await createProofKey()
  const answers: { status: number; code?: string }[] = []
  for (let i = 0; i < times * countries.length; i++) {
    const target = (isThief ? (deed.thief ?? path) : path).replace('{i}', `${i}`)
    const proof = await proofOf(isThief ? other : agent.key, { url: RESOURCE + target, token })
    const headers = {
      host: HOST,
      authorization: `DPoP ${token}`,
      ...(!(isThief && i % 2 === 0) && { dpop: proof }),
      'x-client': `${deed.network ?? '192.0.2'}.${i % 250}`,
      [FACTS]: JSON.stringify({ country: countries[i % countries.length] }),
    }
    answers.push(await outcome(await setting.gate.fetch(target, { headers })))
  }
  return answers
}

const alertsOf = async ({ id }: RegisteredAgent) =>
  (await call('/alerts?limit=1000')).alerts.filter(({ agent }) => agent === id)
const stored = async ({ id }: RegisteredAgent, least: number) =>
  eventually(async () => {
    const query = new URLSearchParams({ agent: id, issuer: setting.issuer.issuer, limit: '1000' })
    const { decisions } = await call(`/decisions?${query}`)
    expect(decisions.length).toBeGreaterThanOrEqual(least)
  })

/** Weeks of usual work from one network of one country. */
const usual = { countries: ['DE'], networks: ['192.0.2.0/24'] }
const past = (agent: RegisteredAgent, more: Parameters<typeof learned>[3] = {}) =>
  learned(setting, agent.id, 'all', { days: 21, rule: SHADOW, more: usual, ...more })

interface Case {
  readonly signal: string
  readonly deed: Deed
  readonly learn?: (agent: RegisteredAgent) => Promise<unknown>
}

const CASES: readonly Case[] = [
  {
    signal: 'volume',
    deed: { times: 40 },
    async learn(agent) {
      await past(agent, { minutes: { 0: 8, 5: 8 } })
      const before = sightingOf(setting, agent.id, 'all', Date.now() - WINDOW, { allowed: 40 })
      await tell(setting, 'all', [{ ...before, uses: [JSON.stringify([SHADOW])], ...usual }])
    },
  },
  {
    signal: 'odd_hour',
    deed: { times: 25 },
    learn(agent) {
      const opposite = (Math.floor(Date.now() / HOUR) + 12) % 24
      return past(agent, { works: (hour) => hour === opposite, minutes: { 0: 10 } })
    },
  },
  { signal: 'refusals', deed: { path: '/denied/x', thief: '/steps/x', times: 12 } },
  { signal: 'new_use', deed: {}, learn: (agent) => past(agent, { rule: 'GET /v1/{name}' }) },
  {
    signal: 'new_scope',
    deed: { path: '/scoped/x' },
    learn: (agent) => past(agent, { rule: 'GET /scoped/{name}' }),
  },
  { signal: 'new_place', deed: { countries: ['BR'], network: '203.0.113' } },
  { signal: 'two_places', deed: { countries: ['DE', 'BR'] } },
  { signal: 'asks', deed: { path: '/asked/{i}', times: 12 } },
  {
    signal: 'changed',
    deed: { checksum: NEW, path: '/v1/x' },
    async learn(agent) {
      await past(agent)
      const query = new URLSearchParams({ issuer: setting.issuer.issuer, agent: agent.id })
      await call(`/agents/entry?${query}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json', 'if-match': '*' },
        body: JSON.stringify({ checksums: [APPROVED] }),
      })
    },
  },
]

/** Runs within one window of five minutes: what begins late in a window, and ends in the next, is run again. */
const inOneWindow = async (run: (attempt: number) => Promise<void>) => {
  for (let attempt = 0; attempt < 3; attempt++) {
    const window = Math.floor(Date.now() / WINDOW)
    const [result] = await Promise.allSettled([run(attempt)])
    if (result.status === 'fulfilled') return
    if (window === Math.floor(Date.now() / WINDOW)) throw result.reason
  }
}

it.concurrent.each(CASES)(
  '$signal is raised by the holder of the key, not by a thief',
  async ({ signal, deed, learn = past }) => {
    await inOneWindow(async (attempt) => {
      const victim = await newAgent(`${signal}-victim-${attempt}`)
      const holder = await newAgent(`${signal}-holder-${attempt}`)
      await Promise.all([victim, holder].map((agent) => learn(agent)))
      const answers = await send(victim, deed, true)
      // In shadow mode a request is allowed, and elsewhere it is refused.
      expect(answers.map(({ status }) => status)).not.toContain(429)
      await stored(victim, answers.length)
      await send(holder, deed, false)
      await eventually(async () => {
        expect((await alertsOf(holder)).map((alert) => alert.signal)).toContain(signal)
      })
      expect(await alertsOf(victim)).toEqual([])
      expect(await send(victim, { path: '/v1/x' }, false)).toEqual([
        { status: 200, code: undefined },
      ])
    })
  },
)
