import type { DecisionQuery } from '../core/model/audit.ts'

/** What an isolate hands over at a time. */
export interface Batch {
  /** A batch that is sent again has the same id, so that nothing is stored twice. */
  readonly id: string
  /** Records as JSON: of those whose token was verified, and of strangers. */
  readonly known: readonly string[]
  readonly strangers: readonly string[]
  /** Hash and JSON of the policy; with an isolate's first batch. */
  readonly policy?: readonly [hash: string, text: string]
  readonly retention: number
  readonly maxBytes: number
}

/** Where a record is: its row and its place in it. As text `row.place`. */
export type Position = string

/** Which records of one shard to list: those before `before`. */
export interface ShardQuery extends Omit<DecisionQuery, 'cursor'> {
  readonly before?: Position
}

/** Records of one shard, the latest first. `next`: where to go on; absent where there is nothing more. */
export interface ShardPage {
  readonly found: readonly { readonly position: Position; readonly record: string }[]
  readonly next?: Position
}
