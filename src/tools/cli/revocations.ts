import { type JsonObject, own } from '../../core/json.ts'
import { callAs, type GateOptions } from './access.ts'
import {
  type CommandRow,
  type Filters,
  type Surroundings,
  withFilters,
  withGate,
} from './command.ts'
import { faultOutcome, type GateAddress, type GateCall } from './gate-client.ts'
import { cannotTell, EXIT, type Outcome } from './output.ts'
import { describe, entriesOf } from './revocation-entry.ts'

export interface ListOptions extends GateOptions, Filters {
  /** Every page, not only the first. */
  readonly all?: boolean
}

export const liftCommand: CommandRow<GateOptions & Filters> = {
  name: 'lift',
  docs: ['lift ID', 'lifts a revocation of a running gate, or all that options name'],
  description: 'Lift a revocation at a running gate, or all that the options name.',
  example: 'lift 2hT1Zs0yX3kq8bN5vC7m9A --gate https://api.my-company.com --key ops.jwk',
  options: (command) => withFilters(withGate(command)).argument('[id]', 'its id, as list shows it'),
  run: ([id], options, process) => lift(id, options, process),
}

export const listCommand: CommandRow<ListOptions> = {
  name: 'list',
  docs: ['list', 'lists the revocations of a running gate'],
  description: 'List the revocations of a running gate.',
  example: 'list --gate https://api.my-company.com --key ops.jwk --kind agent --all',
  options: (command) =>
    withFilters(withGate(command)).option('--all', 'list every page, not only the first'),
  run: (_, options, process) => list(options, process),
}

const SCOPE = 'edgewarden:revoke'
const ID = /^[A-Za-z0-9_-]{1,64}$/
/** Entries asked for at a time, and pages at most: a gate cannot keep a command forever. */
const PAGE = 1_000
const PAGES = 1_100

/** Lifts one revocation at a running gate, or all that the filters name. */
export async function lift(
  id: string | undefined,
  options: GateOptions & Filters,
  around: Surroundings,
): Promise<Outcome> {
  const isFiltered = Object.keys(filtersOf(options)).length > 0
  if (id === undefined) {
    if (isFiltered) return lifted(await pages('DELETE', { ...options, all: true }, around))
    return cannotTell('Which one? Give its ID, or say which ones, such as by --issuer and --reach.')
  }
  if (isFiltered) return cannotTell('Give an ID, or say which ones by options: not both')
  if (!ID.test(id)) return cannotTell(`"${id}" is no id of a revocation; list shows them`)
  const answer = await call(options, around, ({ prefix }) => ({
    method: 'DELETE',
    path: `${prefix}/revocations/${id}`,
  }))
  if (!answer.ok) return faultOutcome(answer.reason)
  return { exitCode: EXIT.yes, json: { lifted: id }, out: [`Lifted ${id}`], err: [] }
}

const lifted = ({ found, fault }: Pages): Outcome => {
  const out = found.map((entry) => `Lifted ${describe(entry)}`)
  if (fault) return { ...fault, out, err: [`${found.length} lifted before this:`, ...fault.err] }
  return {
    exitCode: EXIT.yes,
    json: { lifted: found },
    out: out.length > 0 ? out : ['There is nothing to lift.'],
    err: [],
  }
}

/** Lists revocations of a running gate, the first page or all of them. */
export async function list(options: ListOptions, around: Surroundings): Promise<Outcome> {
  const { found, cursor, fault } = await pages('GET', options, around)
  if (fault) return fault
  return {
    exitCode: EXIT.yes,
    json: { revocations: found, ...(cursor !== undefined && { cursor }) },
    out: found.length > 0 ? found.map(describe) : ['Nothing is revoked.'],
    err: cursor === undefined ? [] : ['There are more: add --all.'],
  }
}

interface Pages {
  readonly found: readonly JsonObject[]
  /** Where the next page begins. */
  readonly cursor?: string | undefined
  /** Why there are no more pages. */
  readonly fault?: Outcome
}

/** The entries of one page or, with `all`, of every page; with DELETE they are lifted by it. */
const pages = async (
  method: 'GET' | 'DELETE',
  options: ListOptions,
  around: Surroundings,
): Promise<Pages> => {
  const { all = false } = options
  const found: JsonObject[] = []
  let cursor: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const query = new URLSearchParams({
      ...filtersOf(options),
      ...(all && { limit: String(PAGE) }),
      ...(cursor !== undefined && { cursor }),
    })
    const answer = await call(options, around, ({ prefix }) => ({
      method,
      path: `${prefix}/revocations${query.size > 0 ? `?${query}` : ''}`,
    }))
    if (!answer.ok) return { found, fault: faultOutcome(answer.reason) }
    const { body } = answer.value
    if (!Array.isArray(own(body, 'revocations'))) {
      const why = 'The gate answered without a list of revocations; is --gate right?'
      return { found, fault: cannotTell(why) }
    }
    found.push(...entriesOf(body))
    const next = own(body, 'cursor')
    const last = cursor
    cursor = typeof next === 'string' || typeof next === 'number' ? String(next) : undefined
    if (!all || cursor === undefined) return { found, cursor }
    if (cursor === last) break
  }
  return { found, fault: cannotTell('The gate does not come to the end of its list.') }
}

const call = (options: GateOptions, around: Surroundings, make: (gate: GateAddress) => GateCall) =>
  callAs(options, SCOPE, around, make)

/** The filters as the gate takes them. */
const filtersOf = ({ kind, issuer, value, createdBy, reach }: Filters): Record<string, string> => {
  const given = { kind, issuer, value, created_by: createdBy, reach }
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
  )
}
