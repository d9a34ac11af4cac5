import { LIMITS } from '../core/limits.ts'
import {
  JURISDICTIONS,
  LOCATIONS,
  type RevocationPlacement,
  type RevocationTerms,
} from '../core/model/revocation.ts'
import { fail, ok } from '../core/result.ts'
import { milliseconds, word } from '../policy/fields.ts'
import { quote } from '../policy/issues.ts'
import { type Field, field, list, type Readable, reads, readTable, table } from '../policy/table.ts'

const TERMS = {
  consistency: word(['strict', 'bounded']),
  max_staleness: milliseconds({ least: 1_000, most: 5 * 60_000 }),
}

const PLACEMENT = {
  shards: reads<number>((value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= LIMITS.shards
      ? ok(value)
      : fail(`must be a whole number from 1 to ${LIMITS.shards}`),
  ),
  locations: list(word(LOCATIONS)),
  jurisdiction: word(JURISDICTIONS),
}

type TermsEntry = Readable<typeof TERMS>
type PlacementEntry = Readable<typeof PLACEMENT>

/** Milliseconds. */
const DEFAULT_STALENESS = 5_000
const DEFAULT_SHARDS = 4

/** What a request without a token is judged by, and the gate's own endpoints: they wait for nobody. */
export const STRICT: RevocationTerms = Object.freeze({
  consistency: 'strict',
  maxStaleness: DEFAULT_STALENESS,
})

/** `GATE.revocation`. */
export const revocationTable: Field<TermsEntry & PlacementEntry> = table({ ...TERMS, ...PLACEMENT })

/**
 * `revocation` of a rule: one word, or a table that replaces GATE's terms whole. All rules ask one
 * set, so where it is kept is no matter of theirs.
 */
export const revocationField: Field<TermsEntry> = field((value, report) => {
  if (value === 'strict' || value === 'bounded') return { consistency: value }
  if (typeof value !== 'string') {
    return readTable(TERMS, [], value, (path, message) => {
      const [key] = path
      const isOfGate = typeof key === 'string' && Object.hasOwn(PLACEMENT, key)
      report(path, isOfGate ? `${message}; ${quote(key)} belongs into GATE.revocation` : message)
    })
  }
  report([], 'must be `strict`, `bounded` or a table')
  return {}
})

/** The terms as written, with the defaults. */
export function termsOf({ consistency, max_staleness }: TermsEntry = {}): RevocationTerms {
  return Object.freeze({
    consistency: consistency ?? 'bounded',
    maxStaleness: max_staleness ?? DEFAULT_STALENESS,
  })
}

/** Where the set is kept, as written, with the defaults. */
export function placementOf({
  shards,
  locations,
  jurisdiction,
}: PlacementEntry = {}): RevocationPlacement {
  return Object.freeze({
    shards: shards ?? DEFAULT_SHARDS,
    locations: Object.freeze(locations ?? []),
    ...(jurisdiction !== undefined && { jurisdiction }),
  })
}
