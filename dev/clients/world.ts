import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  type AuthorizationServer,
  type DemoClient,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { startGate } from '../../test/kit/gate.ts'
import {
  type InteractiveServer,
  startInteractiveServer,
} from '../../test/kit/mcp/interactive-server.ts'
import { REDIRECT } from '../../test/kit/mcp/person.ts'
import { startMcpOrigin } from '../../test/kit/mcp/server.ts'
import { TOOLS as SERVED } from '../../test/kit/mcp/things.ts'
import { freePort } from '../../test/kit/port.ts'
import { bundle } from '../bench/bundles.ts'
import { ALLOWED, DENIED, isOfApis, startApis } from './apis.ts'
import { bearerJudge } from './judge.ts'
import { serveModels } from './model-servers.ts'
import { LIMITED, MCP_PATHS, MODELS, PEOPLE, SCOPES, TOOLS } from './places.ts'
import { type Exchange, type Judge, startProxy } from './proxy.ts'
import type { Sabotage } from './sabotage.ts'

/** The same servers twice: straight, behind a check of the token; and behind the gate. */
export interface World {
  /** Gives tokens to agents that have credentials. */
  readonly server: AuthorizationServer
  /** Lets people sign in. */
  readonly people: InteractiveServer
  /** Addresses without a path. */
  readonly sides: Readonly<Record<Side, string>>
  /** Revokes an agent at the gate. */
  revoke(agent: string): Promise<void>
  /** The servers stop, and start again without the sessions they had. */
  restart(): Promise<void>
  /** Waits until the server has a call to `slow_count` with this number. */
  counting(to: number): Promise<void>
  /** When the gate ended its answer to that call, as of `performance.now()`. */
  ended(to: number): number | undefined
  /** What an agent sent so far, and what it was answered. */
  sent(side: Side, agent: string): readonly Exchange[]
  /** Whether the caller left before the server had answered the call with this number. */
  hasLeft(to: number): boolean
  close(): Promise<void>
}

export type Side = 'direct' | 'gate'

/** Calls that count to this or further get no answer, not even its head. */
export const SILENT = 1000

const STEP = 500
const OPERATOR = { clientId: 'operator', clientSecret: 'operator-secret' }
const REVOKE = 'edgewarden:revoke'

