import type { Result } from '../base/result.ts'

/** Who called, and what an approval of the call ends with. */
export interface Caller {
  readonly issuer: string
  /** The agent's id within its issuer. */
  readonly agent: string
  /** Names of all subjects whose revocation would cover the call. */
  readonly subjects: readonly string[]
}

/** A call that waits for a person. */
export interface ApprovalAsk extends Caller {
  /** The digest of exactly this call. */
  readonly digest: string
  /** The hash of the policy that asks: calls under another policy have other digests. */
  readonly policy: string
  /** JSON text of what a person is shown. */
  readonly shown: string
}

/** How many approvals may be asked for, and how many may wait at a time. */
export interface ApprovalTerms {
  /** Milliseconds from asking to the end of an approval, and from a refusal until the call may be asked for again. */
  readonly within: number
  /** Most asks in an hour for one agent. */
  readonly anHour: number
  /** Most asks on a UTC day for one issuer: its share of the rows that the object may write. */
  readonly aDay: number
  readonly waiting: WaitingRooms
}

/** Most for one agent, for one issuer, and for all of them. */
export interface WaitingRooms {
  readonly agent: number
  readonly issuer: number
  readonly all: number
}

/** Why no approval is asked for: too many wait, of one agent, of one issuer, or of all; or too many asks in a period. */
export type NoRoom = `${keyof WaitingRooms}_full` | 'hour_full' | 'day_full'

/** `taken`: the call was let through once, even if it was lost afterwards. `ended`: by a revocation. */
export type ApprovalState = 'waiting' | 'granted' | 'refused' | 'taken' | 'expired' | 'ended'

/** A person, as their issuer names them. */
export interface Person {
  readonly issuer: string
  readonly subject: string
}

/** A person who has signed in, and when they authenticated, in seconds since the epoch. */
export interface SignedPerson extends Person {
  readonly at: number
}

/** An approval, or the wait for one. Times are milliseconds since the epoch. */
export interface Approval extends Pick<Caller, 'issuer' | 'agent'> {
  readonly id: string
  readonly state: ApprovalState
  readonly asked: number
  readonly expires: number
  readonly shown: string
  readonly decision?: Decided
}

/** A person's decision. */
export interface Decided {
  readonly by: Person
  readonly at: number
  /** Present for a refusal. */
  readonly reason?: string
  /** SHA-256 of what the person was shown. */
  readonly digest: string
}

/** A decision to be stored. `reason` is required for a refusal. */
export type ApprovalDecision = Omit<Decided, 'at'> & { readonly state: 'granted' | 'refused' }

/** How long a request is kept open for a decision. */
export interface Hold {
  /** Milliseconds, at most 60,000. */
  readonly ms: number
  readonly rooms: WaitingRooms
  /** Aborted once the client has gone. */
  readonly signal: AbortSignal
}

/** Asks for approvals, and takes granted ones. All methods reject while the object does not answer. */
export interface Approvals {
  /** Asks for an approval, or attaches to the one that the same call has. */
  ask(ask: ApprovalAsk, terms: ApprovalTerms): Promise<Result<Approval, NoRoom>>
  /** An approval by its id. */
  get(id: string): Promise<Approval | undefined>
  /**
   * Returns an approval once it no longer waits. It is still `waiting` if the hold is over, the client has gone, or the
   * object has failed too often. Fails if too many calls wait.
   */
  hold(approval: Approval, hold: Hold): Promise<Result<Approval, NoRoom>>
  /** Takes the granted approval of a call. Fails, with the latest one of the call, for all but the first. */
  take(digest: string): Promise<Result<Approval, Approval | undefined>>
}
