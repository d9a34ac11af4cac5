import { own } from '../../gate/base/json.ts'
import type { Counts } from '../../gate/model/audit.ts'
import { countsOf, termsOf, timeOf, type Written } from '../records/terms.ts'
import { gzip } from './gzip.ts'

/**
 * Rings, each with its part of the bytes: records of callers that have proved their token, of strangers, acts of
 * administrators, and acts of administrators of one issuer. A full ring deletes its own oldest records, and never
 * records of another ring.
 */
export const RINGS = { known: 0.85, strangers: 0.1, acts: 0.025, own_acts: 0.025 } as const
export type Ring = keyof typeof RINGS
export const RING_NAMES = Object.keys(RINGS) as readonly Ring[]

/** The name of the share of callers that have not proved a token. Every other share has the name of its issuer. */
export const STRANGERS = ''

/**
 * A ring has no index, since each index would be another written row. `day_rows`: how many rows were written on UTC day
 * `day`, up to this one. To store this number separately would write another row, too.
 */
const ringTable = (ring: Ring): string => `CREATE TABLE IF NOT EXISTS ${ring} (
  id INTEGER PRIMARY KEY,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  day INTEGER NOT NULL,
  day_rows INTEGER NOT NULL,
  batches TEXT NOT NULL,
  terms TEXT NOT NULL,
  counts TEXT NOT NULL,
  ids TEXT NOT NULL
);`

/**
 * Compressed records are in a table of their own, so that a search reads only terms. SQLite reads a row up to the column
 * that it needs: `ids`, which are nearly all of the terms, come last.
 */
export const TABLES = `${RING_NAMES.map(ringTable).join('\n')}
CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS policies (hash TEXT PRIMARY KEY, text BLOB NOT NULL) WITHOUT ROWID;`

/** Records as one row of a ring. */
export interface Packed {
  readonly ring: Ring
  /** The times of the first and the last, in milliseconds since the epoch. */
  readonly first: number
  readonly last: number
  readonly bytes: number
  readonly terms: string
  readonly ids: string
  readonly counts: Counts
  /** Bytes by the name of the share that has used them; empty for acts. */
  readonly shares: Readonly<Record<string, number>>
  readonly data: ArrayBuffer
}

/** Most characters of the records of one row. */
const ROW_CHARACTERS = 512 * 1024

/** Records as rows: one row, unless they are very long. */
export function rowsOf(ring: Ring, all: readonly Written[]): Promise<readonly Packed[]> {
  const parts: Written[][] = []
  let characters = Number.POSITIVE_INFINITY
  for (const one of all) {
    characters += one.text.length
    if (characters > ROW_CHARACTERS) {
      parts.push([])
      characters = one.text.length
    }
    parts.at(-1)?.push(one)
  }
  return Promise.all(parts.map((part) => packed(ring, part)))
}

/** Records as they are stored: compressed, with the terms that find them. */
export async function packed(ring: Ring, all: readonly Written[]): Promise<Packed> {
  const records = all.map(({ record }) => record)
  const times = records.map(timeOf)
  const data = await gzip(all.map(({ text }) => text).join('\n'))
  const { terms, ids } = termsOf(records)
  const [first, last] = [Math.min(...times), Math.max(...times)]
  const counts = countsOf(records)
  const bytes = data.byteLength + terms.length + JSON.stringify(counts).length + ids.length
  const shares: Record<string, number> = {}
  const characters = all.reduce((sum, { text }) => sum + text.length, 0)
  for (const { text, record } of ring.endsWith('acts') ? [] : all) {
    const name = ring === 'strangers' ? STRANGERS : String(own(record, 'issuer'))
    shares[name] = (shares[name] ?? 0) + (bytes * text.length) / characters
  }
  return { ring, first, last, bytes, terms, counts, shares, ids, data }
}
