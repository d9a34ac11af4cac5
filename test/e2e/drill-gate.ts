import type { ServerResponse } from 'node:http'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, vi } from 'vitest'
import { folder, inFolder, runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { freePort } from '../kit/port.ts'

export interface Found {
  readonly name: string
  readonly state: string
  readonly says: string
  readonly ms?: Readonly<Record<string, number>>
}

const EVENTS = (_req: unknown, res: ServerResponse): void => {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  const beat = setInterval(() => res.write('data: 1\n\n'), 50)
  res.on('close', () => clearInterval(beat))
}

/** A gate with rules for canaries, for the tests of a file. `drill` runs at a URL, by default the gate's. */
export async function drillGate() {
  inFolder(await folder())
  let gate: Gate
  let origin: Origin
  beforeAll(async () => {
    // Many drills at once choose their canaries apart from each other.
    let chosen = 0
    vi.spyOn(Math, 'random').mockImplementation(() => (chosen++ / 300) % 1)
    const table = async (purpose: string, issuer: string) => {
      const { stdout } = await runHere(['keygen', purpose, '--issuer', issuer])
      return (parse(stdout) as { vars: { ISSUERS: object } }).vars.ISSUERS
    }
    const port = await freePort()
    origin = await startOrigin()
    origin.on('/events', EVENTS)
    origin.on('/strict', EVENTS)
    origin.on('/brief', (req, res) => {
      EVENTS(req, res)
      setTimeout(() => res.end(), 1_500)
    })
    origin.on('/large', (_, res) => res.end('x'.repeat(2_000_000)))
    const rule = (path: string, more: object = {}) => ({
      match: `GET ${path}`,
      scopes: [],
      issuers: ['canary'],
      ...more,
    })
    gate = await startGate({
      port,
      vars: {
        GATE: {
          resource: `http://127.0.0.1:${port}`,
          origin: origin.url,
          clock_tolerance: '2s',
          revocation: { max_staleness: '1s' },
        },
        ISSUERS: {
          ...(await table('--operator', 'ops')),
          ...(await table('--canary', 'canary')),
          acme: { issuer: 'https://auth.acme.dev', agent_prefix: 'acme/' },
        },
        ROUTES: [
          rule('/drill'),
          rule('/once', { single_use: true }),
          rule('/events'),
          rule('/strict', { revocation: 'strict' }),
          rule('/brief'),
          rule('/large'),
          rule('/ignoring', { on_revocation: 'ignore' }),
          rule('/shadow', { mode: 'shadow' }),
          // Canaries are not revoked for as long as this, and no drill waits for it.
          rule('/late', { revocation: { consistency: 'bounded', max_staleness: '5m' } }),
          { match: 'GET /open', access: 'public' },
          { match: 'GET /others', scopes: [] },
        ],
      },
      durableObjects: WITH_AUDIT,
    })
  })
  afterAll(() => Promise.all([gate?.stop(), origin?.close()]))
  return {
    gate: () => gate,
    /** Exit status, findings, their states by name, and what else was printed. */
    async drill(args: readonly string[], url = gate.url, now?: () => number) {
      const access = ['--gate', url, '--key', 'ops.jwk', '--audience', gate.url]
      const all = ['drill', ...access, '--json', ...args]
      const { code, stdout } = await runHere(all, undefined, now && { now })
      const { findings = [], ...rest } = JSON.parse(stdout) as { findings?: readonly Found[] }
      const states = Object.fromEntries(findings.map(({ name, state }) => [name, state]))
      return { code, findings, states, rest }
    },
  }
}

/** Options that ask for every measurement, and the states of a gate that keeps every promise. */
export const EVERYTHING = [
  ...['--path', '/drill', '--public', '/open', '--once', '/once', '--requests', '5'],
  ...['--stream', '/events', '--stream', '/strict'],
]
export const ALL_KEPT = Object.fromEntries(
  [
    ...['clock', 'keys', 'forged token', 'unsigned token', 'replayed token', 'added time'],
    ...['expiry', 'revocation', 'strict stream', 'bounded stream'],
  ].map((name) => [name, 'kept']),
)
