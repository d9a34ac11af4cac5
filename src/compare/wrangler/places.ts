/** Reads TOML and JSONC with the position of each key and item, so that a mistake can name line and column. */
import { parse, TomlError } from 'smol-toml'
import type { PolicyIssue } from '../../gate/policy/reading/issues.ts'
import { type Place, tomlMistake } from './toml-mistakes.ts'

export type { Place }

/** A mistake or warning, and where it is. */
export interface PlacedIssue extends PolicyIssue, Place {
  readonly file: string
  /** Who is responsible for the file, if it is a team's. */
  readonly owner?: string
}

/** A key or an item, where it begins, and what is inside. */
interface Spot {
  readonly at: number
  readonly inside: Map<string | number, Spot>
}

const BLANK = /(?:\s+|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y
const STRING = /"""(?:\\[\s\S]|[^\\])*?"{3,5}|'''[\s\S]*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'/y
/** A date can have a blank inside. */
const BARE = /[^,[\]{}\s#/"']+(?: [^,[\]{}\s#/"']+)*/y
const NAME = /[A-Za-z0-9_-]+/y

const within = (spot: Spot, key: string | number, at: number): Spot => {
  const known = spot.inside.get(key)
  if (known) return known
  const made: Spot = { at, inside: new Map() }
  spot.inside.set(key, made)
  return made
}

/** Goes through a text once. TOML is known to be valid. Where JSONC is not, it throws a SyntaxError and stays there. */
const reader = (text: string, isJson: boolean) => {
  let at = 0
  const broken = (wanted: string) =>
    new SyntaxError(at < text.length ? `expected ${wanted}` : `ends where ${wanted} should be`)
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    at += found?.length ?? 0
    return found
  }
  const skip = () => void take(BLANK)
  const ended = (end: string): boolean => {
    skip()
    const isEnd = text[at] === end
    if (isEnd) at += 1
    return isEnd
  }
  const parsed = (source: string): unknown => {
    try {
      return JSON.parse(source)
    } catch {
      if (!isJson) return source.slice(1, -1)
      at -= source.length
      throw broken('a value of JSON')
    }
  }
  const names = (): readonly string[] => {
    const found: string[] = []
    do {
      skip()
      const quoted = take(STRING)
      const bare = quoted === undefined && !isJson ? take(NAME) : undefined
      const name = quoted === undefined ? bare : parsed(quoted)
      if (name === undefined) throw broken('a name in double quotes')
      found.push(String(name))
    } while (!isJson && ended('.'))
    return found
  }
  /** Reads a name and its value into a table. */
  const pair = (spot: Spot, into: Record<string, unknown>): void => {
    skip()
    const from = at
    const path = names()
    if (!ended(isJson ? ':' : '=')) throw broken('a colon')
    const inner = path.reduce((one, name) => within(one, name, from), spot)
    const name = path[0] ?? ''
    Object.defineProperty(into, name, {
      value: value(inner),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  const several = (end: string, one: () => void): void => {
    at += 1
    while (!ended(end)) {
      one()
      if (!ended(',') && text[at] !== end) throw broken(`a comma or ${end}`)
    }
  }
  const value = (spot: Spot): unknown => {
    skip()
    if (text[at] === '{') {
      const table: Record<string, unknown> = {}
      several('}', () => pair(spot, table))
      return table
    }
    if (text[at] === '[') {
      const list: unknown[] = []
      several(']', () => list.push(value(within(spot, list.length, at))))
      return list
    }
    const source = take(STRING) ?? take(BARE)
    if (source === undefined) throw broken('a value')
    return isJson ? parsed(source) : undefined
  }
  return { text, value, pair, names, skip, ended, at: () => at }
}

/** The table that a header begins. In a list of tables, names lead through the last one. */
const header = (root: Spot, names: readonly string[], isItem: boolean, at: number): Spot =>
  names.reduce((spot, name, i) => {
    const found = within(spot, name, at)
    const isLast = i === names.length - 1
    if (isLast && isItem) return within(found, found.inside.size, at)
    return isLast ? found : (found.inside.get(found.inside.size - 1) ?? found)
  }, root)

const tomlSpots = (text: string): Spot => {
  const root: Spot = { at: 0, inside: new Map() }
  const { pair, names, ended, skip, at } = reader(text, false)
  let table = root
  for (skip(); at() < text.length; skip()) {
    const from = at()
    if (!ended('[')) {
      pair(table, {})
      continue
    }
    const isItem = ended('[')
    table = header(root, names(), isItem, from)
    ended(']')
    if (isItem) ended(']')
  }
  return root
}

const placeAt = (text: string, at: number): Place => {
  const before = text.slice(0, at).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

/** Where a path of the policy is written. For a rule of a team, also the team's file and the path in that file. */
export type PlaceOf = (
  path: string,
  env?: string,
) => Place & Partial<Pick<PlacedIssue, 'file' | 'owner' | 'path'>>

/** A text's value and places, or what is wrong and where. */
export type ReadText =
  | { readonly value: unknown; readonly placeOf: PlaceOf }
  | { readonly mistake: string; readonly place: Place; readonly form: 'TOML' | 'JSONC' }

const TOO_DEEP = 'it is nested too deep'

/** Whether a text made the stack overflow. Firefox throws an InternalError then. */
const isTooDeep = (error: unknown): boolean =>
  error instanceof Error && /^(?:Range|Internal)Error$/.test(error.name)

/** Reads a text that is TOML or JSONC. TOML never begins with a brace or a slash. */
export function readText(text: string): ReadText {
  return /^\s*[{/]/.test(text) ? readJsonc(text) : readToml(text)
}

/** Reads a TOML text. */
export function readToml(text: string): ReadText {
  try {
    return { value: plain(parse(text)), placeOf: placesIn(text, tomlSpots(text)) }
  } catch (error) {
    if (isTooDeep(error)) return { mistake: TOO_DEEP, place: placeAt('', 0), form: 'TOML' }
    if (!(error instanceof TomlError)) throw error
    const { line, column } = error
    const message = error.message.split('\n', 1)[0]?.replace(/^Invalid TOML document: /, '') ?? ''
    const place = { line, column }
    return { mistake: tomlMistake(text, place, message), place, form: 'TOML' }
  }
}

/** The value as wrangler passes it on: dates become text, as in JSON. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

/** Reads a JSONC text. */
export function readJsonc(text: string): ReadText {
  const root: Spot = { at: 0, inside: new Map() }
  const { value, skip, at } = reader(text, true)
  try {
    const found = value(root)
    skip()
    if (at() < text.length) throw new SyntaxError('expected the end')
    return { value: found, placeOf: placesIn(text, root) }
  } catch (error) {
    const mistake = isTooDeep(error) ? TOO_DEEP : error instanceof SyntaxError && error.message
    if (!mistake) throw error
    return { mistake, place: placeAt(text, at()), form: 'JSONC' }
  }
}

/** The table for a missing binding. */
const bindingTable = (name: unknown): string =>
  name === 'JWKS_CACHE' ? 'kv_namespaces' : 'durable_objects'

/**
 * Finds the value of a path in the file: in the variables of an environment, in a variable that continues another
 * (`ROUTES_01`), beside the variables, or at the top level. For a missing value it finds the table.
 */
const placesIn =
  (text: string, root: Spot): PlaceOf =>
  (path, env) => {
    const steps = stepsOf(path)
    const own = env === undefined ? root : (root.inside.get('env')?.inside.get(env) ?? root)
    const vars = own.inside.get('vars')
    const [first, ...rest] = steps
    const going = [...(vars?.inside.keys() ?? [])].filter((key) => `${key}`.startsWith(`${first}_`))
    const inside = first === 'bindings' ? [bindingTable(rest[0])] : steps
    const tries = [
      ...(vars ? [walk(vars, steps)] : []),
      walk(own, inside),
      walk(root, inside),
      ...(vars ? going.map((key) => walk(vars, [key, ...rest])) : []),
    ]
    const best = tries.reduce((one, other) => (other.depth > one.depth ? other : one))
    return placeAt(text, best.depth > 0 ? best.spot.at : own.at)
  }

const walk = (from: Spot, steps: readonly (string | number)[]) => {
  let [spot, depth] = [from, 0]
  for (const step of steps) {
    const inner = spot.inside.get(step) ?? loosely(spot, step)
    if (!inner) break
    ;[spot, depth] = [inner, depth + 1]
  }
  return { spot, depth }
}

/** Names of headers are reported in lower case. */
const loosely = ({ inside }: Spot, step: string | number): Spot | undefined =>
  [...inside].find(([key]) => String(key).toLowerCase() === step)?.[1]

/** A step of a path: an index, a name that is quoted as in JSON, or a plain name. */
const STEP = /\[(\d+)\]|\["((?:\\(?:["\\/bfnrt]|u[\da-f]{4})|[^"\\\p{Cc}])*)"\]|([^.[\]]+)/gu

/**
 * The steps of a path, as places of mistakes name it.
 * @example stepsOf('ROUTES[3].match') // ['ROUTES', 3, 'match']
 */
export function stepsOf(path: string): readonly (string | number)[] {
  return [...path.matchAll(STEP)].map(([, index, quoted, name = '']) =>
    index !== undefined
      ? Number(index)
      : quoted !== undefined
        ? String(JSON.parse(`"${quoted}"`))
        : name,
  )
}
