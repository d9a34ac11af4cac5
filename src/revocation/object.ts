import { DurableObject } from 'cloudflare:workers'
import type { RevocationPage, RevocationQuery } from '../core/model/ports.ts'
import type { Revocation } from '../core/model/revocation.ts'
import type { Head } from './log.ts'
import type { Replica } from './outbox.ts'
import { createLeading, type Roster } from './primary.ts'
import type { Survivor } from './recovery.ts'
import type { Leader, Taken } from './replica.ts'
import { createRoster } from './replica-registry.ts'
import type { Handed, HandedPage } from './replication.ts'
import { openParts, type Parts } from './shard-components.ts'
import { LEADER } from './shard-hash.ts'
import type { Found } from './snapshot.ts'
import type { PulledChanges, PulledPage } from './snapshot-feed.ts'
import { now } from './store.ts'

const ROSTER = 'roster'
/** Under which an object keeps its name, should it not be told by whoever wakes it. */
const NAME = 'name'
/** Under which a replica keeps when it was read. */
const READ = 'read'
/** Milliseconds without a read after which a replica need not be kept up to date, and how exactly. */
const IDLE_MS = { most: 24 * 60 * 60 * 1000, step: 10 * 60 * 1000 }

/** An object of this class as others call it. */
interface Sibling extends Leader, Replica, Survivor, Roster {}

interface Opened {
  readonly parts: Parts
  /** Of the shard that leads. */
  readonly leading?: ReturnType<typeof createLeading>
}

/**
 * A shard of the revocation set: a Durable Object with SQLite that holds the whole set. Shard
 * {@link LEADER} is where entries are written; the others are replicas of it and spread the reading. What
 * a shard cannot answer for the set answers with `undefined`. Trusts its callers, which are the gate's own code:
 * it judges neither who asks nor what an entry says.
 */
