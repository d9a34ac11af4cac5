import { type Excess, ISSUERS } from './callers.ts'
import type { Changed } from './settings.ts'
import { listed, type Side, told } from './words.ts'

/** What changed for some rules, in words. */
export interface Finding {
  readonly text: string
  /** Rules, issuers or GATE. */
  readonly of: readonly string[]
  /** Names of the issuers whose tokens it is about. */
  readonly issuers: readonly string[]
  /** Whether access counts as wider because of it. */
  readonly widens: boolean
}

/** What a policy lets pass that another did not, and the other way round. */
export interface Comparison {
  /** Whether something passes that did not, or may. */
  readonly widens: boolean
  readonly gains: readonly Finding[]
  readonly loses: readonly Finding[]
  /** What cannot be compared, and what does not say who may pass. */
  readonly changes: readonly Finding[]
}

interface Noted {
  readonly side: Side
  readonly widens: boolean
  /** Makes the sentence of the names it is about. */
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

/** Gathers what was found, one sentence for all that it is true of. */
export function createFindings() {
  const noted = new Map<string, Noted>()
  const note = (of: string, side: Side, widens: boolean, say: Noted['say'], issuer?: string) => {
    const key = JSON.stringify([side, widens, say('', ISSUERS), of])
    const known = noted.get(key) ?? { side, widens, say, issuers: new Set(), of: new Set([of]) }
    if (issuer !== undefined) known.issuers.add(issuer)
    noted.set(key, known)
  }
  return {
    /** Callers who pass now, or no longer do. */
    callers(side: 'gains' | 'loses', of: string, { who, issuer, asked, isUnclear }: Excess) {
      const isGain = side === 'gains'
      if (isUnclear && !isGain) return
      const end = asked === undefined ? '' : ` (${isGain ? 'was' : 'now'}: ${asked})`
      const unclear = isUnclear ? ', as far as can be compared: counted as wider' : ''
      const say: Noted['say'] = (rules, issuers) =>
        `${who.replace(ISSUERS, () => issuers)} ${isGain ? 'may now' : 'may no longer'} call ${rules}${end}${unclear}`
      note(of, isUnclear ? 'changes' : side, isGain, say, issuer)
    },
    /** A setting that is another. */
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
    /** What is not said of one setting or caller alone. */
    plain(side: Side, of: string, text: string) {
      note(of, side, side === 'gains', (names) => `${names}: ${text}`)
    },
    /** All of them, in the order they were found. */
    all(): Comparison {
      const all = [...noted.values()]
      const of = (side: Side) => joined(all.filter((one) => one.side === side))
      const widens = all.some((one) => one.widens)
      return { widens, gains: of('gains'), loses: of('loses'), changes: of('changes') }
    },
  }
}

/** One finding of all that say the same of different rules. */
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
    const text = say(told(names), listed(issuers, 'and'))
    return { text, of: names, issuers: [...issuers], widens }
  })
}
