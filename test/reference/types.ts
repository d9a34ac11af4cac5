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
  /** The body, if the request has one: text (sent in UTF-8) or bytes. */
  body?: string | Uint8Array
  /** The network address of the client. */
  address: string
  /** When the request arrived: milliseconds since 1970. */
  now: number
  /** The country that Cloudflare names, for conditions. */
  country?: string
  /** Facts of the TLS client certificate, if the client sent one that Cloudflare verified. */
  certificate?: { presented: boolean; verified: boolean; sha256?: string }
}

/** A public key of an issuer, as in its JWKS. */
export interface Jwk extends JsonObject {
  kty: string
}

/** One revocation that is in force. Every key that is present has to match. */
export interface Revocation {
  issuer: string
  kind: string
  value: string
  /** Tokens that were issued at this time or before are revoked (seconds since 1970); `undefined` revokes all. */
  issuedBefore?: number
  /** When the revocation ends, in seconds since 1970. */
  expires?: number
}

/** What the registry has about an agent. */
export interface AgentStanding {
  status: 'active' | 'suspended' | 'retired' | 'throttled'
  approved: boolean
  /** Requests in each period that a throttled agent may make. */
  throttle?: { limit: number; period: number }
  /** What was approved: compared with the token's values if present. */
  checksum?: string
  registration?: string
  key?: string
}

/** How much of a limit has been used. */
export interface Counter {
  /** Arrival times, in milliseconds, of the requests that were counted. */
  taken: number[]
}

/** What the gate knows besides the request. Sequences of requests change it. */
export interface World {
  /** The keys of each issuer, by the issuer's name in ISSUERS; `undefined` if they cannot be fetched. */
  keys: Record<string, Jwk[] | undefined>
  /** Secrets by name, for `decrypt` and `inject`. */
  secrets: Record<string, string>
  revocations: Revocation[]
  /** By the agent's id. An agent without an entry is active and not approved. */
  agents: Record<string, AgentStanding>
  /** Counters of limits, by a key that `limits.ts` forms. */
  counters: Record<string, Counter>
  /** Tokens that were used on a rule with `single_use`, by issuer and `jti`. */
  usedTokens: Record<string, true>
  /** DPoP proofs that were used, by the key that `proof.ts` forms. */
  usedProofs: Record<string, true>
  /** What cannot be reached at the moment. */
  unavailable: {
    revocations?: boolean
    limits?: boolean
    replays?: boolean
    signing?: boolean
  }
}

/** The decision about one request. */
export interface Verdict {
  allowed: boolean
  /** The code of docs/denials.md, if the request was refused (or would have been, in shadow mode). */
  code?: string
  status?: number
  /** The `match` text of the rule. */
  rule?: string
  /** The issuer's name in ISSUERS. */
  issuer?: string
  /** The agent's id, with the prefix of its issuer. */
  agent?: string
  /** The agent's id within its issuer. */
  name?: string
  /** The scopes that the token has, with those of `GRANTS`, sorted. */
  grant?: string[]
  /** The headers about the caller and all others that the origin gets, names in lower case. */
  headers?: [name: string, value: string][]
  /** The address that the origin gets: path and query. */
  target?: string
  /** Facts of the challenge, if the refusal has one. */
  challenge?: Challenge
  /** Whether the rule is in shadow mode: a refused request is forwarded without identity. */
  shadow?: boolean
  /** Whether the gate itself answers: a preflight, or one of its own endpoints. */
  answeredByGate?: 'preflight' | 'endpoint'
}

/** What a `WWW-Authenticate` challenge and the problem document name. */
export interface Challenge {
  /** The OAuth error code, if the code has one. */
  error?: string
  required_scopes?: string[]
  any_of?: string[]
  acr_values?: string[]
  max_age?: number
}

/** Ends the decision with a code of docs/denials.md. Only `decide.ts` catches it. */
export class Refusal extends Error {
  code: string
  challenge: Challenge

  constructor(code: string, challenge: Challenge = {}) {
    super(code)
    this.name = 'Refusal'
    this.code = code
    this.challenge = challenge
  }
}

/** Refuses the request with this code. */
export function refuse(code: string, challenge: Challenge = {}): never {
  throw new Refusal(code, challenge)
}
