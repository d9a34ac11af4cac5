import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { decodeJwt } from 'jose'
import { inject } from 'vitest'
import { WITH_AUDIT } from '../audit/support.ts'
import { agenticClaims, checksumOf } from '../kit/agentic.ts'
import { createProofKey } from '../kit/dpop.ts'
import { connectRaw } from '../kit/raw.ts'
import { type Members, sign } from '../kit/signing.ts'
import { atPace, createSender, type Sent } from './paced.ts'
import { AGENTIC, AGENTIC_KEY, HOST, KID, RESOURCE, startWorld, type World } from './world.ts'

const CONSOLE = 'ops.example.com'

/** A gate as `init` deploys it, with a console, in front of honest agents of `acme` and of everybody else. */
export const startHostileWorld = (): Promise<World> =>
  startWorld({
    gate: { assertion: 'identity', console: { host: CONSOLE } },
    // `beta` signs for everybody: only one tenant's tokens are accepted.
    issuers: { beta: { claims: { tenant: 'ours' } } },
    routes: [
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

const PAGE = { 'sec-fetch-site': 'same-origin' }
const ACT = { ...PAGE, origin: `http://${CONSOLE}`, 'x-edgewarden-console': '1' }

/** Signs in to the console, and gives the cookie. */
const signIn = async ({ gate, ops }: World): Promise<string> => {
  const { send, close } = createSender(gate.port, 1)
  const token = await ops.mint({ scope: 'edgewarden:read' })
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
const LARGE_POLICY = `[vars.GATE]\nresource = "${RESOURCE}"\norigin = "https://o.example"\n[vars.ISSUERS.acme]\nissuer = "https://acme.example"\n${Array.from(
  { length: 900 },
  (_, i) => `[[vars.ROUTES]]\nmatch = "GET,POST /v1/{a}/part-${i}/{b}"\nscopes = ["s:${i}"]\n`,
).join('')}`

/** Different requests of each kind. */
const VARIANTS = 300

/** What attackers send, each kind in turn. */
const hostileKinds = async (world: World) => {
  const { plain, beta, acme, ops } = world
  const many = <T>(count: number, make: (i: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, i) => make(i)))
  const accepted = await plain.mint({ client_id: 'swarm' })
  const foreign = await many(VARIANTS, (i) =>
    beta.mint({ client_id: `minted-${i}`, tenant: 'theirs' }),
  )
  const otherAudience = await many(50, (i) =>
    plain.mint({ client_id: `elsewhere-${i}`, aud: 'https://elsewhere.example' }),
  )
  const victim = {
    id: 'victim',
    checksum: checksumOf('b'),
    registration: 'reg_victim',
    key: await createProofKey(),
  }
  const payload: Members = { ...decodeJwt(accepted), iss: AGENTIC, ...agenticClaims(victim) }
  const stolen = await sign({ alg: 'ES256', kid: KID, typ: 'at+jwt' }, payload, AGENTIC_KEY)
  const own = await acme.mint({ client_id: 'own-administrator', scope: 'edgewarden:revoke' })
  const operator = await ops.mint({ scope: 'edgewarden:read' })
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
      body: JSON.stringify({ text: LARGE_POLICY }),
    }),
  }
}

/** Sign-in bodies of which one byte is missing, over connections of their own. */
const holdBodies = async (port: number, count: number) => {
  const body = 'x'.repeat(65_000)
  const head = [
    'POST /session HTTP/1.1',
    `Host: ${CONSOLE}`,
    ...Object.entries(ACT).map(([name, value]) => `${name}: ${value}`),
    'Content-Type: application/json',
    `Content-Length: ${body.length + 1}`,
    '',
    '',
  ].join('\r\n')
  const all = await Promise.all(Array.from({ length: count }, () => connectRaw(port)))
  for (const connection of all) connection.send(head + body)
  return {
    close() {
      for (const connection of all) connection.close()
    },
  }
}

