import { deepFreeze } from '../../base/json.ts'
import { LIMITS } from '../../base/limits.ts'
import {
  JURISDICTIONS,
  LOCATIONS,
  type RevocationPlacement,
  type RevocationTerms,
} from '../../model/revocation.ts'
import { milliseconds, whole, word } from '../reading/fields.ts'
import { quote } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import {
  anyOf,
  type ComparedDocs,
  field,
  list,
  type Readable,
  readTable,
  table,
} from '../reading/table.ts'

/** Milliseconds. */
const DEFAULT_STALENESS = 5_000

const TERMS = {
  consistency: kept(word(['strict', 'bounded']), 'bounded'),
  max_staleness: kept(milliseconds({ least: 1_000, most: 5 * 60_000 }), DEFAULT_STALENESS),
}

const PLACEMENT = {
  shards: kept(whole(1, LIMITS.shards), 4),
  locations: kept(list(word(LOCATIONS)), []),
  jurisdiction: kept(word(JURISDICTIONS)),
}

/** Every key of `GATE.revocation`; a rule has the first two. */
export const REVOCATION_KEYS = { ...TERMS, ...PLACEMENT }

export const REVOCATION_DOCS: ComparedDocs<typeof REVOCATION_KEYS> = {
  consistency: {
    description:
      'How soon a revocation takes effect: `"bounded"`, within `max_staleness`; `"strict"`, at once, and each request reads the set. [Strict and bounded](revocation.md#strict-and-bounded).',
    default: 'bounded',
    example: 'strict',
    compare: 'elsewhere',
  },
  max_staleness: {
    description: 'Longest time until a revocation takes effect with `"bounded"`: 1s to 5m.',
    default: '5s',
    example: '30s',
    compare: 'elsewhere',
  },
  shards: {
    description: 'Number of Durable Objects that each have the whole set, 1 to 64.',
    default: 4,
    example: 8,
    compare: 'neutral',
  },
  locations: {
    description:
      'Location hints for new shards, in turn: `"wnam"`, `"enam"`, `"sam"`, `"weur"`, `"eeur"`, `"apac"`, `"apac-ne"`, `"apac-se"`, `"oc"`, `"afr"`, `"me"`. A changed hint does not move existing shards.',
    unset: 'near the first request',
    example: ['weur', 'enam'],
    compare: 'neutral',
  },
  jurisdiction: {
    description:
      'Where shards run and store their data, whatever `locations` says: `"eu"`, `"us"`, `"fedramp"`, `"fedramp-high"`. **Another jurisdiction starts with an empty set**: [move the set first](configuration/revocation-set.md#move-to-another-jurisdiction).',
    example: 'eu',
    compare: 'opaque',
  },
}

type TermsEntry = Readable<typeof TERMS>
type PlacementEntry = Readable<typeof PLACEMENT>

/** The terms of requests without a token, and of the gate's own endpoints. */
export const STRICT: RevocationTerms = Object.freeze({
  consistency: 'strict',
  maxStaleness: DEFAULT_STALENESS,
})

/** `GATE.revocation`. */
export const revocationTable = table(REVOCATION_KEYS)

/**
 * `revocation` of a rule: a word, or a table that replaces GATE's terms. Rules share one set, so
 * its placement is GATE's alone.
 */
export const revocationField = field(
  (value, report): TermsEntry => {
    if (value === 'strict' || value === 'bounded') return { consistency: value }
    if (typeof value !== 'string') {
      return readTable(TERMS, value, (path, message) => {
        const [key] = path
        const isOfGate = typeof key === 'string' && Object.hasOwn(PLACEMENT, key)
        report(path, isOfGate ? `${quote(key)} belongs into GATE.revocation` : message)
      })
    }
    report([], 'must be `strict`, `bounded` or a table')
    return {}
  },
  anyOf(TERMS.consistency, table(TERMS)),
)

/** The written terms with defaults. */
export function termsOf(entry: TermsEntry = {}): RevocationTerms {
  return Object.freeze(keptOf(TERMS, entry))
}

/** The written placement of the set with defaults. */
export function placementOf(entry: PlacementEntry = {}): RevocationPlacement {
  return deepFreeze(keptOf(PLACEMENT, entry))
}
