import type { JWK } from 'jose'
import type { AssertionAlgorithm } from '../../model/assertion.ts'

/** The one object that keeps the keys. */
export const KEEPER_NAME = 'keys'

/** A public key that origins may be told of, named by its thumbprint (RFC 7638). */
export interface PublicKey {
  readonly kid: string
  readonly algorithm: AssertionAlgorithm
  /** Public members only. */
  readonly jwk: JWK
}

/** A key that signs, will sign or has signed. Times are milliseconds since the epoch. */
export interface AssertionKey extends PublicKey {
  /** Of a key that was made here; a brought one is with those who have the secret. */
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
  readonly brought: readonly PublicKey[]
}

/** Keys as they should be, and which signs; `make` where a key has to be made first. */
export interface Plan {
  readonly keys: readonly AssertionKey[]
  /** Absent only where none is there yet. */
  readonly signer?: AssertionKey
  /** When the key that is missing may sign. */
  readonly make?: number
}

const HOUR = 60 * 60 * 1000

/** Milliseconds: a key is published before it signs, and after; and how long a made one signs. */
export const TIMES = { ahead: HOUR, after: HOUR + 2 * 60 * 1000, rotation: 30 * 24 * HOUR }

/**
 * What becomes of the keys now. One that is made or brought is published first and signs later, unless
 * there is no other; the one before it is published on, because assertions by it are still on their way.
 * Whoever wants other keys, as two deployments side by side do, brings back what was retired, and makes
 * none anew.
 */
export const planOf = (known: readonly AssertionKey[], wanted: Wanted, now: number): Plan => {
  const held = known.filter(({ until }) => until === undefined || until > now)
  const all = [...held, ...missing(held, wanted, now)]
  const made = all.filter(isMade)
  const ours = made.filter(({ algorithm }) => algorithm === wanted.algorithm)
  const brought = wanted.brought.flatMap(({ kid }) => all.find((key) => key.kid === kid) ?? [])
  const signer = brought.find(isReady(now)) ?? latest(ours, now) ?? latest(made, now) ?? brought[0]
  const make = brought.length > 0 ? undefined : needed(ours, signer, now)
  const keys = all.map((key) => {
    const { until: _, ...rest } = key
    const isKept = key.kid === signer?.kid || brought.includes(key) || isNext(key, brought, now)
    return isKept ? rest : { ...rest, until: key.until ?? now + TIMES.after }
  })
  return { keys, ...(signer && { signer }), ...(make !== undefined && { make }) }
}

/** When the next thing happens to keys, by themselves. */
export const nextChange = (keys: readonly AssertionKey[], now: number): number =>
  Math.min(
    ...keys.flatMap(({ signsFrom, until, privateJwk }) =>
      [
        until ?? Number.POSITIVE_INFINITY,
        ...(signsFrom > now ? [signsFrom] : []),
        ...(privateJwk ? [signsFrom + TIMES.rotation - TIMES.ahead] : []),
      ].filter((at) => at > now),
    ),
    now + TIMES.rotation,
  )

const isMade = ({ privateJwk }: AssertionKey): boolean => privateJwk !== undefined

const isReady =
  (now: number) =>
  ({ signsFrom }: AssertionKey): boolean =>
    signsFrom <= now

const latest = (keys: readonly AssertionKey[], now: number): AssertionKey | undefined =>
  keys.filter(isReady(now)).sort((one, other) => other.signsFrom - one.signsFrom)[0]

const missing = (
  held: readonly AssertionKey[],
  { brought }: Wanted,
  now: number,
): readonly AssertionKey[] =>
  brought
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

/** A made key that is to sign later, while made keys sign. */
const isNext = (
  { signsFrom, privateJwk }: AssertionKey,
  brought: readonly AssertionKey[],
  now: number,
): boolean => brought.length === 0 && privateJwk !== undefined && signsFrom > now
