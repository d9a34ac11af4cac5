import type { JsonObject } from '../base/json.ts'
import type { ClaimPath } from './claims.ts'

/** Settings of the audit; see `[vars.AUDIT]`. */
export interface AuditRule {
  /** Seconds for which records are kept. */
  readonly retention: number
  /** Most bytes of records in one shard. */
  readonly maxBytes: number
  /** Most rows that all shards write on a UTC day; may be infinite. */
  readonly maxRows: number
  readonly shards: number
  readonly jurisdiction?: string
  /** Whether records have the caller's network and country. */
  readonly addresses: boolean
  /** Path parameters whose values are recorded. */
  readonly pathValues: ReadonlySet<string>
  /** Claims whose values are recorded. */
  readonly claims: readonly ClaimPath[]
}

/** On what terms one shard keeps records. */
export type ShardTerms = Pick<AuditRule, 'retention' | 'maxBytes' | 'maxRows'>

/** The terms of one of the shards, which share the rows of a day. */
export function shardTerms({ retention, maxBytes, maxRows, shards }: AuditRule): ShardTerms {
  return { retention, maxBytes, maxRows: Math.floor(maxRows / shards) }
}

/** On what terms acts are kept, and where. */
export interface ActTerms extends ShardTerms, Pick<AuditRule, 'jurisdiction'> {}

/** The terms of acts. */
export function actTerms(rule: AuditRule): ActTerms {
  const { jurisdiction } = rule
  return { ...shardTerms(rule), ...(jurisdiction !== undefined && { jurisdiction }) }
}

/** Who changes something, for the audit. It is stored with the change. */
export interface Act extends ActTerms {
  readonly id: string
  /** The record without what is changed: an object as JSON. */
  readonly record: string
  /** Whether an administrator of one issuer did it. */
  readonly isOwn?: boolean
}

/**
 * By its caller. A `stranger` has not proved a token: it has none, or its signature, its claims or the possession of its
 * key were not accepted. Later refusals are `refused`.
 */
export type Whose = 'stranger' | 'refused' | 'known'

/** The filters for decisions; all given ones must match. */
export const DECISION_FILTERS = [
  'agent',
  'issuer',
  'subject',
  'code',
  'rule',
  'workflow',
  'jti',
  'request_id',
  'decision',
  'kind',
] as const

export type DecisionFilter = (typeof DECISION_FILTERS)[number]

/** What the filter `kind` finds: acts, those of them that put a policy into force, and calls that read the audit. */
export const RECORD_KINDS = ['act', 'policy', 'read'] as const

/** Which decisions to list, the latest first. */
export interface DecisionQuery {
  readonly filters: Readonly<Partial<Record<DecisionFilter, string>>>
  /** Milliseconds since the epoch: the start of the time, included, and its end, excluded. */
  readonly from?: number
  readonly until?: number
  /** The gate's prefix, if calls of its own endpoints are left out. */
  readonly withoutOwn?: string
  /** The agent, if only acts on it are meant. */
  readonly on?: { readonly issuer: string; readonly agent: string }
  readonly limit: number
  /** The `cursor` of the previous page. */
  readonly cursor?: string
}

/** Which decisions to follow, from now on or from a time. */
export type LiveQuery = Pick<DecisionQuery, 'filters' | 'from' | 'withoutOwn'>

/** Members by which usage is counted. */
export const USAGE_BY = ['agent', 'subject', 'rule', 'code', 'tool'] as const

/** Which decisions to count, and by what: members, and spans of so many milliseconds. */
export interface UsageQuery extends Omit<DecisionQuery, 'limit' | 'cursor'> {
  readonly by: readonly (typeof USAGE_BY)[number][]
  readonly every?: number
}

/** Records that were not stored, at least so many. Times in milliseconds since the epoch. */
export interface Dropped {
  /**
   * `rows_a_day`, `bytes_a_day`: the share's rows or bytes of the day were used up. `overload`: more records came than
   * could be stored.
   */
  readonly reason: 'rows_a_day' | 'bytes_a_day' | 'overload'
  /** Whose records: of callers that have proved a token, or have not. */
  readonly share: 'issuers' | 'strangers'
  /** The issuer whose share is used up; absent if records of several issuers may be missing. */
  readonly issuer?: string
  readonly since: number
  readonly until: number
  readonly records: number
}

