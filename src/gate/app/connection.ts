import { base64url } from 'jose'
import { fail, ok } from '../base/result.ts'
import type { Connection } from '../model/connection.ts'
import { text } from '../policy/reading/fields.ts'
import { type Readable, reads, table } from '../policy/reading/table.ts'
import type { PlatformFacts } from './platform/ports.ts'

/**
 * The platform's facts for conditions; malformed ones are absent. Read lazily: each read is costly
 * and few rules have such a condition.
 */
export class PlatformConnection implements Connection {
  readonly #facts: () => PlatformFacts | undefined
  constructor(facts: () => PlatformFacts | undefined) {
    this.#facts = facts
  }
  get country() {
    return only(isText, this.#facts()?.country)
  }
  get asn() {
    return only(isCount, this.#facts()?.asn)
  }
  get colo() {
    return only(isText, this.#facts()?.colo)
  }
  get tls() {
    return only(isText, this.#facts()?.tlsVersion)
  }
  get certificate() {
    return certificateOf(this.#facts()?.tlsClientAuth)
  }
  get botScore() {
    return only(isCount, this.#facts()?.botManagement?.score)
  }
}

const FINGERPRINT = /^[0-9a-f]{64}$/i

/** The certificate's SHA-256 in base64url (RFC 8705 §3.1); `undefined` unless it is verified and not revoked. */
const certificateOf = (auth: PlatformFacts['tlsClientAuth']): string | undefined => {
  const { certVerified, certRevoked, certFingerprintSHA256: hex = '' } = auth ?? {}
  if (certVerified !== 'SUCCESS' || certRevoked !== '0' || !FINGERPRINT.test(hex)) return undefined
  const bytes = hex.match(/../g)?.map((one) => Number.parseInt(one, 16)) ?? []
  return base64url.encode(new Uint8Array(bytes))
}

const only = <Value>(is: (value: unknown) => value is Value, value: unknown): Value | undefined =>
  is(value) ? value : undefined

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const isCount = (value: unknown): value is number => Number.isSafeInteger(value)

const word = text((value) => (value === '' ? fail('must not be empty') : ok(value)))
const count = reads<number>((value) =>
  isCount(value) ? ok(value) : fail('must be a whole number'),
)

const TEXTS = { ip: word, country: word, colo: word, tls: word, certificate: word }
const FIELDS = { ...TEXTS, asn: count, bot_score: count }

/** A connection as JSON, with the names of conditions: `{ "country": "DE" }`. */
export const connectionField = table(FIELDS)

/** Converts a {@link connectionField} to the guard's caller and connection. */
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
