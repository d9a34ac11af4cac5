import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { decodeJwt } from 'jose'
import { expect, inject } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { agenticClaims, checksumOf } from '../kit/agentic.ts'
import { createProofKey } from '../kit/dpop.ts'
import { eventually } from '../kit/eventually.ts'
import { sendRaw } from '../kit/raw.ts'
import { type Members, sign } from '../kit/signing.ts'
import { atPace, createSender, type Paced, type PacedResult, type Sent } from './paced.ts'
import { AGENTIC, AGENTIC_KEY, HOST, KID, RESOURCE, startWorld, type World } from './world.ts'

const CONSOLE = 'ops.example.com'

/** A gate as `init` deploys it, with a console, in front of honest agents of `acme` and of everybody else. */
export const startHostileWorld = (): Promise<World> =>
  startWorld({
    gate: { assertion: 'identity', console: { host: CONSOLE } },
    // `beta` signs for everybody: only one tenant's tokens are accepted.
    issuers: { beta: { claims: { tenant: 'ours' } }, agentic: { max_lifetime: '15m' } },
    routes: [
      { match: 'GET /v1/ten', scopes: [], rate_limit: { limit: 10, period: '1s' } },
      {
        match: 'POST /v1/batches',
        scopes: [],
        mcp: { tools: { '*': [] }, revisions: ['2025-03-26'] },
      },
    ],
    start: {
      durableObjects: WITH_AUDIT,
      bundle: inject('consoleBundle'),
      vars: {
        AUDIT: { rows_a_day: 'unlimited' },
        WATCH: { agents: { action: 'quarantine' } },
      },
    },
  })

/** When tokens end that are used for ten minutes and more: no token may live longer than 15. */
const late = (): number => Math.floor(Date.now() / 1_000) + 840

const PAGE = { 'sec-fetch-site': 'same-origin' }
const ACT = { ...PAGE, origin: `http://${CONSOLE}`, 'x-edgewarden-console': '1' }

