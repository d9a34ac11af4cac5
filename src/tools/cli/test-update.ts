import { isDeepStrictEqual } from 'node:util'
import { parse } from 'smol-toml'
import type { JsonObject } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { plain } from '../../wrangler/places.ts'
import type { Expected, TestFile } from './test-file.ts'
import type { Statement } from './toml-statements.ts'

/**
 * The text of a file with other expectations, by the index of their case; all else stays byte for byte. Only
 * what is written as `expect = { … }` on one line is rewritten, and a line is added where there is none. A
 * failure is why that cannot be done, and what to do.
 */
export function withExpectations(
  { text, statements }: Pick<TestFile, 'text' | 'statements'>,
  expected: ReadonlyMap<number, Expected>,
): Result<string, string> {
  const edits: { readonly at: number; readonly end: number; readonly text: string }[] = []
  for (const [index, expect] of expected) {
    const written = inlineTable(expect)
    const own = statementsOfCase(statements, index)
    const [first] = own
    if (!first) return fail('its cases are not written as [[case]]')
    const before = own.filter(({ key }, i) => i > 0 && key.includes('expect'))
    const [pair] = before
    if (!pair) {
      const subTable = own.findIndex(({ kind }, i) => i > 0 && kind !== 'pair')
      const last = own[(subTable < 0 ? own.length : subTable) - 1] ?? first
      const at = lineEnd(text, last.end)
      edits.push({ at, end: at, text: `\nexpect = ${written}` })
      continue
    }
    const { kind, key, value, end, line } = pair
    const isOneLine =
      kind === 'pair' && key.join() === 'expect' && !text.slice(value, end).includes('\n')
    if (before.length > 1 || !isOneLine) {
      return fail(
        `expect on line ${line} is not one line: write expect = { … }, or change it by hand`,
      )
    }
    edits.push({ at: value, end, text: written })
  }
  const next = edits
    .sort((one, other) => other.at - one.at)
    .reduce((sum, { at, end, text: put }) => sum.slice(0, at) + put + sum.slice(end), text)
  return isAsMeant(text, next, expected)
    ? ok(next)
    : fail('it is written in a way that cannot be preserved')
}

/** Those of the n-th `[[case]]`, its header first, with the tables inside of it. */
const statementsOfCase = (statements: readonly Statement[], index: number) => {
  const isHead = ({ kind, key }: Statement) => kind === 'item' && key.join() === 'case'
  const head = statements.filter(isHead)[index]
  const rest = head ? statements.slice(statements.indexOf(head) + 1) : []
  const next = rest.findIndex(
    (one) => isHead(one) || (one.kind !== 'pair' && one.key[0] !== 'case'),
  )
  return head ? [head, ...rest.slice(0, next < 0 ? rest.length : next)] : []
}

const lineEnd = (text: string, from: number): number => {
  const at = text.indexOf('\n', from)
  return at < 0 ? text.length : text[at - 1] === '\r' ? at - 1 : at
}

/** Whether the new text says the same as the old, but for the expectations. */
const isAsMeant = (
  text: string,
  next: string,
  expected: ReadonlyMap<number, Expected>,
): boolean => {
  const file = plain(parse(text)) as { case?: JsonObject[] }
  for (const [index, expect] of expected) {
    const one = file.case?.[index]
    if (file.case && one) file.case[index] = { ...one, expect }
  }
  try {
    return isDeepStrictEqual(plain(parse(next)), plain(file))
  } catch {
    return false
  }
}

const inlineTable = (table: object): string =>
  `{ ${Object.entries(table)
    .map(([name, value]) => `${keyText(name)} = ${valueText(value)}`)
    .join(', ')} }`

const keyText = (name: string): string =>
  /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)

const valueText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? inlineTable(value) : JSON.stringify(value)
