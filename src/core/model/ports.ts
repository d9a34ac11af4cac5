import type { CryptoKey, JWK } from 'jose'
import type { Admission } from '../admission.ts'
import type { Result } from '../result.ts'
import type { AssertionAlgorithm } from './assertion.ts'
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
import type { Credential, VerificationKey, VerifiedToken } from './token.ts'

/** The time. Stages read no other clock. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

/**
 * Why a set gives no key. `unknown`: none fits. `ambiguous`: several do, and which one is meant is
 * not said. `unsupported`: one does, of a kind this runtime cannot verify with.
 */
export type KeyMiss = 'unknown' | 'ambiguous' | 'unsupported'

/** Why there is no key. `unavailable`: the set could not be had, so nothing can be said. */
export type KeyFault = KeyMiss | 'unavailable'

/** Finds the key of an issuer a token's header names. Never looks a `kid` up across issuers. */
export interface KeySource {
  /** `caller`: the address the token came from, where it is known; it is only counted by. */
  find(
    issuer: Issuer,
    header: { readonly algorithm: Algorithm; readonly kid?: string },
    caller?: string,
  ): Promise<Result<VerificationKey, KeyFault>> | Result<VerificationKey, KeyFault>
  /** Told that a token of the issuer has passed the line, by whom it was sent. */
  recordSuccess?(issuer: Issuer, caller: string | undefined): void
}

/**
 * Remembers tokens that passed the line, and what was decided of them once. Whoever finds a token here must
 * hold its key and issuer against the present ones, and an admission against the present policy, token and time.
 */
export interface TokenMemory {
  /** By the exact text of the Authorization header. */
  find(authorization: string): RememberedToken | undefined
  /** `expires`: seconds since the epoch, when it may be forgotten. */
  keep(passed: PassedToken, expires: number): void
}

/**
 * A token that once passed the whole line, with its credential as it was read then, and what was decided of it
 * once: by rule, and by the values of that rule's path that its checks read.
 */
export interface RememberedToken {
  readonly credential: Credential
  readonly token: VerifiedToken
  readonly admissions: ReadonlyMap<Route, ReadonlyMap<string, Admission>>
}

/** A token that passed the whole line, and what was decided once for it on a rule. */
export interface PassedToken extends Omit<RememberedToken, 'admissions'> {
  readonly route: Route
  /** The values of the rule's path that the admission depends on, as one text. */
  readonly values: string
  readonly admission: Admission
}

/** Reads the revocation set. Rejects when it cannot be read: an unreachable set is no answer. */
export interface Revocations {
  /** Live entries about any of the subjects; without terms as `strict` asks. */
  lookup(
    subjects: readonly RevocationSubject[],
    terms?: RevocationTerms,
  ): Promise<readonly Revocation[]> | readonly Revocation[]
}

/** Which entries to list; absent members limit nothing. */
export interface RevocationQuery {
  readonly kind?: Kind
  readonly issuer?: string
  readonly value?: string
  /** Entries that this administrator has made, and no other has made again last. */
  readonly createdBy?: string
  /** Entries of administrators of one issuer, or of every issuer. */
  readonly own?: boolean
  readonly limit: number
  /** Where the page before ended. */
  readonly cursor?: number
}

/** Entries in the order they were first made. `cursor` is there when more may follow. */
export interface RevocationPage {
  readonly revocations: readonly Revocation[]
  readonly cursor?: number
}

/**
 * Keeps the revocation set. Every method rejects when the set cannot be reached; entries that have
 * expired are as good as absent. Judges neither who asks nor what an entry says.
 */
export interface RevocationStore {
  /**
   * Stores all entries or, where they do not fit (see `fullness`), none. One administrator has made all of
   * them. An entry that is there already is renewed and keeps when and by whom it was made. No strict read that begins later misses one, once all
   * shards have acknowledged.
   */
  add(
    entries: readonly Revocation[],
  ): Promise<
    | { readonly added: readonly Revocation[]; readonly shards: ShardStatus }
    | { readonly full: Fullness }
  >
  list(query: RevocationQuery): Promise<RevocationPage>
  get(
    id: string,
  ): Promise<{ readonly revocation: Revocation; readonly shards: ShardStatus } | undefined>
  /** Whether there was such an entry; with `owner` one that an administrator of that issuer alone has made. */
  remove(id: string, owner?: string): Promise<boolean>
  /** Removes the entries that a list with this query has, and tells which they were. */
  removePage(query: RevocationQuery): Promise<RevocationPage>
}

/** A private key that assertions are signed with; it cannot be exported. */
export interface SigningKey {
  readonly kid: string
  readonly algorithm: AssertionAlgorithm
  readonly key: CryptoKey
}

/** The keys of the gate. Both reject where there are none: nothing is sent on unsigned. */
export interface SigningKeys {
  /** `undefined` where nothing is going to be signed. */
  signing(): SigningKey | Promise<SigningKey> | undefined
  /** Public keys (RFC 7517) that assertions of now, of a while ago and of soon verify by. */
  published(): readonly JWK[] | Promise<readonly JWK[]>
  /** Of those what is in memory: nobody is asked, and no key made for it. */
  held?(): readonly JWK[] | undefined
}

/**
 * Counts requests. Rejects, or throws, where that cannot be done: a limit that cannot be asked is no
 * answer. What a lost answer counted stays counted.
 */
export interface Limits {
  /**
   * Counts one request under a name (see `limitName`) if the limit allows it; without `spend` it only
   * looks whether it would. What is left is empty where it is not known.
   */
  take(
    limit: RateLimit,
    name: string,
    spend: boolean,
  ): Promise<Result<Allowance, Exhausted>> | Result<Allowance, Exhausted>
  /** Counts one request of a network (see `networkOf`) if the limit allows it. */
  takeAddress(
    limit: AddressLimit,
    network: string,
  ): Promise<Result<Allowance, Exhausted>> | Result<Allowance, Exhausted>
}

/**
 * Remembers what was used once. Rejects, or throws, where that cannot be done: a store that cannot be
 * asked is no answer.
 */
export interface ReplayStore {
  /**
   * `true` for the first who claims a name (see `replayName`), `false` for everybody after; in one step, so
   * that of two at once one is second. May forget the name at `expires`, whole seconds since the epoch, and is
   * never `true` from then on; of several claims of a name the last `expires` counts.
   */
  claim(name: string, expires: number): Promise<boolean> | boolean
  /** Whether a name was claimed, and is not forgotten. Claims nothing. */
  isClaimed(name: string): Promise<boolean> | boolean
}

/** Where decisions are written. Must not throw and must not delay an answer. */
export interface Journal {
  /** One line of JSON. */
  record(line: string): void
}
