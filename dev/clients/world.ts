import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from 'jose'
import {
  type AuthorizationServer,
  type DemoClient,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { type Loopback, listenOnLoopback } from '../../examples/demo/loopback.ts'
import { startGate } from '../../test/kit/gate.ts'
import {
  type InteractiveServer,
  startInteractiveServer,
} from '../../test/kit/mcp/interactive-server.ts'
import { REDIRECT } from '../../test/kit/mcp/person.ts'
import { startMcpOrigin } from '../../test/kit/mcp/server.ts'
import { freePort } from '../../test/kit/port.ts'
import { bundle } from '../bench/bundles.ts'
import { DENIED, MODEL_PATHS, serveModels } from './models.ts'

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
  /** The MCP server stops, and starts again without the sessions it had. */
  restart(): Promise<void>
  /** Waits until the server has a call to `slow_count` with this number. */
  counting(to: number): Promise<void>
  /** When the gate ended its answer to that call, as of `performance.now()`. */
  ended(to: number): number | undefined
  close(): Promise<void>
}

export type Side = 'direct' | 'gate'

/** What the agents may ask for. */
export const SCOPES = ['mcp:connect', 'files:write']
/** Before the paths where people sign in. */
export const PEOPLE = '/people'
/** Where models are. */
export const MODELS = '/v1'
/** Calls that count to this or further get no answer, not even its head. */
export const SILENT = 1000

const MCP_PATHS = ['/mcp', '/modern']
const WRITE = 'files_write'
const TOOLS = { get_weather: [], [WRITE]: ['files:write'], slow_count: [] }
const STEP = 500
const METADATA = '/.well-known/oauth-protected-resource'
const OPERATOR = { clientId: 'operator', clientSecret: 'operator-secret' }
const REVOKE = 'edgewarden:revoke'