/** Starts them, with authorization servers that know these agents, and these clients of people by their tokens' lifetime. */
export async function startWorld(
  agents: readonly DemoClient[],
  lifetimes: Readonly<Record<string, number>>,
  { isOpen, change }: Partial<Sabotage> = {},
): Promise<World> {
  const step = () => wait(STEP)
  const startOrigin = async () => {
    const started = await startMcpOrigin({ step })
    serveModels(started, step)
    return started
  }
  const left = new Set<number | undefined>()
  const onLeave = (body: string) => left.add(numberIn(body))
  let [origin, apis] = await Promise.all([startOrigin(), startApis(step, onLeave)])
  const target = (asked: string) => {
    const path = asked.replace(PEOPLE, '').replace(LIMITED, '')
    return (isOfApis(path) ? apis.url : origin.url) + path
  }
  const begun = new Set<number | undefined>()
  const onBegin = (body: string) => begun.add(numberIn(body))
  const isSilent = (body: string) => (numberIn(body) ?? 0) >= SILENT
  let judge: Judge = async () => undefined
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-matrix-'))
  const worker = join(directory, 'worker.js')
  const port = await freePort()
  const ended = new Map<number, number>()
  const sent: Readonly<Record<Side, Exchange[]>> = { direct: [], gate: [] }
  const recording = (side: Side) => ({
    onRequest(exchange: Exchange) {
      sent[side].push(exchange)
      if (side === 'direct') onBegin(exchange.body)
    },
  })
  const [open, direct, front] = await Promise.all([
    startProxy({ target, isSilent, onLeave, onRequest: ({ body }) => onBegin(body) }),
    startProxy({
      ...{ target, onLeave, ...recording('direct') },
      judge: (...given) => judge(...given),
    }),
    startProxy({
      ...{ target: (path) => `http://127.0.0.1:${port}${path}`, change, ...recording('gate') },
      onEnd(body) {
        const number = numberIn(body)
        if (number !== undefined && !ended.has(number)) ended.set(number, performance.now())
      },
    }),
    bundle(fileURLToPath(new URL('../../src/worker.ts', import.meta.url)), worker, false),
  ])
  const base = front.url
  const resourcesAt = (...paths: readonly string[]) =>
    [base, direct.url].flatMap((url) => paths.map((path) => url + path))
  const [server, people] = await Promise.all([
    startAuthorizationServer({
      resource: base,
      furtherResources: [
        base,
        ...resourcesAt(
          ...MCP_PATHS,
          MODELS,
          ...[...MCP_PATHS, MODELS].map((path) => LIMITED + path),
        ),
      ],
      clients: [...agents, { ...OPERATOR, scopes: [REVOKE] }],
    }),
    startInteractiveServer({
      resources: resourcesAt(...MCP_PATHS.map((path) => PEOPLE + path)),
      ...{ scopes: SCOPES, redirectUri: REDIRECT, refreshing: true, lifetimes, tokenMs: 200 },
    }),
  ])
  judge = bearerJudge(direct.url, [server.issuer, people.url])
  const scopes = ['mcp:connect']
  // A gate that does not enforce anything but a good token.
  const all = Object.fromEntries(Object.keys(SERVED).map((name) => [name, []]))
  const named = { tools: isOpen ? all : TOOLS }
  const limit = (requests: number) => ({
    strip_prefix: LIMITED,
    ...(!isOpen && { rate_limit: { limit: requests, period: '60s' } }),
  })
  const rule = (path: string, issuer: string) => ({
    match: `GET,POST,DELETE ${path}`,
    ...{ resource: base + path, issuers: [issuer], scopes, mcp: named },
  })
  const insecure = { allow_insecure_http: true }
  const ofModels = { resource: base + MODELS, issuers: ['agents'] }
  const gate = await startGate({
    port,
    bundle: worker,
    vars: {
      GATE: { resource: base, origin: open.url, client_ip: 'connection', clock_tolerance: '0s' },
      ISSUERS: {
        agents: { issuer: server.issuer, agent_prefix: 'agents/', admin: 'all', ...insecure },
        people: { issuer: people.url, agent_prefix: 'people/', ...insecure },
      },
      ROUTES: [
        ...MCP_PATHS.map((path) => rule(path, 'agents')),
        ...MCP_PATHS.map((path) => ({ ...rule(PEOPLE + path, 'people'), strip_prefix: PEOPLE })),
        ...MCP_PATHS.map((path) => ({ ...rule(LIMITED + path, 'agents'), ...limit(6) })),
        ...ALLOWED.map((match) => ({ match, scopes, ...ofModels })),
        ...ALLOWED.map((match) => ({
          match: match.replace(' ', ` ${LIMITED}`),
          ...{ scopes, ...ofModels, resource: base + LIMITED + MODELS, ...limit(2) },
        })),
        ...DENIED.map((match) => ({
          match,
          ...{ scopes: isOpen ? scopes : ['admin'], ...ofModels },
        })),
      ],
    },
  })
  const ready = await fetch(`${base}${MODELS}/models`)
  if (ready.status !== 401) throw new Error(`the gate answers ${ready.status}: ${gate.output()}`)
  return {
    ...{ server, people },
    sides: { direct: direct.url, gate: base },
    async revoke(agent) {
      const token = await server.token({ ...OPERATOR, scope: REVOKE, resource: base })
      const response = await gate.fetch('/.edgewarden/revocations', {
        method: 'POST',
        headers: {
          host: new URL(base).host,
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ kind: 'agent', issuer: server.issuer, value: agent }),
      })
      if (response.status !== 200) throw new Error(await response.text())
    },
    async restart() {
      await Promise.all([origin.close(), apis.close()])
      ;[origin, apis] = await Promise.all([startOrigin(), startApis(step, onLeave)])
    },
    async counting(to) {
      while (!begun.has(to)) await wait(50)
      // An answer that streams has begun by then.
      await wait(2 * STEP)
    },
    ended: (to) => ended.get(to),
    sent: (side, agent) => sent[side].filter((one) => one.agent === agent),
    hasLeft: (to) => left.has(to),
    async close() {
      await gate.stop()
      await Promise.all(
        [front, open, direct, origin, apis, server, people].map((one) => one.close()),
      )
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** What a call to `slow_count` counts to. A model gets it as JSON in a text. */
const numberIn = (body: string): number | undefined => {
  const [, number] = /"to\\?":(\d+)/.exec(body) ?? []
  return number === undefined ? undefined : Number(number)
}
