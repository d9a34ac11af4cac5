import { type JsonObject, own } from '../base/json.ts'
import { KINDS } from '../model/revocation.ts'
import { callAs, type GateOptions, type Surroundings } from './access.ts'
import { faultOutcome, type GateAddress, type GateCall } from './gate-client.ts'
import { cannotTell, EXIT, type Outcome } from './output.ts'
import { describe, entriesOf, isOneOf, oneOf } from './revocation-entry.ts'

export interface ListOptions extends GateOptions {
  readonly kind?: string
  readonly issuer?: string
  readonly value?: string
  /** Every page, not only the first. */
  readonly all?: boolean
}

const SCOPE = 'edgewarden:revoke'
const ID = /^[A-Za-z0-9_-]{1,64}$/
/** Entries asked for at a time, and pages at most: a gate cannot keep a command forever. */
const PAGE = 1_000
const PAGES = 1_100

/** Lifts one revocation at a running gate. */
export const lift = async (
  id: string,
  options: GateOptions,
  around: Surroundings,
): Promise<Outcome> => {
  if (!ID.test(id)) return cannotTell(`"${id}" is no id of a revocation; list shows them`)
  const answer = await call(options, around, ({ prefix }) => ({
    method: 'DELETE',
    path: `${prefix}/revocations/${id}`,
  }))
  if (!answer.ok) return faultOutcome(answer.reason)
  return { exitCode: EXIT.yes, json: { lifted: id }, out: [`Lifted ${id}`], err: [] }
}

/** Lists revocations of a running gate, the first page or all of them. */
export const list = async (options: ListOptions, around: Surroundings): Promise<Outcome> => {
  const { kind, issuer, value, all = false } = options
  if (kind !== undefined && !isOneOf(KINDS, kind)) return cannotTell(oneOf('--kind', KINDS))
  const found: JsonObject[] = []
  const seen = new Set<string>()
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({
      ...(kind !== undefined && { kind }),
      ...(issuer !== undefined && { issuer }),
      ...(value !== undefined && { value }),
      ...(all && { limit: String(PAGE) }),
      ...(cursor !== undefined && { cursor }),
    })
    const answer = await call(options, around, ({ prefix }) => ({
      method: 'GET',
      path: `${prefix}/revocations${query.size > 0 ? `?${query}` : ''}`,
    }))
    if (!answer.ok) return faultOutcome(answer.reason)
    const { body } = answer.value
    if (!Array.isArray(own(body, 'revocations'))) {
      return cannotTell('The gate answered without a list of revocations; is --gate right?')
    }
    found.push(...entriesOf(body))
    const next = own(body, 'cursor')
    cursor = typeof next === 'string' || typeof next === 'number' ? String(next) : undefined
    if (cursor !== undefined && (seen.has(cursor) || seen.size === PAGES)) {
      return cannotTell('The gate does not come to the end of its list.')
    }
    if (cursor !== undefined) seen.add(cursor)
  } while (all && cursor !== undefined)
  return {
    exitCode: EXIT.yes,
    json: { revocations: found, ...(cursor !== undefined && { cursor }) },
    out: found.length > 0 ? found.map(describe) : ['Nothing is revoked.'],
    err: cursor === undefined ? [] : ['There are more: add --all.'],
  }
}

const call = (options: GateOptions, around: Surroundings, make: (gate: GateAddress) => GateCall) =>
  callAs(options, SCOPE, around, make)
