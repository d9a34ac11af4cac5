import type { Guard, GuardPorts } from '../core/guard.ts'
import type { Policy } from '../core/model/policy.ts'
import type { Journal, RevocationStore, SigningKeys } from '../core/model/ports.ts'
import type { Send } from './relay/forward.ts'

/** What the gate's apps reach the world through. */
export interface GatePorts extends GuardPorts {
  readonly store: RevocationStore
  readonly signingKeys: SigningKeys
  readonly journal: Journal
  readonly send: Send
  /** What decisions are explained with: ports that write, spend and fetch nothing. */
  readonly explaining: GuardPorts
  /** Whether each part the gate needs is at hand now; never fetches. */
  readonly readiness: () => Promise<Readiness>
}

/** What `PREFIX/ready` knows. */
export interface Readiness {
  readonly keys: boolean
  readonly revocations: boolean
  /** Per issuer, for those who may see it. */
  readonly issuers: readonly Readonly<Record<string, unknown>>[]
}

/** What the platform tells of a request, as far as it is read: nothing of it is sure to be there. */
export interface PlatformFacts {
  readonly colo?: string
  readonly country?: string
  readonly asn?: number
  readonly tlsVersion?: string
  readonly botManagement?: { readonly score?: number }
  readonly clientIp?: string
}

/** What the gate's apps are given for one request. */
export interface Opened {
  /** The path under which everything is the gate's, also while the policy is broken. */
  readonly prefix: string
  /** `undefined` while the configuration is not valid. */
  readonly policy: Policy | undefined
  readonly ports: GatePorts
  /** The line under the policy, where there is one. */
  readonly guard: Guard | undefined
  /** Id of the deployment, where the platform tells it. */
  readonly version: string | undefined
  /** Cloudflare's data centre, where the platform tells it. */
  readonly colo: string | undefined
  /** What the platform tells of the request: on plain workerd the socket alone. */
  readonly cf: () => PlatformFacts | undefined
}
