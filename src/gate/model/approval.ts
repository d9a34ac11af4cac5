import { own, parseJsonObject } from '../base/json.ts'
import { perObject } from '../base/memo.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { ApprovalRule } from './approval-rule.ts'
import type { Act, ActTerms } from './audit.ts'
import { MCP_KINDS, type McpRule, type McpUse } from './mcp.ts'

/** Whether some request to a rule may need an approval. */
export function mayAsk({
  approval,
  mcp,
}: {
  readonly approval?: ApprovalRule
  readonly mcp?: Pick<McpRule, 'names'>
}): boolean {
  return approval !== undefined || (mcp !== undefined && asks(mcp))
}

const asks = perObject(({ names }: Pick<McpRule, 'names'>): boolean =>
  MCP_KINDS.some((kind) => names[kind].all.some((use: McpUse) => use.approval)),
)

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
  /** The digest that all calls like it have: a standing approval is for those. */
  readonly alike: string
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
  /** The URL of the console's page of an approval, without its id. Absent without a console. */
  readonly pages?: string
  /** On what terms the gate's own acts are stored. Absent without an audit: then there are none. */
  readonly acts?: ActTerms
}

/** Most for one agent, for one issuer, and for all of them. */
export interface WaitingRooms {
  readonly agent: number
  readonly issuer: number
  readonly all: number
}

/** Why no approval is asked for: too many wait, of one agent, of one issuer, or of all; or too many asks in a period. */
export type NoRoom = `${keyof WaitingRooms}_full` | 'hour_full' | 'day_full'

/**
 * `taken`: the call was let through once, even if it was lost afterwards; a standing approval: all its uses. `ended`: by a
 * revocation, or by a person.
 */
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
export interface Approval extends Caller {
  readonly id: string
  readonly state: ApprovalState
  readonly asked: number
  readonly expires: number
  readonly shown: string
  readonly decision?: Decided
  /** How many requests a standing approval has let through; absent for others. */
  readonly used?: number
}

/** What a person adds to a decision so that it is also for calls like it. */
export interface Standing {
  /** Most requests that go through, 1 to 100. */
  readonly uses: number
  /** Milliseconds from the decision to the end, at most a day. */
  readonly ms: number
}

/** A person's decision. */
export interface Decided {
  readonly state: 'granted' | 'refused'
  readonly by: Person
  readonly at: number
  /** Always present for a refusal. */
  readonly reason?: string
  /** SHA-256 of what the person was shown. */
  readonly digest: string
  /** Only with `granted`: the approval is for all calls like it. */
  readonly standing?: Standing
}

/** A decision to be stored. `reason` is required for a refusal. */
export type ApprovalDecision = Omit<Decided, 'at'>

/**
 * Which approvals to list: those that wait, the oldest first; all others, the latest first; or of these the standing ones
 * that are not over.
 */
export interface ApprovalQuery {
  readonly state: 'waiting' | 'decided' | 'standing'
  /** Only those of this issuer's agents. */
  readonly issuer?: string
  /** Of agents of other issuers than this one, only those on which owners decide. Absent: all. */
  readonly reach?: string
  /** Most approvals of the page, at most 1,000. */
  readonly limit?: number
  /** The `cursor` of the previous page: see {@link APPROVAL_CURSOR}. */
  readonly cursor?: string
}

/** The form of a cursor: when the last approval of a page was asked for, and its id. */
export const APPROVAL_CURSOR = /^\d{1,15}-[0-9a-f-]{36}$/

/** A page of approvals; `cursor` is present where more may follow. */
export interface ApprovalPage {
  readonly approvals: readonly Approval[]
  readonly cursor?: string
}

/** Approvals that were asked for in the last 24 hours. */
export interface ApprovalCounts {
  readonly states: Readonly<Partial<Record<ApprovalState, number>>>
  /** Milliseconds from asking to the decision, on average; absent where nothing was decided. */
  readonly decidedIn?: number
}

/** Who decides on an approval, as what is shown of the call says it. */
export function decidersOf({ shown }: Pick<Approval, 'shown'>): ApprovalRule['by'] {
  return own(parseJsonObject(shown) ?? {}, 'by') === 'owners' ? 'owners' : 'operators'
}

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
  /** The hash of the policy: an approval is for calls under the same one. */
  policyHash(): Promise<string>
  /** Asks for an approval, or attaches to the one that the same call has, or to a standing one of calls like it. */
  ask(ask: ApprovalAsk, terms: ApprovalTerms): Promise<Result<Approval, NoRoom>>
  /** An approval by its id. */
  get(id: string): Promise<Approval | undefined>
  list(query: ApprovalQuery): Promise<ApprovalPage>
  counts(): Promise<ApprovalCounts>
  /**
   * Stores a person's decision; the first one counts. Fails with the approval as it is, and with `undefined` for an
   * unknown id. Fails also if there are too many standing ones. The act is stored with the decision. Does not check who
   * decides.
   */
  decide(
    id: string,
    decision: ApprovalDecision,
    act?: Act,
  ): Promise<Result<Approval, Approval | NoRoom | undefined>>
  /**
   * Ends a granted approval, standing or not; one that has ended stays so. Fails with the approval as it is, and with
   * `undefined` for an unknown id. The act is stored with it. Does not check who ends it.
   */
  withdraw(id: string, by: Person, act?: Act): Promise<Result<Approval, Approval | undefined>>
  /**
   * Returns an approval once it no longer waits. It is still `waiting` if the hold is over, the client has gone, or the
   * object has failed too often. Fails if too many calls wait.
   */
  hold(approval: Approval, hold: Hold): Promise<Result<Approval, NoRoom>>
  /**
   * Takes the granted approval of a call. Fails, with the latest one of the call, for all but the first. `standing`: the id
   * of a standing approval that covers the call; then it takes one of its uses, and fails where none is left.
   */
  take(digest: string, standing?: string): Promise<Result<Approval, Approval | undefined>>
}

/** Bounds on approvals, so that people are not worn down and no agent takes the room of others. */
export const APPROVAL_ROOMS = {
  /** Most asks of one agent in an hour. */
  asksAnHour: 60,
  /** Most asks on a UTC day, of all issuers together; each has the same share. */
  asksADay: 2_000,
  /** Most approvals that wait at a time. */
  waiting: { agent: 20, issuer: 200, all: 500 },
  /** Most requests that are kept open for a decision at a time. */
  held: { agent: 10, issuer: 50, all: 100 },
  /** Most standing approvals that are not over. */
  standing: { agent: 20, issuer: 200, all: 200 },
} as const satisfies Readonly<Record<string, number | WaitingRooms>>

/** Approvals for explanations: nobody is asked, every call waits, and nothing is taken. */
export const ASKING_NOBODY: Approvals = {
  policyHash: async () => '',
  ask: async ({ issuer, agent, subjects, shown }, { within: expires }) =>
    ok({ id: '', state: 'waiting', issuer, agent, subjects, shown, asked: 0, expires }),
  get: async () => undefined,
  list: async () => ({ approvals: [] }),
  counts: async () => ({ states: {} }),
  decide: async () => fail(undefined),
  withdraw: async () => fail(undefined),
  hold: async (approval) => ok(approval),
  take: async () => fail(undefined),
}
