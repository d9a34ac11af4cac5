import type { JsonObject } from '../../gate/base/json.ts'
import { lifetimeOf } from '../../gate/keys/times.ts'
import { publicKeys } from '../../gate/model/key-set.ts'
import type { ProfileName } from '../../gate/policy/keys/profiles.ts'
import type { Asked, Exchange, Gathered } from './gather.ts'
import { type KeyFacts, keyFactsOf } from './keys.ts'
import { guessProfile, type ProfileGuess } from './profile.ts'
import type { Target } from './target.ts'
import { judgeToken, type TokenFact } from './token.ts'

/** The member of metadata that names algorithms of DPoP proofs (RFC 9449 §5.1, RFC 9728 §2). */
export const PROOFS = 'dpop_signing_alg_values_supported'

/** A comparison of the issuer's clock with this machine's. */
export interface ClockFact {
  /** By how many seconds the issuer's clock is ahead at least (negative: behind); 0 if the clocks may agree. */
  readonly ahead: number
  /** The uncertainty in seconds: of the Date's whole seconds, of caches and of the network. */
  readonly within: number
}

/** How long the gate keeps the key set. */
export interface CachingFact {
  readonly headers: Exchange['headers']
  /** The server's lifetime in seconds, if it sent one. */
  readonly maxAge?: number
  /** Seconds until a withdrawn key no longer verifies. */
  readonly fresh: number
}

/** All facts about an issuer, which the checks read. */
export interface Facts {
  readonly target: Target
  readonly gathered: Gathered
  /** The metadata that led to the keys; if none did, the first document. */
  readonly metadata: JsonObject
  /** Absent if the document is missing or not a key set. */
  readonly keys: KeyFacts | undefined
  readonly caching: CachingFact | undefined
  readonly clock: ClockFact | undefined
  readonly guess: ProfileGuess
  /** The configured profile, else the suggested one. */
  readonly profile: ProfileName
  readonly token: TokenFact | undefined
}

/** Combines the answers. Checks a sample token only if there are keys. */
export async function factsOf(
  target: Target,
  gathered: Gathered,
  sample: string | undefined,
): Promise<Facts> {
  const { issuer } = target
  const metadata = metadataOf(gathered)
  const document = issuer.keys.kind === 'inline' ? issuer.keys : documentOf(gathered.keySet)
  const keys = document && (await keyFactsOf(document, issuer))
  const guess = guessProfile(issuer.issuer, metadata)
  const known = target.isProfileGiven ? (issuer.profile as ProfileName) : guess.profile
  const token =
    sample !== undefined && keys?.usable
      ? await judgeToken(sample, target, publicKeys(document) ?? [], known)
      : undefined
  return {
    target,
    gathered,
    metadata,
    keys,
    caching: cachingOf(target, gathered),
    clock: clockOf(issuer.issuer, gathered),
    guess,
    profile: known ?? token?.profile ?? 'rfc9068',
    token,
  }
}

/** The fetched document, unchecked. */
export function documentOf(asked: Asked | undefined): JsonObject | undefined {
  return asked?.fetched.ok && asked.fetched.value.kind === 'document'
    ? asked.fetched.value.document
    : undefined
}

const metadataOf = ({ metadata, discovered }: Gathered): JsonObject => {
  const good = discovered?.ok
    ? metadata.find(({ url }) => url === discovered.value.url)
    : metadata.find(({ fetched }) => fetched.ok)
  return documentOf(good) ?? {}
}

const cachingOf = ({ issuer }: Target, { keySet }: Gathered): CachingFact | undefined => {
  if (!keySet?.fetched.ok) return undefined
  const { maxAge } = keySet.fetched.value
  return {
    headers: keySet.exchanges.at(-1)?.headers ?? {},
    ...(maxAge !== undefined && { maxAge }),
    fresh: lifetimeOf(maxAge, issuer.keyTimes) / 1000,
  }
}

/** RFC 9110 §5.6.7; only the format that servers send. */
const IMF_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/

/**
 * Compares the issuer's clock with this machine's, by Date headers of its own origin, else of the
 * keys' origin. The answer with the smallest difference counts, since caches may send old dates.
 * Does not find out which clock is wrong.
 */
export function clockOf(issuer: string, { metadata, keySet }: Gathered) {
  const exchanges = [...metadata, keySet].flatMap((asked) => asked?.exchanges ?? [])
  const { origin } = new URL(issuer)
  const known = exchanges.flatMap((exchange) => {
    const fact = compared(exchange)
    return fact ? [{ fact, isOwn: new URL(exchange.url).origin === origin }] : []
  })
  const own = known.filter(({ isOwn }) => isOwn)
  const facts = (own.length > 0 ? own : known).map(({ fact }) => fact)
  return facts.sort((a, b) => Math.abs(a.ahead) - Math.abs(b.ahead) || a.within - b.within)[0]
}

const compared = ({ headers, sentAt, endedAt }: Exchange): ClockFact | undefined => {
  const date = IMF_DATE.test(headers.date ?? '') ? Date.parse(headers.date ?? '') : Number.NaN
  if (Number.isNaN(date)) return undefined
  // A cache may send the original Date or its own.
  const age = /^\d{1,9}$/.test(headers.age ?? '') ? Number(headers.age) * 1000 : 0
  const latest = date + 1000 + age
  const ahead = date > endedAt ? date - endedAt : Math.min(0, latest - sentAt)
  return { ahead: tenths(ahead), within: tenths(endedAt - sentAt + 1000 + age) }
}

const tenths = (milliseconds: number): number => Math.round(milliseconds / 100) / 10
