/** The decision, in the order of docs/request.md: the stages of a rule, shadow mode, and what the origin gets. */

import { checkHost, checkScheme, readHost, splitTarget } from './address.ts'
import { checkAuthentication } from './authentication.ts'
import { checkBody, holdsBody } from './body.ts'
import { CODES } from './codes.ts'
import { evaluate } from './conditions.ts'
import { readCredential } from './credential.ts'
import { checkDetails } from './details.ts'
import {
  decideEndpoint,
  findEndpoint,
  isHealth,
  isMetadata,
  isUnderPrefix,
  METADATA_METHODS,
} from './endpoints.ts'
import { forward } from './forward.ts'
import { callerOf } from './headers.ts'
import { checkInFlight } from './inFlight.ts'
import { checkAddressLimit, checkRateLimit } from './limits.ts'
import { checkMessages } from './messages.ts'
import { type Parameters, readParameters } from './parameters.ts'
import { canonicalPath } from './paths.ts'
import { type Policy, readPolicy } from './policy.ts'
import type { Progress } from './progress.ts'
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
  const progress: Progress = {
    known: {},
    host: '',
    target,
    route: undefined,
    operation: undefined,
    owner: undefined,
  }
  try {
    return passStages(policy, request, world, progress)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return refused(policy, request, world, progress, error)
  }
}

/** What follows from a refusal: in shadow mode the request is forwarded without an identity. */
function refused(
  policy: Policy,
  request: Request,
  world: World,
  progress: Progress,
  { code }: Refusal,
): Verdict {
  const { known, route } = progress
  if (route?.rule.mode === 'shadow' && CODES[code] !== 'origin') {
    try {
      const forwarded = forward(policy, request, world, progress, undefined, [])
      return { ...known, ...forwarded, code, shadow: true }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return refused(policy, request, world, { ...progress, route: undefined }, error)
    }
  }
  return { ...known, allowed: false, code }
}

function passStages(policy: Policy, request: Request, world: World, progress: Progress): Verdict {
  const { known, target } = progress
  const path = canonicalPath(target.path)
  const host = readHost(request)
  if (isHealth(policy, request, path)) return { allowed: true, answeredByGate: 'endpoint' }
  progress.host = host
  // The console is not judged here; nothing else is served on its host.
  if (host === policy.gate.consoleHost) return { allowed: true, answeredByGate: 'endpoint' }
  checkHost(host, policy.gate)
  checkForm(request, target)
  const caller = callerOf(policy, request)
  if (isMetadata(policy, methodOf(request), path)) {
    // "Without it they are 403": it is a request for an https resource too.
    const other = methodInQuery(request, target.query)
    if (other !== undefined && !METADATA_METHODS.includes(other)) refuse('method_ambiguous')
    checkScheme(request, policy.gate.resource, policy.gate)
    checkAddressLimit(policy.gate, caller, world, request.now)
    if (methodOf(request) === request.method) checkQueryHasNoToken(target.query)
    return { allowed: true, answeredByGate: 'endpoint' }
  }
  if (isUnderPrefix(policy, path)) {
    const endpoint = findEndpoint(policy, request, path)
    const other = methodInQuery(request, target.query)
    if (other !== undefined && !endpoint.methods.includes(other)) refuse('method_ambiguous')
    checkScheme(request, policy.gate.resource, policy.gate)
    checkAddressLimit(policy.gate, caller, world, request.now)
    checkQueryHasNoToken(target.query)
    return decideEndpoint(policy, request, endpoint, world, known)
  }
  const route = findRoute(policy, request, host, target)
  const { rule } = route
  checkMethodInQuery(policy, route, request, host, target.query)
  progress.route = route
  known.rule = rule.match
  checkScheme(request, rule.resource, policy.gate)
  if (route.isPreflight) return decidePreflight(policy, request, world, progress)
  const parameters = readParameters(rule, request, target.query, route.params)
  checkAddressLimit(policy.gate, caller, world, request.now)
  checkQueryHasNoToken(target.query)
  if (rule.access === 'public') return forward(policy, request, world, progress, undefined, [])
  const credential = readCredential(request, rule)
  if (credential === undefined) {
    if (rule.access === 'optional') return forward(policy, request, world, progress, undefined, [])
    refuse('credential_missing')
  }
  const verified = verifyCaller(policy, rule, request, credential, world, known)
  const grant = authorize(policy, request, world, progress, route, parameters, verified)
  const forwarded = forward(policy, request, world, progress, verified, grant)
  // Of a request that is answered at once, no other sees that it was in progress.
  const { owner } = progress
  if (request.held && owner !== undefined) {
    world.inProgress[owner] = (world.inProgress[owner] ?? 0) + 1
  }
  return forwarded
}

