import type { AssertionRule } from './assertion.ts'
import type { AuditRule } from './audit.ts'
import type { ClaimHeader } from './claims.ts'
import type { Issuer } from './issuer.ts'
import type { AddressLimit } from './limit.ts'
import type { RevocationPlacement, RevocationTerms } from './revocation.ts'
import type { Route, Router } from './route.ts'
import type { EventReceiver } from './transmit.ts'
import type { WatchRule } from './watch.ts'

/** Settings of the gate as a whole. */
export interface Gate {
  /** Identifier of the protected resource, as configured (RFC 8707 §2, RFC 9728 §2). */
  readonly resource: string
  readonly hosts: ReadonlySet<string>
  readonly insecureHttp: boolean
  /** Tolerance for `exp`, `nbf` and `iat`, in seconds. */
  readonly clockTolerance: number
  /** Most seconds that the `iat` of a DPoP proof may lie in the past, and in the future. */
  readonly proofMaxAge: number
  readonly proofMaxAhead: number
  /** Whether DPoP proofs need a nonce of the gate. */
  readonly dpopNonce: boolean
  /** The path prefix of the gate's own endpoints. */
  readonly prefix: string
  readonly identityPrefix: string
  /** Further request headers to remove: folded names (lower case, `-` for other characters). */
  readonly stripHeaders: ReadonlySet<string>
  /** Folded names of all headers that some rule sets; callers cannot send them. */
  readonly ownHeaders: ReadonlySet<string>
  /** Claims that are sent to origins in headers of configured names. */
  readonly identityHeaders: readonly ClaimHeader[]
  /** The header with the caller's address, or another source of it. */
  readonly clientIp:
    | { readonly from: 'header'; readonly name: string }
    | { readonly from: 'connection' | 'none' }
  /** Absent where addresses are not limited. */
  readonly addressLimit?: AddressLimit
  /** Requests that one agent may have in progress in one isolate. */
  readonly inFlight: number
  /** Bytes and milliseconds within which the body of a request that is not forwarded is read and dropped. */
  readonly unreadBody: { readonly bytes: number; readonly ms: number }
  /** Whether all answers get `X-Request-Id`, or only the gate's own answers. */
  readonly requestId: 'always' | 'own'
  /** The share of allowed decisions that the journal records, 0 to 1. Denials are always recorded. */
  readonly journal: { readonly allowed: number }
  /** Where the console is served; absent where there is none. No rule serves this host. */
  readonly console?: { readonly host: string }
  /** The page of denials, without the fragment. */
  readonly denialDocs: string
  /** The default for rules. */
  readonly revocation: RevocationTerms
  readonly placement: RevocationPlacement
  /** Absent where origins get no signed assertion. */
  readonly assertion?: AssertionRule
  /** Set where only approved agents are accepted. */
  readonly agents?: 'approved'
  /** Ids of revocations to ignore. */
  readonly lift: ReadonlySet<string>
}

/** The content of a protected resource's metadata (RFC 9728 §2). */
export interface ResourceInfo {
  /** Scopes that its rules require, without templates and scopes of the gate's own endpoints. */
  readonly scopes: readonly string[]
  /** Types of the authorization details that its rules require (RFC 9396 §10). */
  readonly detailTypes: readonly string[]
  /** Issuers that its rules accept, except those with inline keys. */
  readonly authorizationServers: readonly string[]
  /** Whether each of its rules requires bound tokens. */
  readonly needsPossession: boolean
}

/** The validated configuration: the first fact of every line. Frozen. */
export interface Policy {
  readonly gate: Gate
  /** Absent where decisions are not stored. */
  readonly audit?: AuditRule
  /** The tables of WATCH; empty where no requests are watched. */
  readonly watch: readonly WatchRule[]
  /** The tables of TRANSMIT: who is told of revocations. */
  readonly transmit: readonly EventReceiver[]
  /** Issuers by exact `iss`. */
  readonly issuers: ReadonlyMap<string, Issuer>
  /** The configured rules in file order, without the gate's own endpoints. */
  readonly routes: readonly Route[]
  readonly router: Router
  /** Declared scopes: a scope and those it includes; an entry that ends in `*` is a wildcard. */
  readonly scopes: ReadonlyMap<string, readonly string[]>
  /** All scopes that include a scope, itself first. Declared implications only. */
  readonly includedBy: (scope: string) => readonly string[]
  /** By identifier of the protected resource, as configured. */
  readonly resources: ReadonlyMap<string, ResourceInfo>
}

const DAY = 24 * 60 * 60

/** Seconds after `exp` within which some answer may finish. */
export function longestFinish({ routes }: Pick<Policy, 'routes'>): number {
  return Math.max(0, ...routes.map(({ finishWithin }) => finishWithin))
}

/**
 * Seconds for which a revocation of a token, or of mode `before`, is kept by default: until every token issued now is
 * too old and its last answer is over, at least a day.
 */
export function entryLife({ issuers, gate, routes }: Policy): number {
  const late = 2 * gate.clockTolerance + longestFinish({ routes })
  return Math.max(DAY, ...[...issuers.values()].map(({ maxLifetime }) => maxLifetime + late))
}
