import type { GatePorts } from '../../gate/app/platform/ports.ts'
import { type Denial, denials } from '../../gate/base/denial.ts'
import { parseJsonObject } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import {
  type EventSubject,
  type SecurityEvent,
  securityEvent,
  writtenSet,
} from '../../gate/events/set.ts'
import { stateOf } from '../../gate/events/verification.ts'
import { revokedDenials } from '../../gate/guard/checks/revoked.ts'
import type { Act } from '../../gate/model/audit.ts'
import {
  type Effect,
  EVENTS,
  type Issuer,
  type SignalName,
  type Transmitter,
} from '../../gate/model/issuer.ts'
import { isSigned } from '../../gate/model/jwk.ts'
import {
  type Mode,
  type Revocation,
  type RevocationSubject,
  revocationId,
} from '../../gate/model/revocation.ts'
import { type Signal, signalName } from '../../gate/model/signal.ts'

export const eventDenials = denials({
  event_unauthenticated: [
    'badRequest',
    'No transmitter sends this Authorization header',
    'Send the Authorization header that the operator of this gate has set for the transmitter',
  ],
  event_invalid: [
    'badRequest',
    'The request is not one security event in the required form',
    'Send one SET in the media type and form of RFC 8935, of at most 64 KiB: with typ, iss, aud, iat, jti, sub_id and one event, and neither exp nor sub',
  ],
  event_issuer: [
    'badRequest',
    'The event is not from the transmitter that sends it',
    'Set iss to the issuer that the operator of this gate has configured for the transmitter',
  ],
  event_key: [
    'badRequest',
    'The signature does not verify with a key of the transmitter',
    'Sign with a published key of the transmitter and an algorithm that the gate accepts',
  ],
  event_audience: [
    'badRequest',
    'The event is for another audience',
    'Set aud to the audience that the operator of this gate has configured for the transmitter',
  ],
  event_refused: [
    'badRequest',
    'The transmitter may not send this event about this subject',
    'Send events that the gate accepts from this transmitter, about a subject iss_sub of an issuer that it may speak of',
  ],
  event_state: [
    'badRequest',
    'The state of the verification event is not one of this gate and stream',
    'Send the state and the stream of the request for verification, or no state',
  ],
  event_old: [
    'badRequest',
    'The event is too old, or its time is in the future',
    'Send events within 7 days, and events that give access back within an hour',
  ],
  event_keys_unavailable: [
    'unavailable',
    "The transmitter's keys are not available at the moment",
    'Send the event again after Retry-After',
  ],
  events_full: [
    'full',
    'The gate can store no more security events about this issuer',
    'Send the event again later; an operator may have to lift revocations of the issuer',
  ],
})

const deny = eventDenials
const HOUR = 60 * 60
const DAY = 24 * HOUR
/** Seconds for which an event is accepted, and for which it is remembered. */
const OLDEST = { narrows: 7 * DAY, lifts: HOUR }
const REMEMBERED = 8 * DAY

/** A transmitter, with the issuer of whose subjects it may speak. */
export interface Sender {
  readonly of: Issuer
  readonly by: Transmitter
}

/** What an event is taken with. */
export interface EventSetting {
  readonly ports: Pick<GatePorts, 'clock' | 'keys' | 'store'>
  /** Seconds by which the transmitter's clock may be ahead. */
  readonly clockTolerance: number
  /** Seconds for which an entry that covers older tokens is kept. */
  readonly entryLife: number
  /** Whose share of key lookups it uses; `undefined` if the gate itself has fetched the event. */
  readonly clientIp: string | undefined
  /** The act that is stored with the change; the event is added to its record. */
  readonly act?: Act
}

/** The ids of the revocations that an event has changed, or why it is refused. */
export type Taken = Result<readonly string[], Denial>

/**
 * Verifies one SET of one of these senders, and changes the revocation set as it says. `ok` once the change is stored;
 * also for an event that came before. Does not check how the SET came: whether its bearer may send it.
 */
export async function takeEvent(
  text: string,
  senders: readonly [Sender, ...Sender[]],
  setting: EventSetting,
): Promise<Taken> {
  const written = writtenSet(text)
  if (!written) return fail(deny('event_invalid'))
  const own = senders.filter(({ by }) => by.source.issuer === written.issuer)
  const [first] = own
  if (!first) return fail(deny('event_issuer'))
  const event = securityEvent(written.claims)
  // Keys are those of the issuer of whose subject the event speaks, if the transmitter may.
  const about = event && own.find(({ of }) => isAbout(event, of.issuer, own.length))
  const { by } = about ?? first
  const refused = await unverified(by, written.header, text, setting)
  if (refused) return fail(refused)
  if (!event) return fail(deny('event_invalid'))
  if (!event.audiences.includes(by.audience)) return fail(deny('event_audience'))
  const now = Math.floor(setting.ports.clock.now() / 1000)
  const oldest = event.name === 'account-enabled' ? OLDEST.lifts : OLDEST.narrows
  const latest = now + setting.clockTolerance
  if (event.issuedAt > latest || event.issuedAt < now - oldest) return fail(deny('event_old'))
  if (event.name === 'verification') {
    const state = await stateOf(by, written.claims, event.uri)
    if (!state.ok) return fail(deny('event_state'))
    const { value } = state
    if (value === undefined) return ok([])
    return await noted(about ?? first, { ...event, state: value }, now, setting)
  }
  const { name } = event
  if (name === 'stream-updated') return await noted(first, event, now, setting)
  if (name === undefined || !about || !by.accept.has(name) || !hasSubject(event)) {
    return fail(deny('event_refused'))
  }
  return await applied(about, { ...event, name }, now, setting)
}

