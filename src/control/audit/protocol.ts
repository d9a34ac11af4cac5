import type {
  Act,
  DecisionQuery,
  Dropped,
  Erasure,
  FoundDecision,
  LiveQuery,
  ShardHealth,
  Usage,
  UsageQuery,
} from '../../gate/model/audit.ts'
import type { Appended, RecordStore } from '../../gate/outbox/protocol.ts'

/** Counts of one group; `durations`: how many decisions took so many milliseconds. */
export interface TallyCounts {
  decisions: number
  denied: number
  readonly durations: Map<number, number>
}

/** Counts by group: a group is an object as JSON text, such as `{"issuer":…,"agent":…}`. */
export type Tally = Map<string, TallyCounts>

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

/** An object of `AuditLog`. */
export interface Shard extends RecordStore {
  list(query: ShardQuery): PromiseLike<ShardPage>
  get(id: string): PromiseLike<FoundDecision | undefined>
  erase(erasure: ShardErasure): PromiseLike<ShardErased>
  listAfter(query: ShardTail): PromiseLike<ShardTailed>
  usage(query: ShardUsageQuery): PromiseLike<ShardUsage>
  health(): PromiseLike<ShardHealth>
  positionKey(): PromiseLike<ArrayBuffer>
}
