import * as v from 'valibot'
import { sha256Name } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, type Result } from '../base/result.ts'
import type {
  Approval,
  ApprovalAsk,
  ApprovalCounts,
  ApprovalDecision,
  ApprovalPage,
  ApprovalQuery,
  Approvals,
  ApprovalTerms,
  NoRoom,
  Person,
  WaitingRooms,
} from '../model/approval.ts'
import type { Act } from '../model/audit.ts'
import type { Clock } from '../model/ports.ts'
import { AMOUNT, COUNT, maybe, TEXTS } from '../platform/answers.ts'
import { createObjectCalls, type ObjectCalls } from '../platform/calls.ts'
import { system } from '../platform/system.ts'

/** An object of `ApprovalStore`, with the methods that the gate needs. */
interface Store {
  ask(ask: ApprovalAsk, terms: ApprovalTerms): PromiseLike<Result<Approval, NoRoom>>
  get(id: string): PromiseLike<Approval | null>
  list(query: ApprovalQuery): PromiseLike<ApprovalPage>
  counts(): PromiseLike<ApprovalCounts>
  decide(
    id: string,
    decision: ApprovalDecision,
    act?: Act,
  ): PromiseLike<Result<Approval, Approval | NoRoom | null>>
  withdraw(id: string, by: Person, act?: Act): PromiseLike<Result<Approval, Approval | null>>
  wait(id: string, ms: number, most: WaitingRooms): PromiseLike<Result<Approval | null, NoRoom>>
  take(
    digest: string,
    by: string,
    standing?: string,
  ): PromiseLike<Result<Approval, Approval | null>>
}

const APPROVAL = v.object({
  id: v.string(),
  state: v.picklist(['waiting', 'granted', 'refused', 'taken', 'expired', 'ended']),
  issuer: v.string(),
  agent: v.string(),
  subjects: TEXTS,
  asked: COUNT,
  expires: COUNT,
  shown: v.string(),
  decision: maybe(
    v.object({
      state: v.picklist(['granted', 'refused']),
      by: v.object({ issuer: v.string(), subject: v.string() }),
      at: COUNT,
      reason: maybe(v.string()),
      digest: v.string(),
      standing: maybe(v.object({ uses: COUNT, ms: COUNT })),
    }),
  ),
  used: maybe(COUNT),
})

const NO_ROOM = v.picklist(['agent_full', 'issuer_full', 'all_full', 'hour_full', 'day_full'])

const resultOf = (value: v.GenericSchema, reason: v.GenericSchema) =>
  v.union([
    v.strictObject({ ok: v.literal(true), value }),
    v.strictObject({ ok: v.literal(false), reason }),
  ])

const ANSWERS = {
  ask: resultOf(APPROVAL, NO_ROOM),
  get: v.nullable(APPROVAL),
  counts: v.object({ states: v.record(v.string(), COUNT), decidedIn: maybe(AMOUNT) }),
  list: v.object({ approvals: v.array(APPROVAL), cursor: maybe(v.string()) }),
  decide: resultOf(APPROVAL, v.union([NO_ROOM, v.nullable(APPROVAL)])),
  withdraw: resultOf(APPROVAL, v.nullable(APPROVAL)),
  wait: resultOf(v.nullable(APPROVAL), NO_ROOM),
  take: resultOf(
    v.object({ ...APPROVAL.entries, state: v.literal('taken') }),
    v.nullable(APPROVAL),
  ),
}

/** The name of the only object: it counts asks and waiting calls of all agents. */
const NAME = 'approvals'
/** Milliseconds for which one call waits in the object. */
const ONE_WAIT_MS = 15_000
/** Most calls to the object for one request that waits: a failed one is repeated. */
const MOST_WAITS = 4
/** Milliseconds for which the answer of a call that waits may be late. */
const SLACK_MS = 1_000

/** The dependencies of approvals in a Worker; `objects` is absent where no rule has `approval`. */
export type ApprovalsOptions = Partial<Omit<ObjectCalls<Store>, 'binding' | 'answers'>> &
  Pick<ApprovalTerms, 'acts'> & {
    readonly clock?: Clock
    /** The text of the policy that approvals are bound to. */
    readonly policyText?: () => string
  }

/**
 * Approvals by one Durable Object. A call that fails is retried once. A second try of `take` and of `decide` is
 * recognised, so that a lost answer loses nothing.
 */
export function createApprovals({
  objects,
  jurisdiction,
  timeout = LIMITS.replayMs,
  clock = system.clock,
  policyText = () => '',
  acts,
  ...background
}: ApprovalsOptions): Approvals {
  const ask = createObjectCalls<Store>({
    binding: 'APPROVALS',
    objects,
    jurisdiction,
    answers: ANSWERS,
    timeout,
    ...background,
  })
  let hash: string | undefined
  return {
    async policyHash() {
      hash ??= await sha256Name(policyText())
      return hash
    },
    ask: (one, terms) => ask(NAME, (store) => store.ask(one, { ...terms, ...(acts && { acts }) })),
    get: async (id) => (await ask(NAME, (store) => store.get(id))) ?? undefined,
    list: (query) => ask(NAME, (store) => store.list(query)),
    counts: () => ask(NAME, (store) => store.counts()),
    async decide(id, decision, act) {
      const decided = await ask(NAME, (store) => store.decide(id, decision, act))
      return decided.ok ? decided : fail(decided.reason ?? undefined)
    },
    async withdraw(id, by, act) {
      const ended = await ask(NAME, (store) => store.withdraw(id, by, act))
      return ended.ok ? ended : fail(ended.reason ?? undefined)
    },
    async hold(approval, { ms, rooms, signal }) {
      const since = clock.now()
      let calls = 0
      const isOver = () => signal.aborted || calls >= MOST_WAITS || clock.now() - since >= ms
      const gone = new Promise<undefined>((resolve) => {
        signal.addEventListener('abort', () => resolve(undefined), { once: true })
      })
      const { id } = approval
      const waitOnce = (store: Store) => {
        if (isOver()) throw new Error('the hold is over')
        calls++
        const left = Math.min(ONE_WAIT_MS, since + ms - clock.now())
        return store.wait(id, left, rooms)
      }
      // Also bounded where no call reaches the object.
      for (let tries = 0; tries < MOST_WAITS && !isOver(); tries++) {
        const waited = ask(NAME, waitOnce, ONE_WAIT_MS + SLACK_MS).catch(() => undefined)
        const answer = await Promise.race([waited, gone])
        if (answer?.ok === false) return answer
        if (answer?.value && answer.value.state !== 'waiting') {
          return { ok: true, value: answer.value }
        }
      }
      return { ok: true, value: approval }
    },
    async take(digest, standing) {
      const by = crypto.randomUUID()
      const taken = await ask(NAME, (store) => store.take(digest, by, standing))
      return taken.ok ? taken : fail(taken.reason ?? undefined)
    },
  }
}
