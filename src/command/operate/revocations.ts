import { type Command, Option } from 'commander'
import { KINDS, REACHES } from '../../gate/model/revocation.ts'
import { type CommandRow, type Surroundings, withGates } from '../base/command.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { callAs, type GateOptions, type Listed, listAs } from './access.ts'
import { type AtGates, atGates } from './gates.ts'
import { describe, describeMade } from './revocation-entry.ts'

/** Selects revocations; a member that is left out selects all. */
interface Filters {
  readonly kind?: string
  readonly issuer?: string
  readonly value?: string
  /** An agent, as origins see it. */
  readonly agent?: string
  /** The administrator who made them, as `list --json` has it. */
  readonly createdBy?: string
  /** `own`: made by administrators of one issuer; `all`: by those of every issuer. */
  readonly reach?: string
}

/** The options of {@link Filters}. */
const withFilters = (command: Command): Command =>
  command
    .addOption(new Option('--kind <kind>', 'only of this kind').choices(KINDS))
    .option('--issuer <iss>', 'only of this issuer, as in iss, or its name in the policy')
    .option('--value <value>', 'only of this value')
    .option('--agent <name>', 'only of this agent, as log and X-Agent-Id show it')
    .option('--created-by <who>', 'only those that this administrator made and last renewed')
    .addOption(
      new Option(
        '--reach <reach>',
        'only those made by administrators of one issuer (own), or of every issuer (all)',
      ).choices(REACHES),
    )

export interface ListOptions extends GateOptions, Filters {
  /** Whether to read every page, not only the first. */
  readonly all?: boolean
}

export const liftCommand: CommandRow<AtGates<GateOptions & Filters>> = {
  usage: 'lift ID',
  description: 'Lift a revocation at a running gate, or all that the options name.',
  example: 'lift 2hT1Zs0yX3kq8bN5vC7m9A --gate https://api.my-company.com --key ops.jwk',
  options: (command) =>
    withFilters(withGates(command)).argument('[id]', 'its id, as list shows it'),
  run: ([id], options, process) =>
    atGates(options, process, (one, around) => lift(id, one, around), 'revocation_unknown'),
}

export const listCommand: CommandRow<AtGates<ListOptions>> = {
  usage: 'list',
  description: 'List the revocations of a running gate.',
  example: 'list --gate https://api.my-company.com --key ops.jwk --kind agent --all',
  options: (command) =>
    withFilters(withGates(command)).option('--all', 'list every page, not only the first'),
  run: (_, options, process) => atGates(options, process, list),
}

const SCOPE = 'edgewarden:revoke'
const ID = /^[A-Za-z0-9_-]{1,64}$/

/** Lifts one revocation at a running gate, or all that the filters name. */
export async function lift(
  id: string | undefined,
  options: GateOptions & Filters,
  around: Surroundings,
): Promise<Outcome> {
  const isFiltered = Object.values(filtersOf(options)).some((one) => one !== undefined)
  if (id === undefined) {
    if (isFiltered) return lifted(await entries('DELETE', { ...options, all: true }, around))
    return cannotTell(
      'Which one? Give the ID of a revocation, or say which to lift, such as by --issuer and --reach.',
    )
  }
  if (isFiltered) return cannotTell('Give an ID or options that say which to lift, not both')
  if (!ID.test(id)) return cannotTell(`"${id}" is not the id of a revocation; list shows them`)
  const answer = await callAs(options, SCOPE, around, `/revocations/${id}`, { method: 'DELETE' })
  if (!answer.ok) return answer.reason
  return { exitCode: EXIT.yes, json: { lifted: id }, out: [`Lifted ${id}`], err: [] }
}

const lifted = ({ found, fault }: Listed): Outcome => {
  const out = found.map((entry) => `Lifted ${describe(entry)}`)
  if (fault && out.length === 0) return fault
  if (fault) return { ...fault, out, err: [`${out.length} lifted before this:`, ...fault.err] }
  return {
    exitCode: EXIT.yes,
    json: { lifted: found },
    out: out.length > 0 ? out : ['There is nothing to lift.'],
    err: [],
  }
}

/** Lists revocations of a running gate, the first page or all of them. */
export async function list(options: ListOptions, around: Surroundings): Promise<Outcome> {
  const { found, cursor, fault } = await entries(undefined, options, around)
  if (fault) return fault
  return {
    exitCode: EXIT.yes,
    json: { revocations: found, ...(cursor !== undefined && { cursor }) },
    out: found.length > 0 ? found.map(describeMade) : ['Nothing is revoked.'],
    err: cursor === undefined ? [] : ['There are more: add --all.'],
  }
}

/** The entries of the first page or, with `all`, of every page; with DELETE they are lifted by it. */
const entries = (
  method: 'DELETE' | undefined,
  { all = false, ...options }: ListOptions,
  around: Surroundings,
): Promise<Listed> =>
  listAs(options, SCOPE, around, ['/revocations', 'revocations'], {
    method,
    query: filtersOf(options),
    ...(all && { most: Number.POSITIVE_INFINITY }),
  })

/** The filters as the gate takes them. */
const filtersOf = ({ kind, issuer, value, agent, createdBy, reach }: Filters) => ({
  ...{ kind, issuer, value, agent_name: agent, created_by: createdBy, reach },
})
