import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { bundle } from '../bench/bundles.ts'
import {
  type AuthorizationServer,
  type DemoClient,
  startAuthorizationServer,
} from '../examples/demo/authorization-server.ts'
import { type Loopback, listenOnLoopback } from '../examples/demo/loopback.ts'
import { freePort, startGate } from '../test/kit/gate.ts'
import { startMcpOrigin } from '../test/kit/mcp/server.ts'

/** The same MCP servers twice: straight, behind a check of the token; and behind the gate. */
export interface World {
  readonly server: AuthorizationServer
  /** Addresses without a path. */
  readonly sides: Readonly<Record<Side, string>>
  /** Revokes an agent at the gate. */
  revoke(agent: string): Promise<void>
  /** The MCP server stops, and starts again without the sessions it had. */
  restart(): Promise<void>
  /** Waits until the server has a call to `slow_count` with this number. */
  counting(to: number): Promise<void>
  close(): Promise<void>
}

export type Side = 'direct' | 'gate'

/** What the agents may ask for. */
export const SCOPES = ['mcp:connect', 'files:write']

const PATHS = ['/mcp', '/modern']
const WRITE = 'files_write'
const TOOLS = { get_weather: [], [WRITE]: ['files:write'], slow_count: [] }
const STEP = 500
const METADATA = '/.well-known/oauth-protected-resource'
const OPERATOR = { clientId: 'operator', clientSecret: 'operator-secret' }
const REVOKE = 'edgewarden:revoke'

/** Starts them, with an authorization server that knows these agents. */
export async function startWorld(agents: readonly DemoClient[]): Promise<World> {
  const startOrigin = () => startMcpOrigin({ step: () => wait(STEP) })
  let origin = await startOrigin()
  const target = () => origin.url
  let judge: Judge = async () => true
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-matrix-'))
  const worker = join(directory, 'worker.js')
  const [open, direct, port] = await Promise.all([
    startProxy(target, async () => true),
    startProxy(target, (...given) => judge(...given)),
    freePort(),
    bundle(fileURLToPath(new URL('../src/worker.ts', import.meta.url)), worker, false),
  ])
  const base = `http://127.0.0.1:${port}`
  const server = await startAuthorizationServer({
    resource: base,
    furtherResources: [base, direct.url].flatMap((url) => PATHS.map((path) => url + path)),
    clients: [...agents, { ...OPERATOR, scopes: [REVOKE] }],
  })
  judge = bearerJudge(direct.url, server.issuer, createRemoteJWKSet(new URL(server.jwksUri)))
  const gate = await startGate({
    port,
    bundle: worker,
    vars: {
      GATE: { resource: base, origin: open.url, client_ip: 'connection', clock_tolerance: '0s' },
      ISSUERS: { demo: { issuer: server.issuer, admin: 'all', allow_insecure_http: true } },
      ROUTES: PATHS.map((path) => ({
        match: `GET,POST,DELETE ${path}`,
        resource: base + path,
        scopes: ['mcp:connect'],
        mcp: { tools: TOOLS },
      })),
    },
  })
  return {
    server,
    sides: { direct: direct.url, gate: base },
    async revoke(agent) {
      const token = await server.token({ ...OPERATOR, scope: REVOKE, resource: base })
      const response = await gate.fetch('/.edgewarden/revocations', {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ kind: 'agent', issuer: server.issuer, value: agent }),
      })
      if (response.status !== 200) throw new Error(await response.text())
    },
    async restart() {
      await origin.close()
      origin = await startOrigin()
    },
    async counting(to) {
      while (!origin.requests.some(({ body }) => body?.includes(`"to":${to}`))) await wait(50)
      // An answer that streams has begun by then.
      await wait(2 * STEP)
    },
    async close() {
      await gate.stop()
      await Promise.all([open, direct, origin, server].map((one) => one.close()))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Says whether a request may pass; answers it otherwise. */
type Judge = (req: IncomingMessage, body: string, res: ServerResponse) => Promise<boolean>

/** Hands everything on that passes, byte for byte as it comes. */
const startProxy = (target: () => string, judge: Judge): Promise<Loopback> => {
  const server = createServer(async (req, res) => {
    try {
      const body = await text(req)
      if (!(await judge(req, body, res))) return
      const { method, headers } = req
      const onward = request(target() + req.url, { method, headers })
      onward.on('response', (answer) => {
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
const bearerJudge =
  (base: string, issuer: string, keys: JWTVerifyGetKey): Judge =>
  async (req, body, res) => {
    const path = req.url ?? ''
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
    const claims = await jwtVerify(token, keys, { issuer, audience: base + path }).then(
      ({ payload }) => payload,
      () => undefined,
    )
    if (claims === undefined) return refuse(401, 'invalid_token', 'mcp:connect')
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
