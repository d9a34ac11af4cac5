import type { RevocationTerms } from '../model/revocation.ts'
import { milliseconds, word } from './fields.ts'
import { type Field, field, type Readable, readTable, table } from './table.ts'

const FIELDS = {
  consistency: word(['strict', 'bounded']),
  max_staleness: milliseconds({ least: 1_000, most: 5 * 60_000 }),
}

type Entry = Readable<typeof FIELDS>

/** Milliseconds. */
const DEFAULT_STALENESS = 5_000

/** What a request without a token is judged by, and the gate's own endpoints: they wait for nobody. */
export const STRICT: RevocationTerms = Object.freeze({
  consistency: 'strict',
  maxStaleness: DEFAULT_STALENESS,
})

/** `GATE.revocation`. */
export const revocationTable: Field<Entry> = table(FIELDS)

/** `revocation` of a rule: one word, or a table that replaces GATE's whole. */
export const revocationField: Field<Entry> = field((value, report) => {
  if (value === 'strict' || value === 'bounded') return { consistency: value }
  if (typeof value !== 'string') return readTable(FIELDS, [], value, report)
  report([], 'must be `strict`, `bounded` or a table')
  return {}
})

/** The terms as written, with the defaults. */
export const termsOf = ({ consistency, max_staleness }: Entry = {}): RevocationTerms =>
  Object.freeze({
    consistency: consistency ?? 'bounded',
    maxStaleness: max_staleness ?? DEFAULT_STALENESS,
  })
