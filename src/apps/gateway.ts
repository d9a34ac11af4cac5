import { forward } from '../answer/forward.ts'
import { problem } from '../answer/problem.ts'
import { isRecorded, recordOf } from '../answer/record.ts'
import { requestIdOf } from '../answer/request-id.ts'
import { toAgent } from '../answer/response.ts'
import { serverTiming } from '../answer/server-timing.ts'
import { chainDenials } from '../base/chain.ts'
import { type Denial, denials } from '../base/denial.ts'
import { readAddress } from '../base/request.ts'
import { createGuard, type Decision } from '../guard.ts'
import { agentGuard } from '../hono.ts'
import type { Gate } from '../model/policy.ts'
import { createApp } from './app.ts'
import type { GateEnv } from './context.ts'
import { metadata } from './metadata.ts'
import { ready } from './ready.ts'
import { revocationsApp } from './revocations.ts'

const deny = denials({
  policy_invalid: [
    'unavailable',
    "The gate's configuration is not valid, so nothing is let through",
    'Tell the operator to run: npx edgewarden check',
  ],
})

export const gatewayDenials = deny

/** Where the gate's own endpoints are mounted: no canonical path begins like this. */
const OWN = '/<gate>'
/** Before the line has run, and where it does not run at all. */
const UNDECIDED: Decision = { outcome: 'ended', known: {}, waits: {} }

/** The path the apps are matched by: the canonical one, the gate's own under {@link OWN}. */
const appPath = (request: Request, prefix: string): string => {
  const reading = readAddress(request)
  if (!reading.ok) return '/<unreadable>'
  const { path } = reading.value
  return path.startsWith(`${prefix}/`) ? OWN + path.slice(prefix.length) : path
}

const prefixOf = (opened: unknown): string => (opened as GateEnv['Bindings']).prefix

/**
 * The gate as one Hono app: its own endpoints, and everything else forwarded. Every request but
 * `PREFIX/health` walks the line first, and every decision is written to the journal.
 */
export const gateway = createApp((request, options) => appPath(request, prefixOf(options?.env)))

gateway.use(async (c, next) => {
  const { raw } = c.req
  const id = crypto.randomUUID()
  const requestId = requestIdOf(raw, id)
  c.set('id', id)
  c.set('requestId', requestId)
  c.set('ports', c.env.ports)
  c.set('deny', (denial, extra) => {
    c.set('denial', denial)
    const { known, steps } = c.get('decision') ?? UNDECIDED
    return problem(denial, { requestId, method: raw.method, route: known.route, steps }, extra)
  })
  await next()
  const { headers } = c.res
  if (!headers.has('x-request-id')) headers.set('X-Request-Id', requestId)
  const steps = c.get('decision')?.steps
  if (steps) headers.append('Server-Timing', serverTiming(steps))
})

gateway.get(`${OWN}/health`, (c) => c.json({ status: 'ok' }, 200, { 'Cache-Control': 'no-store' }))

gateway.use(async (c, next) => {
  const { policy, ports, version, colo } = c.env
  const time = ports.clock.now()
  if (policy) {
    c.set('policy', policy)
    await next()
  } else {
    c.res = c.get('deny')(deny('policy_invalid'))
  }
  const decision = c.get('decision') ?? UNDECIDED
  const denial = c.get('denial')
  if (!isRecorded(decision, denial, policy?.gate.journal)) return
  ports.journal.record(
    recordOf(decision, {
      id: c.get('id'),
      time,
      requestId: c.get('requestId'),
      version,
      colo,
      denial,
      originStatus: c.get('originStatus'),
    }),
  )
})

gateway.use((c, next) => {
  const { policy, ports, deny } = c.var
  const guard = agentGuard<GateEnv>(createGuard(policy, ports), (_request, denial) => deny(denial))
  return guard(c, next)
})
gateway.get(`${OWN}/ready`, ready)
gateway.route(OWN, revocationsApp)
gateway.on(['GET', 'OPTIONS'], '/.well-known/oauth-protected-resource/*', metadata)

gateway.all('*', async (c) => {
  const decision = c.get('decision')
  const { route, address } = decision.known
  if (!route || !address || route.endpoint) return c.get('deny')(chainDenials('unavailable'))
  const { policy, ports, requestId } = c.var
  const clientIp = addressOf(c.req.raw, policy.gate, c.env.connection)
  const { send } = ports
  const sent = await forward(c.req.raw, {
    policy,
    route,
    address,
    decision,
    requestId,
    clientIp,
    send,
  })
  const { status } = sent.ok ? sent.value : sent.reason
  if (status !== undefined) c.set('originStatus', status)
  if (!sent.ok) return c.get('deny')(sent.reason.denial)
  return toAgent(sent.value, { route, address, requestId })
})

gateway.notFound((c) => c.get('deny')(unexpected()))
gateway.onError((error, c) => {
  c.get('ports').onError('gateway', error)
  return c.get('deny')(unexpected())
})

const unexpected = (): Denial => chainDenials('unavailable')

const addressOf = (
  request: Request,
  { clientIp }: Gate,
  connection: string | undefined,
): string | undefined => {
  switch (clientIp.from) {
    case 'header':
      return request.headers.get(clientIp.name) ?? undefined
    case 'connection':
      return connection
    case 'none':
      return undefined
  }
}
