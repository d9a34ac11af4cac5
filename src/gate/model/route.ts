import { perObject } from '../base/memo.ts'
import type { PathFault } from '../base/url.ts'
import type { ApprovalRule } from './approval-rule.ts'
import type { ClaimHeader, ClaimRule } from './claims.ts'
import type { Condition } from './condition.ts'
import type { DetailRule } from './details.ts'
import type { DelegationRule, Issuer } from './issuer.ts'
import type { RateLimit } from './limit.ts'
import type { McpRule } from './mcp.ts'
import type { RevocationTerms } from './revocation.ts'
import { holesOf, type ScopeRule } from './scope.ts'

/** The methods that a rule may name; `*` means all of them. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

export type Method = (typeof METHODS)[number]

/** How the user must have been authenticated, and how recently (RFC 9470). */
export interface AuthenticationRule {
  /** Accepted values of the token's `acr`. */
  readonly acrValues?: readonly string[]
  /** Most seconds since the token's `auth_time`. */
  readonly maxAge?: number
}

/** Where a request names its workflow, which must be the token's. */
export interface WorkflowSource {
  readonly from: 'path' | 'header' | 'query'
  readonly name: string
}

/** A hash of Agentic JWT, or the ids that it is made of; the last id is the token's own. */
export type ExpectedChain = string | readonly string[]

/** Cross-origin rules of a route (Fetch standard, CORS protocol). */
export interface CorsRule {
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly expose: readonly string[]
  readonly credentials: boolean
  /** Seconds. */
  readonly maxAge?: number
}

/** The origin of a route. */
export interface Target {
  /** Scheme, host and base path; for a service binding the resource's scheme and host. */
  readonly url: URL
  /** The origin as configured: the `aud` of assertions. */
  readonly audience: string
  /** Name of a service binding; absent: the network. */
  readonly service?: string
  /** Name of the binding for the network connection: a client certificate or a private network. */
  readonly via?: string
  /** Whole segments removed from the front of the path. */
  readonly stripPrefix: string
  /** Milliseconds from the last byte of the request to the response's headers; absent: no limit. */
  readonly timeout?: number
}

/** An endpoint of the gate itself, served instead of an origin; `none`: nothing is served. */
export type Endpoint =
  | 'health'
  | 'ready'
  | 'metadata'
  | 'revocations'
  | 'revoke'
  | 'events'
  | 'explain'
  | 'policy'
  | 'decisions'
  | 'agents'
  | 'approvals'
  | 'metrics'
  | 'console'
  | 'jwks'
  | 'none'

/** What ends when a token ends: streaming answers, all answers and uploads in progress, or nothing. */
export type OnRevocation = 'end-streams' | 'end-all' | 'ignore'

/** `shadow`: a request that would be denied is forwarded unchanged, without an identity. */
export type Mode = 'enforce' | 'shadow'