/** Starts them, with authorization servers that know these agents, and these clients of people by their tokens' lifetime. */
export async function startWorld(
  agents: readonly DemoClient[],
  lifetimes: Readonly<Record<string, number>>,
): Promise<World> {
  const step = () => wait(STEP)
  const startOrigin = async () => {
    const started = await startMcpOrigin({ step })
    serveModels(started, step)
    return started
  }
  let origin = await startOrigin()
  const target = (path: string) => origin.url + path.replace(PEOPLE, '')
  const isSilent = (body: string) => (numberIn(body) ?? 0) >= SILENT
  let judge: Judge = async () => true
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-matrix-'))
  const worker = join(directory, 'worker.js')
  const port = await freePort()
  const ended = new Map<number, number>()
  const [open, direct, front] = await Promise.all([
    startProxy({ target, isSilent }),
    startProxy({ target, judge: (...given) => judge(...given) }),
    startProxy({
      target: (path) => `http://127.0.0.1:${port}${path}`,
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
      furtherResources: [base, ...resourcesAt(...MCP_PATHS, MODELS)],
      clients: [...agents, { ...OPERATOR, scopes: [REVOKE] }],
    }),
    startInteractiveServer({
      resources: resourcesAt(...MCP_PATHS.map((path) => PEOPLE + path)),
      ...{ scopes: SCOPES, redirectUri: REDIRECT, refreshing: true, lifetimes, tokenMs: 200 },
    }),
  ])
  judge = bearerJudge(direct.url, [server.issuer, people.url])
  const scopes = ['mcp:connect']
  const rule = (path: string, issuer: string) => ({
    match: `GET,POST,DELETE ${path}`,
    ...{ resource: base + path, issuers: [issuer], scopes, mcp: { tools: TOOLS } },
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
        ...MODEL_PATHS.map((match) => ({ match, scopes, ...ofModels })),
        ...DENIED.map((path) => ({ match: `POST ${path}`, scopes: ['admin'], ...ofModels })),
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
      await origin.close()
      origin = await startOrigin()
    },
    async counting(to) {
      while (!origin.requests.some(({ body }) => numberIn(body ?? '') === to)) await wait(50)
      // An answer that streams has begun by then.
      await wait(2 * STEP)
    },
    ended: (to) => ended.get(to),
    async close() {
      await gate.stop()
      await Promise.all([front, open, direct, origin, server, people].map((one) => one.close()))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** What a call to `slow_count` counts to. A model gets it as JSON in a text. */
const numberIn = (body: string): number | undefined => {
  const [, number] = /"to\\?":(\d+)/.exec(body) ?? []
  return number === undefined ? undefined : Number(number)
}

/** Says whether a request may pass; answers it otherwise. */
type Judge = (req: IncomingMessage, body: string, res: ServerResponse) => Promise<boolean>

interface ProxyOptions {
  /** The address for a path with its query. */
  readonly target: (path: string) => string
  readonly judge?: Judge
  /** Whether the answer to a body never begins. */
  readonly isSilent?: (body: string) => boolean
  /** Called when the answer to a body has ended. */
  readonly onEnd?: (body: string) => void
}

/** Hands everything on that passes, byte for byte as it comes. */
const startProxy = ({ target, judge, isSilent, onEnd }: ProxyOptions): Promise<Loopback> => {
  const server = createServer(async (req, res) => {
    try {
      const body = await text(req)
      if (judge && !(await judge(req, body, res))) return
      const { method, headers } = req
      const onward = request(target(req.url ?? ''), { method, headers })
      onward.on('response', (answer) => {
        if (isSilent?.(body)) return
        answer.once('end', () => onEnd?.(body))
        res.writeHead(answer.statusCode ?? 502, answer.headers)
        res.flushHeaders()
        pipeline(answer, res, () => {})
      })
      onward.on('error', () => res.destroy())
      res.on('close', () => onward.destroy())
      onward.end(body)
    } catch {
      res.destroy()
    }
  })
  return listenOnLoopback(server, 0)
}

/** What MCP asks of a server by itself: metadata, a 401 without a good token, a 403 for a scope that is missing. */
const bearerJudge = (base: string, [agents, people]: readonly [string, string]): Judge => {
  const jwks = (issuer: string) => createRemoteJWKSet(new URL(`${issuer}/jwks`))
  const keys = { [agents]: jwks(agents), [people]: jwks(people) }
  return async (req, body, res) => {
    const [path = ''] = (req.url ?? '').split('?')
    const issuer = path.includes(PEOPLE) ? people : agents
    const json = (status: number, value: object, headers: Record<string, string> = {}) => {
      res.writeHead(status, { 'content-type': 'application/json', ...headers })
      res.end(JSON.stringify(value))
      return false
    }
    if (path.startsWith(METADATA)) {
      const resource = base + path.slice(METADATA.length)
      return json(200, { resource, authorization_servers: [issuer], scopes_supported: SCOPES })
    }
    const refuse = (status: number, error: string, scope: string) =>
      json(
        status,
        { error },
        {
          'www-authenticate': `Bearer error="${error}", scope="${scope}", resource_metadata="${base}${METADATA}${path}"`,
        },
      )
    const token = /^Bearer (.+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? ''
    const audience = base + (path.startsWith(MODELS) ? MODELS : path)
    const claims = await jwtVerify(token, keys[issuer] as JWTVerifyGetKey, {
      issuer,
      audience,
    }).then(
      ({ payload }) => payload,
      () => undefined,
    )
    if (claims === undefined) return refuse(401, 'invalid_token', 'mcp:connect')
    if (DENIED.includes(path)) return refuse(403, 'insufficient_scope', 'admin')
    const { id, method, params } = body === '' ? ({} as never) : JSON.parse(body)
    if (method !== 'tools/call') return true
    if (!Object.hasOwn(TOOLS, params.name)) {
      const error = { code: -32003, message: 'This tool is not allowed' }
      return json(200, { jsonrpc: '2.0', id, error })
    }
    const scopes = String(claims.scope).split(' ')
    if (params.name !== WRITE || scopes.includes('files:write')) return true
    return refuse(403, 'insufficient_scope', SCOPES.join(' '))
  }
}
