import { perObject } from '../memo.ts'
import type { ClaimHeader } from './claim-headers.ts'
import type { ClaimRule } from './claims.ts'
import type { Condition } from './condition.ts'
import type { DetailRule } from './details.ts'
import type { DelegationRule, Issuer } from './issuer.ts'
import type { RateLimit } from './limit.ts'
import type { McpRule } from './mcp.ts'
import type { RevocationTerms } from './revocation.ts'
import { holesOf, type ScopeRule } from './scope.ts'

/** The methods a rule may name; `*` stands for all of them. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

export type Method = (typeof METHODS)[number]

/** How, and how lately, the user must have been authenticated (RFC 9470). */
export interface AuthenticationRule {
  /** The token's `acr` is one of these. */
  readonly acrValues?: readonly string[]
  /** Seconds since the token's `auth_time`, at most. */
  readonly maxAge?: number
}

/** Where a request names the workflow its token must belong to. */
export interface WorkflowSource {
  readonly from: 'path' | 'header' | 'query'
  readonly name: string
}

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

/** Where allowed requests of a route go. */
export interface Target {
  /** Scheme, host and base path; for a service binding the resource's scheme and host. */
  readonly url: URL
  /** As it is configured: what an assertion to it is for. */
  readonly audience: string
  /** Name of a service binding; without it the network. */
  readonly service?: string
  /** Name of the binding that the network is reached through: a client certificate, a private network. */
  readonly via?: string
  /** Whole segments removed from the front of the path. */
  readonly stripPrefix: string
  /** Milliseconds from the last byte of the request to the response's headers; absent where nobody asks for a bound. */
  readonly timeout?: number
}

/** An endpoint of the gate itself, served instead of an origin; `none` is what is not there. */
export type Endpoint =
  | 'health'
  | 'ready'
  | 'metadata'
  | 'revocations'
  | 'explain'
  | 'policy'
  | 'jwks'
  | 'none'

/**
 * What the end of a token ends of requests that were allowed before: streams, every body and upload that is on
 * its way, or nothing.
 */
export type OnRevocation = 'end-streams' | 'end-all' | 'ignore'

/** `shadow`: what would be denied goes on as it came, without an identity. */
export type Mode = 'enforce' | 'shadow'

/** One rule: which requests it is for, what they need, where they go. */
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
  /** Accepted `iss` values; without it every configured issuer. */
  readonly issuers?: ReadonlySet<string>
  readonly audiences?: readonly string[]
  readonly maxLifetime?: number
  readonly claims: readonly ClaimRule[]
  readonly agentTypes?: ReadonlySet<string>
  readonly workflow?: WorkflowSource
  readonly delegation?: DelegationRule
  /** A detail of the token for each of these (RFC 9396). */
  readonly authorizationDetails?: readonly DetailRule[]
  readonly authentication?: AuthenticationRule
  /** What has to hold of token, request and time beside all else. */
  readonly when?: Condition
  readonly cors?: CorsRule
  readonly mode: Mode
  readonly revocation: RevocationTerms
  readonly onRevocation: OnRevocation
  /** Absent where it may be used as often as anyone likes. */
  readonly rateLimit?: RateLimit
  /** Whether each token passes once, at this rule or any other that says so. */
  readonly singleUse?: true
  readonly target: Target
  /** Headers set on the way to the origin; values hold the operator's secrets, which templates name. */
  readonly inject: readonly (readonly [name: string, value: string, template?: string])[]
  /** Claims told in headers, beside those of the gate. */
  readonly forwardClaims: readonly ClaimHeader[]
  /** Names of headers that an answer loses, lower-case. */
  readonly removedFromAnswers: readonly string[]
  /** The secrets in those values that are looked for in answers. Never to be shown or logged. */
  readonly secrets: readonly string[]
  readonly forwardToken: boolean
  readonly encodedSlash: boolean
  /** Set where a path is handed on that some servers read as one of an earlier rule. */
  readonly ambiguousPaths?: 'allow'
  /** Set where an MCP server stands behind the rule. */
  readonly mcp?: McpRule
  /** Set on the gate's own endpoints, which are never forwarded. */
  readonly endpoint?: Endpoint
}

/** Whether a rule takes tokens of an issuer, by its `iss`. */
export function takesIssuer({ issuers }: Pick<Route, 'issuers'>, issuer: string): boolean {
  return !issuers || issuers.has(issuer)
}

/** Seconds between `iat` and `exp` of a token that a rule takes, at most. */
export function longestLife(
  issuer: Pick<Issuer, 'maxLifetime'>,
  { maxLifetime = Number.POSITIVE_INFINITY }: Pick<Route, 'maxLifetime'>,
): number {
  return Math.min(issuer.maxLifetime, maxLifetime)
}

/** A rule and what its path matched. */
export interface RouteMatch {
  readonly route: Route
  /** Raw values of the path's parameters, still percent-encoded. */
  readonly params: ReadonlyMap<string, string>
}

/** What a router says of one method, host and path. */
export interface Found {
  /** The first rule in file order. */
  readonly match: RouteMatch | undefined
  /** Whether a reader that ignores case and a trailing slash, or reads otherwise, would meet an earlier rule. */
  readonly ambiguous: boolean
  /** Whether it is a document that no rule with parameters hands on. */
  readonly reserved: boolean
}

/** Finds rules by method, host and canonical path. */
export interface Router {
  find(method: Method, host: string, path: string): Found
}

/** Names of the path parameters that a rule makes scopes and identifiers of, each once. */
export const templateParams = perObject(
  ({ scopes, authorizationDetails = [] }: Route): readonly string[] => [
    ...new Set(
      [
        ...scopes.scopes,
        ...authorizationDetails.flatMap(({ identifier }) => identifier ?? []),
      ].flatMap(holesOf),
    ),
  ],
)

const NONE: RouteMatch['params'] = new Map()

/** Those of a path's parameters that {@link templateParams} names. */
export function decidingParams(route: Route, params: RouteMatch['params']): RouteMatch['params'] {
  const names = templateParams(route)
  return names.length === 0
    ? NONE
    : new Map(
        names.flatMap((name) => {
          const value = params.get(name)
          return value === undefined ? [] : [[name, value] as const]
        }),
      )
}
