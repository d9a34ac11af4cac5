import type { AssertionRule } from './assertion.ts'
import type { ClaimHeader } from './claim-headers.ts'
import type { Issuer } from './issuer.ts'
import type { AddressLimit } from './limit.ts'
import type { RevocationPlacement, RevocationTerms } from './revocation.ts'
import type { Route, Router } from './route.ts'

/** Settings of the gate as a whole. */
export interface Gate {
  /** Identifier of the protected resource, as configured (RFC 8707 §2, RFC 9728 §2). */
  readonly resource: string
  readonly hosts: ReadonlySet<string>
  readonly insecureHttp: boolean
  /** Seconds, for exp, nbf and iat. */
  readonly clockTolerance: number
  /** Path under which everything is the gate's own. */
  readonly prefix: string
  readonly identityPrefix: string
  /** Further inbound header names to remove, lower-case, with `-` for other characters. */
  readonly stripHeaders: ReadonlySet<string>
  /** Names of all headers that some rule sets, folded likewise: no request brings its own. */
  readonly ownHeaders: ReadonlySet<string>
  /** Claims that origins read under names of their own. */
  readonly identityHeaders: readonly ClaimHeader[]
  /** Header that holds the caller's address, or where else it comes from. */
  readonly clientIp:
    | { readonly from: 'header'; readonly name: string }
    | { readonly from: 'connection' | 'none' }
  /** Absent where addresses may ask as often as they like. */
  readonly addressLimit?: AddressLimit
  /** Whether every answer has the gate's `X-Request-Id`, or the gate's own answers only. */
  readonly requestId: 'always' | 'own'
  /** Share of allowed decisions that are written to the journal, 0 to 1; denials always are. */
  readonly journal: { readonly allowed: number }
  /** `detailed`: answers tell every step of the decision; never but on a loopback resource. */
  readonly errors: 'standard' | 'detailed'
  /** Where a rule does not say otherwise. */
  readonly revocation: RevocationTerms
  readonly placement: RevocationPlacement
  /** Absent where origins get no signed word of who is calling. */
  readonly assertion?: AssertionRule
  /** Revocation ids that do not count. */
  readonly lift: ReadonlySet<string>
}

/** What a protected resource's metadata says of it (RFC 9728 §2). */
export interface ResourceInfo {
  /** Scopes its rules ask for: no templates, none of the gate's own. */
  readonly scopes: readonly string[]
  /** Types of the authorization details its rules ask for (RFC 9396 §10). */
  readonly detailTypes: readonly string[]
  /** Issuers its rules take whose keys are not written in the configuration. */
  readonly authorizationServers: readonly string[]
}

/** The validated configuration: the first facts of every line. Frozen once made. */
export interface Policy {
  readonly gate: Gate
  /** By exact `iss`. */
  readonly issuers: ReadonlyMap<string, Issuer>
  /** The configured rules in file order, without the gate's own endpoints. */
  readonly routes: readonly Route[]
  readonly router: Router
  /** As declared: scope → what it includes; an entry that ends in `*` is a wildcard. */
  readonly scopes: ReadonlyMap<string, readonly string[]>
  /** For each scope, every scope that includes it, itself first. Declared implications only. */
  readonly includedBy: (scope: string) => readonly string[]
  /** By identifier of the protected resource, as configured. */
  readonly resources: ReadonlyMap<string, ResourceInfo>
}
