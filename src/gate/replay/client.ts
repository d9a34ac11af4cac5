import { boolean, nullable, object, string } from 'valibot'
import { LIMITS } from '../base/limits.ts'
import type { Failure, ReplayStore } from '../model/ports.ts'
import { COUNT } from '../platform/answers.ts'
import { createObjectCalls, type ObjectCalls } from '../platform/calls.ts'

/** An object of `ReplayShard`, with the methods that the gate needs. */
interface Shard {
  claim(name: string, expires: number, by: string): PromiseLike<boolean>
  isClaimed(name: string): PromiseLike<boolean>
  note(name: string, expires: number, failure: Failure): PromiseLike<boolean>
  failureOf(name: string): PromiseLike<Failure | null>
}

const ANSWERS = {
  claim: boolean(),
  isClaimed: boolean(),
  note: boolean(),
  failureOf: nullable(object({ status: COUNT, requestId: string() })),
}

/** Milliseconds for which a refusal waits to learn how the first request has failed. */
const FAILURE_MS = 500

/** The dependencies of single use in a Worker; `objects` is absent where no rule has `single_use`. */
export type ReplaysOptions = Partial<Omit<ObjectCalls<Shard>, 'binding' | 'answers'>>

/**
 * Claims uses at 64 Durable Objects, one for each first character of a name. The number of objects never changes: a
 * name must always be claimed at the same object. A call that fails, or takes longer than {@link LIMITS.replayMs}, is
 * retried once; then it rejects. If only its response was lost, the retry recognises the claim, which is still the
 * first.
 */
export function createReplays({
  objects,
  jurisdiction,
  timeout = LIMITS.replayMs,
  ...background
}: ReplaysOptions): ReplayStore {
  const ask = createObjectCalls<Shard>({
    binding: 'REPLAYS',
    objects,
    jurisdiction,
    answers: ANSWERS,
    timeout,
    ...background,
  })
  return {
    claim(name, expires) {
      const by = crypto.randomUUID()
      return ask(name.slice(0, 1), (shard) => shard.claim(name, expires, by))
    },
    isClaimed: (name) => ask(name.slice(0, 1), (shard) => shard.isClaimed(name)),
    note({ name, expires }, failure) {
      const noted = ask(name.slice(0, 1), (shard) => shard.note(name, expires, failure))
      // Without it a later refusal says less.
      const settled = noted.catch(() => {})
      background.waitUntil?.(settled)
    },
    async failureOf(name) {
      const call = (shard: Shard) => shard.failureOf(name)
      return (await ask(name.slice(0, 1), call, FAILURE_MS)) ?? undefined
    },
  }
}

/** A store for explanations: it checks what would be claimed, and claims nothing. */
export function lookingOnly({ isClaimed }: Pick<ReplayStore, 'isClaimed'>): ReplayStore {
  return {
    claim: async (name) => (await isClaimed(name)) === false,
    isClaimed,
  }
}
