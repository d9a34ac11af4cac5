import { createKeeper, type Keeper, type KeeperOptions, type KeeperState } from './key-service.ts'
import { recordName } from './store.ts'

/** Keepers in the memory of this process, one for each place keys come from. */
export function createMemoryKeepers(options: Omit<KeeperOptions, 'state'>): Keeper {
  const keepers = new Map<string, Keeper>()
  const keeperOf = (name: string): Keeper => {
    let state: KeeperState | undefined
    const memory = {
      read: () => state,
      write: (next: KeeperState) => {
        state = next
      },
    }
    const keeper = keepers.get(name) ?? createKeeper({ ...options, state: memory })
    keepers.set(name, keeper)
    return keeper
  }
  return { ask: async (question) => keeperOf(await recordName(question.place)).ask(question) }
}