export class RevocationShard extends DurableObject {
  readonly #name: string
  #opened: Opened | undefined
  /** The one run that hashes old entries, shared by the pulls that wait for it. */
  #hashing: Promise<void> | undefined
  #readAt = 0
  /** Where the shard that leads is to be made, should this one be the first to call it. */
  #leaderHint: string | undefined

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    const name = ctx.id.name ?? ctx.storage.kv.get<string>(NAME)
    if (name === undefined) throw new Error('a shard without a name')
    this.#name = name
  }

  /** Live entries about any of the subjects, each named by its `subjectKey`. */
  async lookup(subjectKeys: readonly string[], hint?: string): Promise<Found | undefined> {
    if (!(await this.#answers(hint))) return undefined
    const { epoch, version } = this.#parts.log.head()
    return { epoch, version, entries: this.#parts.store.lookup(subjectKeys) }
  }

  /**
   * A page of the hashes of all live entries, for a copy of the set. The copy is complete with the
   * changes since the version of its first page.
   */
  async pullAll(after = 0, hint?: string): Promise<PulledPage | undefined> {
    await this.#prepared()
    return (await this.#answers(hint)) ? this.#parts.pulls.all(now(), after) : undefined
  }

  /** What changed since a version of an epoch; `reset` where only a full pull can tell. */
  async pullSince(
    epoch: string,
    version: number,
    hint?: string,
  ): Promise<PulledChanges | { readonly reset: true } | undefined> {
    await this.#prepared()
    if (!(await this.#answers(hint))) return undefined
    return this.#parts.pulls.since(now(), { epoch, version }, this.#name !== LEADER)
  }

  /**
   * Stores all entries, or none when they do not fit. An entry that is there is renewed; one that has
   * expired is made anew. Answers when all replicas have them, or have had their time.
   */
  add(entries: readonly Revocation[]) {
    return this.#leading.add(entries)
  }

  /** A page of live entries in the order they were first made. */
  async list(query: RevocationQuery): Promise<RevocationPage> {
    await this.#leading.led()
    return this.#parts.store.list(query)
  }

  /** The live entry with this id. */
  get(id: string) {
    return this.#leading.get(id)
  }

  /** Removes an entry; false when there is no live one with this id, and of this owner. */
  remove(id: string, owner?: string): Promise<boolean> {
    return this.#leading.remove(id, owner)
  }

  /** Removes the entries that a list with this query has, and tells which they were. */
  removePage(query: RevocationQuery): Promise<RevocationPage> {
    return this.#leading.removePage(query)
  }

  /** See {@link Leader}. */
  enrol(name: string, at: Pick<Head, 'epoch' | 'version'>) {
    return this.#leading.enrol(name, at)
  }

  /** A page of all entries, for another shard. */
  async handAll(after: number): Promise<HandedPage> {
    if (this.#name === LEADER) await this.#leading.led()
    await this.#hashed()
    return this.#parts.handing.page(after)
  }

  /** Takes changes of the shard that leads. */
  take(handed: Handed): Taken {
    return this.#parts.follower.take(now(), handed)
  }

  /** How far this shard has come, in which epoch. */
  holds(): Head {
    return this.#parts.log.head()
  }

  /** Names that were noted. */
  names(): readonly string[] {
    return createRoster(this.ctx.storage).names()
  }

  /** Notes a name for good. */
  note(name: string): void {
    createRoster(this.ctx.storage).add(name)
  }

  /** Sees to what is due; lets go of a replica that nobody reads. */
  override async alarm(): Promise<void> {
    if (this.#name === LEADER) return await this.#leading.alarm()
    const idle = Date.now() - (this.ctx.storage.kv.get<number>(READ) ?? 0)
    if (idle >= IDLE_MS.most) this.#parts.follower.leave()
  }

  /** Opened when it is needed: an object that only keeps names has no tables. */
  get #open(): Opened {
    this.#opened ??= open(this.ctx, this.#name, (name) => this.#sibling(name))
    return this.#opened
  }

  get #parts(): Parts {
    return this.#open.parts
  }

  get #leading() {
    const { leading } = this.#open
    if (!leading) throw new Error(`shard ${this.#name} does not lead`)
    return leading
  }

  #sibling(name: string): Sibling {
    const { jurisdiction } = this.ctx.id
    const { REVOCATIONS: all } = this.env as { readonly REVOCATIONS: DurableObjectNamespace }
    const own = jurisdiction ? all.jurisdiction(jurisdiction as DurableObjectJurisdiction) : all
    const locationHint = this.#leaderHint as DurableObjectLocationHint | undefined
    const options = name === LEADER && locationHint ? { locationHint } : {}
    return own.getByName(name, options) as unknown as Sibling
  }

  /** Whether this shard may answer; one that may not begins to do what it lacks. */
  async #answers(hint: string | undefined): Promise<boolean> {
    this.#leaderHint ??= hint
    const { leading, parts } = this.#open
    if (leading) {
      await leading.led()
      return true
    }
    this.#noteRead()
    if (parts.follower.serves()) return true
    parts.follower.enrol()
    return false
  }

  /** Remembers about when this replica was read. */
  #noteRead(): void {
    if (Date.now() - this.#readAt < IDLE_MS.step) return
    this.#readAt = Date.now()
    this.ctx.storage.kv.put(READ, this.#readAt)
    void this.ctx.storage.setAlarm(this.#readAt + IDLE_MS.most + IDLE_MS.step)
  }

  async #hashed(): Promise<void> {
    this.#hashing ??= this.#parts.pulls.hashAll().finally(() => {
      this.#hashing = undefined
    })
    await this.#hashing
  }

  /** Has every entry hashed and, where this shard leads, what has expired removed as one round does it. */
  async #prepared(): Promise<void> {
    await this.#hashed()
    if (this.#name === LEADER) this.#parts.store.sweep()
  }
}

const open = (
  ctx: DurableObjectState,
  name: string,
  sibling: (name: string) => Sibling,
): Opened => {
  if (ctx.storage.kv.get(NAME) !== name) ctx.storage.kv.put(NAME, name)
  const parts = openParts(ctx.storage, { name, sibling })
  if (name !== LEADER) return { parts }
  const roster = () => sibling(ROSTER)
  return { parts, leading: createLeading({ ctx, parts, roster, reach: sibling }) }
}