/** Records that were dropped just now. */
export type Drop = Omit<Dropped, 'since' | 'until'>

/** A page of records as JSON; it may be empty. `cursor`: more may follow. The first page has what was dropped. */
export interface DecisionPage {
  readonly decisions: readonly string[]
  readonly dropped: readonly Dropped[]
  readonly cursor?: string
}

/**
 * Records as they are stored, each with the position to go on from after it. Often there are no records, and only
 * `position` is new.
 */
export interface LivePage {
  readonly records: readonly { readonly record: string; readonly position: string }[]
  readonly position: string
  /** What is not stored at the moment. */
  readonly dropped: readonly Dropped[]
}

/** Counts of decisions. */
export interface Usage {
  readonly groups: readonly JsonObject[]
  /** Number of groups left out because there were too many: those with the fewest decisions. */
  readonly leftOut: number
  /** Milliseconds since the epoch: earlier decisions are not counted, as there were too many; 0 where all are. */
  readonly since: number
  readonly dropped: readonly Dropped[]
}

/**
 * A record as JSON, and the policy that it was decided under, where that is stored. Of the act of a deployment: the
 * policy that was deployed, and the one `before`.
 */
export interface FoundDecision {
  readonly decision: string
  readonly policy?: string
  readonly before?: string
}

/** The subject whose values are removed from records. */
export interface Erasure {
  readonly issuer: string
  readonly subject: string
  /** Only in records about tokens, or by administrators, of that issuer. */
  readonly isOwn: boolean
}

/** What one call has erased; `cursor` is present where more may follow. */
export interface Erased {
  readonly records: number
  readonly cursor?: string
  /** Milliseconds since the epoch: erasing can go on at this time, because the rows of the day are used up. */
  readonly stoppedUntil?: number
}

/** What is wrong: for each problem's name what was found, in names, codes and numbers. */
export type Problems = Readonly<Record<string, string>>

/** How many records have the same outcome, by outcome: `denied scope_missing 403`, and of origins `origin 502`. */
export type Counts = Readonly<Record<string, number>>

/** What a shard knows of the gate's health, and of its own. Rows and `dropped` are of this UTC day. */
export interface ShardHealth {
  readonly counts: Counts
  readonly rows: number
  readonly dropped: readonly Dropped[]
  /** Bytes of records, by ring. */
  readonly bytes: Readonly<Record<string, number>>
  readonly problems: Problems
  /** Alerts that the receiver has not accepted yet. */
  readonly waiting: number
}

/** Sends records of decisions to where they are stored. */
export interface RecordSender {
  readonly rule: AuditRule
  /** Takes one record, as JSON. Never throws, and never delays an answer. */
  take(record: string, whose: Whose): void
  /** Resolves once every record that was taken is stored, or could not be stored. Never rejects. */
  flush(): Promise<void>
  /** The hash of the policy in force, as records have it. */
  policyHash(): Promise<string>
}

/** Reads stored records, and erases values in them. */
export interface AuditReads {
  /** Rejects where the store cannot be reached, and for an invalid cursor. */
  list(query: DecisionQuery): Promise<DecisionPage>
  get(id: string): Promise<FoundDecision | undefined>
  /**
   * Records as they are stored, without end, from a position on. Rejects as `list` does. Reads at most one page of
   * each shard ahead. Throws if a shard cannot be reached any more.
   */
  live(query: LiveQuery, position?: string): Promise<AsyncGenerator<LivePage>>
  usage(query: UsageQuery): Promise<Usage>
  /** What each shard knows; `undefined` for one that does not answer. */
  health(): Promise<readonly (ShardHealth | undefined)[]>
  /** Notes problems that no record tells of. They count for five minutes. */
  report(problems: Problems): Promise<void>
  /**
   * Removes a subject's values from some of the records. Stores the act if records were changed, or if this is the
   * first call.
   */
  erase(erasure: Erasure, act: Act, cursor?: string): Promise<Erased>
}
