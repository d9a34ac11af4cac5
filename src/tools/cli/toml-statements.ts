import { parse } from 'smol-toml'
import { isObject, type JsonObject } from '../../core/json.ts'

/** One statement of a TOML document, and its position. */
export interface Statement {
  /** `[table]`, `[[item]]`, or `key = value`. */
  readonly kind: 'table' | 'item' | 'pair'
  readonly key: readonly string[]
  /** Where it begins, and its line, counted from 1. */
  readonly start: number
  readonly line: number
  /** Where its value begins and ends; of a table its header. */
  readonly value: number
  readonly end: number
}

/** A text, or a sign outside of texts: the parts of a value, so that no sign inside a text counts. */
const PIECE =
  /"""[\s\S]*?(?<!\\)(?:\\\\)*"{3,5}|'''[\s\S]*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|[[{]|[\]}]|\n|[^"'#[\]{}\n]+/gy

/** The statements of a document in their order. Wants one that is valid: judges nothing. */
export function statementsOf(text: string): readonly Statement[] {
  const statements: Statement[] = []
  const starts = /^[ \t]*(?=[^\s#])/gm
  let line = 1
  let last = 0
  for (;;) {
    const found = starts.exec(text)
    if (!found) return statements
    const start = starts.lastIndex
    const end = endOf(text, start)
    line += text.slice(last, start).split('\n').length - 1
    last = start
    const written = text.slice(start, end)
    const [, item, table] = /^(?:\[\[(.*)\]\]|\[(.*)\])$/s.exec(written) ?? []
    const header = item ?? table
    if (header !== undefined) {
      const kind = item === undefined ? 'table' : 'item'
      statements.push({ kind, key: keyOf(header), start, line, value: start, end })
    } else {
      const [left = '', key = ''] =
        /^((?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'=])*?)[ \t]*=[ \t]*/.exec(written) ?? []
      statements.push({
        kind: 'pair',
        key: keyOf(key),
        start,
        line,
        value: start + left.length,
        end,
      })
    }
    const rest = text.indexOf('\n', end)
    if (rest < 0) return statements
    starts.lastIndex = rest + 1
  }
}

/** Where a statement ends: before the spaces and the comment after it. */
const endOf = (text: string, start: number): number => {
  let depth = 0
  let end = start
  PIECE.lastIndex = start
  for (;;) {
    const [piece] = PIECE.exec(text) ?? []
    if (piece === undefined || (piece === '\n' && depth === 0)) return end
    if (piece === '[' || piece === '{') depth++
    if (piece === ']' || piece === '}') depth--
    if (!piece.startsWith('#') && piece.trim() !== '')
      end = PIECE.lastIndex - (piece.length - piece.trimEnd().length)
  }
}

/** The names of a dotted key, as the parser reads them. */
const keyOf = (text: string): readonly string[] => {
  const names: string[] = []
  let table: unknown = parse(`${text} = 0`)
  while (typeof table === 'object' && table !== null) {
    const [name = ''] = Object.keys(table)
    names.push(name)
    table = (table as Readonly<Record<string, unknown>>)[name]
  }
  return names
}

/** A value as TOML on one line; what TOML cannot express is found when the file is read. */
export function tomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`
  return isObject(value) ? `{ ${pairs(value).join(', ')} }` : JSON.stringify(value)
}

const pairs = (table: JsonObject): readonly string[] =>
  Object.entries(table).map(
    ([key, value]) => `${/^[\w-]+$/.test(key) ? key : JSON.stringify(key)} = ${tomlValue(value)}`,
  )

/** A table as lines, for the end of a file. */
export function tomlTable(name: string, table: JsonObject): readonly string[] {
  return [`[${name}]`, ...pairs(table)]
}
