import { eventError } from '../../gate/answer/event-form.ts'
import type { GatePorts } from '../../gate/app/platform/ports.ts'
import { dateTimeText } from '../../gate/base/duration.ts'
import { type JsonObject, objectOf, own, ownText } from '../../gate/base/json.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { fetchedWithin } from '../../gate/base/timeout.ts'
import { writtenSet } from '../../gate/events/set.ts'
import { allowedUrl, type DocumentFault, discard, readObject } from '../../gate/keys/document.ts'
import { type Act, actTerms } from '../../gate/model/audit.ts'
import { entryLife, type Policy } from '../../gate/model/policy.ts'
import { system } from '../../gate/platform/system.ts'
import { eventDenials as deny, type Sender, type Taken, takeEvent } from './take.ts'

/** Bounds of one run for one transmitter: events of one answer, its bytes, answers, and milliseconds until the last is asked for. */
const POLL = { events: 32, bytes: 32 * LIMITS.adminBodyBytes + 64 * 1024, answers: 25, ms: 30_000 }

/** What polling needs of the gate. */
export interface PollPorts extends Pick<GatePorts, 'clock' | 'keys' | 'store' | 'bodies'> {
  /** Whether changes are stored in an audit. */
  readonly audit?: unknown
  /** Says in the audit which transmitters cannot be polled. */
  readonly report?: (problems: { readonly events: string }) => Promise<unknown>
}

/** Transmitters that are asked by one request. */
type Asked = readonly [Sender, ...Sender[]]

/** What was done with the events of an answer (RFC 8936 §2.4). Events that are in neither come again. */
interface Done {
  readonly ack: readonly string[]
  readonly setErrs: JsonObject
}

/**
 * Asks each transmitter that has `poll` for events until it has no more (RFC 8936), and takes them as if they had been
 * sent. An event is acknowledged once its change is stored, or refused with a reason; else it comes again. Never rejects:
 * what fails is logged and reported, and does not stop the other transmitters.
 */
export async function pollEvents(policy: Policy, ports: PollPorts): Promise<void> {
  const faults = await Promise.all(
    asksOf(policy).map(async (asked) => {
      const [{ by }] = asked
      const { issuer: transmitter } = by.source
      try {
        const error = await drain(asked, policy, ports)
        if (error === undefined) return []
        system.log({ event: 'events_poll_failed', transmitter, error })
        return [`${transmitter} (${error})`]
      } catch (error) {
        system.log({ event: 'events_poll_failed', transmitter, error: String(error) })
        return [transmitter]
      }
    }),
  )
  const events = faults.flat().join(', ')
  if (events !== '') await ports.report?.({ events }).catch(() => {})
}

/** One list for each address and secret: a transmitter may be in the tables of several issuers. */
const asksOf = ({ issuers }: Policy): readonly Asked[] => {
  const asks = new Map<string, Asked>()
  for (const of of issuers.values()) {
    for (const by of of.events ?? []) {
      if (!by.poll) continue
      const place = JSON.stringify([by.poll.endpoint, by.poll.secret])
      asks.set(place, [...(asks.get(place) ?? []), { of, by }] as unknown as Asked)
    }
  }
  return [...asks.values()]
}

/** Takes events until there are no more. Returns why it stopped before. */
const drain = async (
  asked: Asked,
  policy: Policy,
  ports: PollPorts,
): Promise<string | undefined> => {
  const end = ports.clock.now() + POLL.ms
  let done: Done = { ack: [], setErrs: {} }
  for (let answers = 0; answers < POLL.answers && ports.clock.now() < end; answers++) {
    const answer = await ask(asked, { maxEvents: POLL.events, ...done }, ports)
    if (!answer.ok) return answer.reason
    if (answer.value.length === 0) return undefined
    const taken = await takeAll(answer.value, asked, { policy, ports, end })
    done = taken.done
    if (taken.waits === undefined) continue
    const last = await ask(asked, { maxEvents: 0, ...done }, ports)
    return last.ok ? taken.waits : last.reason
  }
  const last = await ask(asked, { maxEvents: 0, ...done }, ports)
  return last.ok ? 'more events than fit in one run' : last.reason
}

