import { inject } from 'vitest'
import { deployment } from '../kit/repository.ts'
import type { GateName } from './denial-cases.ts'
import { withBodyTime } from './hurried.ts'
import { OPENING } from './sealed.ts'
import { withShards } from './shards.ts'
import type { Sender, World } from './world.ts'

/** Every gate that the denial cases happen at, before the issuers and the origin of one world. */
export interface DenialGates {
  readonly gates: Readonly<Record<GateName, Sender>>
  /** Removes what the gates were built from; they end with their world. */
  remove(): Promise<void>
}

/** Starts them; each has the world's GATE but for the one thing that denies. */
export async function startDenialGates(world: World): Promise<DenialGates> {
  const bundle = inject('bundle')
  const [shards, hurry] = await Promise.all([withShards(bundle), withBodyTime(bundle, 200)])
  const withClass = (REVOCATIONS: string) =>
    world.another({
      bundle: shards.path,
      durableObjects: { ...deployment().durableObjects, REVOCATIONS },
    })
  const keyless = { ...deployment().durableObjects, ASSERTION_KEEPER: 'UnreachableShard' }
  const uncountable = {
    ...deployment().durableObjects,
    RATE_LIMITER: 'UnreachableShard',
    REPLAYS: 'UnreachableShard',
  }
  const [
    strictHttp,
    invalid,
    opening,
    unreachable,
    full,
    slow,
    hurried,
    unsigned,
    digesting,
    uncounted,
    flooded,
    unaddressed,
  ] = await Promise.all([
    world.another({}, { insecure_http: false }),
    world.another({}, { no_such_key: 'confidential-value' }),
    world.another(OPENING),
    withClass('UnreachableShard'),
    withClass('FullShard'),
    withClass('SlowShard'),
    world.another({ bundle: hurry.path }),
    world.another({ bundle: shards.path, durableObjects: keyless }),
    world.another({}, { assertion: 'body' }),
    world.another({ bundle: shards.path, durableObjects: uncountable }),
    world.another({}, { address_limit: { limit: 1, period: '1d' } }),
    // A server that has no such method.
    world.another(
      { services: { RL_ADDRESS: world.origin.url } },
      { address_limit: { binding: 'RL_ADDRESS' } },
    ),
  ])
  await flooded.send({})
  const gates = {
    main: world,
    strictHttp,
    invalid,
    opening,
    unreachable,
    full,
    slow,
    hurried,
    unsigned,
    digesting,
    uncounted,
    flooded,
    unaddressed,
  }
  const remove = async () => {
    await Promise.all([shards.remove(), hurry.remove()])
  }
  return { gates, remove }
}
