import { DurableObject } from 'cloudflare:workers'
import { type JsonObject, own, parseJsonObject } from '../../base/json.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type {
  Approval,
  ApprovalAsk,
  ApprovalCounts,
  ApprovalDecision,
  ApprovalPage,
  ApprovalQuery,
  ApprovalTerms,
  NoRoom,
  Person,
  WaitingRooms,
} from '../../model/approval.ts'
import type { Act, ActTerms } from '../../model/audit.ts'
import { createActs } from '../../outbox/acts.ts'
import { noteSchema } from '../../platform/schema.ts'
import { fullRoom } from './rows.ts'
import { createApprovalStore } from './store.ts'

/** The version of the table. */
const SCHEMA = 2

/** Milliseconds after which acts that the audit lacks are sent again. */
const RETRY_MS = 5_000

/** The storage key of the terms of acts, for those of the alarm. */
const ACT_TERMS = 'act_terms'

/** Milliseconds for which one call may wait. */
const LONGEST_WAIT_MS = 15_000

/** A call that waits for a decision. */
interface Waiting extends Pick<Approval, 'id' | 'issuer' | 'agent'> {
  readonly wake: () => void
}

/**
 * Stores who asks for approvals, and what people decide: a Durable Object, so that a granted call is let through once in
 * the whole world. Its state is persistent. Trusts its callers, which are the gate's own code: it does not check who
 * decides.
 */
