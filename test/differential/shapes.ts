/** What a case is: plain JSON, which can be printed, pasted and shrunk. */
import type {
  AgentStanding,
  Approval,
  Decided,
  JsonObject,
  Request,
  Revocation,
} from '../reference/types.ts'

/** Names of keys of {@link KEYS}. */
export type KeyName = string

export interface TokenSpec {
  key: KeyName
  header: JsonObject
  claims: JsonObject
  /** How the text is broken after it was signed. */
  damage?: 'signature' | 'cut' | 'payload' | 'padding' | 'twice'
  /** The key that it is encrypted for, and members laid over the header. */
  encrypted?: { key: KeyName; header: JsonObject }
}

/** A DPoP proof of a request: members laid over good ones. `null` leaves one out. */
export interface ProofSpec {
  key: KeyName
  header: JsonObject
  claims: JsonObject
}

export interface RequestSpec {
  method: string
  scheme: 'http' | 'https'
  host: string
  target: string
  headers: [name: string, value: string][]
  body?: string
  address: string
  /** A name of `tokens`. */
  token?: string
  /** Whether the origin answers only when all requests are answered. */
  held?: true
  /** How the token is sent: the text before it, `protocol:` and a prefix, or `header:`, a name, `:` and the text before it. */
  as?: string
  proof?: ProofSpec
  country?: string
  asn?: number
  botScore?: number
  /** What a person does while the request is held. */
  person?: NonNullable<Request['person']>
  /** A name; `unverified:` or `revoked:` before it says so. */
  certificate?: string
}

/** What happens before a request. */
export interface Change {
  /** Seconds that pass. */
  wait?: number
  /** Revokes; the entry's id follows from what it is about. */
  revoke?: Omit<Revocation, 'id'>[]
  /** Lifts all revocations. */
  liftAll?: true
  /** The keys of an issuer are replaced; `null` is a set that cannot be fetched. */
  keys?: Record<string, KeyName[] | null>
  /** Statuses of agents, by issuer and id as in `World.agents`. */
  agents?: Record<string, Omit<AgentStanding, 'id'> | null>
  /** What cannot be reached from now on. */
  unavailable?: ('revocations' | 'limits' | 'replays' | 'signing' | 'approvals')[]
  bindings?: Record<string, 'allows' | 'refuses' | 'fails'>
  /** People decide on the last calls that wait, the last one first. */
  decided?: Decided[]
  /** A person ends the last approval that was granted. */
  withdrawn?: true
  /** So many other calls begin to wait, or have standing approvals, each twenty of another agent. */
  others?: (Pick<Approval, 'issuer' | 'agent' | 'within'> & { count: number; standing?: true })[]
  /** The origin answers all requests. */
  answered?: true
  /** The policy of this number is deployed. */
  policy?: number
}

export interface Step {
  before?: Change
  request: RequestSpec
}

/** Policies, a world and a sequence of requests. */
export interface Case {
  policies: Vars[]
  keys: Record<string, KeyName[]>
  tokens: Record<string, TokenSpec>
  steps: Step[]
}

export interface Vars {
  GATE: JsonObject
  ISSUERS: Record<string, JsonObject>
  ROUTES: JsonObject[]
  SCOPES?: JsonObject
  GRANTS?: JsonObject[]
}

/** When every case begins: 2026-01-01T00:01:40Z, in seconds. */
export const BEGIN = 1_767_225_700

/** What both say of a request. */
export interface Said {
  outcome: 'forwarded' | 'refused' | 'preflight' | 'endpoint'
  code?: string
  rule?: string
  issuer?: string
  agent?: string
  grant?: string
  shadow?: boolean
  target?: string
  headers?: Record<string, string>
  body?: string
  assertion?: Record<string, unknown>
}
