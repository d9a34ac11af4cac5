import { isObject, own } from '../../base/json.ts'
import { isIdentityText } from '../../base/text.ts'
import { type ClaimPath, firstPresent, readClaim } from '../../model/claims.ts'
import { agentOfGrants, type Ungranted } from '../../model/scope.ts'
import type { AccessToken, Actor, AgentIdentity } from '../../model/token.ts'

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
 * agent. An id or type that a grant gives replaces the one in the token.
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
  const workflows = [...entry.workflowId, OF_INTENT]
    .map((one) => readClaim(claims, one))
    .filter((one) => one !== undefined)
  if (!isIdentityText(id) || !types || !workflows.every(isIdentityText)) return 'agent_id_malformed'
  const name = entry.agentPrefix + id
  if (!isIdentityText(name)) return 'agent_id_malformed'
  // How many actors the claim path of the agent's id leads through.
  const depth = path.findIndex((one) => one !== 'act')
  const isOfAnother = actors.slice(0, depth).some(({ issuer }) => issuer !== access.issuer)
  if (given.id === undefined && isOfAnother) return 'agent_issuer_mismatch'
  if (new Set(workflows).size > 1) return 'workflow_conflict'
  const read = entry.agentic ? [...entry.workflowId, OF_INTENT] : entry.workflowId
  const workflowId = firstPresent(claims, read)
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
    ...(isIdentityText(workflowId) && { workflowId }),
    ...(isIdentityText(step) && { step }),
  })
}

/**
 * The agent's types; `undefined` if malformed. Entity profiles come from the outermost actor, else from the subject.
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

/**
 * The workflow of an intent. It must equal the workflow in the claims that the issuer's entry names. In an Agentic JWT
 * this claim can be the only one.
 */
const OF_INTENT: ClaimPath = ['intent', 'workflow_id']
