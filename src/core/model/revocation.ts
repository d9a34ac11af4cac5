import { sha256Name, utf8Encode } from '../bytes.ts'
import type { AccessToken, AgentIdentity } from './token.ts'

/** What can be revoked, always within an issuer. */
export const KINDS = ['token', 'agent', 'subject', 'client', 'workflow', 'key', 'issuer'] as const
export type Kind = (typeof KINDS)[number]

/** `block`: until lifted or expired. `before`: tokens issued up to a moment. */
export const MODES = ['block', 'before'] as const
export type Mode = (typeof MODES)[number]

/** Which administrators have made an entry: those of its issuer alone, or those of every issuer. */
export const REACHES = ['own', 'all'] as const

/** What an entry covers. `value` is empty for kind `issuer`. */
export interface RevocationSubject {
  readonly kind: Kind
  readonly issuer: string
  readonly value: string
}

/** One entry of the revocation set. Times are seconds since the epoch. */
export interface Revocation extends RevocationSubject {
  /** Derived from kind, issuer, value, mode and `own`: the same entry has the same id. */
  readonly id: string
  readonly mode: Mode
  /** Only for `before`: the moment up to which issued tokens are revoked. */
  readonly at?: number
  /** When the entry leaves by itself. */
  readonly expires?: number
  readonly reason?: string
  readonly created: number
  readonly createdBy: string
  /**
   * Made by an administrator of this issuer alone. What an administrator of every issuer makes is another
   * entry, with an id of its own.
   */
  readonly own?: true
  /** When and by whom it was made again last. */
  readonly renewed?: number
  readonly renewedBy?: string
}

/**
 * How late a revocation may count. `strict`: the set is asked for each request, so from the moment it
 * was made. `bounded`: from a copy of the set that is no older than `maxStaleness`, in milliseconds.
 */
export interface RevocationTerms {
  readonly consistency: 'strict' | 'bounded'
  readonly maxStaleness: number
}

/** Where the platform is asked to make an object; it may choose another place. */
export const LOCATIONS = [
  'wnam',
  'enam',
  'sam',
  'weur',
  'eeur',
  'apac',
  'apac-ne',
  'apac-se',
  'oc',
  'afr',
  'me',
] as const
export type Location = (typeof LOCATIONS)[number]

/** Where objects run and keep what they store, whoever asks. */
export const JURISDICTIONS = ['eu', 'us', 'fedramp', 'fedramp-high'] as const
export type Jurisdiction = (typeof JURISDICTIONS)[number]

/**
 * Where the set is kept: in `shards` objects, each of which has all of it. The location of a shard is a
 * hint, and they are handed out in turn. Another jurisdiction is another set.
 */
export interface RevocationPlacement {
  readonly shards: number
  readonly locations: readonly Location[]
  readonly jurisdiction?: Jurisdiction
}

/** How far an entry, or the lack of it, has come. */
export interface ShardStatus {
  /** Shards that answer for the set. */
  readonly total: number
  readonly acknowledged: number
  /** Names of those that have not acknowledged it. */
  readonly pending: readonly string[]
}

/** The id of an entry: 128 bits of SHA-256, base64url. */
export async function revocationId(
  { kind, issuer, value }: RevocationSubject,
  mode: Mode,
  own = false,
): Promise<string> {
  const text = JSON.stringify([kind, issuer, value, mode, ...(own ? ['own'] : [])])
  return (await sha256Name(text)).slice(0, 22)
}

/** What is full: the whole set, or what the administrators of one issuer may fill of it. */
export type Fullness = 'set' | 'share'

/**
 * Whether a set has too many entries once some are added. `own`: how many entries the administrators of
 * one issuer have made, where they are who adds. They may fill a tenth of the set, and none of its last tenth.
 */
export function fullness(
  { held, own }: { readonly held: number; readonly own?: number | undefined },
  capacity: number,
): Fullness | undefined {
  const tenth = Math.floor(capacity / 10)
  if (own !== undefined && own > tenth) return 'share'
  return held > (own === undefined ? capacity : capacity - tenth) ? 'set' : undefined
}

/** The issuer whose administrator makes these entries; `undefined`: one of every issuer. */
export function ownerOf(entries: readonly Revocation[]): string | undefined {
  return entries.find(({ own }) => own)?.issuer
}

/** The one spelling of a subject, used as its key. */
export function subjectKey({ kind, issuer, value }: RevocationSubject): string {
  return JSON.stringify([kind, issuer, value])
}

/** Bytes of a subject's hash. */
export const SUBJECT_HASH_BYTES = 8

/**
 * What stands for a subject in a copy of the set: the first 8 bytes of SHA-256 of its `subjectKey`.
 * Two subjects may share one, so a hit is a reason to ask, never an answer.
 */
export async function subjectHash(key: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', utf8Encode(key))).slice(
    0,
    SUBJECT_HASH_BYTES,
  )
}

/** Whether an entry revokes a token issued at `issuedAt`; `tolerance` covers issuers' clocks. */
export function isRevoked(
  entry: Pick<Revocation, 'mode' | 'at' | 'expires'>,
  token: { readonly issuedAt: number; readonly now: number; readonly tolerance: number },
): boolean {
  if (hasExpired(entry, token.now)) return false
  return entry.mode === 'block' || token.issuedAt <= (entry.at ?? 0) + token.tolerance
}

/** Whether an entry has left by itself at `now`, in seconds. */
export function hasExpired(entry: Pick<Revocation, 'expires'>, now: number): boolean {
  return entry.expires !== undefined && entry.expires <= now
}

/**
 * What an entry becomes when it is made again: as long and as late as the one or the other asks, so that
 * nobody takes from what somebody else has revoked; that is what lifting is for. The old origin stays, and
 * who made it again is told beside it.
 */
export function renewed(old: Revocation, next: Revocation): Revocation {
  const { expires: _, at: __, ...rest } = next
  const isForever = old.expires === undefined || next.expires === undefined
  const at = Math.max(old.at ?? 0, next.at ?? 0)
  const reason = next.reason ?? old.reason
  return {
    ...rest,
    ...(next.at !== undefined && { at }),
    ...(!isForever && { expires: Math.max(old.expires ?? 0, next.expires ?? 0) }),
    ...(reason !== undefined && { reason }),
    created: old.created,
    createdBy: old.createdBy,
    renewed: next.created,
    renewedBy: next.createdBy,
  }
}

/**
 * Everything a revocation could name to cover this token, each within its issuer. Agents and
 * actors are named as their issuer names them, without prefix.
 */
export function revocableSubjects(
  access: AccessToken,
  agent: AgentIdentity,
): readonly RevocationSubject[] {
  const of = (kind: Kind, value: string | undefined, issuer = access.issuer) =>
    value === undefined ? [] : [{ kind, issuer, value }]
  return [
    ...of('issuer', ''),
    ...of('key', access.kid),
    ...of('token', access.id),
    ...of('agent', agent.id),
    ...of('subject', access.subject),
    ...of('client', access.clientId),
    ...of('workflow', agent.workflowId),
    ...agent.actors.flatMap(({ sub, issuer }) => of('agent', sub, issuer)),
  ]
}
