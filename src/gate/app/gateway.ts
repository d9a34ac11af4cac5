import { HTTPException } from 'hono/http-exception'
import { corsFor, preflightAnswer, withCors } from '../answer/cors.ts'
import { answerRefusal, requestIdOf } from '../answer/respond.ts'
import { chainDenials } from '../base/chain.ts'
import { answerRow, type Denial, denials } from '../base/denial.ts'
import { perObject } from '../base/memo.ts'
import {
  IncomingRequest,
  type RequestHead,
  type RequestParts,
  readAddress,
} from '../base/request.ts'
import { type Decision, type Guard, refusalOf } from '../guard/guard.ts'
import { routeDenials } from '../guard/stages/route.ts'
import { type Act, actTerms } from '../model/audit.ts'
import type { Gate } from '../model/policy.ts'
import { METADATA_PATH } from '../model/well-known.ts'
import { relay } from '../relay/relay.ts'
import { createApp } from './app.ts'
import { approvalState } from './approvals.ts'
import { PlatformConnection } from './connection.ts'
import { answer, type GateEnv } from './context.ts'
import { jwks, policyInForce, ready } from './endpoints.ts'
import { explainRequest } from './explain.ts'
import { giveBack } from './give-back.ts'
import { guarding, resourceMetadata } from './guard-middleware.ts'
import type { Opened } from './platform/ports.ts'
import { actOf, auditRecordOf, isRecorded, lateOf, type RecordContext, recordOf } from './record.ts'
import { boundedRecord } from './record-bound.ts'
import { renewer } from './renewal.ts'
import { revocationsApp } from './revocations.ts'
import { type OnWait, withSigns } from './signs.ts'
import { onceSent } from './unread-body.ts'

export const gatewayDenials = denials({
  policy_invalid: [
    'unavailable',
    "The gate's configuration is not valid, so no request is allowed",
    'Tell the operator to run: npx edgewarden check',
  ],
})

/**
 * Answers one request: the gate's own endpoints by a Hono app, all others by guard and relay. The
 * guard decides every request but `PREFIX/health`, and the journal records the decision.
 */
export function gateway(request: Request, opened: Opened): Response | Promise<Response> {
  const incoming = new IncomingRequest(request)
  return ownPath(incoming, opened.prefix) === undefined
    ? withSigns(incoming, (onWait) => pass(incoming, opened, onWait))
    : own.fetch(request, opened)
}

/** The mount path of the gate's own endpoints. Canonical paths cannot begin with it. */
export const OWN = '/<gate>'

/** The path of one of the gate's own endpoints, else `undefined`. Does not match rules. */
const ownPath = (request: RequestHead, prefix: string): string | undefined => {
  const reading = readAddress(request)
  if (!reading.ok) return undefined
  const { path } = reading.value
  if (path.startsWith(`${prefix}/`)) return OWN + path.slice(prefix.length)
  return path === METADATA_PATH || path.startsWith(`${METADATA_PATH}/`) ? path : undefined
}

/** Starts one request: its ids, its refusals and its journal line. */
const beginExchange = (request: RequestParts, { policy, ports, version, colo, cf }: Opened) => {
  const time = ports.clock.now()
  const id = crypto.randomUUID()
  const requestId = requestIdOf(request, id)
  const clientIp = policy && addressOf(request, policy.gate, cf)
  return {
    requestId,
    clientIp,
    refuse: (denial: Denial, decision: Decision | undefined, extra?: Extra): Response =>
      answerRefusal(request, denial, decision, requestId, policy, extra),
    /** The act of the caller, to be stored with its change. */
    act(decision: Decision): Act | undefined {
      const { audit, clock } = ports
      if (!audit) return undefined
      return {
        ...actOf(decision, { time: clock.now(), requestId }),
        ...actTerms(audit.rule),
        ...(decision.known.access?.entry.admin === 'own' && { isOwn: true }),
      }
    },
    /** Writes, once, that the answer goes on after its token has expired. */
    follow(decision: Decision) {
      if (decision.outcome !== 'passed') return
      let isWritten = false
      decision.onLate = () => {
        if (isWritten) return
        isWritten = true
        ports.journal.record(lateOf(decision, { id, time: ports.clock.now(), requestId }))
      }
    },
    /**
     * Writes the journal line, and returns the answer once its caller can receive it. `what.denial`: a denial after the
     * guard.
     */
    end(
      answer: Response,
      decision: Decision | undefined,
      what: Ended = {},
    ): Response | Promise<Response> {
      const { denial, revocations } = what
      const { audit } = ports
      // Changes to revocations are always written.
      const isWritten = revocations || isRecorded(decision, denial, policy?.gate.journal)
      const context = { id, time, requestId, version, colo, ...what }
      if (isWritten) ports.journal.record(recordOf(decision, context))
      const refused = denial ?? (decision && refusalOf(decision))
      // Some clients get refusals with 200, with the status inside.
      const status = refused ? answerRow(refused.answer).status : answer.status
      if (audit) {
        const duration = ports.clock.now() - time
        const { country } = (audit.rule.addresses && cf()) || {}
        const about = { duration, status, request, address: clientIp, country }
        const record = auditRecordOf(decision, context, about, audit.rule)
        // The stage of possession comes after the checks of the token.
        const isProved = decision?.known.possession !== undefined
        const whose = !isProved ? 'stranger' : refused ? 'refused' : 'known'
        audit.take(boundedRecord(record), whose)
      }
      const { used } = decision?.known ?? {}
      if (used && status >= 400) ports.replays.note?.(used, { status, requestId })
      const rooms = ports.dropped
      return onceSent(answer, request, { gate: policy?.gate, decision, clientIp, rooms })
    },
  }
}

