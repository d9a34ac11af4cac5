import { sha256, sha256Name } from '../base/bytes.ts'
import type { AccessToken, AgentIdentity } from './token.ts'

/** The kinds of revocable subjects, each within an issuer. */
export const KINDS = [
  'token',
  'agent',
  'subject',
  'session',
  'client',
  'workflow',
  'key',
  'issuer',
] as const
export type Kind = (typeof KINDS)[number]

/**
 * `block` revokes until it is lifted or expires. `before` revokes tokens issued up to a moment. `step-up` asks for a new
 * authentication of the user in place of such a token (RFC 9470).
 */
export const MODES = ['block', 'before', 'step-up'] as const
export type Mode = (typeof MODES)[number]

/** The mode of the watch's entries: so many requests a minute, until the entry expires. */
export const THROTTLE = 'throttle'

/** States of an agent in the registry, in entries that administrators of revocations do not see. At most one each. */
export const STANDINGS = ['approved', 'suspended', 'retired'] as const
export type AgentStanding = (typeof STANDINGS)[number]

/** The administrators of an entry: of its own issuer only, or of all issuers. */
export const REACHES = ['own', 'all'] as const

/** What is approved of an agent's Agentic JWTs; an absent list accepts all. */
export interface AgentPins {
  readonly checksums?: readonly string[]
  readonly registrations?: readonly string[]
  /** Thumbprints (RFC 7638). */
  readonly keys?: readonly string[]
}

/** The subject of an entry. `value` is empty for kind `issuer`. */
export interface RevocationSubject {
  readonly kind: Kind
  readonly issuer: string
  readonly value: string
}

/** One entry of the revocation set. Times are seconds since the epoch. */
export interface Revocation extends RevocationSubject {
  /** Derived from kind, issuer, value, mode and maker, so equal entries have equal ids. */
  readonly id: string
  readonly mode: Mode | typeof THROTTLE | AgentStanding
  /** For `before` and `step-up`: the moment up to which issued tokens are covered. For an entry of a security event: its time. */
  readonly at?: number
  /** Only for `throttle`: requests a minute. */
  readonly limit?: number
  /** When the entry expires. */
  readonly expires?: number
  readonly reason?: string
  /** Only for `approved`. */
  readonly pins?: AgentPins
  readonly created: number
  readonly createdBy: string
  /**
   * Set if an administrator of this issuer only made it. An administrator of all issuers makes an entry with another
   * id.
   */
  readonly own?: true
  /** When it was last renewed, and by which administrator. */
  readonly renewed?: number
  readonly renewedBy?: string
}

/**
 * How late a revocation may take effect. `strict`: at once, because each request reads the set. `bounded`: requests
 * read a copy that is no older than `maxStaleness`, in milliseconds.
 */
export interface RevocationTerms {
  readonly consistency: 'strict' | 'bounded'
  readonly maxStaleness: number
}

/** Location hints for Durable Objects; the platform may choose another place. */
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

/** Jurisdictions in which objects run and store data. */
export const JURISDICTIONS = ['eu', 'us', 'fedramp', 'fedramp-high'] as const
export type Jurisdiction = (typeof JURISDICTIONS)[number]

/** `shards` objects, each with the whole set, at the location hints in turn. Each jurisdiction has its own set. */
export interface RevocationPlacement {
  readonly shards: number
  readonly locations: readonly Location[]
  readonly jurisdiction?: Jurisdiction
}

/** The propagation of a new or removed entry to the shards. */
export interface ShardStatus {
  /** Number of shards that answer for the set. */
  readonly total: number
  readonly acknowledged: number
  /** Names of the shards that have not acknowledged it. */
  readonly pending: readonly string[]
}

/**
 * The id of an entry: 128 bits of SHA-256, base64url. It never begins with `-`, as options of commands do. `own`: see
 * {@link Revocation}. `watch`: a quarantine, which is an entry beside those of administrators. Entries of security events
 * have their transmitter and the event there.
 * @example
 * ```ts
 * import { revocationId } from 'edgewarden'
 *
 * const subject = { kind: 'agent', issuer: 'https://auth.acme.example', value: 'agent-42' } as const
 * export const id = await revocationId(subject, 'block')
 * ```
 */
