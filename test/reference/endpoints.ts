/** The gate's own endpoints, as far as token, scope and `admin` (docs/configuration/gate.md). */
import { readCredential } from './credential.ts'
import type { Policy } from './policy.ts'
import { checkStanding } from './standing.ts'
import { type Request, refuse, type Verdict, type World } from './types.ts'
import { verifyCaller } from './verification.ts'

/** Who may call an endpoint. */
interface Endpoint {
  methods: string[]
  path: RegExp
  /** `undefined` if anybody may. */
  scope: string | undefined
  /** Whether the issuer needs `admin = "all"`. */
  needsAll?: true
}

const ANY_METHOD = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

const ENDPOINTS: Endpoint[] = [
  { methods: ['GET', 'HEAD'], path: /^\/jwks\.json$/, scope: undefined },
  { methods: ['GET', 'HEAD'], path: /^\/health$/, scope: undefined },
  { methods: ['GET', 'HEAD'], path: /^\/ready$/, scope: undefined },
  { methods: ANY_METHOD, path: /^\/revocations(?:\/[^/]+)?$/, scope: 'edgewarden:revoke' },
  { methods: ['POST'], path: /^\/explain$/, scope: 'edgewarden:read' },
  { methods: ['GET'], path: /^\/policy$/, scope: 'edgewarden:read' },
  { methods: ['GET'], path: /^\/metrics$/, scope: 'edgewarden:metrics', needsAll: true },
  { methods: ['GET'], path: /^\/decisions(?:\/[^/]+)?$/, scope: 'edgewarden:audit:read' },
  { methods: ['GET'], path: /^\/usage$/, scope: 'edgewarden:audit:read' },
  { methods: ANY_METHOD, path: /^\/agents(?:\/[^/]+)?$/, scope: 'edgewarden:agents' },
  { methods: ANY_METHOD, path: /^\/alerts(?:\/.+)?$/, scope: 'edgewarden:agents' },
  { methods: ['POST'], path: /^\/audit\/erase$/, scope: 'edgewarden:audit:erase' },
]

/** Whether a path belongs to the gate itself. */
export function isUnderPrefix(policy: Policy, path: string): boolean {
  const { prefix } = policy.gate
  return path === prefix || path.startsWith(`${prefix}/`)
}

/** Whether the path is `PREFIX/health`, which answers on any host. */
export function isHealth(policy: Policy, path: string): boolean {
  return path === `${policy.gate.prefix}/health`
}

/** Whether the gate answers with the metadata of a resource (RFC 9728). */
export function isMetadata(policy: Policy, request: Request, path: string): boolean {
  const start = '/.well-known/oauth-protected-resource'
  const resources = [policy.gate.resource, ...policy.rules.map((rule) => rule.resource)]
  const paths = resources.map((each) => start + new URL(each).pathname.replace(/\/$/, ''))
  return ['GET', 'HEAD'].includes(request.method) && paths.includes(path)
}

/** Decides who may call an endpoint. What the endpoint then does is not judged here. */
export function decideEndpoint(
  policy: Policy,
  request: Request,
  path: string,
  world: World,
  known: Partial<Verdict>,
): Verdict {
  const rest = path.slice(policy.gate.prefix.length)
  const endpoint = ENDPOINTS.find(
    (each) => each.path.test(rest) && each.methods.includes(request.method),
  )
  if (endpoint === undefined) refuse('route_unknown')
  known.answeredByGate = 'endpoint'
  const credential = readCredential(request, undefined)
  if (endpoint.scope === undefined && (rest !== '/ready' || credential === undefined)) {
    return { ...known, allowed: true }
  }
  if (credential === undefined) refuse('credential_missing')
  const { identity, kid } = verifyCaller(policy, undefined, request, credential, world, known)
  const { issuer, scopes } = identity
  if (issuer.admin === false) refuse('admin_not_allowed')
  const scope = endpoint.scope ?? 'edgewarden:read'
  if (!scopes.includes(scope)) refuse('scope_missing', { required_scopes: [scope] })
  if (endpoint.needsAll && issuer.admin !== 'all') refuse('decision_reach')
  checkStanding(policy, undefined, { identity, kid }, world, request.now / 1000)
  return { ...known, allowed: true }
}
