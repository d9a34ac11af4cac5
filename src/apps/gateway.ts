import { deliver } from '../answer/deliver.ts'
import { forward } from '../answer/forward.ts'
import { refusal } from '../answer/mcp-refusal.ts'
import { isRecorded, recordOf } from '../answer/record.ts'
import { requestIdOf } from '../answer/request-id.ts'
import { serverTiming } from '../answer/server-timing.ts'
import { chainDenials } from '../base/chain.ts'
import { type Denial, denials } from '../base/denial.ts'
import { perObject } from '../base/memo.ts'
import { readAddress } from '../base/request.ts'
import type { Decision, Guard } from '../guard.ts'
import { METADATA_PATH } from '../model/metadata.ts'
import type { Gate } from '../model/policy.ts'
import { createApp } from './app.ts'
import { connectionOf } from './connection.ts'
import type { GateEnv, Opened } from './context.ts'
import { explainRequest } from './explain.ts'
import { guarding } from './guarding.ts'
import { jwks } from './jwks.ts'
import { resourceMetadata } from './metadata.ts'
import { policyInForce } from './policy.ts'
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

/** The path the apps are matched by; which rule a request falls under is the line's matter. */
const appPath = (request: Request, prefix: string): string => {
  const reading = readAddress(request)
  if (!reading.ok) return '/<unreadable>'
  const { path } = reading.value
  if (path.startsWith(`${prefix}/`)) return OWN + path.slice(prefix.length)
  return path.startsWith(METADATA_PATH) ? path : '/<origin>'
}

const prefixOf = (opened: unknown): string => (opened as GateEnv['Bindings']).prefix

/**
 * The gate as one Hono app: its own endpoints, and everything else forwarded. Every request but
 * `PREFIX/health` walks the line first, and every decision is written to the journal.
 */
export const gateway = createApp((request, options) => appPath(request, prefixOf(options?.env)))

gateway.use(async (c, next) => {
  const { policy, ports, version, colo, cf } = c.env
  const { raw } = c.req
  const time = ports.clock.now()
  const id = crypto.randomUUID()
  const requestId = requestIdOf(raw, id)
  c.set('requestId', requestId)
  c.set('ports', ports)
  c.set('deny', (denial, extra) => {
    c.set('denial', denial)
    const { known, steps } = c.get('decision') ?? UNDECIDED
    const { route, operation, limited } = known
    return refusal(
      denial,
      { requestId, method: raw.method, route, operation, steps, limited },
      extra,
    )
  })
  if (policy) {
    c.set('policy', policy)
    c.set('clientIp', addressOf(raw, policy.gate, cf))
  }
  await next()
  const originStatus = c.get('originStatus')
  // What came from the origin has it already.
  if (originStatus === undefined) c.res.headers.set('X-Request-Id', requestId)
  if (c.get('isUnwritten')) return
  const decision = c.get('decision') ?? UNDECIDED
  const { steps } = decision
  if (steps) c.res.headers.append('Server-Timing', serverTiming(steps))
  const denial = c.get('denial')
  const revocations = c.get('revocations')
  // What administrators do is written whatever the share.
  if (!revocations && !isRecorded(decision, denial, policy?.gate.journal)) return
  ports.journal.record(
    recordOf(decision, {
      id,
      time,
      requestId,
      version,
      colo,
      denial,
      originStatus,
      revocations,
    }),
  )
})

gateway.get(`${OWN}/health`, (c) => {
  c.set('isUnwritten', true)
  return c.json({ status: 'ok' }, 200, { 'Cache-Control': 'no-store' })
})

const guarded = perObject((guard: Guard) =>
  guarding<GateEnv>(guard, {
    refuse: (denial, c) => c.get('deny')(denial),
    clientIp: (c) => c.get('clientIp'),
    connection: (c) => connectionOf(c.env.cf),
  }),
)

gateway.use((c, next) => {
  const { guard } = c.env
  if (guard) return guarded(guard)(c, next)
  c.res = c.get('deny')(deny('policy_invalid'))
  return Promise.resolve()
})
gateway.get(`${OWN}/ready`, ready)
gateway.get(`${OWN}/jwks.json`, jwks)
gateway.route(OWN, revocationsApp)
gateway.post(`${OWN}/explain`, explainRequest)
gateway.get(`${OWN}/policy`, policyInForce)
gateway.use(`${METADATA_PATH}/*`, resourceMetadata)

gateway.all('*', async (c) => {
  const decision = c.get('decision')
  const { route, address } = decision.known
  if (!route || !address || route.endpoint) return c.get('deny')(chainDenials('unavailable'))
  const policy = c.get('policy')
  const requestId = c.get('requestId')
  const ports = c.get('ports')
  const clientIp = c.get('clientIp')
  const sent = await forward(c.req.raw, {
    policy,
    route,
    address,
    decision,
    requestId,
    clientIp,
    ports,
    send: ports.send,
  })
  const { status } = sent.ok ? sent.value : sent.reason
  if (status !== undefined) c.set('originStatus', status)
  if (!sent.ok) return c.get('deny')(sent.reason.denial)
  // A preflight that shadow mode let through is the origin's to answer.
  const keepsCors = c.req.raw.method === 'OPTIONS' && decision.outcome === 'denied'
  const { limited } = decision.known
  const delivered = await deliver(sent.value, c.req.raw, {
    route,
    address,
    requestId,
    keepsCors,
    limited,
    decision,
    ports,
    isMortal: true,
    isFetched: true,
  })
  return delivered.ok ? delivered.value : c.get('deny')(delivered.reason.denial)
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
  told: Opened['cf'],
): string | undefined => {
  switch (clientIp.from) {
    case 'header':
      return request.headers.get(clientIp.name) ?? undefined
    case 'connection':
      return told()
        ?.clientIp?.replace(/:\d+$/, '')
        .replace(/^\[|\]$/g, '')
    case 'none':
      return undefined
  }
}
