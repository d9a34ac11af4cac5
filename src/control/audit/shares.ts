import { own } from '../../gate/base/json.ts'
import type { Drop, ShardTerms } from '../../gate/model/audit.ts'
import type { Batch } from '../../gate/outbox/protocol.ts'
import { type Written, writtenOf } from '../records/terms.ts'
import { RINGS, STRANGERS } from './rings.ts'

/** What a share has used on this UTC day. */
export interface Used {
  readonly rows: number
  readonly bytes: number
}

/** By the name of a share: an issuer, or `STRANGERS`. */
export type Usage = ReadonlyMap<string, Used>

/** The part of the rows of a day that strangers may use, and the part that is reserved for issuers. */
const ROWS = { strangers: 0.1, reserved: 0.5 } as const
/** The part of the ring that an issuer may fill on a day where it shares the ring with others. */
const BYTES = 0.5
/** Most records of strangers that are stored at a time. */
const MOST_STRANGERS = 500
const NOTHING: Used = { rows: 0, bytes: 0 }

/** `issuers`: how many issuers have a share; 1 if it is absent. */
export interface ShareTerms extends ShardTerms {
  readonly issuers?: number | undefined
}

/** Rows that are reserved today for issuers that have not used their part yet. */
export function reservedRows(used: Usage, { maxRows, issuers = 1 }: ShareTerms): number {
  if (maxRows === Number.POSITIVE_INFINITY) return 0
  const part = (maxRows * ROWS.reserved) / issuers
  const taken = [...used].map(([name, { rows }]) => (name === STRANGERS ? 0 : Math.min(rows, part)))
  return taken.reduce((rest, rows) => rest - rows, part * issuers)
}

/** Why a share gets no more records today; `undefined` if it does. `left`: rows that may still be written today. */
const fullness = (name: string, used: Usage, left: number, terms: ShareTerms) => {
  const { maxRows, maxBytes, issuers = 1 } = terms
  const { rows, bytes } = used.get(name) ?? NOTHING
  const isStranger = name === STRANGERS
  const part = isStranger ? maxRows * ROWS.strangers : (maxRows * ROWS.reserved) / issuers
  const isFree = left > reservedRows(used, terms)
  // Strangers have at most their part, and issuers at least.
  const hasRows = isStranger ? isFree && rows < part : isFree || (left > 0 && rows < part)
  if (!hasRows) return 'rows_a_day'
  const isFull = !isStranger && issuers > 1 && bytes >= maxBytes * RINGS.known * BYTES
  return isFull ? 'bytes_a_day' : undefined
}

/** A batch of which the records of known callers are read. */
export interface ReadBatch extends Omit<Batch, 'known'> {
  readonly known: readonly Written[]
}

/** Shares out records: which are stored, by ring, and how many are dropped, and why. Counts nothing as used. */
export function sharedOut(
  batches: readonly ReadBatch[],
  terms: ShareTerms,
  budget: { used(): Usage; left(most: number): number },
) {
  const [used, left] = [budget.used(), budget.left(terms.maxRows)]
  const known = batches.flatMap((batch) => batch.known)
  const strangers = batches.flatMap((batch) => batch.strangers)
  const drops = new Map<string, Drop>()
  const hasRoom = (name: string) => {
    const reason = fullness(name, used, left, terms)
    const records = (drops.get(name)?.records ?? 0) + 1
    if (reason) drops.set(name, { reason, ...shareOf(name), records })
    return reason === undefined
  }
  const records = {
    known: known.filter(({ record }) => hasRoom(String(own(record, 'issuer')))),
    strangers: strangers
      .slice(0, MOST_STRANGERS)
      .filter(() => hasRoom(STRANGERS))
      .map(writtenOf),
  }
  const more = Math.max(0, strangers.length - MOST_STRANGERS)
  const overload: Drop = { reason: 'overload', share: 'strangers', records: more }
  return { records, drops: [...drops.values(), overload] }
}

const shareOf = (name: string): Pick<Drop, 'share' | 'issuer'> =>
  name === STRANGERS ? { share: 'strangers' } : { share: 'issuers', issuer: name }