/** The number below which this part of the numbers is. */
const percentile = (numbers: readonly number[], part: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

/** Processor time of a process and its threads, in seconds (proc_pid_stat(5)). */
const processorTime = (pid: number): number => {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(/\) /)
  const fields = rest.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Part of a core that hostile traffic alone takes of the gate. */
const HALF_A_CORE = 0.5

/** What honest agents met while others attacked. Times are in milliseconds. */
export interface Attack {
  /** Of requests without an attack, and beside one. */
  readonly quiet: { readonly p50: number; readonly p99: number }
  readonly beside: { readonly p50: number; readonly p99: number }
  /** Answers to honest requests: `allowed`, or status and code → how many. */
  readonly statuses: Readonly<Record<string, number>>
  /** Requests of each honest agent. */
  readonly sent: ReadonlyMap<string, number>
  /** Hostile requests: in all, per second, and answers by kind and status. */
  readonly hostile: {
    readonly count: number
    readonly rate: number
    readonly answers: Readonly<Record<string, number>>
    /** Part of a core that the same traffic takes alone. */
    readonly cores: number
    /** Answers to pasted policies, by status. */
    readonly pastes: Readonly<Record<string, number>>
  }
}

/** Lets honest agents call for some seconds, alone and beside hostile traffic. */
export async function underAttack(world: World, seconds: number): Promise<Attack> {
  const { gate, acme } = world
  const names = Array.from({ length: 20 }, (_, i) => `honest-${i}`)
  const exp = Math.floor(Date.now() / 1_000) + 840
  const tokens = await Promise.all(names.map((client_id) => acme.mint({ client_id, exp })))
  const sent = new Map<string, number>()
  const statuses: Record<string, number> = {}
  const honest = createSender(gate.port, 8)
  const call = (times: number[]) => async (i: number) => {
    const k = i % names.length
    const { status, text, took } = await honest.send({
      host: HOST,
      path: '/v1/x',
      token: tokens[k] ?? '',
    })
    times.push(took)
    const answer = status === 200 ? 'allowed' : `${status} ${JSON.parse(text).code}`
    statuses[answer] = (statuses[answer] ?? 0) + 1
    sent.set(`${names[k]}`, (sent.get(`${names[k]}`) ?? 0) + 1)
  }
  const forHonest = async (time: number) => {
    const times: number[] = []
    const traffic = atPace(50, 8, call(times))
    await wait(time * 1_000)
    await traffic.end()
    return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) }
  }
  await forHonest(1)
  const quiet = await forHonest(Math.min(seconds, 60))

  const { kinds, pasted } = await hostileKinds(world)
  const attack = (rate: number) => startPaced({ port: gate.port, rate, connections: 32, kinds })
  const alone = async (rate: number) => {
    const before = processorTime(gate.pid)
    const began = performance.now()
    const traffic = attack(rate)
    await wait(3_000)
    const { count } = await traffic.end()
    const seconds = (performance.now() - began) / 1_000
    return { cores: (processorTime(gate.pid) - before) / seconds, reached: count / seconds }
  }
  let rate = 60
  let cores = 0
  for (let i = 0; i < 3; i++) {
    const measured = await alone(rate)
    cores = measured.cores
    if (i < 2) rate = Math.min(3_000, (measured.reached * HALF_A_CORE) / cores)
  }
  const bodies = await holdBodies(gate.port, 80)
  const traffic = attack(rate)
  const operator = createSender(gate.port, 4)
  const pastes: Record<string, number> = {}
  const pasting = atPace(0.4, 4, async () => {
    const { status } = await operator.send(pasted())
    pastes[status] = (pastes[status] ?? 0) + 1
  })
  const beside = await forHonest(seconds)
  const hostile = await traffic.end()
  await pasting.end()
  bodies.close()
  honest.close()
  operator.close()
  return { quiet, beside, statuses, sent, hostile: { ...hostile, rate, cores, pastes } }
}

/** Sends requests of all kinds at a pace from another thread, until it is ended. */
const startPaced = (workerData: object) => {
  const worker = new Worker(new URL('./paced-worker.ts', import.meta.url), { workerData })
  return {
    async end() {
      worker.postMessage('end')
      const [message] = await once(worker, 'message')
      await worker.terminate()
      return message as { count: number; answers: Record<string, number> }
    },
  }
}

/** What the audit and the registry have of honest agents: agent → decisions, and the agents that are listed. */
export async function rememberedOf({ gate, ops, acme }: World) {
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
