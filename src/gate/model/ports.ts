import type { CryptoKey, JWK } from 'jose'
import type { Admission } from '../base/admission.ts'
import type { Result } from '../base/result.ts'
import type { KeyAlgorithm } from './assertion.ts'
import type { Act } from './audit.ts'
import type { Algorithm, Issuer } from './issuer.ts'
import type { AddressLimit, Allowance, Exhausted, RateLimit } from './limit.ts'
import type {
  Fullness,
  Kind,
  Revocation,
  RevocationSubject,
  RevocationTerms,
  ShardStatus,
} from './revocation.ts'
import type { Route } from './route.ts'
import type { Signal } from './signal.ts'
import type { Credential, VerificationKey, VerifiedToken } from './token.ts'

/** The only clock of the stages. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

/**
 * Why a set has no key for a token. `unknown`: none fits. `ambiguous`: several match and the token does not choose.
 * `unsupported`: one matches, but this runtime cannot verify with it.
 */
export type KeyMiss = 'unknown' | 'ambiguous' | 'unsupported'

/**
 * Why there is no key. `unavailable`: the set could not be loaded. `undecided`: the set lacks the key, and the issuer is
 * not asked at the moment whether the key is new.
 */
export type KeyFault = KeyMiss | 'unavailable' | 'undecided'

/** Finds an issuer's key by a token's header. Never searches the keys of other issuers. */
export interface KeySource {
  /** `caller`: the network address of the request, if known; used only for counting. */
  find(
    issuer: Issuer,
    header: { readonly algorithm: Algorithm; readonly kid?: string },
    caller?: string,
  ): Promise<Result<VerificationKey, KeyFault>> | Result<VerificationKey, KeyFault>
  /** Records that a token of the issuer passed the line, with the caller's address. */
  recordSuccess?(issuer: Issuer, caller: string | undefined): void
}

/**
 * Remembers tokens that passed the line, and the decisions about them. The caller must check that key and issuer of a
 * found token are still current, and an admission's policy, token and time span.
 */
export interface TokenMemory {
  /** Finds a token by the exact text of the Authorization header. */
  find(authorization: string): RememberedToken | undefined
  /** `expires`: seconds since the epoch from which the entry may be dropped. */
  keep(passed: PassedToken, expires: number): void
}

/** A token that passed the whole line, with its admissions by rule and by the path values that the checks read. */
export interface RememberedToken {
  readonly credential: Credential
  readonly token: VerifiedToken
  readonly admissions: ReadonlyMap<Route, ReadonlyMap<string, Admission>>
  /** The SHA-256 of the token, as proofs have it (RFC 9449 §4.2); set by the first proof that is compared with it. */
  ath?: string
}

/** A token that passed the whole line, with its admission on a rule. */
export interface PassedToken extends Pick<RememberedToken, 'credential' | 'token'> {
  readonly route: Route
  /** The path values that the admission depends on, joined to one key. */
  readonly values: string
  readonly admission: Admission
}

/** Reads the revocation set. Rejects when the set cannot be read. */
export interface Revocations {
  /** Current entries about any of the subjects; the default terms are `strict`. */
  lookup(
    subjects: readonly RevocationSubject[],
    terms?: RevocationTerms,
  ): Promise<readonly Revocation[]> | readonly Revocation[]
}

/** A filter for entries; an absent member matches all. */
export interface RevocationQuery {
  readonly kind?: Kind
  readonly issuer?: string
  readonly value?: string
  /** Entries that this administrator made, unless another renewed them last. */
  readonly createdBy?: string
  /** `true`: entries by administrators of one issuer. `false`: entries by administrators of all issuers. */
  readonly own?: boolean
  readonly limit: number
  /** The `cursor` of the previous page. */
  readonly cursor?: number
}

/** Entries in the order of creation. `cursor` is present when more may follow. */
export interface RevocationPage {
  readonly revocations: readonly Revocation[]
  readonly cursor?: number
}

