import { type Admin, called, refuse } from '../../gate/app/context.ts'
import { sha256Name, utf8Decode } from '../../gate/base/bytes.ts'
import { denials } from '../../gate/base/denial.ts'
import { parseJsonObject } from '../../gate/base/json.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import { type SecurityEvent, securityEvent, writtenSet } from '../../gate/events/set.ts'
import { revokedDenials } from '../../gate/guard/checks/revoked.ts'
import { wholeBody } from '../../gate/guard/operation/body.ts'
import type { Act } from '../../gate/model/audit.ts'
import type { Issuer, SignalName, Transmitter } from '../../gate/model/issuer.ts'
import { isSigned } from '../../gate/model/jwk.ts'
import { type Revocation, revocationId } from '../../gate/model/revocation.ts'
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
const TYPE = /^application\/secevent\+jwt[\t ]*$/i
const HOUR = 60 * 60
const DAY = 24 * HOUR
/** Seconds for which an event is accepted, and for which it is remembered. */
const OLDEST = { narrows: 7 * DAY, lifts: HOUR }
const REMEMBERED = 8 * DAY

/** A transmitter, with the issuer of whose subjects it may speak. */
interface Sender {
  readonly of: Issuer
  readonly by: Transmitter
}

/**
 * `POST /events` (RFC 8935): takes one security event of a transmitter of the policy, and changes the revocation set as
 * it says. The answer is 202 once the change is stored. An event that comes again gets the same answer.
 */
export async function receiveEvent(c: Admin): Promise<Response> {
  const senders = await sendersOf(c)
  const [first] = senders
  if (!first) return refuse(c, deny('event_unauthenticated'))
  const text = await readBody(c, first)
  const written = writtenSet(text)
  if (!written) return refuse(c, deny('event_invalid'))
  const own = senders.filter(({ by }) => by.source.issuer === written.issuer)
  if (own.length === 0) return refuse(c, deny('event_issuer'))
  const event = securityEvent(written.claims)
  // Keys are those of the issuer of whose subject the event speaks, if the transmitter may.
  const about = own.find(({ of }) => of.issuer === event?.subject?.issuer)
  const { by } = about ?? (own[0] as Sender)
  await mustVerify(c, by, written.header, text)
  if (!event) return refuse(c, deny('event_invalid'))
  if (!event.audiences.includes(by.audience)) return refuse(c, deny('event_audience'))
  const now = Math.floor(c.get('ports').clock.now() / 1000)
  const oldest = event.name === 'account-enabled' ? OLDEST.lifts : OLDEST.narrows
  const latest = now + c.get('policy').gate.clockTolerance
  if (event.issuedAt > latest || event.issuedAt < now - oldest) refuse(c, deny('event_old'))
  if (event.name === undefined) return refuse(c, deny('event_refused'))
  if (event.name !== 'verification') {
    if (!about || !by.accept.has(event.name)) return refuse(c, deny('event_refused'))
    await apply(c, about, { ...event, name: event.name }, now)
  }
  return c.body(null, 202, { 'cache-control': 'no-store' })
}

/** The transmitters that send this Authorization header. Compares digests, so that time says nothing of the header. */
const sendersOf = async (c: Admin): Promise<readonly Sender[]> => {
  const sent = await sha256Name(c.req.header('authorization') ?? '')
  const all = [...c.get('policy').issuers.values()].flatMap((of) =>
    (of.events ?? []).map((by) => ({ of, by })),
  )
  const digests = await Promise.all(
    all.map(({ by }) => by.authorization && sha256Name(by.authorization)),
  )
  return all.filter((_, i) => digests[i] === sent)
}

const readBody = async (c: Admin, { by }: Sender): Promise<string> => {
  const { headers, body } = c.req.raw
  if (!TYPE.test(headers.get('content-type') ?? '') || headers.has('content-encoding')) {
    return refuse(c, deny('event_invalid'))
  }
  const owner = JSON.stringify(['events', by.source.issuer])
  const room = c.get('ports').bodies.open(owner, LIMITS.bodyReadMs + LIMITS.heldSlackMs)
  try {
    const read = await wholeBody(body, LIMITS.adminBodyBytes, room)
    return read.ok ? (utf8Decode(read.value) ?? '') : refuse(c, read.reason)
  } finally {
    room.leave()
  }
}

const mustVerify = async (
  c: Admin,
  { source }: Transmitter,
  header: NonNullable<ReturnType<typeof writtenSet>>['header'],
  text: string,
): Promise<void> => {
  if (!source.algorithms.includes(header.algorithm)) refuse(c, deny('event_key'))
  const found = await c.get('ports').keys.find(source, header, c.get('clientIp'))
  if (!found.ok) {
    return refuse(
      c,
      found.reason === 'unavailable' ? deny('event_keys_unavailable') : deny('event_key'),
    )
  }
  if (!(await isSigned(text, header.algorithm, found.value.key))) refuse(c, deny('event_key'))
}

type Known = SecurityEvent & { readonly name: SignalName }

const apply = async (c: Admin, { of, by }: Sender, event: Known, now: number): Promise<void> => {
  const { issuer: transmitter } = by.source
  const subject = { kind: 'subject', issuer: of.issuer, value: event.subject?.value ?? '' } as const
  const idOf = (name: SignalName) =>
    revocationId(subject, 'block', JSON.stringify([transmitter, name]))
  const entry = async (): Promise<Revocation> => ({
    id: await idOf(event.name),
    ...subject,
    mode: 'block',
    at: event.issuedAt,
    reason: event.name,
    created: now,
    createdBy: `${transmitter} events`,
    own: true,
  })
  const signal: Signal = {
    name: await signalName(transmitter, event.jti),
    until: now + REMEMBERED,
    issuer: of.issuer,
    ...(event.name === 'account-enabled'
      ? { lift: { id: await idOf('account-disabled'), before: event.issuedAt } }
      : { add: await entry() }),
  }
  const result = await called(
    c,
    () => c.get('ports').store.signal(signal, actOf(c, event, transmitter)),
    (error) => revokedDenials('revocations_unavailable', { error: String(error) }),
  )
  if ('full' in result) return refuse(c, deny('events_full'))
  c.set(
    'revocations',
    result.changed.map(({ id }) => id),
  )
}

/** The act of the transmitter, with what its event says of itself. */
const actOf = (c: Admin, { uri, jti, txn }: Known, transmitter: string): Act | undefined => {
  const act = c.get('act')?.()
  const event = { transmitter, uri, jti, txn }
  return (
    act && {
      ...act,
      isOwn: true,
      record: JSON.stringify({ ...parseJsonObject(act.record), event }),
    }
  )
}
