import { canonicalPath } from '../gate/base/url.ts'
import type { Route } from '../gate/model/route.ts'
import { foldCase, PARAM } from '../gate/policy/reading/route-index.ts'

/** A segment of a rule's path: a literal, or a parameter with a suffix. */
export interface Piece {
  readonly isParam: boolean
  /** The literal or suffix as written. */
  readonly source: string
  /** The text to compare: `source`, or its {@link laxly} form. */
  readonly text: string
}

/** Normalizes text for lax readers, which ignore case, escapes and final dots. */
export function laxly(text: string): string {
  return foldCase(text).replace(/(?<!\.)\.+$/, '')
}

/** A set of paths that a rule or a lax reader matches. */
export interface Shape {
  readonly pieces: readonly Piece[]
  /** Whether it is read laxly. */
  readonly isLoose: boolean
  /** Whether one or more segments may follow. */
  readonly isOpen: boolean
  /** By segment: the parameter values that scopes restrict. */
  readonly values: ReadonlyMap<number, readonly string[]>
}

const pieceOf = (segment: string, isLoose: boolean): Piece => {
  const [, name, suffix = ''] = PARAM.exec(segment) ?? []
  const source = name === undefined ? segment : suffix
  return { isParam: name !== undefined, source, text: isLoose ? laxly(source) : source }
}

/** The paths of a rule, and those of readers that ignore case, escapes and a final slash. */
export function shapesOf(
  { path }: Pick<Route, 'path'>,
  values: Shape['values'] = new Map(),
): readonly Shape[] {
  const all = path.slice(1).split('/')
  const isOpen = all.at(-1) === '*'
  const segments = isOpen ? all.slice(0, -1) : all
  const shape = (texts: readonly string[], isLoose: boolean, open = isOpen): Shape => ({
    pieces: texts.map((text) => pieceOf(text, isLoose)),
    isLoose,
    isOpen: open,
    values,
  })
  // With a slash added, `/a` matches `/a/*`; in other paths a final slash is added or removed.
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

/** A placeholder segment for a depth; its end is recognizable before any suffix. */
export function standIn(placeholder: string, place: number): string {
  return `${placeholder}${place}-`
}

/** A placeholder segment that is not allowed in scopes. */
export function unfit(stand: string): string {
  return `${stand}%20${stand}`
}

/** The index of the segment with a rule's parameter. */
export function placeOf({ path }: Pick<Route, 'path'>, param: string): number {
  return path
    .slice(1)
    .split('/')
    .findIndex((segment) => PARAM.exec(segment)?.[1] === param)
}

/** An equal text for shapes that match the same paths. */
export function shapeKey({ pieces, isOpen, isLoose }: Shape): string {
  return JSON.stringify([isOpen, isLoose, ...pieces.map(({ isParam, text }) => [isParam, text])])
}

/** Separates runs of escapes from other text. */
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

/** Escapes of characters that may also be unescaped. */
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

/** Other canonical spellings of a segment that lax readers treat as equal. */
export function otherSpellings(text: string): string[] {
  const all = new Set(CASES.flatMap((turn) => ESCAPES.map((spell) => spell(turn(text)))))
  return [...all].filter((one) => {
    if (one === text || foldCase(one) !== foldCase(text)) return false
    const path = canonicalPath(`/${one}`)
    return path.ok && path.value === `/${one}`
  })
}
