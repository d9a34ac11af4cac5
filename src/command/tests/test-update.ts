import { isDeepStrictEqual } from 'node:util'
import { parse } from 'smol-toml'
import { type Place, plain } from '../../compare/wrangler/places.ts'
import type { JsonObject } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { tomlValue } from '../base/toml.ts'
import type { Expected, TestFile } from './test-file.ts'

/**
 * The text of a file with other expectations, by the index of their case; all else stays byte for byte. Only
 * `expect = { … }` on one line is rewritten. A case without `expect` gets a line for it. A failure says why that cannot
 * be done, and what to do.
 */
export function withExpectations(
  { text, placeOf }: Pick<TestFile, 'text' | 'placeOf'>,
  expected: ReadonlyMap<number, Expected>,
): Result<string, string> {
  const file = parsed(text) as { case?: JsonObject[] } | undefined
  let next = text
  let reason: string | undefined
  // The last case first: an edit does not move the text before it. So the reason is that of the first case.
  for (const [index, expect] of [...expected].sort(([one], [other]) => other - one)) {
    const startOf = (name: string) => offsetOf(text, placeOf(`case[${index}]${name}`))
    const written = file?.case?.[index]
    if (!file?.case || !written || text[startOf('')] !== '[') {
      return fail('its cases are not written as [[case]]')
    }
    const start = startOf('.expect')
    if (written.expect === undefined) {
      const end = endOfKeys(text, startOf(''))
      next = `${next.slice(0, end)}\nexpect = ${tomlValue(expect)}${next.slice(end)}`
    } else {
      const [left = ''] = /^(["']?)expect\1[ \t]*=[ \t]*/.exec(text.slice(start)) ?? []
      const end = endOf(text, start, /(?<=\})/g)
      if (left === '' || text.slice(start, end).includes('\n')) {
        const { line } = placeOf(`case[${index}].expect`)
        reason = `expect on line ${line} is not one line: write expect = { … }, or change it by hand`
        continue
      }
      next = next.slice(0, start + left.length) + tomlValue(expect) + next.slice(end)
    }
    file.case[index] = { ...written, expect }
  }
  if (reason !== undefined) return fail(reason)
  return isDeepStrictEqual(parsed(next), file)
    ? ok(next)
    : fail('it is written in a way that cannot be preserved')
}

const parsed = (text: string): unknown => {
  try {
    return plain(parse(text))
  } catch {
    return undefined
  }
}

const offsetOf = (text: string, { line, column }: Place): number =>
  text.split('\n', line - 1).reduce((sum, one) => sum + one.length + 1, column - 1)

/** The end of a statement: the first match of `ends` where the text before it is valid TOML. */
const endOf = (text: string, start: number, ends: RegExp): number => {
  for (const { index } of text.slice(start).matchAll(ends)) {
    if (parsed(text.slice(start, start + index)) !== undefined) return start + index
  }
  return text.length
}

const BLANK = /(?:\s+|#[^\n]*)*/y

/** The end of the last key that a `[[case]]` has before the next header. */
const endOfKeys = (text: string, start: number): number => {
  let [end, next] = [start, start]
  do {
    end = endOf(text, next, /(?=\r?\n)|$/g)
    BLANK.lastIndex = end
    next = end + (BLANK.exec(text)?.[0].length ?? 0)
  } while (next < text.length && text[next] !== '[')
  return end
}
