import { DurableObject } from 'cloudflare:workers'
import { noteSchema } from '../platform/schema.ts'
import { system } from '../platform/system.ts'
import {
  type AssertionKeyService,
  createAssertionKeyService,
  type KeptKeys,
} from './key-service.ts'
import type { AssertionKey, Wanted } from './plan.ts'

/** The version of what is stored under these keys. */
const SCHEMA = 1
const KEYS = 'keys'
const WITHDRAWN = 'withdrawn'
const WANTED = 'wanted'

/**
 * Generates and stores the keys for assertions: a Durable Object, so that all isolates sign with the same key and
 * publish the same keys. Private keys go only to the gate's own isolates. It trusts its callers, which are the gate's
 * own code.
 */
export class AssertionKeeper extends DurableObject {
  readonly #keeping: AssertionKeyService

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    const { kv } = ctx.storage
    noteSchema(ctx.storage, SCHEMA)
    this.#keeping = createAssertionKeyService(
      {
        read: () => ({
          keys: kv.get<readonly AssertionKey[]>(KEYS) ?? [],
          withdrawn: kv.get<readonly string[]>(WITHDRAWN) ?? [],
        }),
        // Written together: there is no await between the two.
        write({ keys, withdrawn }) {
          kv.put(KEYS, keys)
          kv.put(WITHDRAWN, withdrawn)
        },
      },
      system.clock,
    )
  }

  /** Returns the current keys; generates, rotates or retires keys first if due. */
  async keys(wanted: Wanted): Promise<KeptKeys> {
    const kept = await this.#keeping(wanted)
    const { kv } = this.ctx.storage
    if (JSON.stringify(kv.get(WANTED)) !== JSON.stringify(wanted)) kv.put(WANTED, wanted)
    if ((await this.ctx.storage.getAlarm()) === null) {
      await this.ctx.storage.setAlarm(kept.changesAt)
    }
    return kept
  }

  /** Publishes the next key in time, even without requests. */
  override async alarm(): Promise<void> {
    const wanted = this.ctx.storage.kv.get<Wanted>(WANTED)
    if (wanted) await this.ctx.storage.setAlarm((await this.#keeping(wanted)).changesAt)
  }
}
