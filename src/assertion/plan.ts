import type { JWK } from 'jose'
import type { AssertionAlgorithm } from '../core/model/assertion.ts'

/** The one object that keeps the keys. */
export const KEEPER_NAME = 'keys'

/** A public key that may be published, named by its thumbprint (RFC 7638). */
export interface PublicKey {
  readonly kid: string
  readonly algorithm: AssertionAlgorithm
  /** Public members only. */
  readonly jwk: JWK
}

/** A key that signs, will sign or has signed. Times are milliseconds since the epoch. */
export interface AssertionKey extends PublicKey {
  /** Of a key that was made here; the operator's are with those who have the secret. */
  readonly privateJwk?: JWK
  /** When it may sign: every origin that looks now and then has seen it by then. */
  readonly signsFrom: number
  /** Until when it is published, once it signs no more. */
  readonly until?: number
}

/** What is wanted of the keys. */
export interface Wanted {
  readonly algorithm: AssertionAlgorithm
  /** The keys of the secret, in its order; empty where keys are to be made. */
  readonly operatorKeys: readonly PublicKey[]
  /** Ids of keys that are to be gone. */
  readonly withdrawn?: readonly string[]
}

/** What is kept from one question to the next. */
export interface Kept {
  readonly keys: readonly AssertionKey[]
  /** Ids of keys that never come back, also for those who do not know that they were withdrawn. */
  readonly withdrawn: readonly string[]
}

/** What should be kept, and which key signs; `make` where a key has to be made first. */
export interface Plan extends Kept {
  /** Absent only where none is there yet. */
  readonly signer?: AssertionKey
  /** When the key that is missing may sign. */
  readonly make?: number
}

const HOUR = 60 * 60 * 1000

/** Milliseconds: a key is published before it signs, and after; and how long a made one signs. */
export const TIMES = { ahead: HOUR, after: HOUR + 2 * 60 * 1000, rotation: 30 * 24 * HOUR }

/** Of how many withdrawn keys it is known, the last ones, that they were. */
const MOST_WITHDRAWN = 64

/**
 * What becomes of the keys now. A new one is published first and signs later, unless
 * there is no other; the one before it is published on, because assertions by it are still on their way.
 * While the operator's keys sign, a generated key is on standby, published, for when there are none any more.
 * Whoever wants other keys, as two deployments side by side do, brings back what was retired, and makes
 * none anew. A key that is withdrawn is gone at once and for all, and another signs without waiting.
 */
export function planOf(kept: Kept, wanted: Wanted, now: number): Plan {
  const withdrawn = withdrawnOf(kept, wanted)
  const isGood = ({ kid }: PublicKey) => !withdrawn.includes(kid)
  const held = kept.keys.filter((key) => isGood(key) && (key.until ?? now + 1) > now)
  const all = [...held, ...missing(held, wanted.operatorKeys.filter(isGood), now)]
  const made = all.filter(isMade)
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
    const isKept = key === signer || key === standby || operators.includes(key) || isNext(key, now)
    return isKept ? rest : { ...rest, until: key.until ?? now + TIMES.after }
  })
  return { keys, withdrawn, ...(signer && { signer }), ...(make !== undefined && { make }) }
}

/** When the next thing happens to keys, by themselves. */
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

const isMade = ({ privateJwk }: AssertionKey): boolean => privateJwk !== undefined

const isReady =
  (now: number) =>
  ({ signsFrom }: AssertionKey): boolean =>
    signsFrom <= now

const latest = (keys: readonly AssertionKey[], now: number): AssertionKey | undefined =>
  keys.filter(isReady(now)).sort((one, other) => other.signsFrom - one.signsFrom)[0]

/** Of keys that may not sign yet: the one that was published first. */
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

/** When a key that is not there should sign; nothing where one is there in time. */
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

/** A made key that is to sign or to stand by later. */
const isNext = ({ signsFrom, privateJwk }: AssertionKey, now: number): boolean =>
  privateJwk !== undefined && signsFrom > now
