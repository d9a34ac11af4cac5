/** The decision, in the order of docs/request.md: the stages of a rule, shadow mode, and what the origin gets. */

import { checkHost, checkScheme, readHost, splitTarget } from './address.ts'
import { approvalNeeded, askPerson, take } from './approvals.ts'
import type { Asked } from './asked.ts'
import { checkAuthentication } from './authentication.ts'
import { checkBody, holdsBody } from './body.ts'
import { CODES } from './codes.ts'
import { checkCondition } from './conditions.ts'
import { readCredential } from './credential.ts'
import { checkDetails } from './details.ts'
import {
  decideEndpoint,
  findEndpoint,
  isHealth,
  isMetadata,
  isUnderPrefix,
  METADATA,
} from './endpoints.ts'
import { forward } from './forward.ts'
import { checkInFlight } from './inFlight.ts'
import { checkAddressLimit, checkRateLimit } from './limits.ts'
import { checkMessages } from './messages.ts'
import { type Parameters, readParameters } from './parameters.ts'
import { canonicalPath, hasEncodedSlash } from './paths.ts'
import { type Policy, readPolicy } from './policy.ts'
import {
  checkForm,
  checkMethodInQuery,
  checkQueryHasNoToken,
  findRoute,
  methodInQuery,
  methodOf,
  type Route,
} from './route.ts'
import { checkScopes } from './scopes.ts'
import { checkReplay } from './singleUse.ts'
import { checkStanding, checkThrottle } from './standing.ts'
import { Refusal, type Request, refuse, type Verdict, type World } from './types.ts'
import { presentSecond } from './values.ts'
import { variablesOf } from './variables.ts'
import { type Verified, verifyCaller } from './verification.ts'

/** The second implementation, for one policy. */
export interface Reference {
  /** Decides on a request. It changes what the world counts and remembers. */
  decide(request: Request, world: World): Verdict
}

/** Creates the second implementation for the policy in the variables of wrangler.toml. */
export function createReference(vars: Record<string, unknown>): Reference {
  const policy = readPolicy(vars)
  return { decide: (request, world) => decide(policy, request, world) }
}

function decide(policy: Policy, request: Request, world: World): Verdict {
  const target = splitTarget(request.target)
  const asked: Asked = { policy, request, world, target, known: {}, host: '' }
  try {
    return passStages(asked)
  } catch (error) {
    return refused(asked, error)
  }
}

/** What follows from a refusal: in shadow mode the request is forwarded without an identity. */
function refused(asked: Asked, error: unknown): Verdict {
  if (!(error instanceof Refusal)) throw error
  const { known, route, ...others } = asked
  const { code } = error
  if (route?.rule.mode === 'shadow' && CODES[code] !== 'origin') {
    try {
      return { ...known, ...forward(asked), code, shadow: true }
    } catch (error) {
      return refused({ ...others, known }, error)
    }
  }
  return { ...known, allowed: false, code }
}

