import { DurableObject } from 'cloudflare:workers'
import { system } from '../platform/system.ts'
import { createKeeper, type KeeperState, type KeyAnswer, type Question } from './key-service.ts'

/** What it needs of wrangler.toml's bindings. */
interface Env {
  readonly JWKS_CACHE?: KVNamespace
}

/** The name of all a keeper keeps. */
const STATE = 'state'

/**
 * The keys of one issuer: a Durable Object, so that in all the world there is one that asks for them,
 * however many isolates start at once. What it learned outlives it. Trusts its callers, which are
 * the gate's own code.
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

  /** Answers from what is known, or asks the issuer first where the question is worth it. */
  ask(question: Question): Promise<KeyAnswer> {
    return this.#keeper.ask(question)
  }
}
