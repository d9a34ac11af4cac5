import type { Route } from '../../core/model/route.ts'
import { canonicalPath } from '../../core/url.ts'
import { foldCase, PARAM } from '../../policy/route-index.ts'

/** One segment of a path that somebody reads: literal text, or a parameter before a suffix. */
export interface Piece {
  readonly isParam: boolean
  /** The literal or suffix as the rule has it. */
  readonly source: string
  /** What is compared: `source`, or what it is {@link laxly} read. */
  readonly text: string
  readonly isLoose: boolean
}

/** As readers take it that ignore case, escapes and dots at the end, which stand for all that they leave away there. */
export function laxly(text: string): string {
  return foldCase(text).replace(/(?<!\.)\.+$/, '')
}

/** A set of paths that some rule, or a laxer reader of it, takes. */
export interface Shape {
  readonly pieces: readonly Piece[]
  /** Whether one or more further segments follow, whatever they are. */
  readonly isOpen: boolean
  /** Values of parameters that scopes are made of, by the place of their segment: those some scope is about. */
  readonly values: ReadonlyMap<number, readonly string[]>
}

const pieceOf = (segment: string, isLoose: boolean): Piece => {
  const [, name, suffix = ''] = PARAM.exec(segment) ?? []
  const source = name === undefined ? segment : suffix
  return { isParam: name !== undefined, source, text: isLoose ? laxly(source) : source, isLoose }
}

/** A rule's path as it is, and as readers take it that ignore case, escapes and a slash at the end. */
export function shapesOf(
  { path }: Pick<Route, 'path'>,
  values: Shape['values'] = new Map(),
): readonly Shape[] {
  const all = path.slice(1).split('/')
  const isOpen = all.at(-1) === '*'
  const segments = isOpen ? all.slice(0, -1) : all
  const shape = (texts: readonly string[], isLoose: boolean, open = isOpen): Shape => ({
    pieces: texts.map((text) => pieceOf(text, isLoose)),
    isOpen: open,
    values,
  })
  // `/a/*` is met by `/a` too where a slash is added, and any other path with the slash turned over.
  const other =
    isOpen || segments.at(-1) === ''
      ? segments.slice(0, isOpen ? undefined : -1)
      : [...segments, '']
  return [
    shape(segments, false),
    shape(segments, true),
    ...(other.length > 0 ? [shape(other, true, false)] : []),
  ]
}

/** A made-up segment for a place of a path; where it ends can be told whatever comes after it. */
export function standIn(placeholder: string, place: number): string {
  return `${placeholder}${place}-`
}

/** A made-up segment that may not stand in a scope, from one that may. */
export function unfit(stand: string): string {
  return `${stand}%20${stand}`
}

/** Whether a segment of a path is as a piece wants it. */
export function fits({ isParam, text, isLoose }: Piece, segment: string): boolean {
  const read = isLoose ? laxly(segment) : segment
  return isParam ? read.length > text.length && read.endsWith(text) : read === text
}

/** The place of a rule's parameter among the segments of its path. */
export function placeOf({ path }: Pick<Route, 'path'>, param: string): number {
  return path
    .slice(1)
    .split('/')
    .findIndex((segment) => PARAM.exec(segment)?.[1] === param)
}

/** One text for shapes that take the same paths. */
export function shapeKey({ pieces, isOpen }: Shape): string {
  return JSON.stringify([
    isOpen,
    ...pieces.map(({ isParam, text, isLoose }) => [isParam, text, isLoose]),
  ])
}

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
