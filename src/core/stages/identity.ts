import { isObject, own } from '../json.ts'
import { type ClaimPath, readClaim } from '../model/claims.ts'
import { agentOfGrants, type Ungranted } from '../model/grants.ts'
import type { AccessToken, Actor, AgentIdentity } from '../model/token.ts'
import { isIdentityText } from '../text.ts'

/** Why a token does not identify an agent. */
export type Unidentified =
  | Ungranted
  | 'agent_id_missing'
  | 'agent_id_malformed'
  | 'agent_issuer_mismatch'
  | 'workflow_conflict'

/**
 * Reads the agent's identity from a token, or returns the fault. `actors`: the chain of actors. An id inside `act`
 * belongs to the actor's issuer. It is refused if that is not the token's issuer, under which it would identify another
 * agent. An id or type of a grant replaces that of the token.
 */
export function identityOf(
  access: AccessToken,
  actors: readonly Actor[],
): AgentIdentity | Unidentified {
  const { claims, entry, subject, clientId, granted = [] } = access
  const given = agentOfGrants(granted, claims)
  if (typeof given === 'string') return given
  const path = entry.agentId.find((one) => readClaim(claims, one) !== undefined) ?? []
  if (path.length === 0 && given.id === undefined) return 'agent_id_missing'
  const id = given.id ?? readClaim(claims, path)
  const types = given.type === undefined ? typesOf(access) : [given.type]
  const workflows = workflowsOf(access)
  if (!isIdentityText(id) || !types || !workflows) return 'agent_id_malformed'
  const name = entry.agentPrefix + id
  if (!isIdentityText(name)) return 'agent_id_malformed'
  if (given.id === undefined && isOfAnother(path, actors, access.issuer))
    return 'agent_issuer_mismatch'
  if (new Set(workflows.all).size > 1) return 'workflow_conflict'
  const step = entry.agentic && readClaim(claims, ['intent', 'workflow_step'])
  const type = types.length > 0 ? types.join(' ') : undefined
  return Object.freeze({
    id,
    name,
    issuer: entry.issuer,
    actors,
    ...(subject !== undefined && { subject }),
    ...(clientId !== undefined && { clientId }),
    ...(type !== undefined && { type }),
    ...(types.length > 1 && { types }),
    ...(workflows.read !== undefined && { workflowId: workflows.read }),
    ...(isIdentityText(step) && { step }),
  })
}

/** Whether a path leads through an actor of another issuer than the token's. */
const isOfAnother = (path: ClaimPath, actors: readonly Actor[], issuer: string): boolean =>
  actors
    .slice(
      0,
      path.findIndex((name) => name !== 'act'),
    )
    .some((actor) => actor.issuer !== issuer)

/**
 * The agent types of a token; `undefined` where malformed. Entity profiles are those of the outermost actor, or of the
 * subject where the token has no `act`.
 */
const typesOf = ({ claims, entry }: AccessToken): readonly string[] | undefined => {
  const act = own(claims, 'act')
  const value = entry.entityProfiles
    ? own(isObject(act) ? act : claims, 'sub_profile')
    : readClaim(claims, entry.agentType)
  if (value === undefined) return []
  if (!isIdentityText(value)) return undefined
  const types = entry.entityProfiles ? value.split(' ') : [value]
  return types.includes('') ? undefined : Object.freeze(types)
}

/** The workflow claim of intents; beside the claims of the issuer's entry it must agree, and is one in Agentic JWT. */
const OF_INTENT: ClaimPath = ['intent', 'workflow_id']

interface Workflows {
  /** The first present claim of the issuer's entry; for Agentic JWT also that of the intent. */
  readonly read: string | undefined
  readonly all: readonly string[]
}

/** The workflows that a token names; `undefined` where one is malformed. */
const workflowsOf = ({ claims, entry }: AccessToken): Workflows | undefined => {
  const all: string[] = []
  let read: string | undefined
  for (const path of [...entry.workflowId, OF_INTENT]) {
    const value = readClaim(claims, path)
    if (value === undefined) continue
    if (!isIdentityText(value)) return undefined
    if (path !== OF_INTENT || entry.agentic) read ??= value
    all.push(value)
  }
  return { read, all }
}