/** A preflight: the gate answers it on a rule with `cors`, and refuses it on others. */
function decidePreflight(
  policy: Policy,
  request: Request,
  world: World,
  progress: Progress,
): Verdict {
  const cors = progress.route?.rule.cors
  // "On a rule with `cors` the gate itself answers preflight requests": also those of other origins, which the answer
  // does not allow.
  if (cors === undefined) refuse('preflight_refused')
  checkAddressLimit(policy.gate, callerOf(policy, request), world, request.now)
  return { ...progress.known, allowed: true, answeredByGate: 'preflight' }
}

/** The stages from `agent` on. The token's scopes that were needed. */
function authorize(
  policy: Policy,
  request: Request,
  world: World,
  progress: Progress,
  { rule, path, params }: Route,
  parameters: Parameters,
  { identity, kid, step, proof }: Verified,
): string[] {
  const { gate } = policy
  const now = presentSecond(request)
  const caller = { identity, kid }
  const counts = rule.mode === 'enforce'
  const isOfType = rule.agentTypes?.some((type) => identity.types.includes(type))
  if (isOfType === false) refuse('agent_type_not_allowed')
  if (rule.workflow !== undefined && identity.workflow !== parameters.workflow) {
    refuse('workflow_mismatch')
  }
  const grant = checkScopes(policy, rule.scopes, params, identity.scopes, identity.issuer)
  checkDetails(rule, params, identity.claims)
  checkAuthentication(rule, identity, now, gate.clockTolerance)
  progress.owner = checkInFlight(policy, rule, caller, world, now)
  const { host } = progress
  const variables = variablesOf(policy, { request, host, path, params, parameters, identity, step })
  if (rule.when !== undefined) {
    const outcome = evaluate(rule.when.condition, variables)
    if (outcome === 'error') refuse('condition_error')
    if (!outcome) refuse('condition_failed')
  }
  // The stage `holding`: a known revocation ends the request before its body is read.
  if (holdsBody(policy, rule)) checkStanding(policy, rule, caller, world, now)
  if (rule.mcp === undefined) checkBody(policy, rule, request)
  else
    grant.push(
      ...checkMessages(policy, request, world, progress, rule, params, variables, identity),
    )
  if (gate.assertion.binding !== 'off' && world.unavailable.signing) refuse('assertion_unavailable')
  // The stage `revocation_precheck`.
  if (spends(rule, identity.claims)) checkStanding(policy, rule, caller, world, now)
  checkReplay(rule, identity, proof, policy, world, request.now, counts)
  checkRateLimit(rule, identity, world, request.now, counts)
  checkStanding(policy, rule, caller, world, now)
  if (counts) checkThrottle(policy, caller, world, request.now)
  return [...new Set(grant)]
}

/** Whether an exact quota, a single-use token or a proof may be used up (docs/configuration/rate-limits.md). */
function spends(rule: Route['rule'], { cnf }: Verified['identity']['claims']): boolean {
  const hasExactLimit = rule.rateLimit !== undefined && rule.rateLimit.binding === undefined
  return hasExactLimit || rule.singleUse || (cnf !== undefined && rule.replay === 'exact')
}
