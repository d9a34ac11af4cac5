import { DurableObject } from 'cloudflare:workers'
import { within } from '../../gate/base/timeout.ts'
import {
  type AgentChange,
  type AgentChanged,
  type AgentEntry,
  type AgentKey,
  type AgentPage,
  type AgentQuery,
  type AgentTerms,
  type AlertJudged,
  keyOf,
  type Sighting,
} from '../../gate/model/agents.ts'
import type { Act } from '../../gate/model/audit.ts'
import type { ShardStatus } from '../../gate/model/revocation.ts'
import type { Alert, AlertPage, AlertQuery, Judgement } from '../../gate/model/watch.ts'
import { createActs } from '../../gate/outbox/acts.ts'
import { dropOldest } from '../../gate/platform/buckets.ts'
import { noteSchema } from '../../gate/platform/schema.ts'
import { system } from '../../gate/platform/system.ts'
import { createStandings, type StandingSet } from './standings.ts'
import { createAgentTable, TABLES } from './store.ts'
import { createWatch, type QuarantineSet } from './watch.ts'
import { WATCH_TABLES } from './watch-store.ts'

/** The version of the tables. */
const SCHEMA = 1
/** The primary shard of the revocation set. */
const PRIMARY = '0'
/**
 * Milliseconds between two checks that the revocation set still has each status: while agents send requests, and
 * otherwise.
 */
const LOOK_MS = { seen: 10_000, else: 3_600_000 }
/** Milliseconds after which what failed is tried again. */
const RETRY_MS = 5_000
/**
 * Milliseconds that a change waits for the revocation set. The call itself is not ended, since calls must stay in
 * order.
 */
const TELL_MS = 10_000
/** Calls of the audit that are remembered. */
const MOST_CALLS = 1_000

const opened = ({ storage }: DurableObjectState): DurableObjectStorage => {
  noteSchema(storage, SCHEMA)
  storage.sql.exec(TABLES + WATCH_TABLES)
  return storage
}

/**
 * The registry of agents: a Durable Object with SQLite. It discovers agents in what the audit stores, and keeps what
 * administrators decide about them. It writes their status into the revocation set, by which requests are decided.
 * Trusts its callers, which are the gate's own code.
 */
export class AgentRegistry extends DurableObject {
  readonly #calls = new Set<string>()
  #lookedAt = 0
  readonly #storage = opened(this.ctx)
  readonly #acts = createActs(this.#storage, this.env)
  readonly #table = createAgentTable(this.#storage)
  readonly #tellStandings = createStandings(this.#storage, this.#table, () => this.#primary())
  readonly #watch = createWatch({
    storage: this.#storage,
    acts: this.#acts,
    waitUntil: (promise) => this.ctx.waitUntil(promise),
    table: this.#table,
    set: () => this.#primary(),
  })

  /** In the place of this object. */
  #primary() {
    const { REVOCATIONS: all } = this.env as { readonly REVOCATIONS: DurableObjectNamespace }
    const place = this.ctx.id.jurisdiction as DurableObjectJurisdiction | undefined
    const set = (place ? all.jurisdiction(place) : all).getByName(PRIMARY)
    return set as unknown as QuarantineSet & StandingSet
  }

  /**
   * Stores what a shard of the audit reports about agents. A shard that gets no answer calls again under the same id.
   * The ids are in memory only: if the object restarts, it loses what it learned from the call, too.
   */
  async observe(
    sightings: readonly Sighting[],
    terms: AgentTerms,
    call: string = crypto.randomUUID(),
  ): Promise<void> {
    if (this.#calls.has(call)) return
    dropOldest(this.#calls, MOST_CALLS)
    this.#calls.add(call)
    const { changed, gone } = this.#table.observe(sightings, terms)
    for (const { issuer, agent } of changed) {
      system.log({ event: 'agent_changed', issuer, agent })
    }
    this.#watch.forget(gone)
    // An agent without an entry is not watched.
    await this.#watch.observe(
      sightings.filter((one) => this.#table.find(one)),
      terms,
      changed,
    )
    if (this.#acts.isPending()) {
      await this.#storage.setAlarm(Date.now() + RETRY_MS)
      this.ctx.waitUntil(this.#acts.send())
    }
    if (Date.now() < this.#lookedAt + LOOK_MS.seen || !this.#table.hasDecided()) return
    this.ctx.waitUntil(this.#tell())
  }

  list(query: AgentQuery): AgentPage {
    return this.#table.list(query)
  }

  get(key: AgentKey): AgentEntry | undefined {
    const entry = this.#table.find(key)
    const watched = this.#watch.learned(key)
    return entry && { ...entry, ...(watched.length > 0 && { watched }) }
  }

  several(agents: readonly string[]): readonly AgentEntry[] {
    return agents.flatMap((one) => this.#table.find(keyOf(one)) ?? [])
  }

  alerts(query: AlertQuery): AlertPage {
    return this.#watch.list(query)
  }

  alert(id: number): Alert | undefined {
    return this.#watch.find(id)
  }

  /** Notes the verdict of a person on an alert. `suspend` first suspends the agent in the registry. */
  async judge(judgement: Judgement, act?: Act): Promise<AlertJudged | undefined> {
    const { id, by, verdict } = judgement
    const known = this.#watch.find(id)
    if (!known || known.issuer !== (judgement.issuer ?? known.issuer)) return undefined
    const { issuer, agent } = known
    const [at, reason] = [Math.floor(Date.now() / 1000), `alert ${id}`]
    const own = judgement.issuer !== undefined && { own: true as const }
    const suspended =
      verdict === 'suspend' &&
      (await this.change({ act: 'suspend', issuer, agent, at, by, reason, ...own }, act))
    if (suspended && 'refused' in suspended) return suspended
    const alert = await this.#watch.judge(judgement, suspended ? undefined : act)
    this.ctx.waitUntil(this.#acts.send())
    return alert && { ...suspended, alert }
  }

  /**
   * Changes an agent. Resolves once each shard of the revocation set has the agent's new status, or after a time limit:
   * the set then gets the status later.
   */
  async change(change: AgentChange, act?: Act): Promise<AgentChanged> {
    const { act: kind, issuer, agent: value, reason } = change
    const changed = this.#table.change(change, ({ status }) => {
      const entries = [{ kind: 'agent', issuer, value, status, ...(reason && { reason }) }]
      this.#acts.note(act, { act: kind === 'put' || kind === 'patch' ? 'register' : kind, entries })
      void this.#storage.setAlarm(Date.now() + RETRY_MS)
    })
    if (typeof changed === 'string') return { refused: changed }
    this.ctx.waitUntil(this.#acts.send())
    const shards = await within(this.#tell(), TELL_MS, () => undefined)
    return { entry: changed, ...(shards && { shards }) }
  }

  /** Writes statuses that the revocation set lacks into it. Never rejects. */
  async #tell(): Promise<ShardStatus | undefined> {
    this.#lookedAt = Date.now()
    try {
      return await this.#tellStandings()
    } catch (error) {
      system.log({ event: 'agents_not_in_set', error: String(error) })
      await this.#storage.setAlarm(Date.now() + RETRY_MS)
      return undefined
    }
  }

  /** Repeats what failed, and checks that the set still has each status. */
  override async alarm(): Promise<void> {
    await Promise.all([this.#tell(), this.#acts.send()])
    const isPending = this.#acts.isPending() || this.#table.missing(1).entries.length > 0
    if (!isPending && !this.#table.hasDecided()) return
    await this.#storage.setAlarm(Date.now() + (isPending ? RETRY_MS : LOOK_MS.else))
  }
}