function passStages(asked: Asked): Verdict {
  const { policy, request, world, known, target } = asked
  const path = canonicalPath(target.path)
  const host = readHost(request)
  if (isHealth(policy, request, path)) return { allowed: true, answeredByGate: 'endpoint' }
  asked.host = host
  // The console is not judged here; nothing else is served on its host.
  if (host === policy.gate.consoleHost) return { allowed: true, answeredByGate: 'endpoint' }
  checkHost(host, policy.gate)
  checkForm(request, target)
  const isOfMetadata = isMetadata(policy, methodOf(request), path)
  if (isOfMetadata || isUnderPrefix(policy, path)) {
    if (hasEncodedSlash(path)) refuse('path_ambiguous')
    const endpoint = isOfMetadata ? METADATA : findEndpoint(policy, request, path)
    const other = methodInQuery(request, target.query)
    if (other !== undefined && !endpoint.methods.includes(other)) refuse('method_ambiguous')
    // Metadata too is for an https resource: "without it they are 403".
    checkScheme(request, policy.gate.resource, policy.gate)
    checkAddressLimit(asked)
    const isPreflight = isOfMetadata && methodOf(request) !== request.method
    if (!isPreflight) checkQueryHasNoToken(target.query)
    return decideEndpoint(asked, endpoint)
  }
  const route = findRoute(policy, request, host, target)
  const { rule } = route
  checkMethodInQuery(policy, route, request, host, target.query)
  asked.route = route
  known.rule = rule.match
  checkScheme(request, rule.resource, policy.gate)
  if (route.isPreflight) {
    // "On a rule with `cors` the gate itself answers preflight requests": also those of other origins, which the answer
    // does not allow.
    if (rule.cors === undefined) refuse('preflight_refused')
    checkAddressLimit(asked)
    return { ...known, allowed: true, answeredByGate: 'preflight' }
  }
  const parameters = readParameters(rule, request, target.query, route.params)
  checkAddressLimit(asked)
  checkQueryHasNoToken(target.query)
  if (rule.access === 'public') return forward(asked)
  const credential = readCredential(request, rule)
  if (credential === undefined) {
    if (rule.access === 'optional') return forward(asked)
    refuse('credential_missing')
  }
  const verified = verifyCaller(asked, rule, credential)
  const grant = authorize(asked, route, parameters, verified)
  const forwarded = forward(asked, verified, grant)
  // Of a request that is answered at once, no other sees that it was in progress.
  const { owner } = asked
  if (request.held && owner !== undefined) {
    world.inProgress[owner] = (world.inProgress[owner] ?? 0) + 1
  }
  return forwarded
}

/** The stages from `agent` on. The token's scopes that were needed. */
function authorize(
  asked: Asked,
  route: Route,
  parameters: Parameters,
  verified: Verified,
): string[] {
  const { policy, request, world } = asked
  const { rule, params } = route
  const { identity } = verified
  const { gate } = policy
  const isOfType = rule.agentTypes?.some((type) => identity.types.includes(type))
  if (isOfType === false) refuse('agent_type_not_allowed')
  if (rule.workflow !== undefined && identity.workflow !== parameters.workflow) {
    refuse('workflow_mismatch')
  }
  const grant = checkScopes(policy, rule.scopes, params, identity.scopes, identity.issuer)
  checkDetails(rule, params, identity.claims)
  checkAuthentication(rule, identity, presentSecond(request), gate.clockTolerance)
  const owner = checkInFlight(asked, rule, verified)
  if (owner !== undefined) asked.owner = owner
  const variables = variablesOf(asked, route, parameters, verified)
  if (rule.when !== undefined) checkCondition(rule.when.condition, variables)
  // The stage `holding`: a known revocation ends the request before its body is read.
  if (holdsBody(policy, rule)) checkStanding(asked, rule, verified)
  if (rule.mcp === undefined) checkBody(policy, rule, request)
  else grant.push(...checkMessages(asked, route, variables, verified))
  const approvalTable = approvalNeeded(asked, route, variables)
  if (gate.assertion.binding !== 'off' && world.unavailable.signing) refuse('assertion_unavailable')
  // The stage `revocation_precheck`.
  const spending = spends(rule, identity.claims) || approvalTable !== undefined
  if (spending) checkStanding(asked, rule, verified)
  const approval = approvalTable && askPerson(asked, route, verified, approvalTable, variables)
  checkReplay(asked, rule, verified)
  checkRateLimit(asked, rule, identity)
  // The stage `approval_take`: also if the request is refused after it.
  if (approval) take(asked, approval)
  checkStanding(asked, rule, verified)
  checkThrottle(asked, verified, rule.mode === 'enforce')
  return [...new Set(grant)]
}

/** Whether an exact quota, a single-use token or a proof may be used up (docs/configuration/rate-limits.md). */
function spends(rule: Route['rule'], { cnf }: Verified['identity']['claims']): boolean {
  const hasExactLimit = rule.rateLimit !== undefined && rule.rateLimit.binding === undefined
  return hasExactLimit || rule.singleUse || (cnf !== undefined && rule.replay === 'exact')
}
