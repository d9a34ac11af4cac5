import { getOrMake } from '../gate/base/memo.ts'
import { createPace, type Pace } from './pace.ts'
import { laxly, otherSpellings, type Shape, shapeKey, standIn, unfit } from './shapes.ts'

/** Sample paths for all kinds of paths, and their placeholder. */
export interface Samples {
  readonly paths: readonly string[]
  /** The prefix of placeholder segments, which occurs in no rule. */
  readonly placeholder: string
}

interface Walk {
  readonly placeholder: string
  readonly most: number
  readonly paths: string[]
  readonly pace: Pace
  /** Text of a piece → its other spellings. */
  readonly spellings: ReadonlyMap<string, readonly string[]>
}

/** A shape that differs from all others. */
interface Numbered extends Shape {
  readonly id: number
}

/** A path under construction: the shapes it may still match, and open ones it already matches. */
interface State {
  readonly segments: readonly string[]
  readonly alive: readonly Numbered[]
  readonly taken: readonly Numbered[]
}

/**
 * A path for every set of shapes that a path can match, for every relevant parameter value, and for
 * one not allowed in scopes. Rules treat any path like one of these. `undefined` above `most`
 * paths. The placeholder does not occur in `others`.
 */
export async function samplePaths(
  shapes: readonly Shape[],
  most: number,
  others: readonly string[] = [],
  pace: Pace = createPace(undefined),
): Promise<Samples | undefined> {
  const unique = await merged(shapes, pace)
  let longest = 0
  const avoid = async (texts: Iterable<string>) => {
    for (const text of texts) {
      await pace(1)
      for (const one of text.match(/anyx*/gi) ?? []) longest = Math.max(longest, one.length - 2)
    }
  }
  for (const { pieces, values } of unique) {
    await avoid(pieces.map(({ source }) => source))
    for (const some of values.values()) await avoid(some)
  }
  await avoid(others)
  const placeholder = `any${'x'.repeat(longest)}`
  const spellings = new Map<string, readonly string[]>()
  for (const { pieces, isLoose } of unique) {
    for (const { source } of isLoose ? pieces : []) {
      await pace(SPELL)
      getOrMake(spellings, source, () => spellingsOf(source))
    }
  }
  const walk: Walk = { placeholder, most, paths: [], pace, spellings }
  return (await step(walk, { segments: [], alive: unique, taken: [] }))
    ? { paths: walk.paths, placeholder }
    : undefined
}

/** Steps to spell a piece. */
const SPELL = 50

const spellingsOf = (source: string): readonly string[] => {
  const others = otherSpellings(source)
  // In a segment without letters, a final dot makes another spelling.
  return others.length === 0 && source !== '' ? [`${source}.`] : others
}

/** Steps to merge a shape. */
const MERGE = 20

/** Merges shapes that match the same paths, with all their values. */
const merged = async (shapes: readonly Shape[], pace: Pace): Promise<readonly Numbered[]> => {
  const all = new Map<string, Shape>()
  for (const shape of shapes) {
    await pace(MERGE)
    const key = shapeKey(shape)
    const values = new Map(all.get(key)?.values)
    for (const [place, more] of shape.values) {
      values.set(place, [...new Set([...(values.get(place) ?? []), ...more])])
    }
    all.set(key, { ...shape, values })
  }
  return [...all.values()].map((shape, id) => ({ ...shape, id }))
}

/** Steps for each shape that a path may still match: half of them to see where it goes on. */
const STEPS = 5

/** Extends a path; `false` if there are too many. */
const step = async (walk: Walk, { segments, alive, taken }: State): Promise<boolean> => {
  await walk.pace(STEPS * (1 + alive.length))
  const depth = segments.length
  const isWhole = alive.some(({ pieces, isOpen }) => pieces.length === depth && !isOpen)
  if (depth > 0 && (isWhole || taken.length > 0)) {
    if (walk.paths.length >= walk.most) return false
    walk.paths.push(`/${segments.join('/')}`)
  }
  const going = alive.filter(({ pieces, isOpen }) => pieces.length > depth || isOpen)
  if (going.length === 0 || segments.at(-1) === '') return true
  const meets = indexAt(going, depth)
  const ended = going.filter(({ pieces }) => pieces.length === depth)
  await walk.pace(STEPS * (1 + going.length))
  const seen = new Set<string>()
  for (const [segment, isValue] of candidates(walk, going, depth, taken.length > 0)) {
    const next = meets(segment)
    const done = [...taken, ...ended]
    if (next.length + done.length === 0) continue
    const key = next.map(({ id }) => id).join()
    if (!isValue && seen.has(key)) continue
    seen.add(key)
    const state = { segments: [...segments, segment], alive: next, taken: done }
    if (!(await step(walk, state))) return false
  }
  return true
}

/** Finds the shapes that match a segment, by their literals and suffixes. */
const indexAt = (going: readonly Numbered[], depth: number) => {
  const index = new Map<string, Numbered[]>()
  const lengths = new Set<number>()
  const keyOf = (isParam: boolean, isLoose: boolean, text: string) =>
    `${isParam ? '*' : '='}${isLoose ? '~' : '='}${text}`
  for (const shape of going) {
    const piece = shape.pieces[depth]
    if (!piece) continue
    if (piece.isParam) lengths.add(piece.text.length)
    getOrMake(index, keyOf(piece.isParam, shape.isLoose, piece.text), () => []).push(shape)
  }
  const found = (isLoose: boolean, segment: string) => {
    const read = isLoose ? laxly(segment) : segment
    // Before a suffix there is at least one character.
    const ends = [...lengths].filter((length) => length < read.length)
    const keys = ends.map((length) => keyOf(true, isLoose, read.slice(read.length - length)))
    return [keyOf(false, isLoose, read), ...keys].flatMap((key) => index.get(key) ?? [])
  }
  return (segment: string): readonly Numbered[] =>
    [...found(false, segment), ...found(true, segment)].sort((one, other) => one.id - other.id)
}

/** The next segments to try, most typical first; `true` for parameter values. */
const candidates = (
  { placeholder, spellings }: Walk,
  going: readonly Shape[],
  depth: number,
  isTaken: boolean,
): ReadonlyMap<string, boolean> => {
  const found = new Map<string, boolean>()
  const add = (segment: string, isValue = false) =>
    found.set(segment, isValue || (found.get(segment) ?? false))
  const piecesOf = (shapes: readonly Shape[]) => shapes.flatMap(({ pieces }) => pieces[depth] ?? [])
  const pieces = piecesOf(going)
  const suffixes = new Set(pieces.flatMap(({ isParam, source }) => (isParam ? [source] : [])))
  const stand = standIn(placeholder, depth + 1)
  for (const { isParam, source } of pieces) add(isParam ? stand + source : source)
  for (const { values, pieces } of going) {
    const suffix = pieces[depth]?.source ?? ''
    const some = values.get(depth)
    if (!some) continue
    for (const value of [...some, unfit(stand)]) add(value + suffix, true)
  }
  const isOpen = going.some(({ pieces }) => pieces.length === depth)
  // An open shape also matches where no other continues.
  if (isOpen || isTaken) add(stand)
  if (isOpen) add('')
  for (const { source, isParam } of piecesOf(going.filter(({ isLoose }) => isLoose))) {
    for (const one of spellings.get(source) ?? []) add(isParam ? stand + one : one)
    if (isParam) continue
    for (const suffix of suffixes) {
      if (suffix === '' || !source.endsWith(suffix)) continue
      for (const one of otherSpellings(source.slice(0, -suffix.length))) add(one + suffix)
    }
  }
  return found
}
