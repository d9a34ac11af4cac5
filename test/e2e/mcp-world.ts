import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '../../dev/bench/bundles.ts'
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import type { Credentials } from '../kit/mcp/clients.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { freePort } from '../kit/port.ts'
import type { Members } from '../kit/signing.ts'
import { changes, PATIENCE } from '../kit/wait.ts'

/** MCP servers made with the SDKs, a gate before them, and an authorization server that knows two agents. */
export interface McpWorld {
  readonly gate: Gate
  readonly server: AuthorizationServer
  /** What answers where the path does not begin with `/bound`. */
  readonly origin: McpOrigin
  /** Of the gate and of one of its MCP endpoints; `http://127.0.0.1:port/…`. */
  url(path: string): string
  /** An agent, asking for these scopes. */
  credentials(scope: string, client?: keyof typeof CLIENTS): Credentials
  /** Has tools that take their time wait at each step from now on, until each is let go by `next`. */
  readonly pace: Pace
  close(): Promise<void>
}

interface Pace {
  hold(): void
  next(): void
  free(): void
}

/** Paths of the servers: what runs there, and whether it is a Worker behind a service binding. */
export const SERVERS = {
  sessions: '/mcp',
  stateless: '/stateless',
  modern: '/modern',
  bound: '/bound/mcp',
  boundModern: '/bound/modern',
} as const

const SCOPES = ['mcp:connect', 'weather:read', 'files:read', 'files:write', 'docs:read']

/** What may be used, the same of each server. `forbidden_tool` and its like are not named. */
const MCP = {
  tools: {
    get_weather: ['weather:read'],
    'files_*': ['files:read'],
    files_write: ['files:write'],
    slow_count: [],
    interrupted: [],
    whoami: [],
  },
  prompts: { greeting: [] },
  resources: { 'docs://public/*': ['docs:read'] },
}

/** Names an agent at the authorization server. Tokens of the second live two seconds. */
const CLIENTS = {
  researcher: { clientId: 'researcher', clientSecret: 'researcher-secret' },
  hasty: { clientId: 'hasty', clientSecret: 'hasty-secret', tokenLifetime: 2 },
}

/** Starts them. */
export async function startMcpWorld(): Promise<McpWorld> {
  const { pace, step } = pacemaker()
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-mcp-'))
  const worker = join(directory, 'worker.js')
  const [port, origin] = await Promise.all([
    freePort(),
    startMcpOrigin({ step }),
    bundle(fileURLToPath(new URL('../kit/mcp/worker.ts', import.meta.url)), worker, false),
  ])
  const base = `http://127.0.0.1:${port}`
  const routeOf = (path: string, more: Members = {}) => ({
    match: `GET,POST,DELETE ${path}`,
    resource: base + path,
    scopes: ['mcp:connect'],
    mcp: MCP,
    ...more,
  })
  const routes = [
    ...Object.values(SERVERS).map((path) =>
      path.startsWith('/bound')
        ? routeOf(path, { origin: 'service:TOOLS', strip_prefix: '/bound' })
        : routeOf(path),
    ),
    routeOf(`/hurried${SERVERS.sessions}`, {
      ...{ strip_prefix: '/hurried', timeout: '2s', scopes: ['mcp:connect', 'docs:read'] },
    }),
  ]
  const server = await startAuthorizationServer({
    resource: base,
    furtherResources: routes.map(({ resource }) => resource),
    clients: Object.values(CLIENTS).map((client) => ({
      ...{ scopes: SCOPES, agentType: 'tool-use', tokenLifetime: 300 },
      ...client,
    })),
  })
  const gate = await startGate({
    port,
    workers: { TOOLS: worker },
    vars: {
      GATE: {
        resource: base,
        origin: origin.url,
        client_ip: 'connection',
        clock_tolerance: '0s',
        revocation: { consistency: 'strict' },
      },
      ISSUERS: { demo: { issuer: server.issuer, allow_insecure_http: true } },
      ROUTES: routes,
    },
  })
  return {
    gate,
    server,
    origin,
    pace,
    url: (path) => base + path,
    credentials(scope, client = 'researcher') {
      const { clientId, clientSecret } = CLIENTS[client]
      return { clientId, clientSecret, expectedIssuer: server.issuer, scope }
    },
    async close() {
      pace.free()
      await gate.stop()
      await Promise.all([origin.close(), server.close()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Steps are let go one by one, also ahead of time. */
const pacemaker = () => {
  const news = changes()
  let holding = false
  let allowed = 0
  const pace: Pace = {
    hold() {
      holding = true
      allowed = 0
    },
    next() {
      allowed += 1
      news.notify()
    },
    free() {
      holding = false
      news.notify()
    },
  }
  const take = () => {
    if (holding && allowed === 0) return undefined
    allowed = Math.max(0, allowed - 1)
    return true
  }
  const step = async () => {
    await news.until(take, PATIENCE, () => 'nobody lets the next step go')
  }
  return { pace, step }
}
