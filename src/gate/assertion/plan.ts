import type { JWK } from 'jose'
import type { KeyAlgorithm, KeyRule } from '../model/assertion.ts'

/** The names of the objects that manage keys: of assertions, and of security events. */
export const KEYS_OBJECT = 'keys'
export const EVENT_KEYS_OBJECT = 'event-keys'

/** The settings of the keys that sign events: RS256, as the interoperability profile of Shared Signals asks. */
export function eventKeyRule(withdrawn: readonly string[] = []): KeyRule {
  return { algorithm: 'RS256', operatorKeys: [], withdrawn }
}

/** A public key that may be published; its `kid` is the thumbprint (RFC 7638). */
export interface PublicKey {
  readonly kid: string
  readonly algorithm: KeyAlgorithm
  /** Public members only. */
  readonly jwk: JWK
}

/** A past, current or future signing key. Times are milliseconds since the epoch. */
export interface AssertionKey extends PublicKey {
  /** Present for a generated key; the operator's private keys stay in the secret. */
  readonly privateJwk?: JWK
  /** When it may first sign; by then origins that refresh regularly have seen it. */
  readonly signsFrom: number
  /** Until when it stays published after it has stopped signing. */
  readonly until?: number
}

/** The wanted keys of a deployment. */
export interface Wanted {
  readonly algorithm: KeyAlgorithm
  /** The operator's keys, in order; empty where keys are generated. */
  readonly operatorKeys: readonly PublicKey[]
  /** Ids of keys to remove. */
  readonly withdrawn?: readonly string[]
}

export interface Kept {
  readonly keys: readonly AssertionKey[]
  /** Ids of keys that never return, even for deployments that do not list them as withdrawn. */
  readonly withdrawn: readonly string[]
}

/** The keys to store and the key to sign with; `make` where a key must be generated first. */
export interface Plan extends Kept {
  /** Absent only where there is no key yet. */
  readonly signer?: AssertionKey
  readonly make?: number
}

const HOUR = 60 * 60 * 1000

/** In milliseconds: how long a key is published before it signs, and after; and how long a generated key signs. */
export const TIMES = { ahead: HOUR, after: HOUR + 2 * 60 * 1000, rotation: 30 * 24 * HOUR }

/** Most withdrawn ids that are remembered, the latest ones. */
const MOST_WITHDRAWN = 64

/**
 * Plans which keys to store and publish, and which one signs. A new key is published first and signs later, unless
 * there is no other. The previous key stays published, since its assertions are still in use. While the operator's keys
 * sign, a generated key stays published on standby. If two deployments want different keys, retired keys return, and
 * none is generated anew. A withdrawn key is removed at once and for all; another one then signs without delay.
 */
export function planOf(kept: Kept, wanted: Wanted, now: number): Plan {
  const withdrawn = withdrawnOf(kept, wanted)
  const isGood = ({ kid }: PublicKey) => !withdrawn.includes(kid)
  const held = kept.keys.filter((key) => isGood(key) && (key.until ?? now + 1) > now)
  const all = [...held, ...missing(held, wanted.operatorKeys.filter(isGood), now)]
  const made = all.filter(({ privateJwk }) => privateJwk)
  const ours = made.filter(({ algorithm }) => algorithm === wanted.algorithm)
  const operators = wanted.operatorKeys.flatMap(
    ({ kid }) => all.find((key) => key.kid === kid) ?? [],
  )
  const standby = latest(ours, now) ?? latest(made, now)
  const signer =
    operators.find(isReady(now)) ?? standby ?? soonest([...operators, ...ours, ...made])
  const make = needed(ours, signer, now)
  const keys = all.map((key) => {
    const { until: _, ...rest } = key
    const isNext = made.includes(key) && key.signsFrom > now
    const isKept = isNext || [signer, standby, ...operators].includes(key)
    return isKept ? rest : { ...rest, until: key.until ?? now + TIMES.after }
  })
  return { keys, withdrawn, ...(signer && { signer }), ...(make !== undefined && { make }) }
}

/** When keys next change by themselves. */
export function nextChange(keys: readonly AssertionKey[], now: number): number {
  return Math.min(
    ...keys.flatMap(({ signsFrom, until, privateJwk }) =>
      [
        until ?? Number.POSITIVE_INFINITY,
        ...(signsFrom > now ? [signsFrom] : []),
        ...(privateJwk ? [signsFrom + TIMES.rotation - TIMES.ahead] : []),
      ].filter((at) => at > now),
    ),
    now + TIMES.rotation,
  )
}

const isReady =
  (now: number) =>
  ({ signsFrom }: AssertionKey): boolean =>
    signsFrom <= now

const latest = (keys: readonly AssertionKey[], now: number): AssertionKey | undefined =>
  keys.filter(isReady(now)).sort((one, other) => other.signsFrom - one.signsFrom)[0]

/** The key that may sign first, of those that may not sign yet. */
const soonest = (keys: readonly AssertionKey[]): AssertionKey | undefined =>
  [...keys].sort((one, other) => one.signsFrom - other.signsFrom)[0]

const withdrawnOf = (kept: Kept, { withdrawn = [] }: Wanted): readonly string[] => {
  const others = kept.withdrawn.filter((kid) => !withdrawn.includes(kid))
  return [...others, ...withdrawn].slice(-MOST_WITHDRAWN)
}

const missing = (
  held: readonly AssertionKey[],
  operatorKeys: readonly PublicKey[],
  now: number,
): readonly AssertionKey[] =>
  operatorKeys
    .filter(({ kid }) => !held.some((key) => key.kid === kid))
    .map((key) => ({ ...key, signsFrom: held.length === 0 ? now : now + TIMES.ahead }))

/** When a missing key should first sign; `undefined` where no key is missing. */
const needed = (
  ours: readonly AssertionKey[],
  signer: AssertionKey | undefined,
  now: number,
): number | undefined => {
  if (!signer) return now
  const newest = Math.max(...ours.map(({ signsFrom }) => signsFrom))
  if (ours.length === 0) return now + TIMES.ahead
  const due = newest + TIMES.rotation
  return due - TIMES.ahead <= now ? Math.max(due, now + TIMES.ahead) : undefined
}
