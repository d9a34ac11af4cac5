import { perAdmission } from '../../base/admission.ts'
import { isExact, isObject, type JsonObject, own } from '../../base/json.ts'
import { LIMITS } from '../../base/limits.ts'
import { queryValues } from '../../base/query.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { ConditionFacts, ConditionFault } from '../../model/condition.ts'
import { type AccessToken, type AgentIdentity, typesOf } from '../../model/token.ts'
import type { Reads, RequestField } from './reads.ts'

type Context = Readonly<Record<string, unknown>>

/**
 * Builds a condition's variables from the facts it reads. Fails on values over the limits; unknown
 * values are absent. Variables of the token are built once per admission.
 */
export function contextMaker(
  reads: Reads,
): (facts: ConditionFacts) => Result<Context, ConditionFault> {
  const ofToken = perAdmission(
    ({ access, agent }: ConditionFacts) => {
      const { claims } = access
      const read = Object.entries(knownOf(access, agent)).filter(([name]) => reads.agent.has(name))
      return {
        token: membersOf(claims, reads.claims, deciding),
        agent: read.every(([, value]) => fits(value)) ? Object.fromEntries(read) : undefined,
        bytes: [...reads.claims].reduce((sum, name) => sum + sizeOf(own(claims, name)), BYTES),
      }
    },
    ({ bytes }) => bytes,
  )
  return (facts) => {
    const { token, agent } = ofToken(facts.admission, facts)
    const request = requestOf(reads, facts)
    const given =
      reads.arguments.size === 0 ? NONE : membersOf(facts.arguments ?? {}, reads.arguments)
    if (!token || !agent || !request || !given) return fail('value_unfit')
    return ok({ token, agent, request, now: new Date(facts.now), arguments: given })
  }
}

/** Bytes of a condition's token variables without values, and of each value or member. */
const BYTES = 1_024
const VALUE_BYTES = 64

/** Bytes of a claim's copy; its texts are shared with the claim. */
const sizeOf = (value: unknown): number =>
  typeof value === 'object' && value !== null
    ? Object.values(value).reduce(
        (sum: number, one) => sum + sizeOf(one) + VALUE_BYTES,
        2 * VALUE_BYTES,
      )
    : VALUE_BYTES

const NONE: ReadonlyMap<string, unknown> = new Map()

/** The object's own members that are read; `undefined` if one does not fit. */
const membersOf = (
  object: JsonObject,
  names: ReadonlySet<string>,
  view: (name: string, value: unknown) => unknown = (_, value) => value,
): ReadonlyMap<string, unknown> | undefined => {
  const members = [...names]
    .filter((name) => Object.hasOwn(object, name))
    .map((name) => [name, view(name, own(object, name))] as const)
  return members.every(([, value]) => fits(value))
    ? new Map(members.map(([name, value]) => [name, celValue(value)]))
    : undefined
}

/** Removes all but the current actor: earlier ones must not affect decisions (RFC 8693 §4.1). */
const deciding = (name: string, value: unknown): unknown =>
  name === 'act' && isObject(value)
    ? Object.fromEntries(Object.entries(value).filter(([member]) => member !== 'act'))
    : value

const knownOf = ({ scopes }: AccessToken, agent: AgentIdentity): Context => {
  const { id, name, issuer, subject, clientId, type, workflowId, step, actors } = agent
  const [current] = actors
  return {
    id,
    name,
    issuer,
    subject,
    client_id: clientId,
    type,
    workflow_id: workflowId,
    step,
    types: typesOf(agent),
    actor: current && { sub: current.sub, issuer: current.issuer },
    depth: BigInt(actors.length),
    scopes,
  }
}

const READERS: Readonly<Record<RequestField, (facts: ConditionFacts, reads: Reads) => unknown>> = {
  method: ({ request }) => request.method,
  host: ({ host }) => host,
  path: ({ path }) => path,
  params: ({ params }) => named([...params.keys()], (name) => decode(params.get(name))),
  headers: ({ request }, { headers }) => named(headers, (name) => request.headers.get(name)),
  query: ({ query }, reads) => named(reads.query, (name) => queryValues(query, name)[0]),
  ip: ({ caller }) => caller,
  country: ({ connection }) => connection?.country,
  asn: ({ connection }) => integer(connection?.asn),
  colo: ({ connection }) => connection?.colo,
  tls: ({ connection }) => connection?.tls,
  bot_score: ({ connection }) => integer(connection?.botScore),
}

const requestOf = (reads: Reads, facts: ConditionFacts): Context | undefined => {
  const request: Record<string, unknown> = {}
  for (const field of reads.request) {
    const value = READERS[field](facts, reads)
    const isFit = value instanceof Map ? [...value.values()].every(fits) : fits(value)
    if (!isFit) return undefined
    request[field] = value
  }
  return request
}

const named = (
  names: readonly string[],
  read: (name: string) => string | null | undefined,
): ReadonlyMap<string, string> => {
  const values = new Map<string, string>()
  for (const name of names) {
    const value = read(name)
    if (value !== null && value !== undefined) values.set(name, value)
  }
  return values
}

/** Escapes in canonical paths are always valid. */
const decode = (value: string | undefined): string | undefined =>
  value === undefined ? undefined : decodeURIComponent(value)

const integer = (value: number | undefined): bigint | undefined =>
  Number.isSafeInteger(value) ? BigInt(value as number) : undefined

/**
 * Whether a value from outside is within the limits and unambiguous. Numbers are exact. Texts are
 * well-formed, without zero bytes, where readers in C stop. No member is named `__proto__`, which
 * the library compares wrongly.
 */
function fits(value: unknown): boolean {
  return fitsIn(value, { left: LIMITS.conditionMembers }, LIMITS.conditionLevels)
}

const fitsIn = (value: unknown, budget: { left: number }, levels: number): boolean => {
  if (typeof value === 'string')
    return value.length <= LIMITS.conditionText && value.isWellFormed() && !value.includes('\0')
  if (typeof value === 'number') return isExact(value)
  if (typeof value !== 'object' || value === null) return true
  const members = Array.isArray(value) ? value : Object.entries(value).flat()
  const count = Array.isArray(value) ? members.length : members.length / 2
  budget.left -= count
  return (
    levels > 0 &&
    count <= LIMITS.conditionItems &&
    budget.left >= 0 &&
    !Object.hasOwn(value, '__proto__') &&
    members.every((one) => fitsIn(one, budget, levels - 1))
  )
}

/** Converts JSON for conditions: numbers are doubles, objects are maps of their own members. */
function celValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(celValue)
  if (isObject(value))
    return new Map(Object.entries(value).map(([key, one]) => [key, celValue(one)]))
  return value
}
