import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { isObject, type JsonObject, own } from '../../base/json.ts'
import { fail, ok } from '../../base/result.ts'
import { isIdentityText } from '../../base/text.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { ActorRule, DelegationRule } from '../../model/issuer.ts'
import type { Policy } from '../../model/policy.ts'
import { revocableSubjects } from '../../model/revocation.ts'
import { readParentScopes } from '../../model/scope.ts'
import type { AccessToken, Actor } from '../../model/token.ts'
import { identityOf } from './identity.ts'

const deny = denials({
  delegation_malformed: [
    'invalidToken',
    "The token's chain of actors, its may_act or its parent's scopes are not well formed",
    "The authorization server must issue act and may_act as nested objects with sub, and iss where it is required (RFC 8693 §4), and the parent's scopes in the format of scope",
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
    'An actor of the token belongs to an issuer whose actors are not accepted here',
    'Use a token whose actors belong to its own issuer',
  ],
  actor_not_allowed: [
    'forbidden',
    'The acting agent may not use this route',
    'Ask the operator whether this agent may act here',
  ],
  subject_not_allowed: [
    'forbidden',
    'The token may not act for its subject on this route',
    'Ask the operator on whose behalf agents may act on this route',
  ],
  may_act_mismatch: [
    'forbidden',
    "The token's may_act does not name its actor",
    'Get a token by token exchange whose may_act names the agent that acts',
  ],
  delegation_scope_exceeded: [
    'invalidToken',
    'The token has a scope that its parent token did not have',
    'Exchange for scopes of the parent token only, or ask for a parent token with more',
  ],
  agent_id_missing: [
    'invalidToken',
    'The token does not identify its agent',
    "The authorization server must issue the claim that the policy reads as the agent's id",
  ],
  agent_id_malformed: [
    'invalidToken',
    "The token's agent id, type or workflow is not well formed",
    'The authorization server must issue non-empty text without control characters',
  ],
  agent_issuer_mismatch: [
    'forbidden',
    "The token's agent belongs to another issuer",
    "Use a token of the agent's own issuer",
  ],
  workflow_conflict: [
    'invalidToken',
    'The token names two workflows',
    'The authorization server must name one workflow, the same in every claim that has one',
  ],
  grant_conflict: [
    'forbidden',
    'Grants of the policy give the agent two ids or two types',
    'Ask the operator to set agent_id and agent_type in only one of the grants that match this token',
  ],
  grant_value_invalid: [
    'forbidden',
    "A grant makes the agent's id from a claim that is missing, or whose value is not allowed in an id",
    'Use a token whose claim has letters, digits, dot, underscore, tilde and hyphen only, at most 128 characters',
  ],
})

type Code = CodeOf<typeof deny>

interface Needs extends Pick<LineFacts, 'route' | 'issuer' | 'access'> {
  readonly policy: Pick<Policy, 'includedBy'>
}

type Delegated = Outcome<Pick<LineFacts, 'agent' | 'subjects'>, Code>

/**
 * Identifies the calling agent within its issuer and checks the chain of actors. Only the current (outermost) actor and
 * the subject are compared with the rules; inner actors are history (RFC 8693 §4.1). A malformed actor, or an actor of
 * an issuer that is not accepted, is denied at any depth. Parent scopes and `may_act` can only restrict a token.
 */
export const delegation = stage({
  name: 'delegation',
  establishes: "the agent's id within its issuer; the chain of actors is well-formed and allowed",
  found: ({ agent: { id, name, actors } }) => ({ agent: name, id, actors }),
  denials: [deny],
  run({ policy, route, issuer, access }: Needs): Delegated {
    const actors = actorsOf(access)
    if (!actors) return fail(deny('delegation_malformed'))
    const held = readParentScopes(access.claims, issuer)
    if (held === null) return fail(deny('delegation_malformed'))
    const isHeld = (scope: string) => policy.includedBy(scope).some((one) => held?.has(one))
    const scopes = held ? access.scopes.filter((scope) => !isHeld(scope)) : []
    if (scopes.length > 0) return fail(deny('delegation_scope_exceeded', { scopes }))
    for (const rule of [issuer.delegation, route.delegation]) {
      const code = rule && broken(rule, actors, access)
      if (code) return fail(deny(code, { depth: actors.length, actors }))
    }
    const identity = identityOf(access, actors)
    if (typeof identity === 'string') return fail(deny(identity))
    return ok({ agent: identity, subjects: revocableSubjects(access, identity) })
  },
})

const broken = (
  rule: DelegationRule,
  actors: readonly Actor[],
  access: AccessToken,
): Code | undefined => {
  const { issuer, subject } = access
  const current = actors[0]
  const named = rule.mayAct && mayActOf(access)
  if (named === null) return 'delegation_malformed'
  if (actors.length > rule.maxDepth) return 'delegation_too_deep'
  if (!current && rule.requireActor) return 'actor_missing'
  if (actors.some((actor) => actor.issuer !== issuer && !rule.issuers.has(actor.issuer))) {
    return 'actor_issuer_unknown'
  }
  const isNamed = named
    ? named.sub === current?.sub && named.issuer === current.issuer
    : rule.mayAct !== 'required'
  if (current && !isNamed) return 'may_act_mismatch'
  const isOneOf = (allowed: readonly ActorRule[], sub: string | undefined, iss: string) =>
    allowed.some((one) => one.sub === sub && (one.issuer ?? issuer) === iss)
  if (current && rule.actors && !isOneOf(rule.actors, current.sub, current.issuer)) {
    return 'actor_not_allowed'
  }
  return !rule.subjects || isOneOf(rule.subjects, subject, issuer)
    ? undefined
    : 'subject_not_allowed'
}

/**
 * The chain of `act`, outermost actor first (RFC 8693 §4.1); `undefined` where any actor is malformed. An actor without
 * `iss` belongs to the token's issuer, unless that issuer's entry requires `iss`.
 */
export function actorsOf({ claims, issuer, entry }: AccessToken): readonly Actor[] | undefined {
  const actors: Actor[] = []
  let holder = claims
  while (Object.hasOwn(holder, 'act')) {
    const act = own(holder, 'act')
    if (!isObject(act)) return undefined
    const actor = readActor(act, issuer)
    if (!actor || (entry.actorIssuer && !Object.hasOwn(act, 'iss'))) return undefined
    actors.push(actor)
    holder = act
  }
  return Object.freeze(actors)
}

/** The actor that `may_act` names (RFC 8693 §4.4): `undefined` without the claim, `null` where it is malformed. */
const mayActOf = ({ claims, issuer }: AccessToken): Actor | undefined | null => {
  if (!Object.hasOwn(claims, 'may_act')) return undefined
  const named = own(claims, 'may_act')
  return (isObject(named) && readActor(named, issuer)) || null
}

const readActor = (named: JsonObject, issuer: string): Actor | undefined => {
  const sub = own(named, 'sub')
  const namespace = Object.hasOwn(named, 'iss') ? own(named, 'iss') : issuer
  return isIdentityText(sub) && isIdentityText(namespace)
    ? Object.freeze({ sub, issuer: namespace })
    : undefined
}