/** One rule: the requests it matches, their requirements, and their origin. */
export interface Route {
  /** Methods and path as configured: the rule's name in logs. */
  readonly name: string
  readonly methods: readonly Method[]
  readonly path: string
  readonly host?: string
  /** Identifier of the protected resource (RFC 9728 §2); the default audience. */
  readonly resource: string
  readonly access: 'required' | 'public' | 'optional'
  readonly scopes: ScopeRule
  /** Accepted `iss` values; absent: all configured issuers. */
  readonly issuers?: ReadonlySet<string>
  readonly audiences?: readonly string[]
  readonly maxLifetime?: number
  readonly claims: readonly ClaimRule[]
  readonly agentTypes?: ReadonlySet<string>
  readonly workflow?: WorkflowSource
  /** Steps of Agentic JWT, one of which the token must be for. */
  readonly steps?: ReadonlySet<string>
  /** Hashes of Agentic JWT: the token must have one of them. */
  readonly delegationChains?: readonly ExpectedChain[]
  readonly stepSequences?: readonly ExpectedChain[]
  readonly delegation?: DelegationRule
  /** Authorization details (RFC 9396); for each the token needs one that covers it. */
  readonly authorizationDetails?: readonly DetailRule[]
  readonly authentication?: AuthenticationRule
  /** A condition over token, request and time, beside all other checks. */
  readonly when?: Condition
  /** That a person must approve each request; for an MCP server its entries say so instead. */
  readonly approval?: ApprovalRule
  readonly cors?: CorsRule
  readonly mode: Mode
  readonly revocation: RevocationTerms
  readonly onRevocation: OnRevocation
  /** Seconds after `exp` for which answers to whole requests may go on; 0: they end with the token. */
  readonly finishWithin: number
  /** Absent where requests are not limited. */
  readonly rateLimit?: RateLimit
  /** Requests to this rule that one agent may have in progress in one isolate; absent: GATE's number. */
  readonly inFlight?: number
  /** Whether each token is accepted only once, at all rules with this setting together. */
  readonly singleUse?: true
  /** Headers that may have the token, lower-case; absent: `Authorization`. */
  readonly credential?: { readonly headers: readonly string[] }
  /** Prefixes of a token in a WebSocket subprotocol; absent: only headers are read. */
  readonly tokenSubprotocols?: readonly string[]
  /** Whether each token must be bound to a key; absent: a bound token must be proved. */
  readonly possession?: 'required'
  /** Set where only approved agents are accepted, whatever issuer and gate say. */
  readonly agents?: 'approved'
  /** `window`: a proof may be used again until it is too old; absent: it is accepted once. */
  readonly replay?: 'window'
  readonly target: Target
  /** Request headers that the gate sets. Values contain the operator's secrets; templates only name them. */
  readonly inject: readonly (readonly [name: string, value: string, template?: string])[]
  /** Claims that are sent in headers, beside the gate's identity headers. */
  readonly forwardClaims: readonly ClaimHeader[]
  /** Names of response headers to remove, in lower case. */
  readonly removedFromAnswers: readonly string[]
  /** The secrets of `inject`, which are removed from answers. Never show or log them. */
  readonly secrets: readonly string[]
  /** What records in the audit have beside the rule: all path values, or the path; absent: neither. */
  readonly auditPath?: 'values' | 'full'
  /** Path parameters whose values are in no record. */
  readonly auditMask?: readonly string[]
  readonly forwardToken: boolean
  readonly encodedSlash: boolean
  /** Set where paths are forwarded that some servers read as those of an earlier rule. */
  readonly ambiguousPaths?: 'allow'
  /** Set where the origin is an MCP server. */
  readonly mcp?: McpRule
  /** Set on the gate's own endpoints, which are never forwarded. */
  readonly endpoint?: Endpoint
}

/** Whether a rule accepts tokens of an issuer, by `iss`. */
export function takesIssuer({ issuers }: Pick<Route, 'issuers'>, issuer: string): boolean {
  return !issuers || issuers.has(issuer)
}

/** Most seconds between `iat` and `exp` of a token that a rule accepts. */
export function longestLife(
  issuer: Pick<Issuer, 'maxLifetime'>,
  { maxLifetime = Number.POSITIVE_INFINITY }: Pick<Route, 'maxLifetime'>,
): number {
  return Math.min(issuer.maxLifetime, maxLifetime)
}

/** A rule and the parameters of the matched path. */
export interface RouteMatch {
  readonly route: Route
  /** Raw values of the path's parameters, still percent-encoded. */
  readonly params: ReadonlyMap<string, string>
}

/** The result of a router for one method, host and path. */
export interface Found {
  /** The first rule in file order. */
  readonly match: RouteMatch | undefined
  /** Whether another server could match an earlier rule, for example by ignoring case or a trailing slash. */
  readonly ambiguous: boolean
  /** Why it is ambiguous whatever the earlier rules are. */
  readonly fault?: PathFault
  /** Whether it is a well-known document that rules with parameters do not forward. */
  readonly reserved: boolean
}

/** Finds rules by method, host and canonical path. */
export interface Router {
  find(method: Method, host: string, path: string): Found
}

/** Names of the path parameters in a rule's scopes and identifiers, without duplicates. */
export const templateParams = perObject(
  ({ scopes, authorizationDetails = [] }: Route): readonly string[] => {
    const identifiers = authorizationDetails.flatMap(({ identifier }) => identifier ?? [])
    return [...new Set([...scopes.scopes, ...identifiers].flatMap(holesOf))]
  },
)

const NONE: RouteMatch['params'] = new Map()

/** The path parameters that {@link templateParams} names. */
export function decidingParams(route: Route, params: RouteMatch['params']): RouteMatch['params'] {
  const names = templateParams(route)
  return names.length === 0 ? NONE : new Map([...params].filter(([name]) => names.includes(name)))
}
