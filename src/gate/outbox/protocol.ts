import type { AgentTerms } from '../model/agents.ts'
import type {
  Act,
  DecisionQuery,
  Drop,
  Dropped,
  Erasure,
  FoundDecision,
  LiveQuery,
  Problems,
  ShardHealth,
  Usage,
  UsageQuery,
} from '../model/audit.ts'

/** Counts of one group; `durations`: how many decisions took so many milliseconds. */
export interface TallyCounts {
  decisions: number
  denied: number
  readonly durations: Map<number, number>
}

/** Counts by group: a group is an object as JSON text, such as `{"issuer":…,"agent":…}`. */
export type Tally = Map<string, TallyCounts>

/** Records that an isolate sends at a time. */
export interface Batch {
  /** A batch that is sent again has the same id, so that nothing is stored twice. */
  readonly id: string
  /** Milliseconds since the epoch, by the isolate's clock; absent in batches of acts. */
  readonly sentAt?: number
  /** Records as JSON: of callers that have proved their token, and of strangers. Only the former count for agents. */
  readonly known: readonly string[]
  readonly strangers: readonly string[]
  /** Acts of administrators; stored also when nothing else is. */
  readonly acts?: readonly string[]
  /** Whether the acts are of administrators of one issuer. */
  readonly isOwn?: boolean
  /** What the isolate has dropped since its last batch: too many waited, or the object refused them. */
  readonly dropped?: readonly Drop[]
  /** What is wrong in the isolate. */
  readonly problems?: Problems
  /** Hash and JSON of the policy; with an isolate's first batch. */
  readonly policy?: readonly [hash: string, text: string]
  readonly retention: number
  readonly maxBytes: number
  /** Rows that the object may write on a UTC day; infinite where they have no bound. */
  readonly maxRows: number
  /** How many issuers have a share; absent in batches of acts. */
  readonly issuers?: number | undefined
  /** Present where the gate has a registry of agents. */
  readonly agents?: AgentTerms
}

/** `stoppedUntil` (milliseconds): the batch was not stored, since the rows of the day are used up. */
export interface Appended {
  readonly stoppedUntil?: number
  /** What the shard has found to be wrong. */
  readonly problems?: Problems
}

/** What to erase in one shard: in rows up to `row`. */
export interface ShardErasure extends Erasure {
  readonly row?: number
  readonly act: Act
  /** Whether to store the act in any case. */
  readonly isFirst: boolean
}

/** `next`: the row to go on with; absent if nothing is left. */
export interface ShardErased extends Appended {
  readonly records: number
  readonly next?: number
}

/** A place between two records, as text `row.count`: a row, and how many of its records are before. */
export type Position = string

/** Which records of one shard to list: those before `before`. */
export interface ShardQuery extends Omit<DecisionQuery, 'cursor'> {
  readonly before?: Position
}

/** Records of one shard, the latest first. `next`: where to go on; absent if nothing is left. */
export interface ShardPage {
  readonly found: readonly { readonly position: Position; readonly record: string }[]
  readonly dropped?: readonly Dropped[]
  readonly next?: Position
}

/** Which records of one shard to wait for: those after `after`. Without it only `next` is asked for. */
export interface ShardTail extends LiveQuery {
  readonly after?: Position
}

/** Records of one shard, the earliest first. `next`: where to go on. */
export type ShardTailed = Required<ShardPage>

/** Which records of one shard to count, into how many groups at most. */
export interface ShardUsageQuery extends UsageQuery {
  readonly most: number
}

/** Counts of one shard. */
export interface ShardUsage extends Pick<Usage, 'since' | 'dropped'> {
  readonly tally: Tally
}

/** An object of `AuditLog`, with the methods that the gate needs. */
export interface Shard {
  append(batch: Batch): PromiseLike<Appended>
  list(query: ShardQuery): PromiseLike<ShardPage>
  get(id: string): PromiseLike<FoundDecision | undefined>
  erase(erasure: ShardErasure): PromiseLike<ShardErased>
  listAfter(query: ShardTail): PromiseLike<ShardTailed>
  usage(query: ShardUsageQuery): PromiseLike<ShardUsage>
  health(): PromiseLike<ShardHealth>
  positionKey(): PromiseLike<ArrayBuffer>
  report(problems: Problems): PromiseLike<void>
}
