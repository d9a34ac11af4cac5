/** Who is calling: agent id, prefix, types, client, workflow, actors (docs/configuration/delegation.md). */
import { type Actor, readActors } from './delegation.ts'
import { idOfGrants, matchingGrants, scopesOfGrants, typeOfGrants } from './grants.ts'
import type { Issuer } from './issuer.ts'
import { namesOf, readClaim } from './pattern.ts'
import type { Policy } from './policy.ts'
import { scopesOfToken } from './scopes.ts'
import { type Json, type JsonObject, refuse } from './types.ts'
import { isName } from './values.ts'

/** The verified caller. */
export interface Identity {
  issuer: Issuer
  /** The id that the issuer gives the agent. */
  id: string
  /** The id with the issuer's prefix. */
  name: string
  subject: string | undefined
  session: string | undefined
  client: string | undefined
  /** The type as the token or a grant has it. */
  type: string | undefined
  types: string[]
  workflow: string | undefined
  /** Scopes of the token and of grants. */
  scopes: string[]
  actors: Actor[]
  claims: JsonObject
}

/** The first present claim of a list of claim paths, and which it is. */
function firstPresent(claims: JsonObject, paths: string[]): [Json, string] | undefined {
  for (const path of paths) {
    const value = readClaim(claims, path)
    if (value !== undefined) return [value, path]
  }
  return undefined
}

/** Checks the form of the identity and scope claims: the last part of the stage `claims`. */
export function checkIdentityClaims(claims: JsonObject, issuer: Issuer): void {
  const client = firstPresent(claims, issuer.profile.clientId)?.[0]
  const session = readClaim(claims, issuer.sessionId)
  for (const value of [claims.sub, claims.jti, client, session]) {
    if (value !== undefined && !isName(value)) refuse('claim_malformed')
  }
  scopesOfToken(claims, issuer)
}

/** The scopes of a token: its own, and those of grants. */
export function scopesOf(policy: Policy, claims: JsonObject, issuer: Issuer): string[] {
  const granted = scopesOfGrants(matchingGrants(policy, claims, issuer))
  return [...new Set([...scopesOfToken(claims, issuer), ...granted])]
}

/** Reads the identity: a part of the stage `delegation`. */
export function readIdentity(policy: Policy, claims: JsonObject, issuer: Issuer): Identity {
  const actors = readActors(claims, issuer)
  const grants = matchingGrants(policy, claims, issuer)
  const id = idOfGrants(grants, claims) ?? readAgentId(claims, issuer, actors)
  const granted = typeOfGrants(grants)
  const type = granted ?? readType(claims, issuer)
  const isList = granted === undefined && issuer.entityProfiles
  return {
    issuer,
    id,
    name: issuer.agentPrefix + id,
    subject: claims.sub as string | undefined,
    session: readClaim(claims, issuer.sessionId) as string | undefined,
    client: firstPresent(claims, issuer.profile.clientId)?.[0] as string | undefined,
    type,
    types: type === undefined ? [] : isList ? type.split(' ') : [type],
    workflow: readWorkflow(claims, issuer),
    scopes: scopesOf(policy, claims, issuer),
    actors,
    claims,
  }
}

function readAgentId(claims: JsonObject, issuer: Issuer, actors: Actor[]): string {
  const found = firstPresent(claims, issuer.agentId)
  if (found === undefined) refuse('agent_id_missing')
  const [value, path] = found
  // With its prefix it is an id, too.
  if (!isName(value) || !isName(issuer.agentPrefix + value)) refuse('agent_id_malformed')
  const isActor = namesOf(path)[0] === 'act'
  if (isActor && actors[0]?.issuer !== issuer.issuer) refuse('agent_issuer_mismatch')
  return value
}

/** The type: one text, or entity profiles with single spaces between them. */
function readType(claims: JsonObject, issuer: Issuer): string | undefined {
  const profiled = (claims.act as JsonObject | undefined) ?? claims
  const type = issuer.entityProfiles ? profiled.sub_profile : readClaim(claims, issuer.agentType)
  if (type === undefined) return undefined
  if (!isName(type)) refuse('agent_id_malformed')
  if (issuer.entityProfiles && type.split(' ').includes('')) refuse('agent_id_malformed')
  return type
}

/** The workflow. All present claims must name the same, also `intent.workflow_id`. */
function readWorkflow(claims: JsonObject, issuer: Issuer): string | undefined {
  // "The workflow is `intent.workflow_id`" (docs/agentic-jwt.md), whatever the table says.
  const own = issuer.profileName === 'agentic-jwt' ? ['intent.workflow_id'] : []
  const values = [...issuer.workflowId, ...own]
    .map((path) => readClaim(claims, path))
    .filter((value) => value !== undefined)
  const intended = readClaim(claims, 'intent.workflow_id')
  const all = intended === undefined ? values : [...values, intended]
  for (const value of all) if (!isName(value)) refuse('agent_id_malformed')
  const [workflow] = values as string[]
  if (workflow === undefined) return undefined
  if (all.some((value) => value !== workflow)) refuse('workflow_conflict')
  return workflow
}