export async function revocationId(
  { kind, issuer, value }: RevocationSubject,
  mode: Revocation['mode'],
  maker?: string,
): Promise<string> {
  const text = JSON.stringify([kind, issuer, value, mode, ...(maker ? [maker] : [])])
  return (await sha256Name(text)).slice(0, 22).replace(/^-/, '_')
}

/** What is full: the whole set, or the share of one issuer's administrators. */
export type Fullness = 'set' | 'share'

/**
 * Whether a set has too many entries after an addition. `own`: the number of entries by administrators of one issuer,
 * if they add. They may fill a tenth of the set, and none of its last tenth.
 */
export function fullness(
  { held, own }: { readonly held: number; readonly own?: number | undefined },
  capacity: number,
): Fullness | undefined {
  const tenth = Math.floor(capacity / 10)
  if (own !== undefined && own > tenth) return 'share'
  return held > (own === undefined ? capacity : capacity - tenth) ? 'set' : undefined
}

/** The issuer whose administrator makes these entries; `undefined` for an administrator of all issuers. */
export function ownerOf(entries: readonly Revocation[]): string | undefined {
  return entries.find(({ own }) => own)?.issuer
}

/**
 * The canonical spelling of a subject, used as its key.
 * @example
 * ```ts
 * import { type Revocation, type RevocationSubject, subjectKey } from 'edgewarden'
 *
 * const entries = new Map<string, Revocation[]>()
 * export const lookup = (subjects: readonly RevocationSubject[]) =>
 *   subjects.flatMap((subject) => entries.get(subjectKey(subject)) ?? [])
 * ```
 */
export function subjectKey({ kind, issuer, value }: RevocationSubject): string {
  return JSON.stringify([kind, issuer, value])
}

/** Bytes of a subject's hash. */
export const SUBJECT_HASH_BYTES = 8

/** The first 8 bytes of SHA-256 of a `subjectKey`. Subjects can share a hash, so after a match the set must be read. */
export async function subjectHash(key: string): Promise<Uint8Array<ArrayBuffer>> {
  return (await sha256(key)).slice(0, SUBJECT_HASH_BYTES)
}

/** Whether an entry covers a token issued at `issuedAt`; `tolerance` covers issuers' clocks. */
export function isCovered(
  entry: Pick<Revocation, 'mode' | 'at' | 'expires'>,
  token: { readonly issuedAt: number; readonly now: number; readonly tolerance: number },
): boolean {
  if (hasExpired(entry, token.now)) return false
  if (entry.mode === 'block') return true
  const isOlder = entry.mode === 'before' || entry.mode === 'step-up'
  return isOlder && token.issuedAt <= (entry.at ?? 0) + token.tolerance
}

/** Whether an entry has expired at `now`, in seconds. */
export function hasExpired(entry: Pick<Revocation, 'expires'>, now: number): boolean {
  return entry.expires !== undefined && entry.expires <= now
}

/**
 * Merges an entry with its renewal: the later `at` and the later expiration apply, so that no administrator weakens
 * another's revocation. Creation time and creator are kept; the renewal is recorded beside them.
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

type Partly<T> = { readonly [Name in keyof T]?: T[Name] | undefined }

/**
 * All subjects whose revocation covers this token. Ids of agents and actors are as their issuer writes them, without
 * prefix.
 */
export function revocableSubjects(
  access: Partly<Pick<AccessToken, 'kid' | 'id' | 'subject' | 'session' | 'clientId'>> & {
    issuer: string
  },
  agent: Partly<Pick<AgentIdentity, 'id' | 'workflowId'>> & Pick<AgentIdentity, 'actors'>,
): readonly RevocationSubject[] {
  const of = (kind: Kind, value: string | undefined, issuer = access.issuer) =>
    value === undefined ? [] : [{ kind, issuer, value }]
  return [
    ...of('issuer', ''),
    ...of('key', access.kid),
    ...of('token', access.id),
    ...of('agent', agent.id),
    ...of('subject', access.subject),
    ...of('session', access.session),
    ...of('client', access.clientId),
    ...of('workflow', agent.workflowId),
    ...agent.actors.flatMap(({ sub, issuer }) => of('agent', sub, issuer)),
  ]
}
