import { DurableObject } from 'cloudflare:workers'
import type { ActTerms } from '../model/audit.ts'
import { type Acts, createActs } from '../outbox/acts.ts'
import { noteSchema } from '../platform/schema.ts'
import { system } from '../platform/system.ts'
import { type AskForKeys, createAssertionKeyService, type KeptKeys } from './key-service.ts'
import type { AssertionKey, Wanted } from './plan.ts'

/** The version of what is stored under these keys. */
const SCHEMA = 1
const KEYS = 'keys'
const WITHDRAWN = 'withdrawn'
const WANTED = 'wanted'
/** The storage key of the terms on which acts are stored. */
const ACT_TERMS = 'act-terms'
/** Milliseconds between attempts to send acts to the audit. */
const RETRY_MS = 15_000

/**
 * Generates and stores the keys for assertions: a Durable Object, so that all isolates sign with the same key and
 * publish the same keys. Private keys go only to the gate's own isolates. It trusts its callers, which are the gate's
 * own code.
 */
export class AssertionKeyService extends DurableObject {
  readonly #keeping: AskForKeys
  readonly #acts: Acts

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    const { kv } = ctx.storage
    noteSchema(ctx.storage, SCHEMA)
    this.#acts = createActs(ctx.storage, env)
    this.#keeping = createAssertionKeyService(
      {
        read: () => ({
          keys: kv.get<readonly AssertionKey[]>(KEYS) ?? [],
          withdrawn: kv.get<readonly string[]>(WITHDRAWN) ?? [],
        }),
        // Written together: there is no await between them.
        write: ({ keys, withdrawn }) => {
          this.#noteRotation(keys)
          kv.put(KEYS, keys)
          kv.put(WITHDRAWN, withdrawn)
        },
      },
      system.clock,
    )
  }

  /** Returns the current keys; generates, rotates or retires keys first if due. Acts are stored on these terms. */
  async keys(wanted: Wanted, terms?: ActTerms): Promise<KeptKeys> {
    const { kv } = this.ctx.storage
    if (terms && JSON.stringify(kv.get(ACT_TERMS)) !== JSON.stringify(terms)) {
      kv.put(ACT_TERMS, terms)
    }
    const kept = await this.#keeping(wanted)
    this.ctx.waitUntil(this.#acts.send())
    if (JSON.stringify(kv.get(WANTED)) !== JSON.stringify(wanted)) kv.put(WANTED, wanted)
    const alarm = await this.ctx.storage.getAlarm()
    const next = this.#nextAlarm(kept)
    if (alarm === null || (next < alarm && this.#acts.isPending())) {
      await this.ctx.storage.setAlarm(next)
    }
    return kept
  }

  /** Publishes the next key in time, even without requests, and sends acts to the audit. */
  override async alarm(): Promise<void> {
    const wanted = this.ctx.storage.kv.get<Wanted>(WANTED)
    if (!wanted) return
    const kept = await this.#keeping(wanted)
    await this.#acts.send()
    await this.ctx.storage.setAlarm(this.#nextAlarm(kept))
  }

  #nextAlarm({ changesAt }: KeptKeys): number {
    return this.#acts.isPending() ? Math.min(changesAt, Date.now() + RETRY_MS) : changesAt
  }

  /** Stores an act that says which keys were added and removed. No caller causes this act. */
  #noteRotation(keys: readonly AssertionKey[]): void {
    const { kv } = this.ctx.storage
    const terms = kv.get<ActTerms>(ACT_TERMS)
    const [before, after] = [kv.get<readonly AssertionKey[]>(KEYS) ?? [], keys].map((some) =>
      some.map(({ kid }) => kid),
    ) as [string[], string[]]
    const added = after.filter((kid) => !before.includes(kid))
    const removed = before.filter((kid) => !after.includes(kid))
    if (added.length + removed.length === 0) return
    this.#acts.noteOwn(terms, { act: 'rotate', keys: { added, removed } })
  }
}