/** Signs in to the console, and gives the cookie. */
const signIn = async ({ gate, ops }: World): Promise<string> => {
  const { send, close } = createSender(gate.port, 1)
  const token = await ops.mint({ scope: 'edgewarden:read', exp: late() })
  const { text } = await send({ host: HOST, path: '/.edgewarden/console', method: 'POST', token })
  const code = new URL(JSON.parse(text).url).hash.slice('#code='.length)
  close()
  const response = await gate.fetch('/session', {
    method: 'POST',
    headers: { ...ACT, host: CONSOLE, 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
  })
  return response.headers.get('set-cookie')?.split(';')[0] ?? ''
}

const repeated = (text: string, bytes: number) => text.repeat(Math.ceil(bytes / text.length))

/** A policy that takes long to compare: many rules with parameters. */
const LARGE_POLICY = {
  GATE: { resource: RESOURCE, origin: 'https://o.example' },
  ISSUERS: { acme: { issuer: 'https://acme.example' } },
  ROUTES: Array.from({ length: 900 }, (_, i) => ({
    match: `GET,POST /v1/{a}/part-${i}/{b}`,
    scopes: [`s:${i}`],
  })),
}

/** Different requests of each kind. */
const VARIANTS = 300

/** What attackers send, each kind in turn. */
const hostileKinds = async (world: World) => {
  const { plain, beta, acme, ops } = world
  const many = <T>(count: number, make: (i: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, i) => make(i)))
  const exp = late()
  const accepted = await plain.mint({ client_id: 'swarm', exp })
  const foreign = await many(VARIANTS, (i) =>
    beta.mint({ client_id: `minted-${i}`, tenant: 'theirs', exp }),
  )
  const otherAudience = await many(50, (i) =>
    plain.mint({ client_id: `elsewhere-${i}`, aud: 'https://elsewhere.example', exp }),
  )
  const victim = {
    id: 'victim',
    checksum: checksumOf('b'),
    registration: 'reg_victim',
    key: await createProofKey(),
  }
  const payload: Members = { ...decodeJwt(accepted), iss: AGENTIC, ...agenticClaims(victim) }
  const stolen = await sign({ alg: 'ES256', kid: KID, typ: 'at+jwt' }, payload, AGENTIC_KEY)
  const own = await acme.mint({ client_id: 'own-administrator', scope: 'edgewarden:revoke', exp })
  const operator = await ops.mint({ scope: 'edgewarden:read', exp })
  const cookie = await signIn(world)
  const calls = (count: number, seed: number) =>
    JSON.stringify(
      Array.from({ length: count }, (_, i) => ({
        jsonrpc: '2.0',
        id: i,
        method: 'tools/call',
        params: { name: `tool-${seed}-${i}-${'x'.repeat(60)}`, arguments: {} },
      })),
    )
  const at = <T>(list: readonly T[], i: number) => list[i % list.length] as T
  const colons = `["\\u0041${repeated('x', 400)}"${repeated(':', 4_000)}`
  const kinds: Readonly<Record<string, (i: number) => Omit<Sent, 'host'> & Partial<Sent>>> = {
    'a path with many readings': () => ({ path: `/v1/${repeated('a%2B.%253b%20', 900)}` }),
    'a long path with many readings': () => ({
      path: `/v1/${repeated('%EF%BD%81.b%3A%3A/', 4_000)}`,
    }),
    'a path under the own prefix': () => ({
      path: `/.edgewarden/${repeated('a%253b.%20', 900)}`,
    }),
    'many methods in the query': () => ({ path: `/v1/x?${repeated('_method=GET&', 1_200)}` }),
    'a query of one sign': () => ({
      path: `/v1/runs-by-query?a${repeated('=', 6_000)}`,
      token: accepted,
    }),
    'malformed escapes': () => ({ path: `/v1/x?${repeated('%&', 6_000)}` }),
    'colons in an MCP body': () => ({ path: '/v1/mcp', token: accepted, body: colons }),
    'colons at the sign-in': () => ({
      path: '/session',
      host: CONSOLE,
      headers: ACT,
      body: colons,
    }),
    'a batch of new tools': (i) => ({
      path: '/v1/batches',
      token: accepted,
      headers: { 'mcp-protocol-version': '2025-03-26' },
      body: calls(50, i),
    }),
    'a token that its claims refuse': (i) => ({ path: '/v1/x', token: at(foreign, i) }),
    'a token for another audience': (i) => ({ path: '/v1/x', token: at(otherAudience, i) }),
    'a stolen token without its key': () => ({ path: '/v1/x', token: stolen }),
    'no token': (i) => ({ path: `/v1/${i}` }),
    'an act of an own administrator': (i) => ({
      path: '/.edgewarden/revocations',
      token: own,
      body: JSON.stringify({
        kind: 'token',
        issuer: acme.issuer,
        value: `jti-${i}`,
        expires: Math.floor(Date.now() / 1_000) + 700,
      }),
    }),
    'a read of an operator': () => ({ path: '/.edgewarden/policy', token: operator }),
  }
  const variants = (make: (i: number) => Omit<Sent, 'host'> & Partial<Sent>) =>
    Array.from({ length: VARIANTS }, (_, i): Sent => ({ host: HOST, ...make(i) }))
  return {
    kinds: Object.entries(kinds).map(([kind, make]) => [kind, variants(make)] as const),
    /** Requests that are sent seldom, because each may cost much. */
    pasted: (): Sent => ({
      path: '/api/console/diff',
      host: CONSOLE,
      headers: { ...ACT, cookie },
      body: JSON.stringify({ file: { vars: LARGE_POLICY } }),
    }),
  }
}

/** Keeps so many sign-ins open of which one byte is missing, each until the gate answers it. */
const holdBodies = (port: number, count: number) => {
  const body = 'x'.repeat(4_000)
  const head = [
    'POST /session HTTP/1.1',
    `Host: ${CONSOLE}`,
    ...Object.entries(ACT).map(([name, value]) => `${name}: ${value}`),
    'Content-Type: application/json',
    `Content-Length: ${body.length + 1}`,
    'Connection: close',
    '',
    '',
  ].join('\r\n')
  return atPace(20 * count, count, () => sendRaw(port, head + body))
}

