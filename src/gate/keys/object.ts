import { DurableObject } from 'cloudflare:workers'
import { system } from '../platform/system.ts'
import {
  createKeyService,
  type KeyAnswer,
  type KeyServiceState,
  type Question,
} from './key-service.ts'

interface Env {
  readonly JWKS_CACHE?: KVNamespace
}

const STATE = 'state'

/**
 * The key service of one issuer as a Durable Object, so that only one place in the world fetches its keys. Its state is
 * persistent. Trusts its callers, which are the gate's own code.
 */
export class KeyService extends DurableObject<Env> {
  readonly #service

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const { kv } = ctx.storage
    this.#service = createKeyService({
      ...system,
      ...(env.JWKS_CACHE && { kv: env.JWKS_CACHE }),
      state: {
        read: () => kv.get<KeyServiceState>(STATE),
        write: (state) => kv.put(STATE, state),
      },
      waitUntil: (promise) => ctx.waitUntil(promise),
    })
  }

  /** Returns known keys, or fetches from the issuer first if the question requires it. */
  ask(question: Question): Promise<KeyAnswer> {
    return this.#service.ask(question)
  }
}
