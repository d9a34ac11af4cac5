import type { JWK } from 'jose'
import type { KeyAlgorithm } from '../model/assertion.ts'
import type { Clock } from '../model/ports.ts'
import { createQueue } from '../platform/calls.ts'
import { makeKey } from './key-material.ts'
import { type Kept, nextChange, planOf, type Wanted } from './plan.ts'

export interface KeptKeys {
  readonly signer: {
    readonly kid: string
    readonly algorithm: KeyAlgorithm
    /** Absent for a key of the operator's secret. */
    readonly privateJwk?: JWK
  }
  readonly published: readonly JWK[]
  /** Milliseconds since the epoch when the keys must be requested again. */
  readonly changesAt: number
}

export interface KeptState {
  read(): Kept
  write(kept: Kept): void
}

/** Returns the current keys; generates, rotates or retires keys first if due. */
export type AskForKeys = (wanted: Wanted) => Promise<KeptKeys>

/** Manages keys in a given storage. Simultaneous callers share one new key. */
export function createAssertionKeyService(state: KeptState, clock: Clock): AskForKeys {
  const inOrder = createQueue()

  const plan = async (wanted: Wanted): Promise<KeptKeys> => {
    const before = state.read()
    const now = clock.now()
    let planned = planOf(before, wanted, now)
    if (planned.make !== undefined) {
      const made = await makeKey(wanted.algorithm, planned.make)
      planned = planOf({ ...planned, keys: [...planned.keys, made] }, wanted, now)
    }
    const { keys, withdrawn, signer } = planned
    if (!signer) throw new Error('there is no key to sign with')
    const after: Kept = { keys, withdrawn }
    if (JSON.stringify(after) !== JSON.stringify(before)) state.write(after)
    const { kid, algorithm, privateJwk } = signer
    return {
      signer: { kid, algorithm, ...(privateJwk && { privateJwk }) },
      published: keys.map(({ jwk }) => jwk),
      changesAt: nextChange(keys, now),
    }
  }

  return (wanted) => inOrder(() => plan(wanted))
}

/** Manages keys in the memory of one process: they are lost with it, and no other process signs with them. */
export function createMemoryAssertionKeys(clock: Clock): AskForKeys {
  let kept: Kept = { keys: [], withdrawn: [] }
  const write = (after: Kept) => {
    kept = after
  }
  return createAssertionKeyService({ read: () => kept, write }, clock)
}
