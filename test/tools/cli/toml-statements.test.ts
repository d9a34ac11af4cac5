import fc from 'fast-check'
import { parse, stringify } from 'smol-toml'
import { expect, it } from 'vitest'
import { statementsOf, tomlTable } from '../../../src/tools/cli/toml-statements.ts'
import { tries } from '../../kit/property.ts'

/** What each statement says, by where it stands. */
const saidBy = (text: string) =>
  statementsOf(text).map(({ kind, key, line, value, end }) => [
    kind,
    key.join('/'),
    line,
    kind === 'pair' ? parse(`x = ${text.slice(value, end)}`).x : text.slice(value, end),
  ])

it('finds statements and their values', () => {
  const text = `# comment = 1
a = 1 # x = 2
"b.c" . 'd' = "]\\"#" # '
e = """
f = 1
\\"""" # g
h = '''it's """
[x]''''

i = [
  "]", # ]
  { j = '}' },
]
[[ k . l ]] # [m]
  n = 2026-11-01 12:00:00Z\t# o
[p."q]"]
r = {}\r
s = ""`
  expect(saidBy(text)).toEqual([
    ['pair', 'a', 2, 1],
    ['pair', 'b.c/d', 3, ']"#'],
    ['pair', 'e', 4, 'f = 1\n"'],
    ['pair', 'h', 7, 'it\'s """\n[x]\''],
    ['pair', 'i', 10, [']', { j: '}' }]],
    ['item', 'k/l', 14, '[[ k . l ]]'],
    ['pair', 'n', 15, new Date('2026-11-01T12:00:00Z')],
    ['table', 'p/q]', 16, '[p."q]"]'],
    ['pair', 'r', 17, {}],
    ['pair', 's', 18, ''],
  ])
  expect(saidBy('')).toEqual([])
})

it('finds them in any document', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('a', '"', "'", '#', '=', '[[x]]', '\n', '"""', '\\'),
  )
  const value = fc.oneof(
    word,
    fc.boolean(),
    fc.integer(),
    fc.array(word),
    fc.dictionary(word, word),
  )
  const table = fc.dictionary(word, fc.oneof(value, fc.array(fc.dictionary(word, value))))
  fc.assert(
    fc.property(table, (document) => {
      const text = stringify(document)
      const all = statementsOf(text)
      const lines = all.map(({ start, end }) => text.slice(start, end))
      expect(parse(lines.join('\n'))).toEqual(parse(text))
      for (const { kind, value: from, end } of all)
        if (kind === 'pair') expect(() => parse(`x = ${text.slice(from, end)}`)).not.toThrow()
    }),
    tries(60),
  )
})

it('writes a table that is TOML', () => {
  const entry = {
    issuer: 'https://a.dev/"x',
    algorithms: ['ES256', 'RS256'],
    allow_insecure_http: true,
    jwks: { keys: [{ kty: 'EC', crv: 'P-256' }] },
  }
  expect(parse(tomlTable('vars.ISSUERS.acme', entry).join('\n'))).toEqual({
    vars: { ISSUERS: { acme: entry } },
  })
})
