/** Who acts for whom: the chain of actors in `act` (docs/configuration/delegation.md). */
import type { DelegationLimits, Party } from './delegationLimits.ts'
import type { Issuer } from './issuer.ts'
import { readClaim } from './pattern.ts'
import type { Policy } from './policy.ts'
import type { Rule } from './rule.ts'
import { includes, readScopeClaim, withoutIgnored } from './scopes.ts'
import { type Json, type JsonObject, refuse } from './types.ts'
import { isName } from './values.ts'

/** An actor, with the URL of its own issuer. */
export interface Actor {
  sub: string
  issuer: string
}

const DEFAULT_DEPTH = 3

/** Reads the chain of actors, the outermost first. */
export function readActors(claims: JsonObject, issuer: Issuer): Actor[] {
  const actors: Actor[] = []
  for (let act = claims.act; act !== undefined; act = (act as JsonObject).act) {
    const { sub, iss } = readParty(act)
    if (iss === undefined && issuer.profileName === 'actor') refuse('delegation_malformed')
    actors.push({ sub, issuer: iss ?? issuer.issuer })
  }
  return actors
}

/** A member `act` or `may_act`: an object with `sub`, and maybe `iss`. */
function readParty(value: Json): { sub: string; iss: string | undefined } {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    refuse('delegation_malformed')
  }
  const { sub, iss } = value
  if (!isName(sub) || !(iss === undefined || isName(iss))) refuse('delegation_malformed')
  return { sub, iss }
}

/** Checks the chain of actors by the limits of the issuer and of the rule. */
export function checkDelegation(
  policy: Policy,
  claims: JsonObject,
  actors: Actor[],
  issuer: Issuer,
  rule: Rule | undefined,
): void {
  const limits = [issuer.delegation, ...(rule === undefined ? [] : [rule.delegation])]
  const deepest = Math.min(
    issuer.delegation.maxDepth ?? DEFAULT_DEPTH,
    rule?.delegation.maxDepth ?? Infinity,
  )
  if (actors.length > deepest) refuse('delegation_too_deep')
  const [actor] = actors
  if (actor === undefined && limits.some((each) => each.requireActor)) refuse('actor_missing')
  for (const each of actors) {
    if (!acceptsActorsOf(policy, each.issuer, issuer, limits)) refuse('actor_issuer_unknown')
  }
  for (const { actors: allowed, subjects } of limits) {
    const isAllowed = (parties: Party[], sub: Json | undefined, of: string) =>
      parties.some(
        (party) => party.sub === sub && urlOf(policy, party.issuer ?? issuer.issuer) === of,
      )
    // Whether there must be an actor is said by `require_actor`.
    if (allowed && actor && !isAllowed(allowed, actor.sub, actor.issuer)) {
      refuse('actor_not_allowed')
    }
    if (subjects && !isAllowed(subjects, claims.sub, issuer.issuer)) refuse('subject_not_allowed')
  }
  checkMayAct(claims, actor, issuer, limits)
}

/** An actor belongs to the token's issuer, or to one in `issuers`; those of the rule narrow the issuer's. */
function acceptsActorsOf(
  policy: Policy,
  url: string,
  issuer: Issuer,
  limits: DelegationLimits[],
): boolean {
  if (url === issuer.issuer) return true
  const lists = limits.flatMap((each) => (each.issuers === undefined ? [] : [each.issuers]))
  if (issuer.delegation.issuers === undefined) return false
  return lists.every((names) => names.some((name) => urlOf(policy, name) === url))
}

/** The URL of an issuer that the policy names by name or URL. */
function urlOf(policy: Policy, nameOrUrl: string): string {
  return policy.issuers[nameOrUrl]?.issuer ?? nameOrUrl
}

function checkMayAct(
  claims: JsonObject,
  actor: Actor | undefined,
  issuer: Issuer,
  limits: DelegationLimits[],
): void {
  const asked = limits.map((each) => each.mayAct).filter((each) => each !== undefined)
  if (asked.length === 0) return
  const named = claims.may_act === undefined ? undefined : readParty(claims.may_act)
  if (actor === undefined) return
  if (named === undefined) {
    if (asked.includes('required')) refuse('may_act_mismatch')
    return
  }
  const isSame = named.sub === actor.sub && (named.iss ?? issuer.issuer) === actor.issuer
  if (!isSame) refuse('may_act_mismatch')
}

/** Each scope of the token must be one of the parent token's, or included in one of them. */
export function checkParentScopes(
  policy: Policy,
  claims: JsonObject,
  scopes: string[],
  issuer: Issuer,
): void {
  const path = issuer.delegation.parentScope
  const claim = path === undefined ? undefined : readClaim(claims, path)
  if (claim === undefined) return
  const parents = withoutIgnored(readScopeClaim(claim) ?? refuse('delegation_malformed'), issuer)
  const exceeds = scopes.some((scope) => !includes(policy, parents, scope))
  if (exceeds) refuse('delegation_scope_exceeded')
}
