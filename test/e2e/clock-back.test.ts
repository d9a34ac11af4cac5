import { afterAll, beforeAll, expect, it } from 'vitest'
import { CAN_SET_CLOCK, type ClockOfProcess, clockOfProcess } from '../kit/clock.ts'
import { eventually } from '../kit/eventually.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { freePort } from '../kit/port.ts'
import { request } from '../kit/request.ts'
import { createProject, objectTables, type Project, type Served } from '../kit/serve.ts'
import type { Members } from '../kit/signing.ts'

const HOST = 'api.acme.dev'
const HOUR = 3_600

let clock: ClockOfProcess
let issuer: Issuer
let origin: Origin
let project: Project
let port: number
let served: Served | undefined
beforeAll(async () => {
  if (!CAN_SET_CLOCK) return
  const all = [
    clockOfProcess(),
    createIssuer(),
    startOrigin(),
    createProject(),
    freePort(),
  ] as const
  ;[clock, issuer, origin, project, port] = await Promise.all(all)
  const acme = {
    issuer: issuer.issuer,
    jwks_uri: issuer.jwksUri,
    allow_insecure_http: true,
    max_lifetime: '24h',
    admin: 'all',
  }
  const vars = {
    GATE: { resource: `https://${HOST}`, origin: origin.url, insecure_http: true },
    ISSUERS: { acme },
    ROUTES: [{ match: 'GET /v1/*', scopes: [] }],
  }
  await project.write(vars, objectTables({ AUDIT_LOG: 'AuditLog' }))
})
afterAll(async () => {
  served?.child.kill('SIGKILL')
  await Promise.all([clock?.remove(), issuer?.close(), origin?.close(), project?.remove()])
})

const start = async () => {
  const args = ['--listen', `127.0.0.1:${port}`, '--data', 'data']
  served = project.serve(args, clock.env)
  await served.says('is served at')
  return served
}

/** A token that is valid by each of the clocks. */
const mint = (claims: Members = {}) => {
  const now = Math.floor(Date.now() / 1000)
  return issuer.mint({
    aud: `https://${HOST}`,
    iat: now - 2 * HOUR,
    exp: now + 2 * HOUR,
    ...claims,
  })
}
const ask = async (path: string, claims: Members, id: string = crypto.randomUUID()) => {
  const authorization = `Bearer ${await mint(claims)}`
  return request(port, path, { headers: { host: HOST, authorization, 'x-request-id': id } })
}

/** Sends requests whose decisions have these ids. */
const act = async (...ids: readonly string[]) => {
  for (const id of ids) expect((await ask('/v1/x', { nbf: undefined }, id)).status).toBe(200)
}
const stored = async () => {
  const path = '/.edgewarden/decisions?rule=GET+/v1/*'
  const answer = await ask(path, { scope: 'edgewarden:audit:read' })
  const { decisions } = (await answer.json()) as { decisions: readonly { request_id: string }[] }
  return decisions.map(({ request_id }) => request_id).sort()
}

it.runIf(CAN_SET_CLOCK)(
  'stores every decision while the clock is an hour back, and after it is put right',
  async () => {
    await start()
    await act('request-a-1', 'request-a-2')
    await eventually(async () => expect(await stored()).toEqual(['request-a-1', 'request-a-2']))
    await clock.set(-HOUR)
    await act('request-b-1', 'request-b-2')
    await eventually(async () =>
      expect(await stored()).toEqual(['request-a-1', 'request-a-2', 'request-b-1', 'request-b-2']),
    )
    const metrics = await ask('/.edgewarden/metrics', { scope: 'edgewarden:metrics' })
    expect(await metrics.text()).toContain('edgewarden_problem{shard="0",problem="clock"} 1\n')
    await act('request-c-1')
    await clock.set(0)
    await act('request-d-1', 'request-d-2')
    const all = [
      'request-a-1',
      'request-a-2',
      'request-b-1',
      'request-b-2',
      'request-c-1',
      'request-d-1',
      'request-d-2',
    ]
    await eventually(async () => expect(await stored()).toEqual(all))
    // A step just before a graceful stop.
    await clock.set(-HOUR)
    await act('request-e-1', 'request-e-2')
    served?.child.kill('SIGTERM')
    expect(await served?.ended()).toBe(0)
    await clock.set(0)
    await start()
    expect(await stored()).toEqual([...all, 'request-e-1', 'request-e-2'])
  },
)