/** Processor time of a process and its threads, in seconds (proc_pid_stat(5)). */
const processorTime = (pid: number): number => {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(/\) /)
  const fields = rest.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Part of a core that hostile traffic alone takes of the gate. */
const HALF_A_CORE = 0.5
/** Seconds from one pasted policy to the next: one takes about as much of the gate as all other kinds do in a second. */
const PASTE_SECONDS = 10

/** Milliseconds that half and 99 of 100 requests took at most. */
type Times = Pick<PacedResult, 'p50' | 'p99'>

/** What honest agents met while others attacked. */
export interface Attack {
  /** Without an attack, and beside one. */
  readonly quiet: Times
  readonly beside: Times
  /** Of all answers to honest requests. */
  readonly statuses: ReadonlySet<string>
  /** Requests of each honest agent. */
  readonly sent: ReadonlyMap<string, number>
  readonly hostile: Taken
}

/** Traffic, and what it took of the gate. */
interface Taken extends PacedResult {
  /** Requests a second. */
  readonly rate: number
  /** Part of a core that the same traffic takes alone. */
  readonly cores: number
  /** Answers to pasted policies, by status. */
  readonly pastes: Readonly<Record<string, number>>
}

/** Twenty agents that send fifty requests a second in all. */
export const honestCallers = async ({ gate, acme }: World) => {
  const names = Array.from({ length: 20 }, (_, i) => `honest-${i}`)
  const exp = late()
  const tokens = await Promise.all(names.map((client_id) => acme.mint({ client_id, exp })))
  const sent = new Map<string, number>()
  const statuses = new Set<string>()
  return {
    sent,
    statuses,
    /** Lets them call for so many seconds. */
    async callFor(seconds: number, path = '/v1/x'): Promise<Times> {
      const kinds = names.map(
        (name, i) => [name, [{ host: HOST, path, token: tokens[i] ?? '' }]] as const,
      )
      const traffic = startPaced({ port: gate.port, rate: 50, connections: 8, kinds })
      await wait(seconds * 1_000)
      const { answers, p50, p99 } = await traffic.end()
      for (const [answer, count] of Object.entries(answers)) {
        const [name = '', status = ''] = answer.split(': ')
        sent.set(name, (sent.get(name) ?? 0) + count)
        statuses.add(status)
      }
      return { p50, p99 }
    },
  }
}

interface Traffic {
  end(): Promise<Taken>
}

/** The rate at which traffic takes half a core of the gate, and the part of a core that it takes alone. */
const halfACore = async (start: (rate: number) => Traffic) => {
  let rate = 60
  let cores = 0
  for (let i = 0; i < 3; i++) {
    if (i > 0) rate = Math.min(3_000, (rate * HALF_A_CORE) / cores)
    const traffic = start(rate)
    await wait(PASTE_SECONDS * 1_000)
    cores = (await traffic.end()).cores
  }
  return { rate, cores }
}

/** Starts requests of these kinds, and counts what they take of the gate. */
const trafficOf = ({ gate }: World, kinds: Paced['kinds'], rate: number): Traffic => {
  const before = processorTime(gate.pid)
  const began = performance.now()
  const paced = startPaced({ port: gate.port, rate, connections: 32, kinds })
  return {
    async end() {
      const cores = (processorTime(gate.pid) - before) / ((performance.now() - began) / 1_000)
      return { ...(await paced.end()), rate, cores, pastes: {} }
    },
  }
}

