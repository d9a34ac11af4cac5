/** The gate's own endpoints, as far as token, scope and `admin` (docs/configuration/gate.md). */
import type { Asked } from './asked.ts'
import { readCredential } from './credential.ts'
import { matchSegments, type PathPattern, readPattern, segmentsOf } from './paths.ts'
import type { Policy } from './policy.ts'
import { isReadAs, isSpellingOf } from './readings.ts'
import { checkProofUse } from './singleUse.ts'
import { checkStanding, checkThrottle } from './standing.ts'
import { type Request, refuse, type Verdict } from './types.ts'
import { verifyCaller } from './verification.ts'

/** Who may call an endpoint. */
export interface Endpoint {
  methods: string[]
  /** Below the prefix, as in `match`. */
  paths: string[]
  /** `undefined` if anybody may. */
  scope: string | undefined
  /** Whether the issuer needs `admin = "all"`. */
  needsAll?: true
  /** Whether the endpoint itself judges who may: agents too, and people without a scope. */
  forAgents?: true
}

/** GET includes HEAD (docs/configuration/routes.md). */
const READ = ['GET', 'HEAD']
const AGENTS = 'edgewarden:agents'
const AUDIT = 'edgewarden:audit:read'

/** docs/configuration/gate.md, and the pages that it names for methods: revocation, agent-registry, watch, audit. */
const ENDPOINTS: Endpoint[] = [
  { methods: READ, paths: ['/jwks.json'], scope: undefined },
  { methods: READ, paths: ['/health'], scope: undefined },
  { methods: READ, paths: ['/ready'], scope: undefined },
  { methods: [...READ, 'POST', 'DELETE'], paths: ['/revocations'], scope: 'edgewarden:revoke' },
  { methods: [...READ, 'DELETE'], paths: ['/revocations/{id}'], scope: 'edgewarden:revoke' },
  { methods: ['POST'], paths: ['/revoke'], scope: undefined, forAgents: true },
  { methods: ['POST'], paths: ['/explain'], scope: 'edgewarden:read' },
  { methods: READ, paths: ['/policy'], scope: 'edgewarden:read' },
  { methods: READ, paths: ['/metrics'], scope: 'edgewarden:metrics', needsAll: true },
  { methods: READ, paths: ['/decisions', '/decisions/live', '/decisions/{id}'], scope: AUDIT },
  { methods: READ, paths: ['/usage'], scope: AUDIT },
  { methods: READ, paths: ['/agents', '/agents/adopt'], scope: AGENTS },
  { methods: [...READ, 'PUT', 'PATCH'], paths: ['/agents/entry'], scope: AGENTS },
  {
    methods: ['POST'],
    paths: ['/agents/suspend', '/agents/resume', '/agents/retire'],
    scope: AGENTS,
  },
  { methods: READ, paths: ['/alerts', '/alerts/{id}'], scope: AGENTS },
  {
    methods: ['POST'],
    paths: ['/alerts/{id}/dismiss', '/alerts/{id}/release', '/alerts/{id}/suspend'],
    scope: AGENTS,
  },
  { methods: READ, paths: ['/approvals'], scope: undefined, forAgents: true },
  {
    ...{ methods: [...READ, 'POST', 'DELETE'], paths: ['/approvals/{id}'] },
    ...{ scope: undefined, forAgents: true },
  },
  { methods: ['POST'], paths: ['/audit/erase'], scope: 'edgewarden:audit:erase' },
]

/** Whether a path belongs to the gate itself. */
export function isUnderPrefix(policy: Policy, path: string): boolean {
  const { prefix } = policy.gate
  return path === prefix || path.startsWith(`${prefix}/`)
}

/** Whether the request is for `PREFIX/health`, which answers on any host. */
export function isHealth(policy: Policy, request: Request, path: string): boolean {
  return READ.includes(request.method) && path === `${policy.gate.prefix}/health`
}

/** The metadata of resources (RFC 9728), which anybody may read. */
export const METADATA: Endpoint = {
  methods: [...READ, 'OPTIONS'],
  paths: ['/.well-known/*'],
  scope: undefined,
}

/** Whether the gate answers with the metadata of a resource (RFC 9728). */
export function isMetadata(policy: Policy, method: string, path: string): boolean {
  return METADATA.methods.includes(method) && metadataPaths(policy).includes(path)
}

function metadataPaths(policy: Policy): string[] {
  const resources = [policy.gate.resource, ...policy.rules.map((rule) => rule.resource)]
  return resources.map(metadataPath)
}

/** Where the metadata of a resource is (RFC 9728 §3.1). */
export function metadataPath(resource: string): string {
  const { pathname } = new URL(resource)
  return `/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`
}

/** The paths of the gate's own endpoints, which count as earlier rules. */
export function ownPaths(policy: Policy, method: string): PathPattern[] {
  const { prefix } = policy.gate
  const metadata = METADATA.methods.includes(method) ? metadataPaths(policy) : []
  return [prefix, `${prefix}/*`, ...metadata].map(readPattern)
}

/**
 * The endpoint; every other path below the prefix is 404. Endpoints are as rules for each other: a path that some server
 * reads as one further up is ambiguous. It is a part of the stage `route`.
 */
export function findEndpoint(policy: Policy, request: Request, path: string): Endpoint {
  const earlier: PathPattern[] = []
  for (const endpoint of ENDPOINTS.filter(({ methods }) => methods.includes(request.method))) {
    for (const each of endpoint.paths) {
      const pattern = readPattern(`${policy.gate.prefix}${each}`)
      if (matchSegments(pattern, segmentsOf(path)) !== undefined) {
        if (earlier.some((one) => isSpellingOf(path, one))) refuse('path_ambiguous')
        if (isReadAs(path, pattern, earlier) !== false) refuse('path_ambiguous')
        return endpoint
      }
      earlier.push(pattern)
    }
  }
  return refuse('route_unknown')
}

/** Decides who may call an endpoint. What the endpoint then does is not judged here. */
export function decideEndpoint(asked: Asked, endpoint: Endpoint): Verdict {
  const { request, known } = asked
  const isReady = endpoint.paths.includes('/ready')
  known.answeredByGate = 'endpoint'
  if (endpoint.scope === undefined && !isReady && !endpoint.forAgents)
    return { ...known, allowed: true }
  const credential = readCredential(request, undefined)
  if (credential === undefined && isReady) return { ...known, allowed: true }
  if (credential === undefined) refuse('credential_missing')
  const caller = verifyCaller(asked, undefined, credential)
  const { issuer, scopes } = caller.identity
  // "Anybody" may call `ready`: a token with the scope only gets more, and one that is not accepted is refused.
  if (issuer.admin === false && !isReady && !endpoint.forAgents) refuse('admin_not_allowed')
  const { scope } = endpoint
  if (scope !== undefined && !scopes.includes(scope)) refuse('scope_missing')
  // "The gate accepts a proof once."
  if (caller.proof) checkStanding(asked, undefined, caller)
  checkProofUse(asked, caller.proof, true)
  checkStanding(asked, undefined, caller)
  checkThrottle(asked, caller)
  if (endpoint.needsAll && issuer.admin !== 'all') refuse('decision_reach')
  return { ...known, allowed: true }
}
