import { sha256Name } from '../base/bytes.ts'
import type { Revocation } from './revocation.ts'

/** What a security event changes in the revocation set; nothing by a verification event. Times are seconds since the epoch. */
export interface Signal {
  /** See {@link signalName}. A name is remembered until `until`; what comes again under it changes nothing. */
  readonly name: string
  readonly until: number
  /** What has caused the event: the same for every event of one cause. */
  readonly txn: string
  /** The issuer of the event's subject, in whose share it is remembered. */
  readonly issuer: string
  readonly add?: Revocation
  /** An entry that is removed if its `at` is before `before`. */
  readonly lift?: { readonly id: string; readonly before: number }
}

/**
 * The name under which an event is remembered: 256 bits of SHA-256, base64url, of its transmitter, `jti`, and the issuer
 * of its subject. So two transmitters with one `iss` in the tables of two issuers cannot use up each other's `jti`.
 */
export function signalName(transmitter: string, issuer: string, jti: string): Promise<string> {
  return sha256Name(JSON.stringify([transmitter, issuer, jti]))
}