type Extra = Readonly<Record<string, unknown>>
/** The result of a request after the guard. */
type Ended = Pick<RecordContext, 'denial' | 'origin' | 'revocations' | 'read' | 'renews'>

/** Decides and relays a request that is not for the gate's own endpoints. */
const pass = async (
  request: IncomingRequest,
  opened: Opened,
  onWait?: OnWait,
): Promise<Response> => {
  const { guard, ports, cf } = opened
  const begin = (of: RequestParts) => beginExchange(of, opened)
  const { requestId, clientIp, refuse, follow, end } = begin(request)
  let decision: Decision | undefined
  let ended: Ended | undefined
  try {
    if (!guard) {
      const denial = gatewayDenials('policy_invalid')
      return end(refuse(denial, undefined), undefined, { denial })
    }
    const connection = new PlatformConnection(cf)
    const decided = await guard(request, {
      ...{ caller: clientIp, connection, isFollowed: true },
      onWait: onWait && ((waiting) => onWait(waiting, requestId)),
    })
    decision = decided
    const cors = corsFor(request.original, decided)
    if (cors && request.method === 'OPTIONS') {
      const answer = preflightAnswer(request.original, cors)
      answer.headers.set('X-Request-Id', requestId)
      return end(answer, decision)
    }
    const answered = async () => {
      const refused = refusalOf(decided)
      if (refused) return refuse(refused, decided)
      const { send } = ports
      follow(decided)
      if (decided.outcome === 'passed' && isWebSocket(request)) {
        decided.renew = renewer(request, { decision: decided, requestId, guard, connection, begin })
      }
      const { answer, origin } = await relay(request, decided, {
        send,
        requestId,
        clientIp,
        isFetched: true,
      })
      ended = { origin, ...(!answer.ok && { denial: answer.reason }) }
      return answer.ok ? answer.value : refuse(answer.reason, decided)
    }
    const answer = await answered()
    return end(cors ? withCors(request.original, cors, answer) : answer, decision, ended)
  } catch (error) {
    ports.onError('gateway', error)
    decision?.leave?.()
    const denial = chainDenials('unavailable')
    return end(refuse(denial, decision), decision, { ...ended, denial })
  }
}

const isWebSocket = ({ headers }: RequestHead): boolean =>
  headers.get('upgrade')?.toLowerCase() === 'websocket'

/** The gate's own endpoints. An entry point adds its own apps before the first request. */
export const own = createApp<GateEnv>((request, options) => {
  const { prefix } = (options as { readonly env: Opened }).env
  return ownPath(request, prefix) ?? OWN
})

own.use(async (c, next) => {
  const { policy, ports } = c.env
  const { raw } = c.req
  const { requestId, clientIp, refuse, act, end } = beginExchange(raw, c.env)
  c.set('ports', ports)
  c.set('deny', (denial, extra) => {
    c.set('denial', denial)
    return refuse(denial, c.get('decision'), extra)
  })
  c.set('act', () => act(c.get('decision')))
  if (policy) {
    c.set('policy', policy)
    c.set('clientIp', clientIp)
  }
  await next()
  c.res.headers.set('X-Request-Id', requestId)
  if (c.get('isUnwritten')) return
  const { denial, revocations, read } = c.var
  c.res = await end(c.res, c.get('decision'), { denial, revocations, read })
})

own.get(`${OWN}/health`, (c) => {
  c.set('isUnwritten', true)
  return answer(c, { status: 'ok' })
})

const guarded = perObject((guard: Guard) =>
  guarding<GateEnv>(guard, {
    refuse: (denial, c) => c.get('deny')(denial),
    clientIp: (c) => c.get('clientIp'),
    connection: (c) => new PlatformConnection(c.env.cf),
  }),
)

own.use((c, next) => {
  const { guard } = c.env
  if (guard) return guarded(guard)(c, next)
  c.res = c.get('deny')(gatewayDenials('policy_invalid'))
  return Promise.resolve()
})
own.get(`${OWN}/ready`, ready)
own.get(`${OWN}/jwks.json`, jwks)
own.route(OWN, revocationsApp)
own.post(`${OWN}/revoke`, giveBack)
own.get(`${OWN}/approvals/:id`, approvalState)
own.post(`${OWN}/explain`, explainRequest)
own.get(`${OWN}/policy`, policyInForce)
own.use(`${METADATA_PATH}/*`, resourceMetadata)

// Such as the console's host, if the Worker has no console.
own.notFound((c) => c.get('deny')(routeDenials('route_unknown')))
own.onError((error, c) => {
  if (error instanceof HTTPException) return error.getResponse()
  c.get('ports').onError('gateway', error)
  return c.get('deny')(chainDenials('unavailable'))
})

/** The address that a request comes from, by the source that the policy names. Does not check its form. */
export function addressOf(
  request: RequestHead,
  { clientIp }: Gate,
  cf: Opened['cf'],
): string | undefined {
  switch (clientIp.from) {
    case 'header':
      return request.headers.get(clientIp.name) ?? undefined
    case 'connection':
      return cf()
        ?.clientIp?.replace(/:\d+$/, '')
        .replace(/^\[|\]$/g, '')
    case 'none':
      return undefined
  }
}
