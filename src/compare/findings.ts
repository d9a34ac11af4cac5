import { type Excess, ISSUERS } from './callers.ts'
import type { Changed } from './settings.ts'
import { firstOf, listed, type Side } from './words.ts'

/** A change of some rules, in words. */
export interface Finding {
  readonly text: string
  /** The rules, issuers or GATE it applies to. */
  readonly of: readonly string[]
  /** Names of the issuers whose tokens it applies to. */
  readonly issuers: readonly string[]
  /** Whether it counts as wider access. */
  readonly widens: boolean
}

/** The requests a policy allows that another does not, and the reverse. */
export interface Comparison {
  /** Whether access is or may be wider. */
  readonly widens: boolean
  readonly gains: readonly Finding[]
  readonly loses: readonly Finding[]
  /** Changes that cannot be compared, or do not affect access. */
  readonly changes: readonly Finding[]
}

interface Noted {
  readonly side: Side
  readonly widens: boolean
  /** Builds the sentence from rules and issuers. */
  readonly say: (of: string, issuers: string) => string
  readonly issuers: Set<string>
  readonly of: Set<string>
}

const ENDS = {
  wider: ['gains', ''],
  narrower: ['loses', ''],
  unclear: ['changes', ', which cannot be compared: counted as wider'],
  neutral: ['changes', ''],
} as const

/** Collects findings, and joins those with the same sentence. */
export function createFindings() {
  const noted = new Map<string, Noted>()
  const note = (of: string, side: Side, widens: boolean, say: Noted['say'], issuer?: string) => {
    const key = JSON.stringify([side, widens, say('', ISSUERS), of])
    const known = noted.get(key) ?? { side, widens, say, issuers: new Set(), of: new Set([of]) }
    if (issuer !== undefined) known.issuers.add(issuer)
    noted.set(key, known)
  }
  return {
    /** Adds callers that are newly allowed or denied. */
    callers(side: 'gains' | 'loses', of: string, { who, issuer, asked, isUnclear }: Excess) {
      const isGain = side === 'gains'
      if (isUnclear && !isGain) return
      const end = asked === undefined ? '' : ` (${isGain ? 'was' : 'now'}: ${asked})`
      const unclear = isUnclear ? ', as far as can be compared: counted as wider' : ''
      const say: Noted['say'] = (rules, issuers) =>
        `${who.replace(ISSUERS, () => issuers)} ${isGain ? 'may now' : 'may no longer'} call ${rules}${end}${unclear}`
      note(of, isUnclear ? 'changes' : side, isGain, say, issuer)
    },
    /** Adds a changed setting. */
    setting(of: string, { key, before, after, directions }: Changed) {
      for (const direction of directions) {
        const [side, end] = ENDS[direction]
        note(
          of,
          side,
          direction === 'wider' || direction === 'unclear',
          (names) => `${names}: \`${key}\` is now ${after} (was ${before})${end}`,
        )
      }
    },
    /** Adds a finding about neither one setting nor one caller. */
    plain(side: Side, of: string, text: string) {
      note(of, side, side === 'gains', (names) => `${names}: ${text}`)
    },
    /** All findings in the order they were added. */
    all(): Comparison {
      const all = [...noted.values()]
      const of = (side: Side) => joined(all.filter((one) => one.side === side))
      const widens = all.some((one) => one.widens)
      return { widens, gains: of('gains'), loses: of('loses'), changes: of('changes') }
    },
  }
}

/** Joins equal findings of different rules. */
const joined = (noted: readonly Noted[]): readonly Finding[] => {
  const same = new Map<string, Noted>()
  for (const one of noted) {
    const key = one.say('', [...one.issuers].join())
    const known = same.get(key)
    if (!known) same.set(key, { ...one, of: new Set(one.of) })
    else for (const name of one.of) known.of.add(name)
  }
  return [...same.values()].map(({ say, of, issuers, widens }) => {
    const names = [...of]
    const text = say(firstOf(names), listed(issuers, 'and'))
    return { text, of: names, issuers: [...issuers], widens }
  })
}
