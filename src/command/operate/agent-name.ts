import { type Command, Option } from 'commander'
import { isObject, objectOf, own, ownText } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Surroundings } from '../base/command.ts'
import { cannotTell, type Outcome } from '../base/output.ts'
import { callAs, type GateOptions } from './access.ts'

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

/**
 * The issuer that a person named. Reads the gate's policy, and gives the issuer's `iss`, if the person gave an `agent`
 * without saying how it is written. Fails if the text can be an id and an X-Agent-Id. Does not check whether
 * there is such an agent.
 */
export async function issuerOf(
  options: GateOptions & NameOptions & { readonly issuer?: string },
  agent: string | undefined,
  scope: string,
  around: Surroundings,
): Promise<Result<{ readonly issuer?: string }, Outcome>> {
  const { issuer, asId, asName } = options
  const isUnsaid = agent !== undefined && !asId && !asName
  if (issuer === undefined) return ok({})
  // The gate reads names of tables itself.
  if (!isUnsaid) return ok({ issuer })
  const policy = await callAs(options, scope, around, '/policy')
  if (!policy.ok) {
    const { reason } = policy
    return fail(reason.refused?.status === 403 ? { ...reason, err: [...reason.err, HINT] } : reason)
  }
  const { body } = policy.value
  const issuers = own(body, 'issuers')
  if (!isObject(issuers)) return fail(cannotTell(HINT))
  const tables = objectOf(issuers)
  const isMeant = (one: unknown) => own(objectOf(one), 'issuer') === issuer
  const entry = objectOf(own(tables, issuer) ?? Object.values(tables).find(isMeant))
  const iss = ownText(entry, 'issuer') ?? issuer
  const prefix = ownText(entry, 'agent_prefix') ?? ''
  const isName = prefix !== '' && agent?.startsWith(prefix) && agent !== prefix
  if (!isName) return ok({ issuer: iss })
  const shown = (id: string) => `the agent ${JSON.stringify(id)} (X-Agent-Id "${prefix}${id}")`
  const either = `--as-name for ${shown(agent.slice(prefix.length))}, or --as-id for ${shown(agent)}`
  return fail(cannotTell(`This can be two agents of ${iss}. Add ${either}.`))
}
