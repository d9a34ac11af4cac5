import { isObject, type JsonObject, own, ownText } from '../base/json.ts'
import { decodeJwsPart, FORBIDDEN_PARAMETERS, isKid, mediaType, splitJws } from '../base/jws.ts'
import { LIMITS } from '../base/limits.ts'
import { isIdentityText } from '../base/text.ts'
import { type Algorithm, algorithmOf, SIGNALS, type SignalName } from '../model/issuer.ts'
import type { SentEvent } from '../model/transmit.ts'

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
  /** The event, if the gate acts on it. */
  readonly name?: SignalName | 'verification'
  /** The subject, if it has the format `iss_sub` (RFC 9493 §3.2.4): an agent where another gate says so. */
  readonly subject?: {
    readonly kind: 'subject' | 'agent'
    readonly issuer: string
    readonly value: string
  }
}

const PREFIX = 'https://schemas.openid.net/secevent/'
const NAMES = new Map<string, NonNullable<SecurityEvent['name']>>([
  ...SIGNALS.map((name) => [`${PREFIX}risc/event-type/${name}`, name] as const),
  [`${PREFIX}ssf/event-type/verification`, 'verification'],
])

/** The member of an event with which a gate says that its subject is an agent. */
export const SUBJECT_KIND = 'subject_kind'

/** The URI of an event that a gate sends. */
export function eventUri(name: SentEvent): string {
  return `${PREFIX}${name === 'session-revoked' ? 'caep' : 'risc'}/event-type/${name}`
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
  const kind = own(event, SUBJECT_KIND) === 'agent' ? 'agent' : 'subject'
  const subject = subjectOf(subId, kind)
  return {
    jti,
    issuedAt: Math.floor(issuedAt),
    audiences: Array.isArray(aud) ? aud : [aud],
    uri,
    ...(txn !== undefined && { txn }),
    ...(name && { name }),
    ...(subject && { subject }),
  }
}

const isName = (value: unknown): value is string =>
  typeof value === 'string' && isIdentityText(value) && value.length <= LONGEST

const subjectOf = (subId: JsonObject, kind: 'subject' | 'agent'): SecurityEvent['subject'] => {
  const [issuer, value] = [ownText(subId, 'iss'), ownText(subId, 'sub')]
  if (own(subId, 'format') !== 'iss_sub' || Object.keys(subId).length !== 3) return undefined
  if (issuer === undefined || value === undefined || !isIdentityText(value)) return undefined
  return value.length <= LIMITS.revocationValue ? { kind, issuer, value } : undefined
}
