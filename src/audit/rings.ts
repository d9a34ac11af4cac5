import { gzip } from './gzip.ts'
import { countsOf, readRecord, termsOf, timeOf } from './terms.ts'

/**
 * Three rings, each with its share of the bytes: records of callers that have proved their token, of strangers, and
 * acts of administrators. A full ring deletes its own oldest records, and never records of another ring.
 */
export const RINGS = { known: 0.85, strangers: 0.1, acts: 0.05 } as const
export type Ring = keyof typeof RINGS
export const RING_NAMES = ['known', 'strangers', 'acts'] as const satisfies readonly Ring[]

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
  /** Its `Counts` as JSON. */
  readonly counts: string
  readonly data: ArrayBuffer
}

/** Most characters of the records of one row. */
const ROW_CHARACTERS = 512 * 1024

/** Records as rows: one row, unless they are very long. */
export function rowsOf(ring: Ring, texts: readonly string[]): Promise<readonly Packed[]> {
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
  return Promise.all(parts.map((part) => packed(ring, part)))
}

/** Records as they are stored: compressed, with the terms that find them. */
export async function packed(ring: Ring, texts: readonly string[]): Promise<Packed> {
  const records = texts.map(readRecord)
  const times = records.map(timeOf)
  const data = await gzip(texts.join('\n'))
  const { terms, ids } = termsOf(records)
  const [first, last] = [Math.min(...times), Math.max(...times)]
  const counts = JSON.stringify(countsOf(records))
  const bytes = data.byteLength + terms.length + counts.length + ids.length
  return { ring, first, last, bytes, terms, counts, ids, data }
}
