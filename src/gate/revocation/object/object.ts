import { DurableObject } from 'cloudflare:workers'
import type { Act } from '../../model/audit.ts'
import type { RevocationPage, RevocationQuery } from '../../model/ports.ts'
import type { Revocation } from '../../model/revocation.ts'
import type { Signal } from '../../model/signal.ts'
import { createActs } from '../../outbox/acts.ts'
import { readBy } from '../../platform/answers.ts'
import { hasSchema, noteSchema } from '../../platform/schema.ts'
import { PEER_ANSWERS } from '../answers.ts'
import {
  type Found,
  type HashChanges,
  type HashPage,
  type Head,
  type Peer,
  PRIMARY,
  type Replicated,
  type Reset,
  type RowChanges,
  type RowPage,
  type Version,
} from '../protocol.ts'
import { createEndings } from './endings.ts'
import { createRevocationLog } from './log.ts'
import { createPrimary } from './primary.ts'
import { createReplica } from './replica.ts'
import { createReplication } from './replication.ts'
import { createSnapshotFeed } from './snapshot-feed.ts'
import { createStore } from './store.ts'
import { migrateTables, openTables, SCHEMA } from './tables.ts'
import { createTransmitting } from './transmit.ts'
import { variablesOf } from './variables.ts'

/** The key of the object's name: an alarm may wake the object without it. */
const NAME = 'name'
/** The key of the replicas' names in the registry. Names are never removed. */
const NAMES = 'names'
/** The key of a replica's last read, in milliseconds. */
const READ = 'read'
/** Milliseconds: without a read, `most` until a replica is dropped; `step` between records. */
const IDLE_MS = { most: 24 * 60 * 60 * 1000, step: 10 * 60 * 1000 }

/**
 * A shard of the revocation set: a Durable Object with SQLite that stores the whole set. Entries
 * are written in shard {@link PRIMARY}; the others are its replicas, for reads. A shard that is not
 * ready returns `undefined`. Does not check callers or entries: only the gate's code calls it.
 */
export class RevocationShard extends DurableObject {
  readonly #name: string
  #opened: ReturnType<typeof open> | undefined
  #readAt = 0
  /** The location hint for the primary, if this shard creates it. */
  #primaryHint: string | undefined

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    const name = ctx.id.name ?? ctx.storage.kv.get<string>(NAME)
    if (name === undefined) throw new Error('a shard without a name')
    this.#name = name
    migrateTables(ctx.storage)
  }

  /** Live entries of any of the subjects, given by `subjectKey`. */
  async lookup(subjectKeys: readonly string[], hint?: string): Promise<Found | undefined> {
    if (!(await this.#answers(hint))) return undefined
    const { epoch, version } = this.#parts.log.head()
    return { epoch, version, entries: this.#parts.store.lookup(subjectKeys) }
  }

  /**
   * A page of the hashes of all live entries, for a copy of the set. A copy also needs the changes
   * since its first page's version.
   */
  async pullAll(after = 0, hint?: string): Promise<HashPage | undefined> {
    return (await this.#feed(hint))?.all(after)
  }

  /** The changes since a version of an epoch; `reset` if a full copy is needed. */
  async pullSince(
    epoch: string,
    version: number,
    hint?: string,
  ): Promise<HashChanges | Reset | undefined> {
    return (await this.#feed(hint))?.since({ epoch, version }, this.#name !== PRIMARY)
  }

  // Methods of the primary: see `RevocationStore`, and `Peer` for `enrol`. Further methods without a comment: see
  // `Peer`.

  add(entries: readonly Revocation[], act?: Act) {
    return this.#primary.add(entries, act)
  }

  /** Sets the standings of agents: see {@link createPrimary}. */
  setStandings(entries: readonly Revocation[], none: readonly string[]) {
    return this.#primary.setStandings(entries, none)
  }

  list(query: RevocationQuery): Promise<RevocationPage> {
    return this.#primary.list(query)
  }

  get(id: string) {
    return this.#primary.get(id)
  }

  status() {
    return this.#primary.status()
  }

  signal(signal: Signal, act?: Act) {
    return this.#primary.signal(signal, act)
  }

  remove(id: string, owner?: string, act?: Act): Promise<boolean> {
    return this.#primary.remove(id, owner, act)
  }

  removePage(query: RevocationQuery, act?: Act): Promise<RevocationPage> {
    return this.#primary.removePage(query, act)
  }

  enrol(name: string, at: Version) {
    return this.#primary.enrol(name, at)
  }

  async copyPage(after: number): Promise<RowPage> {
    await this.#parts.primary?.ready()
    return this.#parts.replication.page(after)
  }

  /** Applies the primary's changes. The primary itself refuses them. */
  replicate(changes: RowChanges): Replicated {
    return this.#parts.replica?.replicate(changes) ?? { out: true }
  }

  head(): Head {
    return this.#parts.log.head()
  }

  names(): readonly string[] {
    hasSchema(this.ctx.storage, SCHEMA)
    return this.ctx.storage.kv.get<string[]>(NAMES) ?? []
  }

  /** Adds a name to the registry permanently. */
  note(name: string): void {
    const names = this.names()
    noteSchema(this.ctx.storage, SCHEMA)
    if (!names.includes(name)) this.ctx.storage.kv.put(NAMES, [...names, name])
  }

  /** Runs the primary's alarm; ends an idle replica's enrolment. */
  override async alarm(): Promise<void> {
    const { primary, replica } = this.#parts
    if (primary) return await primary.alarm()
    const idle = Date.now() - (this.ctx.storage.kv.get<number>(READ) ?? 0)
    if (idle >= IDLE_MS.most) replica.leave()
  }

  /** Opened on first use: the registry has no tables. */
  get #parts() {
    this.#opened ??= open(this.ctx, this.#name, (name) => this.#sibling(name), this.env)
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
    return readBy<Peer>(PEER_ANSWERS, own.getByName(name, options) as unknown as Peer)
  }

  /** Whether this shard is ready. A replica that is not ready starts to enrol. */
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

  /** The hashes of the set, if this shard is ready. The primary first removes expired entries. */
  async #feed(hint: string | undefined) {
    if (!(await this.#answers(hint))) return undefined
    if (this.#name === PRIMARY) this.#parts.store.sweep()
    return this.#parts.feed
  }

  /** Records the time of a read, to the step of {@link IDLE_MS}. */
  #noteRead(): void {
    if (Date.now() - this.#readAt < IDLE_MS.step) return
    this.#readAt = Date.now()
    this.ctx.storage.kv.put(READ, this.#readAt)
    void this.ctx.storage.setAlarm(this.#readAt + IDLE_MS.most + IDLE_MS.step)
  }
}

const open = (
  ctx: DurableObjectState,
  name: string,
  sibling: (name: string) => Peer,
  env: object,
) => {
  const { storage } = ctx
  if (storage.kv.get(NAME) !== name) storage.kv.put(NAME, name)
  openTables(storage)
  const log = createRevocationLog(storage)
  const replication = createReplication(storage, log)
  const store = createStore(storage, log)
  const parts = { ctx, log, replication, store, sibling }
  const feed = createSnapshotFeed(storage, log)
  if (name !== PRIMARY) {
    return { ...parts, feed, primary: undefined, replica: createReplica(name, parts) }
  }
  const primary = createPrimary(
    parts,
    createActs(storage, env),
    createEndings(ctx, env),
    createTransmitting(storage, env, variablesOf(env)),
  )
  return { ...parts, feed, primary, replica: undefined }
}
