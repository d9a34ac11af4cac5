import { DurableObject } from 'cloudflare:workers'
import type { JsonObject } from '../core/json.ts'
import type { FoundDecision } from '../core/model/audit.ts'
import { createYielder } from '../platform/calls.ts'
import { noteSchema } from '../platform/schema.ts'
import { gunzip, gzip } from './gzip.ts'
import type { Batch, ShardPage, ShardQuery } from './protocol.ts'
import { givenFilters, isOf, readRecord, termsOf, termText } from './terms.ts'

/** The version of the tables. */
const SCHEMA = 1

/** The storage key of the retention, for the alarm. */
const RETENTION = 'retention'

/** A ring of records for those whose token was verified, and one for strangers, with its share of the bytes. */
const RINGS = { known: 0.9, strangers: 0.1 } as const
type Ring = keyof typeof RINGS
const RING_NAMES = ['known', 'strangers'] as const satisfies readonly Ring[]

/** Without an index: each would be another written row. */
const ringTable = (ring: Ring): string => `CREATE TABLE IF NOT EXISTS ${ring} (
  id INTEGER PRIMARY KEY,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  batches TEXT NOT NULL,
  terms TEXT NOT NULL
);`

/** Compressed records are in a table of their own, so that a search reads only terms. */
const TABLES = `${RING_NAMES.map(ringTable).join('\n')}
CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS policies (hash TEXT PRIMARY KEY, text BLOB NOT NULL) WITHOUT ROWID;`

/** Milliseconds in which batches come together to one row, so that a second has few rows however many isolates write. */
const GATHER_MS = 250
/** Characters of the records of one row. */
const ROW_CHARACTERS = 512 * 1024
/** Records of strangers that are stored of one gathering: a flood writes no more. */
const STRANGERS = 500
/** Rows whose batches are remembered after a restart. */
const REMEMBERED_ROWS = 500
/** Batches that are remembered. */
const REMEMBERED = 5_000
/** Rows that one call looks into, after their terms fit. */
const ROWS_OF_CALL = 200
/** Expired rows are deleted together, once an hour. */
const TOGETHER_MS = 3_600_000

interface Waiting {
  readonly batch: Batch
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

/**
 * Stores records of decisions: a Durable Object. Batches that come within a quarter of a second become one compressed
 * row, with hashes of what finds them. A call returns once its batch is stored. Trusts its callers, which are the
 * gate's own code.
 */
export class AuditLog extends DurableObject {
  #waiting: Waiting[] = []
  /** By the id of a batch: resolves once it is stored. */
  readonly #taken = new Map<string, Promise<void>>()
  readonly #bytes: Record<Ring, number>
  readonly #policies: Set<string>

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    const { storage } = ctx
    noteSchema(storage, SCHEMA)
    storage.sql.exec(TABLES)
    const bytesOf = (ring: Ring) =>
      storage.sql
        .exec<{ bytes: number }>(`SELECT COALESCE(SUM(bytes), 0) AS bytes FROM ${ring}`)
        .one().bytes
    this.#bytes = { known: bytesOf('known'), strangers: bytesOf('strangers') }
    for (const ring of RING_NAMES) {
      const sql = `SELECT batches FROM ${ring} ORDER BY id DESC LIMIT ${REMEMBERED_ROWS}`
      for (const { batches } of storage.sql.exec<{ batches: string }>(sql)) {
        for (const id of batches.split(' ')) this.#taken.set(id, Promise.resolve())
      }
    }
    const hashes = storage.sql.exec<{ hash: string }>('SELECT hash FROM policies')
    this.#policies = new Set(hashes.toArray().map(({ hash }) => hash))
  }

  /** Stores a batch, once. */
  append(batch: Batch): Promise<void> {
    const before = this.#taken.get(batch.id)
    if (before) return before
    const stored = new Promise<void>((done, failed) => {
      this.#waiting.push({ batch, done, failed })
    })
    this.#taken.set(batch.id, stored)
    for (const id of this.#taken.keys()) {
      if (this.#taken.size <= REMEMBERED) break
      this.#taken.delete(id)
    }
    if (this.#waiting.length === 1) setTimeout(() => void this.#store(), GATHER_MS)
    return stored
  }

  async #store(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    try {
      await this.#write(waiting.map(({ batch }) => batch))
      for (const { done } of waiting) done()
    } catch (error) {
      for (const { batch, failed } of waiting) {
        this.#taken.delete(batch.id)
        failed(error)
      }
    }
  }