export class ApprovalStore extends DurableObject {
  readonly #store
  readonly #acts = createActs(this.ctx.storage, this.env)
  readonly #waiting = new Set<Waiting>()

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    noteSchema(ctx.storage, SCHEMA)
    this.#store = createApprovalStore(ctx.storage)
  }

  /** Asks for an approval, or attaches to the one that the same call has, or to a standing one of calls like it. */
  async ask(asking: ApprovalAsk, terms: ApprovalTerms): Promise<Result<Approval, NoRoom>> {
    const { acts, pages } = terms
    let due: number | undefined
    const asked = this.ctx.storage.transactionSync(() =>
      this.#store.ask(asking, terms, ({ id, issuer, agent, shown, expires }) => {
        this.#acts.noteOwn(acts, {
          ...{ issuer, agent, act: 'ask', approval: id, ...ruleOf(shown) },
          ...(pages !== undefined && { url: pages + id }),
        })
        this.#keepTerms(acts)
        due = acts ? Date.now() + RETRY_MS : expires
      }),
    )
    if (due === undefined) return asked
    this.ctx.waitUntil(this.#acts.send())
    await this.#wakeBy(due)
    return asked
  }

  /** An approval by its id; `null` for an unknown one. */
  get(id: string): Approval | null {
    return this.#store.get(id) ?? null
  }

  /** A page of approvals, with as many as there is room for. */
  list(query: ApprovalQuery): ApprovalPage {
    return this.#store.list(query)
  }

  /** How many approvals of the last 24 hours there are, by state. */
  counts(): ApprovalCounts {
    return this.#store.counts()
  }

  /**
   * Returns an approval once it no longer waits, or after `ms`, at most 15,000. `null` for an unknown id. Fails if too
   * many calls wait. A call that fails since the object was moved can be repeated.
   */
  async wait(id: string, ms: number, most: WaitingRooms): Promise<Result<Approval | null, NoRoom>> {
    const before = this.get(id)
    if (before?.state !== 'waiting') return ok(before)
    const full = fullRoom([...this.#waiting], before, most)
    if (full) return fail(full)
    const { promise, resolve } = Promise.withResolvers<void>()
    const longest = Math.min(ms, LONGEST_WAIT_MS, before.expires - Date.now())
    const timer = setTimeout(resolve, longest)
    const { issuer, agent } = before
    const waiting: Waiting = { id, issuer, agent, wake: resolve }
    this.#waiting.add(waiting)
    await promise
    clearTimeout(timer)
    this.#waiting.delete(waiting)
    return ok(this.get(id))
  }

  /** How many calls wait. */
  get waitingCalls(): number {
    return this.#waiting.size
  }

  /**
   * Stores a person's decision, and the act with it; the first one counts. Fails with the approval as it is, `null` for an
   * unknown id, or where there are too many standing ones.
   */
  decide(
    id: string,
    decision: ApprovalDecision,
    act?: Act,
  ): Result<Approval, Approval | NoRoom | null> {
    const { state, by, digest, reason, standing } = decision
    const decided = this.ctx.storage.transactionSync(() =>
      this.#store.decide(id, decision, (approval) =>
        this.#note(act, approval, {
          ...{ act: state === 'granted' ? 'approve' : 'refuse', reason },
          ...{ decided_by: by, shown_digest: digest, uses: standing?.uses },
          ...(standing && { until: new Date(Date.now() + standing.ms).toISOString() }),
        }),
      ),
    )
    this.#wake([id])
    this.ctx.waitUntil(this.#acts.send())
    return decided.ok ? decided : fail(decided.reason ?? null)
  }

  /**
   * Ends a granted approval, and stores the act with it; one that has ended stays so. Fails with the approval as it is,
   * `null` for an unknown id.
   */
  withdraw(id: string, by: Person, act?: Act): Result<Approval, Approval | null> {
    const ended = this.ctx.storage.transactionSync(() =>
      this.#store.withdraw(id, (approval) =>
        this.#note(act, approval, { act: 'withdraw', decided_by: by }),
      ),
    )
    this.ctx.waitUntil(this.#acts.send())
    return ended.ok ? ended : fail(ended.reason ?? null)
  }

  /**
   * Takes a granted approval. Fails for all requests but the first, with the call's latest approval, `null` without one.
   * `standing`: the id of a standing one; then it fails once its uses are taken, with that one.
   */
  take(digest: string, by: string, standing?: string): Result<Approval, Approval | null> {
    const taken = this.#store.take(digest, by, standing)
    return taken.ok ? taken : fail(taken.reason ?? null)
  }

  /** Ends the approvals of calls that any of these subjects covers. Returns their number. */
  end(subjects: readonly string[]): number {
    const ended = this.#store.end(subjects)
    this.#wake(ended)
    return ended.length
  }

  /** Sends acts that the audit lacks, notes what has expired, deletes old approvals, and sets the alarm for the rest. */
  override async alarm(): Promise<void> {
    const terms = this.ctx.storage.kv.get<ActTerms>(ACT_TERMS)
    const swept = this.ctx.storage.transactionSync(() =>
      this.#store.sweep(({ id, issuer, agent: value, shown }) =>
        this.#acts.noteOwn(terms, {
          ...{ issuer, act: 'expire', approval: id, ...ruleOf(shown) },
          entries: [{ kind: 'agent', issuer, value }],
        }),
      ),
    )
    await this.#acts.send()
    const next = this.#acts.isPending() ? Date.now() + RETRY_MS : swept
    if (next !== undefined) await this.#wakeBy(Math.max(next, Date.now() + 1_000))
  }

  #note(act: Act | undefined, approval: Approval, { reason, ...what }: JsonObject): void {
    const { id, issuer, agent: value } = approval
    this.#acts.note(act, {
      ...{ ...what, approval: id },
      entries: [{ kind: 'agent', issuer, value, reason }],
    })
    if (act) void this.ctx.storage.setAlarm(Date.now() + RETRY_MS)
  }

  #keepTerms(terms: ActTerms | undefined): void {
    const { kv } = this.ctx.storage
    if (JSON.stringify(kv.get(ACT_TERMS)) === JSON.stringify(terms)) return
    if (terms) kv.put(ACT_TERMS, terms)
    else kv.delete(ACT_TERMS)
  }

  /** Sets the alarm, unless it is set to an earlier time. */
  async #wakeBy(time: number): Promise<void> {
    const { storage } = this.ctx
    if (time < ((await storage.getAlarm()) ?? Number.POSITIVE_INFINITY))
      await storage.setAlarm(time)
  }

  #wake(ids: readonly string[]): void {
    for (const { id, wake } of this.#waiting) if (ids.includes(id)) wake()
  }
}

/** The rule of a call, as what is shown of it says. */
const ruleOf = (shown: string): JsonObject => ({ route: own(parseJsonObject(shown) ?? {}, 'rule') })
