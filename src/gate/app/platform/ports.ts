import type { DropRooms } from '../../base/room.ts'
import type { Guard, GuardPorts } from '../../guard/guard.ts'
import type { SignedPerson } from '../../model/approval.ts'
import type { RecordSender } from '../../model/audit.ts'
import type { Policy } from '../../model/policy.ts'
import type { Journal, RevocationStore, SigningKeys } from '../../model/ports.ts'
import type { Send } from '../../relay/origin/send.ts'

export interface GatePorts extends GuardPorts {
  readonly store: RevocationStore
  readonly signingKeys: SigningKeys
  /** Keys of the events that the gate sends; absent where it sends none. */
  readonly eventKeys?: Pick<SigningKeys, 'published'>
  readonly journal: Journal
  /** Absent where decisions are not stored. */
  readonly audit?: RecordSender
  readonly send: Send
  /** Rooms for bodies that nobody reads. */
  readonly dropped: DropRooms
  /** The ports for explanations: without side effects. */
  readonly explaining: GuardPorts
  /** Whether keys and revocations are available; never fetches. */
  readonly readiness: () => Promise<Readiness>
}

/** The content of `PREFIX/ready`. */
export interface Readiness {
  readonly keys: boolean
  readonly revocations: boolean
  /** The key state of each issuer, shown to administrators only. */
  readonly issuers: readonly Readonly<Record<string, unknown>>[]
}

/** The platform's facts of a request, unchecked; each may be missing. */
export interface PlatformFacts {
  readonly colo?: string
  readonly country?: string
  readonly asn?: number
  readonly tlsVersion?: string
  readonly botManagement?: { readonly score?: number }
  readonly tlsClientAuth?: {
    readonly certVerified?: string
    readonly certRevoked?: string
    readonly certFingerprintSHA256?: string
  }
  readonly clientIp?: string
}

/** The environment of the gate's apps for one request. */
export interface Opened {
  /** The path prefix of the gate's own endpoints, also while the policy is invalid. */
  readonly prefix: string
  /** `undefined` while the policy is invalid. */
  readonly policy: Policy | undefined
  readonly ports: GatePorts
  readonly guard: Guard | undefined
  /** The id of the deployment, if known. */
  readonly version: string | undefined
  /** Cloudflare's data centre, if known. */
  readonly colo: string | undefined
  /** The platform's facts of the request: on plain workerd only the facts about the socket. */
  readonly cf: () => PlatformFacts | undefined
  /** The person who is signed in at the console. A token never is one. */
  readonly person?: SignedPerson
  /** What the entry passes to the endpoints that it mounts. The gate does not read it. */
  readonly control?: unknown
}
