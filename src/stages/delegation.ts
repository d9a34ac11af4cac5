import { type Outcome, stage } from '../base/chain.ts'
import { type CodeOf, denials } from '../base/denial.ts'
import { isObject, type JsonObject, own } from '../base/json.ts'
import { perObject } from '../base/memo.ts'
import { fail, ok } from '../base/result.ts'
import { isIdentityText } from '../base/text.ts'
import { type ClaimPath, readClaim } from '../model/claims.ts'
import type { ActorRule, DelegationRule, Issuer } from '../model/issuer.ts'
import type { Route } from '../model/route.ts'
import type { AccessToken, Actor, AgentIdentity } from '../model/token.ts'

const deny = denials({
  delegation_malformed: [
    'invalidToken',
    "The token's chain of actors is not well formed",
    'The authorization server must issue act as nested objects, each with sub (RFC 8693 §4.1)',
  ],
  delegation_too_deep: [
    'forbidden',
    'The token was delegated more often than is accepted here',
    'Call with a token that passed through fewer agents',
  ],
  actor_missing: [
    'forbidden',
    'The token does not say which agent acts',
    'Get a token by token exchange with an actor token, so that it carries act',
  ],
  actor_issuer_unknown: [
    'forbidden',
    'An actor of the token belongs to an issuer whose actors do not count here',
    'Use a token whose actors belong to its own issuer',
  ],
  actor_not_allowed: [
    'forbidden',
    'The acting agent may not use this route',
    'Ask the operator whether this agent may act here',
  ],
  subject_not_allowed: [
    'forbidden',
    'The token acts for somebody it may not act for here',
    'Ask the operator for whom agents may act on this route',
  ],
  agent_id_missing: [
    'invalidToken',
    'The token does not say which agent it belongs to',
    "The authorization server must issue the claim that the policy reads as the agent's id",
  ],
  agent_id_malformed: [
    'invalidToken',
    "The token's agent id, type or workflow is not well formed",
    'The authorization server must issue non-empty text without control characters',
  ],
})

type Code = CodeOf<typeof deny>

interface Needs {
  readonly route: Route
  readonly issuer: Issuer
  readonly access: AccessToken
}

/**
 * Who is calling: the agent's id within its issuer, and the chain of actors. Only the outermost
 * actor and the subject decide; inner actors are history (RFC 8693 §4.1), but a chain that is
 * malformed, or names an issuer that does not count, at any depth refuses the token.
 */
export const delegation = stage({
  name: 'delegation',
  establishes:
    "the agent's id within its issuer, and a well-formed chain of actors no deeper than allowed",
  found: ({ agent: { id, name, actors } }) => ({ agent: name, id, actors }),
  denials: [deny],
  run({ route, issuer, access }: Needs): Outcome<{ agent: AgentIdentity }, Code> {
    const actors = actorsOf(access)
    if (!actors) return fail(deny('delegation_malformed'))
    for (const rule of [issuer.delegation, route.delegation]) {
      const code = rule && broken(rule, actors, access)
      if (code) return fail(deny(code, { depth: actors.length, actors }))
    }
    const agent = agentOf(access)
    if (typeof agent === 'string') return fail(deny(agent))
    return ok({ agent })
  },
})

/** The chain from the outside in; `undefined` when any part of it is malformed. */
const actorsOf = perObject(({ claims, issuer }: AccessToken): readonly Actor[] | undefined => {
  const actors: Actor[] = []
  let holder = claims
  while (Object.hasOwn(holder, 'act')) {
    const act = own(holder, 'act')
    if (!isObject(act)) return undefined
    const sub = own(act, 'sub')
    const namespace = Object.hasOwn(act, 'iss') ? own(act, 'iss') : issuer
    if (!isIdentityText(sub) || !isIdentityText(namespace)) return undefined
    actors.push(Object.freeze({ sub, issuer: namespace }))
    holder = act
  }
  return Object.freeze(actors)
})

/** Who the token says is calling, made once for all requests that carry it; or why it cannot tell. */
const agentOf = perObject((access: AccessToken): AgentIdentity | Code => {
  const { claims, entry, subject, clientId } = access
  const actors = actorsOf(access)
  if (!actors) return 'delegation_malformed'
  const present = entry.agentId.map((path) => readClaim(claims, path))
  const id = present.find((value) => value !== undefined)
  if (id === undefined) return 'agent_id_missing'
  const type = optionalText(claims, entry.agentType)
  const workflowId = optionalText(claims, entry.workflowId)
  if (!isIdentityText(id) || type === null || workflowId === null) return 'agent_id_malformed'
  const name = entry.agentPrefix + id
  if (!isIdentityText(name)) return 'agent_id_malformed'
  return Object.freeze({
    id,
    name,
    issuer: entry.issuer,
    actors,
    ...(subject !== undefined && { subject }),
    ...(clientId !== undefined && { clientId }),
    ...(type !== undefined && { type }),
    ...(workflowId !== undefined && { workflowId }),
  })
})

const broken = (
  rule: DelegationRule,
  actors: readonly Actor[],
  { issuer, subject }: AccessToken,
): Code | undefined => {
  const current = actors[0]
  if (actors.length > rule.maxDepth) return 'delegation_too_deep'
  if (!current && rule.requireActor) return 'actor_missing'
  if (actors.some((actor) => actor.issuer !== issuer && !rule.issuers.has(actor.issuer))) {
    return 'actor_issuer_unknown'
  }
  const isCurrent = (allowed: ActorRule) =>
    allowed.sub === current?.sub && (allowed.issuer ?? issuer) === current.issuer
  if (current && rule.actors && !rule.actors.some(isCurrent)) return 'actor_not_allowed'
  if (rule.subjects && (subject === undefined || !rule.subjects.has(subject))) {
    return 'subject_not_allowed'
  }
  return undefined
}

/** `null` where the claim is there and is no identity text. */
const optionalText = (claims: JsonObject, path: ClaimPath): string | undefined | null => {
  const value = readClaim(claims, path)
  return value === undefined ? undefined : isIdentityText(value) ? value : null
}
