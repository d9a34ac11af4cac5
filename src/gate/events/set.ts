import { isObject, type JsonObject, own, ownText } from '../base/json.ts'
import { decodeJwsPart, FORBIDDEN_PARAMETERS, isKid, mediaType, splitJws } from '../base/jws.ts'
import { LIMITS } from '../base/limits.ts'
import { isIdentityText } from '../base/text.ts'
import { type Algorithm, algorithmOf, EVENTS, SIGNALS, type SignalName } from '../model/issuer.ts'
import type { Kind } from '../model/revocation.ts'

/** A Security Event Token (RFC 8417) as it is written. Nothing of it is verified. */
export interface WrittenSet {
  readonly header: { readonly algorithm: Algorithm; readonly kid?: string }
  readonly issuer: string
  readonly claims: JsonObject
}

/** What a SET says. Times are seconds since the epoch. */
export interface SecurityEvent {
  readonly jti: string
  readonly txn?: string
  readonly issuedAt: number
  readonly audiences: readonly unknown[]
  /** The URI of the event. */
  readonly uri: string
  /** The event, if the gate knows it. */
  readonly name?: SignalName | 'verification' | 'stream-updated'
  /** Whether it is a change for the worse, or one whose direction is not known. */
  readonly isAlarming: boolean
  /** Whom it is about, and the session, where the gate can read them. */
  readonly subject?: EventSubject
  readonly session?: EventSubject
}

/** A principal of an event. Without `issuer` its form names none, and that of the transmitter's table is meant. */
export interface EventSubject {
  readonly kind: Extract<Kind, 'subject' | 'session' | 'token' | 'agent'>
  readonly issuer?: string
  readonly value: string
}

const PREFIX = 'https://schemas.openid.net/secevent/'
/** The URI of an event that changes the revocation set. */
export function eventUri(name: SignalName): string {
  const isRisc = EVENTS.risc.some((one) => one === name)
  return `${PREFIX}${isRisc ? 'risc' : 'caep'}/event-type/${name}`
}

const NAMES = new Map<string, NonNullable<SecurityEvent['name']>>([
  ...SIGNALS.map((name) => [eventUri(name), name] as const),
  [`${PREFIX}ssf/event-type/verification`, 'verification'],
  [`${PREFIX}ssf/event-type/stream-updated`, 'stream-updated'],
])

/** The member of an event with which a gate says that its subject is an agent. */
export const SUBJECT_KIND = 'subject_kind'

/** Whether an event is a change for the worse; `undefined` where it lacks the member that says so. */
const ALARMING: { readonly [Name in string]?: (event: JsonObject) => boolean | undefined } = {
  'credential-change': (event) => {
    const change = own(event, 'change_type')
    if (change === 'create' || change === 'update') {
      return change === 'update' && own(event, 'credential_type') === 'password'
    }
    return change === 'revoke' || change === 'delete' || undefined
  },
  'assurance-level-change': (event) => own(event, 'change_direction') !== 'increase',
  'device-compliance-change': (event) => {
    const status = own(event, 'current_status')
    return status === 'compliant' ? false : status === 'not-compliant' || undefined
  },
}

/** Most characters of `jti`, `txn` and the URI of an event. */
const LONGEST = 256

/**
 * Reads the parts of a SET with `typ: secevent+jwt`, a known algorithm and no forbidden header parameter. `undefined`
 * for anything else. Verifies nothing.
 * @example writtenSet('e30.e30.AA') // undefined
 */
export function writtenSet(text: string): WrittenSet | undefined {
  const parts = splitJws(text)
  const header = decodeJwsPart(parts?.header ?? '')
  const claims = decodeJwsPart(parts?.payload ?? '')
  const issuer = claims && ownText(claims, 'iss')
  if (!header || !claims || issuer === undefined) return undefined
  const [algorithm, kid] = [algorithmOf(own(header, 'alg')), own(header, 'kid')]
  const isSet = mediaType(ownText(header, 'typ') ?? '') === 'secevent+jwt'
  const isForbidden = FORBIDDEN_PARAMETERS.some((name) => own(header, name) !== undefined)
  if (!algorithm || !isSet || isForbidden || (kid !== undefined && !isKid(kid))) return undefined
  return { header: { algorithm, ...(isKid(kid) && { kid }) }, issuer, claims }
}

