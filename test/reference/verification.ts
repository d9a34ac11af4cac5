/** The stages `issuer` to `delegation`: who is calling, by a token that is verified. */
import { checkAgentic, checkExpectations, stepOf } from './agentic.ts'
import type { Asked } from './asked.ts'
import type { Credential } from './credential.ts'
import { checkDelegation, checkParentScopes } from './delegation.ts'
import { checkIdentityClaims, type Identity, readIdentity, scopesOf } from './identity.ts'
import { claimHeaders } from './identityHeaders.ts'
import { verifyToken } from './keys.ts'
import { checkPossession, type Possession } from './proof.ts'
import type { Rule } from './rule.ts'
import { acceptedIssuers, checkClaims, findIssuer, readToken } from './token.ts'
import { presentSecond } from './values.ts'

/** A caller whose token is verified. */
export interface Verified extends Possession {
  identity: Identity
  kid: string | undefined
  step: string | undefined
  credential: Credential
}

/** Verifies a token for a rule, or, without a rule, for the gate's own endpoints. */
export function verifyCaller(
  asked: Asked,
  rule: Rule | undefined,
  credential: Credential,
): Verified {
  const { policy, request, world, known } = asked
  const { gate } = policy
  const resource = rule?.resource ?? gate.resource
  const accepted = acceptedIssuers(policy, rule)
  const token = readToken(credential.token, accepted, world)
  const issuer = findIssuer(policy, token, accepted)
  known.issuer = issuer.name
  const key = verifyToken(token, issuer, world)
  const { claims } = token
  const now = presentSecond(request)
  checkClaims(claims, { issuer, rule, resource, now, tolerance: gate.clockTolerance })
  checkIdentityClaims(claims, issuer)
  claimHeaders(policy, rule, claims)
  const isAgentic = issuer.profileName === 'agentic-jwt'
  if (isAgentic) checkAgentic(token.header, claims, issuer)
  checkExpectations(rule?.agentic ?? {}, isAgentic ? claims : undefined, issuer.agenticForms)
  const possession = checkPossession(asked, rule, issuer, credential, claims)
  const identity = readIdentity(policy, claims, issuer)
  checkDelegation(policy, claims, identity.actors, issuer, rule)
  checkParentScopes(policy, claims, scopesOf(policy, claims, issuer), issuer)
  known.agent = identity.name
  known.name = identity.id
  return {
    identity,
    kid: (token.header.kid ?? key.kid) as string | undefined,
    step: isAgentic ? stepOf(claims) : undefined,
    credential,
    ...possession,
  }
}