/** Whether each principal is of this issuer. One without an issuer is, where the transmitter speaks of no other issuer. */
const isAbout = ({ subject, session }: SecurityEvent, issuer: string, issuers: number): boolean => {
  const named = [subject, session].filter((one) => one !== undefined)
  const isOf = (one: EventSubject) => (one.issuer ?? (issuers === 1 ? issuer : '')) === issuer
  return named.length > 0 && named.every(isOf)
}

/** Whether the event names whom it is about: events of accounts need a subject. */
const hasSubject = ({ name, subject }: SecurityEvent): boolean =>
  !EVENTS.risc.some((one) => one === name) || (subject !== undefined && subject.kind !== 'token')

const unverified = async (
  { source }: Transmitter,
  header: NonNullable<ReturnType<typeof writtenSet>>['header'],
  text: string,
  { ports, clientIp }: EventSetting,
): Promise<Denial | undefined> => {
  if (!source.algorithms.includes(header.algorithm)) return deny('event_key')
  const found = await ports.keys.find(source, header, clientIp)
  if (!found.ok) {
    const isKnown = found.reason !== 'unavailable' && found.reason !== 'undecided'
    return deny(isKnown ? 'event_key' : 'event_keys_unavailable')
  }
  const isOwn = await isSigned(text, header.algorithm, found.value.key)
  return isOwn ? undefined : deny('event_key')
}

/** An event as its act has it: a verification event with its state. */
type Stored = SecurityEvent & { readonly state?: string }
type Known = SecurityEvent & { readonly name: SignalName }

const applied = async (
  sender: Sender,
  event: Known,
  now: number,
  setting: EventSetting,
): Promise<Taken> => {
  const { of, by } = sender
  const effect = event.isAlarming ? by.effects[event.name] : 'alert'
  const change = { effect, now, until: event.issuedAt + setting.entryLife }
  const covered = coveredBy(event, effect)
  const subject = covered && { ...covered, issuer: of.issuer }
  if (!subject) return await noted(sender, event, now, setting)
  if (effect === 'lift') {
    const id = await entryId(subject, by, 'account-disabled')
    return await noted(sender, event, now, setting, { lift: { id, before: event.issuedAt } })
  }
  const add = await entryOf(subject, sender, event, change)
  return await noted(sender, event, now, setting, add && { add })
}

/** Whom the effect covers; `undefined` where the event does not say, or nothing is changed. */
const coveredBy = (
  { name, subject, session }: Known,
  effect: Effect,
): Pick<EventSubject, 'kind' | 'value'> | undefined => {
  if (effect === 'alert') return undefined
  if (effect === 'session') return session
  return name === 'session-revoked' ? (session ?? subject) : (subject ?? session)
}

/** One entry of each event of a transmitter about a subject, beside those of administrators. */
const entryId = (
  subject: RevocationSubject,
  { source }: Transmitter,
  name: SignalName,
  mode: Mode = 'block',
): Promise<string> => revocationId(subject, mode, JSON.stringify([source.issuer, name]))

/** The entry of an event. `undefined` if the tokens that it would cover have all expired. */
const entryOf = async (
  subject: RevocationSubject,
  { by }: Sender,
  { name, issuedAt }: Known,
  { effect, now, until }: { effect: Effect; now: number; until: number },
): Promise<Revocation | undefined> => {
  const isOfAccount = name === 'account-disabled' || name === 'account-purged'
  if (!isOfAccount && until <= now) return undefined
  const older = effect === 'step-up' ? 'step-up' : 'before'
  const mode = isOfAccount || effect === 'session' ? 'block' : older
  return {
    id: await entryId(subject, by, name, mode),
    ...{ kind: subject.kind, issuer: subject.issuer, value: subject.value },
    mode,
    at: issuedAt,
    ...(!isOfAccount && { expires: until }),
    reason: name,
    created: now,
    createdBy: `${by.source.issuer} events`,
    own: true,
  }
}

/** Remembers an event, with what it changes. The audit gets it in either case. */
const noted = async (
  { of, by }: Sender,
  event: Stored,
  now: number,
  { ports, act }: EventSetting,
  change: Pick<Signal, 'add' | 'lift'> = {},
): Promise<Taken> => {
  const { issuer: transmitter } = by.source
  const name = await signalName(transmitter, of.issuer, event.jti)
  const signal: Signal = {
    name,
    txn: event.txn ?? name,
    until: now + REMEMBERED,
    issuer: of.issuer,
    ...change,
  }
  try {
    const result = await ports.store.signal(signal, act && actOf(act, event, transmitter))
    if ('full' in result) return fail(deny('events_full'))
    return ok(result.changed.map(({ id }) => id))
  } catch (error) {
    return fail(revokedDenials('revocations_unavailable', { error: String(error) }))
  }
}

/** The act of the transmitter, with what its event says of itself. */
const actOf = (act: Act, { uri, jti, txn, state }: Stored, transmitter: string): Act => {
  const event = { transmitter, uri, jti, txn, state }
  const record = JSON.stringify({ ...parseJsonObject(act.record), event })
  return { ...act, isOwn: true, record }
}
