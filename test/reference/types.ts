/**
 * The words of the second implementation: what comes in (`Request`, `World`) and what comes out (`Verdict`).
 *
 * Everything here is plain data with small functions, so that a generator can make it and a harness can print it.
 */

/** A JSON value, as the strict reader of `json.ts` returns it. */
export type Json = null | boolean | number | string | Json[] | JsonObject

/** A JSON object. A member that the object does not have is `undefined`. */
export interface JsonObject {
  [name: string]: Json | undefined
}

/** A request as it arrived at the gate. */
export interface Request {
  method: string
  scheme: 'http' | 'https'
  /** The Host header; `undefined` if the request has none. */
  host: string | undefined
  /** The target as it was sent, with its query: `/v1/documents/7?format=pdf`. */
  target: string
  /** The header fields in their order, each as it was sent. Host is not among them. */
  headers: [name: string, value: string][]
  /** Whether the origin does not answer until `World.inProgress` says that all requests are over. */
  held?: boolean
  /** The body, if the request has one: text (sent in UTF-8) or bytes. */
  body?: string | Uint8Array
  /** The network address of the client. */
  address: string
  /** When the request arrived: milliseconds since 1970. */
  now: number
  /** The country that Cloudflare names, for conditions. */
  country?: string
  asn?: number
  colo?: string
  tls?: string
  botScore?: number
  /** Facts of the TLS client certificate, if the client sent one. */
  /** What a person does while the request is held for an approval, after so many milliseconds. */
  person?: { after: number; does: Decided }
  certificate?: { presented: boolean; verified: boolean; revoked?: boolean; sha256?: string }
}

/** A public key of an issuer, as in its JWKS. */
export interface Jwk extends JsonObject {
  kty: string
}

/** An entry of the revocation set (docs/revocation.md, "What a revocation covers"). */
export interface Revocation {
  /** The entry's id, which `GATE.lift` may name. */
  id?: string
  kind: 'token' | 'agent' | 'subject' | 'session' | 'client' | 'workflow' | 'key' | 'issuer'
  /** The `iss` of the issuer; for an actor, that of its own issuer. */
  issuer: string
  /** Left out for kind `issuer`. Of an agent: its id without prefix. */
  value?: string
  mode: 'block' | 'before' | 'step-up'
  /** With `before` and `step-up`: tokens that were issued until then (seconds since 1970) are covered. */
  at?: number
  /** When the entry ends, in seconds since 1970. */
  expires?: number
}

/** What the revocation set has about an agent (docs/agent-registry.md). */
export interface AgentStanding {
  status: 'discovered' | 'approved' | 'suspended' | 'retired'
  /** The id that `GATE.lift` may name. */
  id?: string
  /** When the approval ends, in seconds since 1970. */
  expires?: number
  /** What an approval says of Agentic JWTs. A field that is left out is not compared. */
  checksums?: string[]
  registrations?: string[]
  keys?: string[]
  /** Requests a minute, while the agent is throttled. */
  throttle?: number
}

/** What becomes of a call that waits. `taken`: it was granted, and a copy is faster. `uses`: a standing approval. */
export type Decided = 'granted' | 'refused' | 'taken' | { uses: number; ms: number }

/** A call for which a person was asked (docs/approvals.md). Times are in milliseconds. */
export interface Approval {
  /** A text that only the same call has. */
  call: string
  /** A text that only calls like it have. */
  alike: string
  /** How many requests a standing approval still lets through. */
  left?: number
  /** The `iss` of the issuer, and the agent's id. */
  issuer: string
  agent: string
  /** Whether a revocation is about the token that asked. */
  isNamed(entry: Revocation): boolean
  state: 'waiting' | 'granted' | 'refused' | 'taken' | 'ended'
  asked: number
  within: number
  expires: number
}

/** A bucket of a limit: how many requests count against it, and when that was so. */
export interface Bucket {
  counted: number
  /** Milliseconds since 1970. */
  at: number
  /** It is refilled with `limit` requests in each `period`, which is in seconds. */
  limit: number
  period: number
}