  async #write(batches: readonly Batch[]): Promise<void> {
    const { storage } = this.ctx
    const last = batches.at(-1)
    if (!last) return
    const ids = batches.map(({ id }) => id).join(' ')
    const all = (ring: Ring) => batches.flatMap((batch) => batch[ring])
    const rows = [
      ...(await rowsOf('known', all('known'))),
      ...(await rowsOf('strangers', all('strangers').slice(0, STRANGERS))),
    ]
    const policies = await Promise.all(
      batches.flatMap(({ policy }) =>
        policy && !this.#policies.has(policy[0])
          ? [gzip(policy[1]).then((text) => [policy[0], text] as const)]
          : [],
      ),
    )
    const alarm = await storage.getAlarm()
    const wanted = Date.now() + last.retention * 1000 + TOGETHER_MS
    if (alarm === null || alarm > wanted) await storage.setAlarm(wanted)
    storage.transactionSync(() => {
      const { sql, kv } = storage
      if (kv.get(RETENTION) !== last.retention) kv.put(RETENTION, last.retention)
      for (const [hash, text] of policies) {
        sql.exec('INSERT OR IGNORE INTO policies VALUES (?, ?)', hash, text)
      }
      let id = this.#lastId()
      for (const { ring, first, last, bytes, terms, data } of rows) {
        const values = [++id, first, last, bytes, ids, terms]
        sql.exec(`INSERT INTO ${ring} VALUES (?, ?, ?, ?, ?, ?)`, ...values)
        sql.exec('INSERT INTO records VALUES (?, ?)', id, data)
      }
    })
    for (const [hash] of policies) this.#policies.add(hash)
    for (const { ring, bytes } of rows) this.#bytes[ring] += bytes
    for (const ring of RING_NAMES) this.#evict(ring, last.maxBytes * RINGS[ring])
  }

  /** Rows of both rings are numbered together, in the order in which they were written. */
  #lastId(): number {
    const sql =
      'SELECT MAX((SELECT COALESCE(MAX(id), 0) FROM known), (SELECT COALESCE(MAX(id), 0) FROM strangers)) AS id'
    return this.ctx.storage.sql.exec<{ id: number }>(sql).one().id
  }

  /** Deletes the oldest rows of a ring that has more bytes. */
  #evict(ring: Ring, most: number): void {
    const { sql } = this.ctx.storage
    while (this.#bytes[ring] > most) {
      const oldest = sql.exec<{ id: number; bytes: number }>(
        `SELECT id, bytes FROM ${ring} ORDER BY id LIMIT 1`,
      )
      const [row] = oldest.toArray()
      if (!row) break
      sql.exec('DELETE FROM records WHERE id = ?', row.id)
      sql.exec(`DELETE FROM ${ring} WHERE id = ?`, row.id)
      this.#bytes[ring] -= row.bytes
    }
  }

  /** The records of a query, the latest first. Looks into a bounded number of rows, so a page may be short. */
  async list(query: ShardQuery): Promise<ShardPage> {
    const found: { position: string; record: string }[] = []
    const [row = Number.MAX_SAFE_INTEGER, place = 0] = (query.before ?? '')
      .split('.')
      .flatMap((part) => (part === '' ? [] : [Number(part)]))
    const terms = givenFilters(query).map(([name, value]) => termText(name, value))
    const rows = this.#rows({ ...query, row, terms })
    const breathe = createYielder()
    for (const { id } of rows) {
      await breathe()
      const records = await this.#recordsOf(id)
      for (let at = (id === row ? place : records.length) - 1; at >= 0; at--) {
        const record = records[at] ?? ''
        if (!isOf(readRecord(record), query)) continue
        const position = `${id}.${at}`
        found.push({ position, record })
        if (found.length === query.limit) return { found, next: position }
      }
    }
    const last = rows.length === ROWS_OF_CALL ? rows.at(-1) : undefined
    return { found, ...(last && { next: `${last.id}.0` }) }
  }

  /** The record with this id of its own, and the policy it was decided under. */
  async get(id: string): Promise<FoundDecision | undefined> {
    const terms = [termText('id', id)]
    for (const { id: row } of this.#rows({ row: Number.MAX_SAFE_INTEGER, terms })) {
      for (const decision of await this.#recordsOf(row)) {
        const record = readRecord(decision)
        if (record.id !== id) continue
        const policy = await this.#policyOf(record)
        return { decision, ...(policy !== undefined && { policy }) }
      }
    }
    return undefined
  }

  /** The rows up to one whose times and terms fit, the latest first. */
  #rows(wanted: {
    readonly row: number
    readonly terms: readonly string[]
    readonly from?: number
    readonly until?: number
  }): readonly { readonly id: number }[] {
    const { row, terms, from = 0, until = Number.MAX_SAFE_INTEGER } = wanted
    const fits = ['id <= ?', 'last >= ?', 'first < ?', ...terms.map(() => 'instr(terms, ?)')]
    // Each by itself ends at its limit. Together SQLite would sort them first.
    return RING_NAMES.flatMap((ring) =>
      this.ctx.storage.sql
        .exec<{ id: number }>(
          `SELECT id FROM ${ring} WHERE ${fits.join(' AND ')} ORDER BY id DESC LIMIT ${ROWS_OF_CALL}`,
          ...[row, from, until, ...terms],
        )
        .toArray(),
    )
      .sort((a, b) => b.id - a.id)
      .slice(0, ROWS_OF_CALL)
  }

  /** The records of a row; none where it was deleted meanwhile. */
  async #recordsOf(id: number): Promise<readonly string[]> {
    const found = this.ctx.storage.sql.exec<{ data: ArrayBuffer }>(
      'SELECT data FROM records WHERE id = ?',
      id,
    )
    const [row] = found.toArray()
    return row ? (await gunzip(row.data)).split('\n') : []
  }

  async #policyOf({ policy }: JsonObject): Promise<string | undefined> {
    const sql = 'SELECT text FROM policies WHERE hash = ?'
    const found = this.ctx.storage.sql.exec<{ text: ArrayBuffer }>(sql, String(policy)).toArray()
    return found[0] && gunzip(found[0].text)
  }

  /** Deletes the rows that are older than the retention. */
  override async alarm(): Promise<void> {
    const { storage } = this.ctx
    const keptMs = (storage.kv.get<number>(RETENTION) ?? 0) * 1000
    let oldest = Number.POSITIVE_INFINITY
    const end = Date.now() - keptMs
    for (const ring of RING_NAMES) {
      const expired = `FROM ${ring} WHERE last < ?`
      storage.sql.exec(`DELETE FROM records WHERE id IN (SELECT id ${expired})`, end)
      storage.sql.exec(`DELETE ${expired}`, end)
      const { first, bytes } = storage.sql
        .exec<{ first: number | null; bytes: number }>(
          `SELECT MIN(last) AS first, COALESCE(SUM(bytes), 0) AS bytes FROM ${ring}`,
        )
        .one()
      this.#bytes[ring] = bytes
      if (first !== null) oldest = Math.min(oldest, first)
    }
    if (oldest < Number.POSITIVE_INFINITY) await storage.setAlarm(oldest + keptMs + TOGETHER_MS)
  }
}

/** Records as rows: one, unless they are very long. */
const rowsOf = async (ring: Ring, texts: readonly string[]) => {
  const parts: string[][] = []
  let characters = Number.POSITIVE_INFINITY
  for (const text of texts) {
    characters += text.length
    if (characters > ROW_CHARACTERS) {
      parts.push([])
      characters = text.length
    }
    parts.at(-1)?.push(text)
  }
  return Promise.all(
    parts.map(async (part) => {
      const records = part.map(readRecord)
      const times = records.map(({ time }) => Date.parse(String(time)))
      const data = await gzip(part.join('\n'))
      const terms = termsOf(records)
      const [first, last] = [Math.min(...times), Math.max(...times)]
      return { ring, first, last, bytes: data.byteLength + terms.length, terms, data }
    }),
  )
}
