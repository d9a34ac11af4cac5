import { globSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'

/** The words of dev/prose/terms.yml, which `npm run prose` checks in pages, and what to write instead. */
const TERMS = (
  parse(readFileSync('dev/prose/terms.yml', 'utf8')) as {
    rules: readonly { expected: string; pattern: string }[]
  }
).rules.map(({ expected, pattern }) => {
  const [, source = '', flags] = /^\/(.*)\/(\w*)$/.exec(pattern) ?? []
  return { expected, pattern: new RegExp(source, flags) }
})

const COMMENT = /^\s*(?:\/\*\*?|\*|\/\/)/
const TEXT = /'((?:[^'\\]|\\.)* (?:[^'\\]|\\.)*)'|`([^`]* [^`]*)`/g
/** Code inside a sentence: in backticks, or a word with a character that no word has. */
const withoutCode = (text: string): string =>
  text.replaceAll(/`[^`]*`/g, '').replaceAll(/\S*[/.=<>{}[\]+]\S*/g, '')

/** Files with the words of other programs. */
const QUOTES = ['src/command/doctor/mcp-clients.ts', 'src/command/serve/workerd-config.ts']

/** The comments and messages of a line of code. */
const prose = (line: string): readonly string[] =>
  COMMENT.test(line)
    ? [line]
    : [...line.matchAll(TEXT)].map(([, plain, template]) => plain ?? template ?? '')

it('comments and messages use the words of the documentation', () => {
  const found = globSync('src/**/*.ts', { exclude: QUOTES }).flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line, i) =>
        prose(line).flatMap((text) =>
          TERMS.filter(({ pattern }) => pattern.test(withoutCode(text))).map(
            ({ expected }) => `${path}:${i + 1}: write "${expected}": ${text.trim()}`,
          ),
        ),
      ),
  )
  expect(found).toEqual([])
})
