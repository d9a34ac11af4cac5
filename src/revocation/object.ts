import { DurableObject } from 'cloudflare:workers'
import type { RevocationPage, RevocationQuery } from '../core/model/ports.ts'
import type { Revocation } from '../core/model/revocation.ts'
import { createRevocationLog } from './log.ts'
import { createPrimary } from './primary.ts'
import type {
  Found,
  HashChanges,
  HashPage,
  Head,
  Peer,
  Replicated,
  Reset,
  RowChanges,
  RowPage,
  Version,
} from './protocol.ts'
import { PRIMARY } from './protocol.ts'
import { createReplica } from './replica.ts'
import { createReplication } from './replication.ts'
import { createSnapshotFeed } from './snapshot-feed.ts'
import { createStore } from './store.ts'
import { openTables } from './tables.ts'

/** Where an object keeps its name: an alarm may wake it without one. */
const NAME = 'name'
/** Where the registry keeps the names of replicas. None is ever removed. */
const NAMES = 'names'
/** Where a replica keeps when it was last read. */
const READ = 'read'
/** Milliseconds without a read after which a replica need not be kept up to date, and how exactly. */
const IDLE_MS = { most: 24 * 60 * 60 * 1000, step: 10 * 60 * 1000 }

/**
 * A shard of the revocation set: a Durable Object with SQLite that holds the whole set. Entries are written
 * in shard {@link PRIMARY}; the others are replicas of it and spread the reading. A shard that cannot answer
 * for the set answers with `undefined`. Trusts its callers, which are the gate's own code: it judges neither
 * who asks nor what an entry says.
 */
export class RevocationShard extends DurableObject {
  readonly #name: string
  #opened: ReturnType<typeof open> | undefined
  #readAt = 0
  /** Where the primary is to be made, should this shard be the first to call it. */
  #primaryHint: string | undefined

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
  async pullAll(after = 0, hint?: string): Promise<HashPage | undefined> {
    return (await this.#feed(hint))?.all(after)
  }

  /** What changed since a version of an epoch; `reset` where a full pull is needed. */
  async pullSince(
    epoch: string,
    version: number,
    hint?: string,
  ): Promise<HashChanges | Reset | undefined> {
    return (await this.#feed(hint))?.since({ epoch, version }, this.#name !== PRIMARY)
  }

  // Of the primary: see `RevocationStore`, and `Peer` for `enrol`.

  add(entries: readonly Revocation[]) {
    return this.#primary.add(entries)
  }

  list(query: RevocationQuery): Promise<RevocationPage> {
    return this.#primary.list(query)
  }

  get(id: string) {
    return this.#primary.get(id)
  }

  remove(id: string, owner?: string): Promise<boolean> {
    return this.#primary.remove(id, owner)
  }

  removePage(query: RevocationQuery): Promise<RevocationPage> {
    return this.#primary.removePage(query)
  }

  enrol(name: string, at: Version) {
    return this.#primary.enrol(name, at)
  }

  /** A page of all entries, for another shard. */
  async copyPage(after: number): Promise<RowPage> {
    await this.#parts.primary?.ready()
    return this.#parts.replication.page(after)
  }

  /** Takes changes of the primary, which itself takes none. */
  replicate(changes: RowChanges): Replicated {
    return this.#parts.replica?.replicate(changes) ?? { out: true }
  }

  /** How far this shard has come, in which epoch. */
  head(): Head {
    return this.#parts.log.head()
  }

  /** Names that were noted. */
  names(): readonly string[] {
    return this.ctx.storage.kv.get<string[]>(NAMES) ?? []
  }

  /** Notes a name for good. */
  note(name: string): void {
    const names = this.names()
    if (!names.includes(name)) this.ctx.storage.kv.put(NAMES, [...names, name])
  }

  /** Does what is due in the primary; lets a replica that nobody reads leave. */
  override async alarm(): Promise<void> {
    const { primary, replica } = this.#parts
    if (primary) return await primary.alarm()
    const idle = Date.now() - (this.ctx.storage.kv.get<number>(READ) ?? 0)
    if (idle >= IDLE_MS.most) replica.leave()
  }

  /** Opened when it is needed: an object that only keeps names has no tables. */
  get #parts() {
    this.#opened ??= open(this.ctx, this.#name, (name) => this.#sibling(name))
    return this.#opened
  }

  get #primary() {
    const { primary } = this.#parts
    if (!primary) throw new Error(`shard ${this.#name} is not the primary`)
    return primary
  }

  #sibling(name: string): Peer {
    const { jurisdiction } = this.ctx.id
    const { REVOCATIONS: all } = this.env as { readonly REVOCATIONS: DurableObjectNamespace }
    const own = jurisdiction ? all.jurisdiction(jurisdiction as DurableObjectJurisdiction) : all
    const locationHint = this.#primaryHint as DurableObjectLocationHint | undefined
    const options = name === PRIMARY && locationHint ? { locationHint } : {}
    return own.getByName(name, options) as unknown as Peer
  }

  /** Whether this shard may answer. A replica that may not begins to enrol. */
  async #answers(hint: string | undefined): Promise<boolean> {
    this.#primaryHint ??= hint
    const { primary, replica } = this.#parts
    if (primary) {
      await primary.ready()
      return true
    }
    this.#noteRead()
    if (replica.serves()) return true
    replica.enrol()
    return false
  }

  /** The set in hashes, where this shard may answer. The primary removes what has expired first. */
  async #feed(hint: string | undefined) {
    if (!(await this.#answers(hint))) return undefined
    if (this.#name === PRIMARY) this.#parts.store.sweep()
    return this.#parts.feed
  }

  /** Stores when this replica was read, to the step of {@link IDLE_MS}. */
  #noteRead(): void {
    if (Date.now() - this.#readAt < IDLE_MS.step) return
    this.#readAt = Date.now()
    this.ctx.storage.kv.put(READ, this.#readAt)
    void this.ctx.storage.setAlarm(this.#readAt + IDLE_MS.most + IDLE_MS.step)
  }
}

const open = (ctx: DurableObjectState, name: string, sibling: (name: string) => Peer) => {
  const { storage } = ctx
  if (storage.kv.get(NAME) !== name) storage.kv.put(NAME, name)
  openTables(storage)
  const log = createRevocationLog(storage)
  const replication = createReplication(storage, log)
  const store = createStore(storage, log)
  const common = { ctx, log, replication, store, sibling }
  const parts = { log, replication, store, feed: createSnapshotFeed(storage, log) }
  return name === PRIMARY
    ? { ...parts, primary: createPrimary(common), replica: undefined }
    : { ...parts, primary: undefined, replica: createReplica({ ...common, name }) }
}
