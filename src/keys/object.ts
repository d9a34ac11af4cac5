import { DurableObject } from 'cloudflare:workers'
import { system } from '../platform/system.ts'
import { createKeeper, type KeeperState, type KeyAnswer, type Question } from './key-service.ts'

interface Env {
  readonly JWKS_CACHE?: KVNamespace
}

const STATE = 'state'

/**
 * The key service of one issuer as a Durable Object, so that only one place in the world fetches its keys. Its state is
 * persistent. Trusts its callers, which are the gate's own code.
 */
export class KeyKeeper extends DurableObject<Env> {
  readonly #keeper

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const { kv } = ctx.storage
    this.#keeper = createKeeper({
      ...system,
      ...(env.JWKS_CACHE && { kv: env.JWKS_CACHE }),
      state: {
        read: () => kv.get<KeeperState>(STATE),
        write: (state) => kv.put(STATE, state),
      },
      waitUntil: (promise) => ctx.waitUntil(promise),
    })
  }

  /** Returns known keys, or fetches from the issuer first if the question requires it. */
  ask(question: Question): Promise<KeyAnswer> {
    return this.#keeper.ask(question)
  }
}
