import type { AgentTerms } from '../model/agents.ts'
import type { Drop, Problems } from '../model/audit.ts'

/** A policy, by its hash, and the version of the Worker that decides by it, where that is known. */
export interface Deployed {
  readonly policy: string
  readonly version?: string
}

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
  /**
   * What the isolate runs; once from each isolate, to the shard that stores acts. All isolates that run it give this
   * batch the same id.
   */
  readonly deployed?: Deployed
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

/** An object of `AuditLog`, with the methods that the gate needs. */
export interface RecordStore {
  append(batch: Batch): PromiseLike<Appended>
  report(problems: Problems): PromiseLike<void>
}