/** Stores revocations. Methods reject if it is unreachable. Expired entries are absent. It checks no caller. */
export interface RevocationStore {
  /**
   * Stores all entries or, where they do not fit (see `fullness`), none. All must have the same administrator. An
   * existing entry is renewed and keeps its creation time and creator. After all shards have acknowledged, every later
   * strict read finds the entries. The act is stored with the change, here and below.
   */
  add(
    entries: readonly Revocation[],
    act?: Act,
  ): Promise<
    | { readonly added: readonly Revocation[]; readonly shards: ShardStatus }
    | { readonly full: Fullness }
  >
  list(query: RevocationQuery): Promise<RevocationPage>
  get(
    id: string,
  ): Promise<{ readonly revocation: Revocation; readonly shards: ShardStatus } | undefined>
  /** How many shards there are, and which lack changes. */
  status(): Promise<ShardStatus>
  /** Removes an entry; `false` if it did not exist. With `owner`: only one by an administrator of that issuer. */
  remove(id: string, owner?: string, act?: Act): Promise<boolean>
  /**
   * Makes the change of a security event, unless its name is remembered. `changed`: the entries that it has added or
   * removed. The change, the name and the act are stored together.
   */
  signal(
    signal: Signal,
    act?: Act,
  ): Promise<{ readonly changed: readonly Revocation[] } | { readonly full: Fullness }>
  /** Removes the entries that `list` gives for this query, and returns them. */
  removePage(query: RevocationQuery, act?: Act): Promise<RevocationPage>
}

/** A private key for signing assertions; it cannot be exported. */
export interface SigningKey {
  readonly kid: string
  readonly algorithm: KeyAlgorithm
  readonly key: CryptoKey
}

/** The gate's signing keys. Both methods reject where there are none; nothing is forwarded unsigned. */
export interface SigningKeys {
  /** The key to sign with; `undefined` where assertions are off. */
  signing(): SigningKey | Promise<SigningKey> | undefined
  /** Public keys (RFC 7517) that verify past, present and upcoming assertions. */
  published(): readonly JWK[] | Promise<readonly JWK[]>
  /** The published keys in memory. Fetches and creates none. */
  held?(): readonly JWK[] | undefined
}

/** Makes and checks nonces for DPoP proofs (RFC 9449 §9). Both methods reject where there are no keys. */
export interface Nonces {
  /** A nonce that is fresh at all gates of the resource. */
  issue(resource: string): Promise<string>
  /** Whether a nonce of this resource is accepted; `next`: the nonce to use after it, before it is too old. */
  check(
    nonce: string,
    resource: string,
  ): Promise<{ readonly isGood: boolean; readonly next?: string }>
}

type Taken = Result<Allowance, Exhausted>

/** Counts requests. Rejects or throws where counting fails. If a response is lost, its request stays counted. */
export interface Limits {
  /** Counts one request under a name (see `limitName`) if the limit allows it; without `spend` it only checks. */
  take(limit: RateLimit, name: string, spend: boolean): Promise<Taken> | Taken
  /** The refusal that `take` would repeat now from memory, without asking anybody; `undefined` if it would ask. */
  remembered?(limit: RateLimit, name: string): Extract<Taken, { readonly ok: false }> | undefined
  /** Counts one request of a network (see `networkOf`) if the limit allows it. */
  takeAddress(limit: AddressLimit, network: string): Promise<Taken> | Taken
}

/** Records single uses. Rejects or throws where the store cannot be reached. */
export interface ReplayStore {
  /**
   * `true` for the first claim of a name (see `replayName`), `false` for all others; atomic. From `expires` on, in
   * whole seconds since the epoch, the name may be dropped, and claims are `false`. The last `expires` applies.
   */
  claim(name: string, expires: number): Promise<boolean> | boolean
  /** Whether a name is claimed and not yet dropped. Claims nothing. */
  isClaimed(name: string): Promise<boolean> | boolean
  /** Records that the request which claimed a name has failed. Must not throw and must not delay an answer. */
  note?(claim: Claim, failure: Failure): void
  /** How the request which claimed a name has failed; `undefined` where nothing is known of that. */
  failureOf?(name: string): Promise<Failure | undefined>
}

/** The claim of a name, until the name may be dropped. */
export interface Claim {
  readonly name: string
  /** Seconds since the epoch. */
  readonly expires: number
}

/** An answer with a status of 400 or more, and the gate's id of its request. */
export interface Failure {
  readonly status: number
  readonly requestId: string
}

/** The output for decisions. Must not throw and must not delay an answer. */
export interface Journal {
  /** Writes one line of JSON. */
  record(line: string): void
}
