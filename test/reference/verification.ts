/** The stages `issuer` to `delegation`: who is calling, by a token that is verified. */
import { checkAgentic, checkExpectations, stepOf } from './agentic.ts'
import type { Credential } from './credential.ts'
import { checkDelegation, checkParentScopes } from './delegation.ts'
import { checkIdentityClaims, type Identity, readIdentity, scopesOf } from './identity.ts'
import { claimHeaders } from './identityHeaders.ts'
import { verifyToken } from './keys.ts'
import type { Policy } from './policy.ts'
import { checkPossession } from './proof.ts'
import type { Rule } from './rule.ts'
import type { Proof } from './singleUse.ts'
import { acceptedIssuers, checkClaims, findIssuer, readToken } from './token.ts'
import { type Request, refuse, type Verdict, type World } from './types.ts'
import { presentSecond } from './values.ts'

/** A caller whose token is verified. */
export interface Verified {
  identity: Identity
  kid: string | undefined
  step: string | undefined
  possession: 'bearer' | 'dpop' | 'mtls'
  proof: Proof | undefined
}

/** Verifies a token for a rule, or, without a rule, for the gate's own endpoints. */
export function verifyCaller(
  policy: Policy,
  rule: Rule | undefined,
  request: Request,
  credential: Credential,
  world: World,
  known: Partial<Verdict>,
): Verified {
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
  const agenticCode =
    (isAgentic
      ? checkAgentic(token.header, claims, issuer.agenticForms, issuer.scope)
      : undefined) ??
    checkExpectations(rule?.agentic ?? {}, isAgentic ? claims : undefined, issuer.agenticForms)
  if (agenticCode !== undefined) refuse(agenticCode)
  const possession = checkPossession({
    request,
    scheme: credential.scheme,
    token: credential.token,
    cnf: claims.cnf,
    required: issuer.possession === 'required' || rule?.possession === 'required',
    bearerProof: isAgentic && issuer.agenticForms.includes('bearer-proof'),
    maxAge: gate.proofMaxAge,
    maxAhead: gate.proofMaxAhead,
    resources: [resource, gate.resource, ...policy.rules.map((each) => each.resource)],
    ...(gate.dpopNonce && {
      nonce: world.nonce ?? (() => (world.unavailable.signing ? 'unavailable' : 'invalid')),
    }),
  })
  if (!possession.ok) refuse(possession.code)
  const identity = readIdentity(policy, claims, issuer)
  checkDelegation(policy, claims, identity.actors, issuer, rule)
  checkParentScopes(policy, claims, scopesOf(policy, claims, issuer), issuer)
  known.agent = identity.name
  known.name = identity.id
  return {
    identity,
    kid: (token.header.kid ?? key.kid) as string | undefined,
    step: isAgentic ? stepOf(claims) : undefined,
    possession: possession.method ?? 'bearer',
    proof:
      possession.method === 'dpop' ? { use: possession.use, issued: possession.issued } : undefined,
  }
}
