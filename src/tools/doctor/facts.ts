import type { JsonObject } from '../../core/json.ts'
import { publicKeys } from '../../keys/set.ts'
import { lifetimeOf } from '../../keys/times.ts'
import type { ProfileName } from '../../policy/profiles.ts'
import { type ClockFact, clockOf } from './clock.ts'
import type { Asked, Exchange, Gathered } from './gather.ts'
import { type KeyFacts, keyFactsOf } from './keys.ts'
import { guessProfile, type ProfileGuess } from './profile.ts'
import type { Target } from './target.ts'
import { judgeToken, type TokenFact } from './token.ts'

/** How long the gate goes by what it fetched. */
export interface CachingFact {
  readonly headers: Exchange['headers']
  /** Seconds that the server says; absent where it says nothing. */
  readonly maxAge?: number
  /** Seconds after which a withdrawn key verifies no more. */
  readonly fresh: number
  /** Seconds since the set was changed, by its Last-Modified (RFC 9110 §8.8.2). */
  readonly changed?: number
  /** Whether asking again with the entity-tag brings no second copy; absent without a tag. */
  readonly revalidates?: boolean
}

/** All that is known of an issuer; the checks read nothing else. */
export interface Facts {
  readonly target: Target
  readonly gathered: Gathered
  /** The metadata by which the keys were found; where none was good, the first that was had. */
  readonly metadata: JsonObject
  /** Absent where no document was had, or it is no key set. */
  readonly keys?: KeyFacts
  readonly caching?: CachingFact
  readonly clock?: ClockFact
  readonly guess: ProfileGuess
  /** That of the entry where it says one, else what is suggested. */
  readonly profile: ProfileName
  readonly token?: TokenFact
}

/** Puts together what was answered. A sample token is judged only where there are keys. */
export async function factsOf(
  target: Target,
  gathered: Gathered,
  sample: string | undefined,
): Promise<Facts> {
  const { issuer } = target
  const metadata = metadataOf(gathered)
  const document = issuer.keys.kind === 'inline' ? issuer.keys : documentOf(gathered.keySet)
  const keys = document && (await keyFactsOf(document, issuer))
  const caching = cachingOf(target, gathered)
  const clock = clockOf(issuer.issuer, gathered)
  const guess = guessProfile(issuer.issuer, metadata)
  const said = target.isProfileGiven || target.table !== null
  const known = said ? (issuer.profile as ProfileName) : guess.profile
  const token =
    sample !== undefined && keys?.usable
      ? await judgeToken(sample, target, publicKeys(document) ?? [], known)
      : undefined
  return {
    target,
    gathered,
    metadata,
    ...(keys && { keys }),
    ...(caching && { caching }),
    ...(clock && { clock }),
    guess,
    profile: known ?? token?.profile ?? 'rfc9068',
    ...(token && { token }),
  }
}

/** The document that came, whatever it says. */
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

const cachingOf = ({ issuer }: Target, { keySet, again }: Gathered): CachingFact | undefined => {
  if (!keySet?.fetched.ok) return undefined
  const { maxAge } = keySet.fetched.value
  const { headers = {}, endedAt = 0 } = keySet.exchanges.at(-1) ?? {}
  const changed = Math.round((endedAt - Date.parse(headers['last-modified'] ?? '')) / 1000)
  return {
    headers,
    ...(maxAge !== undefined && { maxAge }),
    ...(changed >= 0 && { changed }),
    fresh: lifetimeOf(maxAge, issuer.keyTimes) / 1000,
    ...(again && { revalidates: again.fetched.ok && again.fetched.value.kind === 'unchanged' }),
  }
}

/** `unsure`: nobody answered, so that whether something is wrong is not known. */
export type Level = 'wrong' | 'unsure' | 'warning'

/** Something that was found, and how to mend it. */
export interface Finding {
  readonly level: Level
  readonly code: string
  readonly message: string
  readonly mend: string
}

/** Tells what it finds, or nothing; `mend` is for what it found. */
export type Check = readonly [
  level: Level,
  code: string,
  finds: (facts: Facts) => string | undefined,
  mend: string | ((facts: Facts) => string),
]
