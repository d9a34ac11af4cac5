import { type ClockOfProcess, clockOfProcess } from '../kit/clock.ts'
import { createIssuer } from '../kit/issuer.ts'
import { startOrigin } from '../kit/origin.ts'
import { freePort } from '../kit/port.ts'
import { request } from '../kit/request.ts'
import { createProject, objectTables, type Served } from '../kit/serve.ts'
import type { Members } from '../kit/signing.ts'

const HOST = 'api.acme.dev'
export const HOUR = 3_600

/** A gate under `serve`, whose wall clock the test sets, with an audit, a registry of agents and one issuer. */
export interface ServedClock {
  readonly clock: ClockOfProcess
  /** The issuer's `iss`. */
  readonly issuer: string
  /** Starts the gate, again with the same data. */
  start(): Promise<Served>
  /** The issuer signs with another key from now on. */
  rotate(): Promise<void>
  /** A token that is valid by clocks that are up to an hour wrong. */
  mint(claims?: Members): Promise<string>
  ask(path: string, token: string, init?: RequestInit): Promise<Response>
  close(): Promise<void>
}

/** Prepares a gate under `serve`. `gate` is laid over GATE, and `entry` over the issuer's entry. */
export async function servedClock(gate: Members = {}, entry: Members = {}): Promise<ServedClock> {
  const [clock, issuer, origin, project, port] = await Promise.all([
    clockOfProcess(),
    createIssuer(),
    startOrigin(),
    createProject(),
    freePort(),
  ])
  const acme = {
    issuer: issuer.issuer,
    jwks_uri: issuer.jwksUri,
    allow_insecure_http: true,
    max_lifetime: '24h',
    admin: 'all',
    ...entry,
  }
  const vars = {
    GATE: { resource: `https://${HOST}`, origin: origin.url, insecure_http: true, ...gate },
    ISSUERS: { acme },
    ROUTES: [{ match: 'GET /v1/*', scopes: [] }],
  }
  await project.write(vars, objectTables({ AUDIT_LOG: 'AuditLog', AGENTS: 'AgentRegistry' }))
  let served: Served | undefined
  return {
    clock,
    issuer: issuer.issuer,
    async start() {
      served = project.serve(['--listen', `127.0.0.1:${port}`, '--data', 'data'], clock.env)
      await served.says('is served at')
      return served
    },
    rotate: async () => void (await issuer.rotate()),
    mint(claims = {}) {
      const now = Math.floor(Date.now() / 1_000)
      const times = { iat: now - 2 * HOUR, nbf: undefined, exp: now + 2 * HOUR }
      return issuer.mint({ aud: `https://${HOST}`, ...times, ...claims })
    },
    ask: (path, token, init = {}) =>
      request(port, path, {
        ...init,
        headers: {
          host: HOST,
          authorization: `Bearer ${token}`,
          ...(init.headers as Record<string, string>),
        },
      }),
    async close() {
      served?.child.kill('SIGKILL')
      await Promise.all([clock.remove(), issuer.close(), origin.close(), project.remove()])
    },
  }
}
