import { fail, ok } from '../base/result.ts'
import type { Connection } from '../model/connection.ts'
import { text } from '../policy/fields.ts'
import { type Readable, reads, table } from '../policy/table.ts'
import type { PlatformFacts } from './context.ts'

type Known = { -readonly [Name in keyof Connection]: Connection[Name] }

/** What the platform tells of a request, as conditions read it; what is not as it should be is not there. */
export const connectionOf = (cf: PlatformFacts | undefined): Connection | undefined => {
  if (!cf) return undefined
  const known: Known = {}
  const { country, asn, colo, tlsVersion, botManagement } = cf
  const score: unknown = botManagement?.score
  if (isText(country)) known.country = country
  if (isCount(asn)) known.asn = asn
  if (isText(colo)) known.colo = colo
  if (isText(tlsVersion)) known.tls = tlsVersion
  if (isCount(score)) known.botScore = score
  return known
}

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
export const toldConnection = ({
  ip,
  bot_score: botScore,
  ...rest
}: Readable<typeof FIELDS> = {}): {
  readonly caller?: string
  readonly connection: Connection
} => ({
  ...(ip !== undefined && { caller: ip }),
  connection: { ...rest, ...(botScore !== undefined && { botScore }) },
})
