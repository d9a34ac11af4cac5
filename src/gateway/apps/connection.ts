import type { Connection } from '../../core/model/connection.ts'
import { fail, ok } from '../../core/result.ts'
import { text } from '../../policy/fields.ts'
import { type Readable, reads, table } from '../../policy/table.ts'
import type { PlatformFacts } from '../ports.ts'

/**
 * What the platform tells of a request, as conditions read it; what is not as it should be is not there. Asked
 * for when somebody looks: the platform reads it anew for each request, and few rules have such a condition.
 */
export function connectionOf(told: () => PlatformFacts | undefined): Connection {
  return {
    get country() {
      return only(isText, told()?.country)
    },
    get asn() {
      return only(isCount, told()?.asn)
    },
    get colo() {
      return only(isText, told()?.colo)
    },
    get tls() {
      return only(isText, told()?.tlsVersion)
    },
    get botScore() {
      return only(isCount, told()?.botManagement?.score)
    },
  }
}

const only = <Value>(is: (value: unknown) => value is Value, value: unknown): Value | undefined =>
  is(value) ? value : undefined

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const isCount = (value: unknown): value is number => Number.isSafeInteger(value)

const word = text((value) => (value === '' ? fail('must not be empty') : ok(value)))
const count = reads<number>((value) =>
  isCount(value) ? ok(value) : fail('must be a whole number'),
)

const FIELDS = { ip: word, country: word, asn: count, colo: word, tls: word, bot_score: count }

/** A connection that somebody tells of, in the words of conditions: `{ "country": "DE" }`. */
export const connectionField = table(FIELDS)

/** A told connection as a guard is told of it. */
export function toldConnection({
  ip,
  bot_score: botScore,
  ...rest
}: Readable<typeof FIELDS> = {}): {
  readonly caller?: string
  readonly connection: Connection
} {
  return {
    ...(ip !== undefined && { caller: ip }),
    connection: { ...rest, ...(botScore !== undefined && { botScore }) },
  }
}
