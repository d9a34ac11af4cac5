import { canonicalPath } from '../../core/url.ts'
import { foldCase } from '../../policy/route-index.ts'

/** Escapes, which have no case of their own, and all text between them. */
const PARTS = /((?:%[0-9A-F]{2})+)/

const eachPart = (text: string, plain: (text: string) => string, escaped = (run: string) => run) =>
  text
    .split(PARTS)
    .map((part, i) => (i % 2 === 0 ? plain(part) : escaped(part)))
    .join('')

const same = (text: string) => text
const upper = (text: string) => text.toUpperCase()
const lower = (text: string) => text.toLowerCase()
const firstTurned = (text: string) =>
  text.replace(/[A-Za-z]/, (letter) => (letter === upper(letter) ? lower(letter) : upper(letter)))
const escaped = (text: string) =>
  text.replace(/[!$&'()*+,=:@|[\]]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

/** Escapes of characters that may also stand plain. */
const PLAIN = /%(?:21|24|26|27|28|29|2A|2B|2C|3A|3D|40|5B|5D|7C)/g

const decoded = (run: string, turn: (text: string) => string): string => {
  try {
    return encodeURIComponent(turn(decodeURIComponent(run)))
  } catch {
    return run
  }
}

const CASES: readonly ((text: string) => string)[] = [
  same,
  (text) => eachPart(text, upper),
  (text) => eachPart(text, lower),
  (text) => eachPart(text, firstTurned),
  (text) => eachPart(text, same, (run) => decoded(run, upper)),
  (text) => eachPart(text, same, (run) => decoded(run, lower)),
]

const ESCAPES: readonly ((text: string) => string)[] = [
  same,
  escaped,
  (text) => text.replace(PLAIN, (triplet) => decodeURIComponent(triplet)),
]

/** Other canonical spellings of a segment that a lax reader takes for the same; most have some. */
export function otherSpellings(text: string): string[] {
  const all = new Set(CASES.flatMap((turn) => ESCAPES.map((spell) => spell(turn(text)))))
  return [...all].filter((one) => {
    if (one === text || foldCase(one) !== foldCase(text)) return false
    const path = canonicalPath(`/${one}`)
    return path.ok && path.value === `/${one}`
  })
}
