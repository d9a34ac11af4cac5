import { isObject, own } from '../json.ts'
import { type ClaimPath, readClaim } from '../model/claims.ts'
import type { AccessToken, Actor, AgentIdentity } from '../model/token.ts'
import { isIdentityText } from '../text.ts'

/** What can be wrong with what a token says of its agent. */
export type Unidentified =
  | 'agent_id_missing'
  | 'agent_id_malformed'
  | 'agent_issuer_mismatch'
  | 'workflow_conflict'

/**
 * Who a token says is calling; or why it cannot tell. `actors` are those of the token. An id that is read from
 * within `act` is one of the actor's own issuer; told beside the token's issuer it would name somebody else, so
 * another's is refused.
 */
export function identityOf(
  access: AccessToken,
  actors: readonly Actor[],
): AgentIdentity | Unidentified {
  const { claims, entry, subject, clientId } = access
  const path = entry.agentId.find((one) => readClaim(claims, one) !== undefined)
  if (!path) return 'agent_id_missing'
  const id = readClaim(claims, path)
  const types = typesOf(access)
  const workflows = workflowsOf(access)
  if (!isIdentityText(id) || !types || !workflows) return 'agent_id_malformed'
  const name = entry.agentPrefix + id
  if (!isIdentityText(name)) return 'agent_id_malformed'
  if (isOfAnother(path, actors, access.issuer)) return 'agent_issuer_mismatch'
  if (new Set(workflows.all).size > 1) return 'workflow_conflict'
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
  })
}

/** Whether a path leads through an actor that is not one of the token's own issuer. */
const isOfAnother = (path: ClaimPath, actors: readonly Actor[], issuer: string): boolean =>
  actors
    .slice(
      0,
      path.findIndex((name) => name !== 'act'),
    )
    .some((actor) => actor.issuer !== issuer)

/**
 * What kinds of agent the token is for; `undefined` where malformed. Entity profiles are those of
 * the outermost actor, and of the subject only where nobody acts for it.
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

/** Where issuers of intents name the workflow, whatever else an entry reads. */
const OF_INTENT: ClaimPath = ['intent', 'workflow_id']

interface Workflows {
  /** What the issuer's entry reads: the first that is there. */
  readonly read: string | undefined
  readonly all: readonly string[]
}

/** `undefined` where one of them is malformed. */
const workflowsOf = ({ claims, entry }: AccessToken): Workflows | undefined => {
  const all: string[] = []
  let read: string | undefined
  for (const path of [...entry.workflowId, OF_INTENT]) {
    const value = readClaim(claims, path)
    if (value === undefined) continue
    if (!isIdentityText(value)) return undefined
    if (path !== OF_INTENT) read ??= value
    all.push(value)
  }
  return { read, all }
}