interface Listed {
  /** The name of the event in the list. */
  readonly jti: string
  readonly set: string
  /** Its claims, not verified. */
  readonly claims: JsonObject
}

/** One request to the transmitter: without redirects, over https unless the issuer allows loopback http. */
const ask = async (
  [{ of, by }]: Asked,
  body: { readonly maxEvents: number } & Done,
  { bodies }: PollPorts,
): Promise<Result<readonly Listed[], DocumentFault | 'no list of events'>> => {
  const { endpoint = '', authorization = '' } = by.poll ?? {}
  const url = allowedUrl(endpoint, of)
  if (!url) return fail('address not allowed')
  const owner = JSON.stringify(['events', by.source.issuer])
  const room = bodies.open(owner, LIMITS.fetchMs + LIMITS.heldSlackMs)
  const found = await fetchedWithin(LIMITS.fetchMs, async (signal) => {
    const response = await fetch(url.href, {
      method: 'POST',
      redirect: 'manual',
      signal,
      headers: {
        authorization,
        accept: 'application/json',
        'content-type': 'application/json',
        'content-language': 'en',
      },
      body: JSON.stringify({ returnImmediately: true, ...body }),
    })
    if (response.status === 200) {
      return readObject(response, { bytes: POLL.bytes, ms: LIMITS.fetchMs, signal, room })
    }
    discard(response)
    return fail(`status ${response.status}` as const)
  })
  room.leave()
  if (!found.ok) return found
  const sets = own(found.value, 'sets')
  if (typeof sets !== 'object' || sets === null || Array.isArray(sets)) {
    return fail('no list of events')
  }
  return ok(
    Object.entries(sets)
      .slice(0, body.maxEvents)
      .map(([jti, written]) => {
        const isShort = typeof written === 'string' && written.length <= LIMITS.adminBodyBytes
        const set = isShort ? written : ''
        return { jti, set, claims: objectOf(writtenSet(set)?.claims) }
      }),
  )
}

/** Takes the events of one answer, the earliest first. `waits`: the code of one that must come again. */
const takeAll = async (
  events: readonly Listed[],
  asked: Asked,
  { policy, ports, end }: { policy: Policy; ports: PollPorts; end: number },
): Promise<{ readonly done: Done; readonly waits: string | undefined }> => {
  const ack: string[] = []
  const refused: [jti: string, error: unknown][] = []
  const codes: string[] = []
  let waits: string | undefined
  // An answer has no order, and an event that gives access back lifts only what was before.
  for (const event of [...events].sort((a, b) => timeOf(a) - timeOf(b))) {
    if (ports.clock.now() > end) {
      waits ??= 'more events than fit in one run'
      break
    }
    const taken = await take(event, asked, policy, ports)
    if (taken.ok) {
      ack.push(event.jti)
      continue
    }
    const error = eventError(taken.reason)
    if (error) refused.push([event.jti, error])
    else waits ??= taken.reason.code
    codes.push(taken.reason.code)
  }
  if (codes.length > 0) {
    const [{ by }] = asked
    system.log({ event: 'events_refused', transmitter: by.source.issuer, codes: countsOf(codes) })
  }
  return { done: { ack, setErrs: Object.fromEntries(refused) }, waits }
}

const countsOf = (codes: readonly string[]): JsonObject =>
  Object.fromEntries(
    [...new Set(codes)].map((code) => [code, codes.filter((c) => c === code).length]),
  )

const timeOf = ({ claims }: Listed): number => Number(own(claims, 'iat')) || 0

const take = async (
  { jti, set, claims }: Listed,
  asked: Asked,
  policy: Policy,
  ports: PollPorts,
): Promise<Taken> => {
  const { gate, audit } = policy
  if (ownText(claims, 'jti') !== jti) return fail(deny('event_invalid'))
  const id = crypto.randomUUID()
  const record = { v: 1, kind: 'act', id, time: dateTimeText(ports.clock.now()) }
  const act: Act | undefined =
    ports.audit && audit ? { ...actTerms(audit), id, record: JSON.stringify(record) } : undefined
  return await takeEvent(set, asked, {
    ports,
    clockTolerance: gate.clockTolerance,
    entryLife: entryLife(policy),
    clientIp: undefined,
    ...(act && { act }),
  })
}
