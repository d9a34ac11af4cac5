import { type Command, Option } from 'commander'
import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { distance } from '../../gate/policy/reading/issues.ts'
import type { Surroundings } from '../base/command.ts'
import { cannotTell, type Outcome } from '../base/output.ts'
import { callAs, type GateOptions } from './access.ts'
import type { CallAgents } from './agents-file.ts'

/** What a person says about the text that names an agent. */
export interface NameOptions {
  /** The text is the id that the issuer gives the agent. */
  readonly asId?: boolean
  /** The text is the id with the issuer's prefix, as in X-Agent-Id. */
  readonly asName?: boolean
}

/** The options of {@link NameOptions}. */
export function withNames(command: Command): Command {
  return command
    .addOption(
      new Option('--as-id', "the agent's id is as its issuer gives it").conflicts('asName'),
    )
    .option('--as-name', "the agent's id is with the issuer's agent_prefix, as in X-Agent-Id")
}

const HINT =
  'The policy says whether an id begins with the agent_prefix of its issuer. Without it, add --as-id or --as-name.'
const NO_ISSUER =
  'The policy says whose agent_prefix an agent has. Without it, add --issuer and --as-name.'

/** Who is meant by a text: the `iss` of the issuer, and whether the text is the agent as it is shown. */
interface Named extends Pick<NameOptions, 'asName'> {
  readonly issuer?: string
}

/**
 * The issuer of an agent. Without an issuer, `agent` is the agent as log and X-Agent-Id show it, and its prefix says
 * whose it is. With an issuer, reads the gate's policy if the person did not say how `agent` is written, and fails if
 * the text can be an id and an X-Agent-Id. Does not check whether there is such an agent.
 */
export async function issuerOf(
  options: GateOptions & NameOptions & { readonly issuer?: string },
  agent: string | undefined,
  scope: string,
  around: Surroundings,
): Promise<Result<Named, Outcome>> {
  const { issuer, asId, asName } = options
  const isUnsaid = agent !== undefined && !asId && !asName
  if (issuer === undefined && (agent === undefined || asId)) return ok({})
  // The gate reads names of tables itself.
  if (issuer !== undefined && !isUnsaid) return ok({ issuer })
  const policy = await callAs(options, scope, around, '/policy')
  const hint = issuer === undefined ? NO_ISSUER : HINT
  if (!policy.ok) {
    const { reason } = policy
    return fail(reason.refused?.status === 403 ? { ...reason, err: [...reason.err, hint] } : reason)
  }
  const { body } = policy.value
  const issuers = own(body, 'issuers')
  if (!isObject(issuers)) return fail(cannotTell(hint))
  if (issuer === undefined || agent === undefined) return issuerShown(issuers, agent ?? '')
  const tables = issuers
  const isMeant = (one: unknown) => own(objectOf(one), 'issuer') === issuer
  const entry = objectOf(own(tables, issuer) ?? Object.values(tables).find(isMeant))
  const iss = ownText(entry, 'issuer') ?? issuer
  const prefix = ownText(entry, 'agent_prefix') ?? ''
  const isName = prefix !== '' && agent.startsWith(prefix) && agent !== prefix
  if (!isName) return ok({ issuer: iss })
  const shown = (id: string) => `the agent ${JSON.stringify(id)} (X-Agent-Id "${prefix}${id}")`
  const either = `--as-name for ${shown(agent.slice(prefix.length))}, or --as-id for ${shown(agent)}`
  return fail(cannotTell(`This can be two agents of ${iss}. Add ${either}.`))
}

/** The one issuer whose agent has this name. An issuer that no rule accepts has no agents. */
const issuerShown = (issuers: JsonObject, name: string): Result<Named, Outcome> => {
  const tables = Object.entries(issuers).map(([table, one]) => [table, objectOf(one)] as const)
  const known = tables.map(([, one]) => ownText(one, 'issuer'))
  const actors = tables
    .flatMap(([, one]) => listOf(own(objectOf(own(one, 'delegation')), 'issuers')))
    .filter((one) => !known.includes(String(one)))
    .map((iss) => [String(iss), { issuer: iss }] as const)
  const meant = [...tables.filter(([, one]) => own(one, 'rules') !== false), ...actors].filter(
    ([, one]) => {
      const prefix = ownText(one, 'agent_prefix') ?? ''
      return name.startsWith(prefix) && name !== prefix
    },
  )
  const [first] = meant
  const said = JSON.stringify(name)
  if (!first) {
    const prefixes = tables.map(([, one]) => ownText(one, 'agent_prefix')).filter(Boolean)
    const those = prefixes.length === 0 ? '' : ` (${prefixes.join(', ')})`
    return fail(cannotTell(`${said} begins with no agent_prefix of an issuer${those}; ${AS_SHOWN}`))
  }
  const issuer = ownText(first[1], 'issuer')
  if (meant.length === 1 && issuer !== undefined) return ok({ issuer, asName: true })
  const either = meant.map(([table]) => `--issuer ${table} --as-name`).join(' or ')
  return fail(cannotTell(`${said} can be an agent of several issuers. Add ${either}.`))
}

/**
 * The agent of the registry whose name is nearest to one that it does not have, as a question in front of a space; empty
 * if none is near. Looks only at agents whose names begin alike.
 */
export async function nearestTo(
  call: CallAgents,
  { issuer, agent }: { readonly issuer: string; readonly agent: string },
  asName: boolean | undefined,
): Promise<string> {
  const start = agent.slice(0, Math.max(1, agent.length - NEAR_END))
  const found = await call('', { query: { issuer, find: start, limit: '1000' } })
  const all = found.ok ? listOf(own(found.value, 'agents')).map(objectOf) : []
  const nearest = (limit: number) =>
    all.find((one) => {
      const name = ownText(one, asName ? 'agent_name' : 'agent') ?? ''
      return name !== agent && distance(agent, name, limit) !== undefined
    })
  const one = nearest(1) ?? nearest(2)
  const name = one && (ownText(one, 'agent_name') ?? ownText(one, 'agent'))
  return name === undefined ? '' : ` Did you mean ${name}?`
}

/** At the end of a name that is a slip of another one. */
const NEAR_END = 8

const AS_SHOWN = 'give the agent as log shows it, or its id with --issuer.'