/** Says what a sealed id of MCP has in it: only the own id is an object. */
export type Unseal = (
  id: string,
  subject: string | undefined,
) => { own: string } | 'unknown' | 'unavailable'

/** What the gate knows besides the request. Decisions change the last six members. */
export interface World {
  /** The keys of each issuer, by its name in ISSUERS, unless the policy has them; `undefined` if they cannot be fetched. */
  keys: Record<string, Jwk[] | undefined>
  /** Secrets by name, for `decrypt` and `inject`. */
  secrets: Record<string, string>
  /** Names of bindings that count (`[[ratelimits]]`), and what they say now. */
  bindings: Record<string, 'allows' | 'refuses' | 'fails'>
  revocations: Revocation[]
  /** By issuer and id: see `agentKey`. An agent without an entry is discovered. */
  agents: Record<string, AgentStanding>
  /** What cannot be reached at the moment. */
  unavailable: {
    revocations?: boolean
    limits?: boolean
    replays?: boolean
    signing?: boolean
    approvals?: boolean
  }
  /** Says of a nonce of a DPoP proof whether it is from this gate and valid. Without it none is. */
  nonce?: (nonce: string | undefined) => 'valid' | 'invalid' | 'unavailable'
  /** The server's own id in a sealed id of a session or task, if that was given to a caller of this subject. */
  unseal?: Unseal
  /** Buckets of limits, by keys that `limits.ts` makes. */
  buckets: Record<string, Bucket>
  /** How many requests are in progress, by keys that `inFlight.ts` makes. */
  inProgress: Record<string, number>
  /** Requests of a UTC day, by keys that `limits.ts` makes. */
  days: Record<string, number>
  /** Tokens that were used on a rule with `single_use`, by issuer and `jti`: until when each is kept, in seconds since 1970. */
  usedTokens: Record<string, number>
  /** DPoP proofs that were used, by the key that `proof.ts` makes: until when each is kept, in seconds since 1970. */
  usedProofs: Record<string, number>
  /** In the order in which they were asked for. */
  approvals: Approval[]
  /** When the last request was over that was held for a person. */
  now: number
}

/** A world in which nothing was revoked, counted or used. */
export function emptyWorld(): World {
  return {
    keys: {},
    secrets: {},
    bindings: {},
    revocations: [],
    agents: {},
    unavailable: {},
    buckets: {},
    inProgress: {},
    days: {},
    usedTokens: {},
    usedProofs: {},
    approvals: [],
    now: 0,
  }
}

/** The key of `World.agents` and of other values of one issuer. */
export function agentKey(issuer: string, id: string): string {
  return `${issuer} ${id}`
}

/** The decision about one request. */
export interface Verdict {
  allowed: boolean
  /** The code of docs/denials.md, if the request was refused (or would have been, in shadow mode). */
  code?: string
  /** The `match` text of the rule. */
  rule?: string
  /** The issuer's name in ISSUERS. */
  issuer?: string
  /** The agent's id, with the prefix of its issuer. */
  agent?: string
  /** The agent's id within its issuer. */
  name?: string
  /** The scopes of the token that the rule needed: those of `X-Agent-Grant`. */
  grant?: string[]
  /** The headers about the caller and all others that the origin gets, names in lower case. */
  headers?: [name: string, value: string][]
  /** Where the request goes: `origin` as the policy writes it. */
  origin?: string
  /** The address that the origin gets: path and query. */
  target?: string
  /** The body that the origin gets. */
  body?: Request['body']
  /** Claims of the assertion, beside times, `jti` and `route`. */
  assertion?: Record<string, string>
  /** Whether the rule is in shadow mode: a refused request is forwarded without identity. */
  shadow?: boolean
  /** Whether the gate itself answers: a preflight, or one of its own endpoints. */
  answeredByGate?: 'preflight' | 'endpoint'
}

/** Ends the decision with a code of docs/denials.md. Only `decide.ts` catches it, so it is no `Error` with a stack. */
export class Refusal {
  code: string

  constructor(code: string) {
    this.code = code
  }
}

/** Refuses the request with this code. */
export function refuse(code: string): never {
  throw new Refusal(code)
}