/**
 * Reads the claims of a SET: exactly one event, `sub_id` at the top, `jti`, `iat`, and neither `exp` nor `sub` (SSF 1.0
 * §4.1). `undefined` for other claims. Checks no time, no audience, and not who may say this.
 * @example securityEvent({ jti: '1', iat: 1, events: {}, sub_id: {} }) // undefined
 */
export function securityEvent(claims: JsonObject): SecurityEvent | undefined {
  const [jti, txn, issuedAt] = ['jti', 'txn', 'iat'].map((name) => own(claims, name))
  const [events, subId, aud] = ['events', 'sub_id', 'aud'].map((name) => own(claims, name))
  if (!isObject(events) || !isObject(subId)) return undefined
  const [uri, ...others] = Object.keys(events)
  const event = isName(uri) ? own(events, uri) : undefined
  if (!isName(uri) || others.length > 0 || !isObject(event)) return undefined
  if (!isName(jti) || (txn !== undefined && !isName(txn))) return undefined
  if (typeof issuedAt !== 'number' || issuedAt < 0 || !Number.isFinite(issuedAt)) return undefined
  if (['exp', 'sub'].some((name) => own(claims, name) !== undefined)) return undefined
  const name = NAMES.get(uri)
  const isAlarming = (ALARMING[name ?? ''] ?? (() => true))(event)
  if (isAlarming === undefined) return undefined
  const kind = own(event, SUBJECT_KIND) === 'agent' ? 'agent' : 'subject'
  return {
    jti,
    issuedAt: Math.floor(issuedAt),
    audiences: Array.isArray(aud) ? aud : [aud],
    uri,
    ...(txn !== undefined && { txn }),
    ...(name && { name }),
    isAlarming,
    ...subjectsOf(subId, name === 'session-revoked' ? 'session' : 'subject', kind),
  }
}

const isName = (value: unknown): value is string =>
  typeof value === 'string' && isIdentityText(value) && value.length <= LONGEST

/** Formats of one principal (RFC 9493 §3.2, SSF 1.0 §3.5): the members with its issuer and with its value. */
const FORMATS = new Map<unknown, { issuer?: string; value: string; kind?: 'token' }>([
  ['iss_sub', { issuer: 'iss', value: 'sub' }],
  ['opaque', { value: 'id' }],
  ['jwt_id', { issuer: 'iss', value: 'jti', kind: 'token' }],
])

/** One principal; `undefined` where it has another format, or more members than that has. */
const principal = (id: unknown, kind: EventSubject['kind']): EventSubject | undefined => {
  const format = isObject(id) ? FORMATS.get(own(id, 'format')) : undefined
  if (!isObject(id) || !format) return undefined
  const members = format.issuer === undefined ? [format.value] : [format.issuer, format.value]
  const [value, issuer] = members.map((name) => ownText(id, name)).reverse()
  if (Object.keys(id).length !== members.length + 1 || value === undefined) return undefined
  if (format.issuer !== undefined && issuer === undefined) return undefined
  if (!isIdentityText(value) || value.length > LIMITS.revocationValue) return undefined
  return { kind: format.kind ?? kind, ...(issuer !== undefined && { issuer }), value }
}

/** Members of a complex subject. The gate knows neither devices nor tenants: those of the subject are all covered. */
const MEMBERS = new Set(['format', 'user', 'session', 'device', 'tenant'])

/** The principals of a subject. `opaque`: what an opaque id names. None if one part cannot be read. */
const subjectsOf = (
  subId: JsonObject,
  opaque: 'subject' | 'session',
  kind: 'subject' | 'agent',
): Pick<SecurityEvent, 'subject' | 'session'> => {
  const isComplex = own(subId, 'format') === 'complex'
  if (!isComplex) {
    const isSession = opaque === 'session' && own(subId, 'format') === 'opaque'
    const one = principal(subId, isSession ? 'session' : kind)
    return one ? { [isSession ? 'session' : 'subject']: one } : {}
  }
  const [user, session] = [own(subId, 'user'), own(subId, 'session')]
  const read = { subject: principal(user, 'subject'), session: principal(session, 'session') }
  const isLost = (user && !read.subject) || (session && !read.session)
  if (isLost || Object.keys(subId).some((name) => !MEMBERS.has(name))) return {}
  return {
    ...(read.subject && { subject: read.subject }),
    ...(read.session && { session: read.session }),
  }
}
