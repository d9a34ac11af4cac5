import type { Policy } from '../core/model/policy.ts'
import { retryOnce } from '../platform/calls.ts'
import {
  createKeeper,
  type Keeper,
  type KeeperOptions,
  type KeyAnswer,
  type Question,
} from './key-service.ts'
import { recordName } from './store.ts'

/** A Durable Object namespace of `KeyKeeper`, as far as keys need it. */
export interface KeeperNamespace {
  getByName(name: string): { ask(question: Question): PromiseLike<KeyAnswer> }
}

/** The keepers behind a Durable Object namespace, one object for each place keys come from. */
export function createKeepers(namespace: KeeperNamespace): Keeper {
  return {
    async ask(question) {
      const name = await recordName(question.place)
      return retryOnce(async () => await namespace.getByName(name).ask(question))
    },
  }
}

/** Keepers in the memory of this process, one for each place keys come from. */
export function createMemoryKeepers(options: Omit<KeeperOptions, 'state'>): Keeper {
  const keepers = new Map<string, Keeper>()
  return {
    async ask(question) {
      const name = await recordName(question.place)
      const keeper = keepers.get(name) ?? createKeeper(options)
      keepers.set(name, keeper)
      return keeper.ask(question)
    },
  }
}

/** Has the keepers of all issuers ask ahead of time, so that no request waits for keys. Never rejects. */
export async function refreshAhead(
  policy: Policy,
  keeper: Keeper,
  log: (event: Record<string, unknown>) => void,
): Promise<void> {
  const fetched = [...policy.issuers.values()].filter(({ keys }) => keys.kind !== 'inline')
  await Promise.all(
    fetched.map(async ({ name, issuer, keys, allowInsecureHttp, keyTimes: times }) => {
      try {
        const place = { name, issuer, keys, allowInsecureHttp }
        await keeper.ask({ place, times, why: 'ahead' })
      } catch (error) {
        log({ event: 'keys_ask_failed', issuer: name, error: String(error) })
      }
    }),
  )
}