/** Lets honest agents call for some seconds, alone and beside hostile traffic. */
export async function underAttack(world: World, seconds: number): Promise<Attack> {
  const { port } = world.gate
  const honest = await honestCallers(world)
  await honest.callFor(1)
  const quiet = await honest.callFor(Math.min(seconds, 60))
  const { kinds, pasted } = await hostileKinds(world)
  /** All hostile traffic: so many requests of all kinds a second, held bodies, and pasted policies. */
  const attack = (rate: number): Traffic => {
    const bodies = holdBodies(port, 80)
    const operator = createSender(port, 1)
    const pastes: Record<string, number> = {}
    const pasting = atPace(1 / PASTE_SECONDS, 1, async () => {
      const { status } = await operator.send(pasted())
      pastes[status] = (pastes[status] ?? 0) + 1
    })
    const requests = trafficOf(world, kinds, rate)
    return {
      async end() {
        const [hostile] = await Promise.all([requests.end(), pasting.end(), bodies.end()])
        operator.close()
        return { ...hostile, pastes }
      },
    }
  }
  const { rate, cores } = await halfACore(attack)
  const traffic = attack(rate)
  const beside = await honest.callFor(seconds)
  const hostile = await traffic.end()
  const { statuses, sent } = honest
  return { quiet, beside, statuses, sent, hostile: { ...hostile, cores } }
}

/** Lets honest agents call for some seconds beside requests of other agents that are accepted, and take as much of the gate. */
export async function besideAccepted(world: World, seconds: number): Promise<Times> {
  const tokens = await Promise.all(
    Array.from({ length: 50 }, (_, i) => world.acme.mint({ client_id: `other-${i}`, exp: late() })),
  )
  const kinds = [
    ['accepted', tokens.map((token) => ({ host: HOST, path: '/v1/x', token }))],
  ] as const
  const accepted = (rate: number) => trafficOf(world, kinds, rate)
  const { rate } = await halfACore(accepted)
  const honest = await honestCallers(world)
  const traffic = accepted(rate)
  const beside = await honest.callFor(seconds)
  await traffic.end()
  return beside
}

/** Sends requests of all kinds at a pace from another thread, until it is ended. */
export const startPaced = (workerData: Paced) => {
  const worker = new Worker(new URL('./paced-worker.ts', import.meta.url), { workerData })
  return {
    async end() {
      worker.postMessage('end')
      const [message] = await once(worker, 'message')
      await worker.terminate()
      return message as PacedResult
    },
  }
}

/** Fails unless every honest request was allowed, and the audit and the registry have all of them. */
export async function expectUnharmed(world: World, { statuses, sent, hostile }: Attack) {
  expect([...statuses]).toEqual(['200'])
  // Compared until it is too much, or refused because another one is compared.
  expect(Object.keys(hostile.pastes)).toContain('413')
  expect(['413', '429']).toEqual(expect.arrayContaining(Object.keys(hostile.pastes)))
  await eventually(async () => {
    const { decisions, listed, alerts } = await rememberedOf(world)
    expect([...decisions].sort()).toEqual([...sent].sort())
    expect(listed.sort()).toEqual([...sent.keys()].sort())
    expect(alerts).toEqual([])
  })
}

/** What the audit and the registry have of honest agents: agent → decisions, and the agents that are listed. */
async function rememberedOf({ gate, ops, acme }: World) {
  const token = await ops.mint({ scope: 'edgewarden:audit:read edgewarden:agents' })
  const { send, close } = createSender(gate.port, 1)
  const read = async (path: string) => JSON.parse((await send({ host: HOST, path, token })).text)
  const issuer = encodeURIComponent(acme.issuer)
  const { usage } = (await read(`/.edgewarden/usage?by=agent&issuer=${issuer}`)) as {
    usage: { agent?: string; decisions: number }[]
  }
  const { agents } = (await read(`/.edgewarden/agents?issuer=${issuer}&limit=1000`)) as {
    agents: { agent: string }[]
  }
  const { alerts } = (await read('/.edgewarden/alerts')) as { alerts: unknown[] }
  close()
  const isHonest = (name = '') => name.startsWith('honest-')
  return {
    decisions: new Map(
      usage
        .filter(({ agent }) => isHonest(agent))
        .map(({ agent, decisions }) => [`${agent}`, decisions]),
    ),
    listed: agents.map(({ agent }) => agent).filter(isHonest),
    alerts,
  }
}
