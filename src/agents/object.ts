import { DurableObject } from 'cloudflare:workers'
import type { AgentTerms, Sighting } from '../core/model/agents.ts'
import { noteSchema } from '../platform/schema.ts'
import { createAgentStore, TABLES } from './store.ts'

/** The version of the tables. */
const SCHEMA = 1

/**
 * The registry of agents: a Durable Object with SQLite. It discovers agents by what the audit has stored, and keeps what
 * administrators say of them. Trusts its callers, which are the gate's own code.
 */
export class AgentRegistry extends DurableObject {
  readonly #store: ReturnType<typeof createAgentStore>

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    noteSchema(ctx.storage, SCHEMA)
    ctx.storage.sql.exec(TABLES)
    this.#store = createAgentStore(ctx.storage)
  }

  /** Takes note of what a shard of the audit has seen. A sighting may come twice, if an answer was lost. */
  async observe(sightings: readonly Sighting[], terms: AgentTerms): Promise<void> {
    this.#store.observe(sightings, terms)
    // Here the watch gets the same sightings.
  }
}
