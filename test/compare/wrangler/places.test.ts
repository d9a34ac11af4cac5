import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import {
  type PlaceOf,
  type ReadText,
  readJsonc,
  readText,
  readToml,
} from '../../../src/compare/wrangler/places.ts'

const TOML = `name = "gate" # [vars.GATE] is not here
"odd.name" = '''
[vars.GATE]'''
cases = [ { a = 1979-05-27 07:32:00 }, # a comment, with "quotes" and ]
  """b ] } \\" """,
]

[vars.GATE]
resource = "https://a.dev/#x" ; origin."b c" = { d = [1, { e = "\\"" }] }
[[vars.ROUTES]]
match = "GET /a"
inject = { Authorization = "x" }
[vars.ROUTES.when]
condition = "a"
[[vars.ROUTES]]
match = "GET /b"
[vars.ROUTES.cors]
max_age = "1m"
[vars.ROUTES_01]
[env.live.vars]
GATE_EU = { hosts = ["a"] }
[[env.live.vars.ROUTES]]
match = 1
`.replace(' ; ', '\n')

const LINES = TOML.split('\n')
const told = (placeOf: PlaceOf, text: readonly string[], path: string, env?: string) => {
  const { line, column } = placeOf(path, env)
  return `${line}: ${text[line - 1]?.slice(column - 1)}`
}

const placesIn = (read: ReadText): PlaceOf => {
  if ('mistake' in read) throw new Error(read.mistake)
  return read.placeOf
}
const tomlPlaces = (text: string) => placesIn(readToml(text))

describe('places in TOML', () => {
  it.each([
    ['name', '1: name = "gate"'],
    ['["odd.name"]', '2: "odd.name"'],
    ['cases[0].a', '4: a = 1979'],
    ['cases[1]', '5: """b'],
    ['GATE', '8: [vars.GATE]'],
    ['GATE.resource', '9: resource'],
    ['GATE.origin["b c"].d[1].e', '10: e = '],
    ['GATE.missing.inner', '8: [vars.GATE]'],
    ['ROUTES[0].match', '12: match = "GET /a"'],
    ['ROUTES[0].inject.authorization', '13: Authorization'],
    ['ROUTES[0].when.condition', '15: condition'],
    ['ROUTES[0].scopes', '11: [[vars.ROUTES]]'],
    ['ROUTES[1].match', '17: match = "GET /b"'],
    ['ROUTES[1].cors.max_age', '19: max_age'],
    ['ROUTES_01', '20: [vars.ROUTES_01]'],
    ['bindings.JWKS_CACHE', '1: name'],
    ['', '1: name'],
  ])('%s is at %s', (path, expected) => {
    expect(parse(TOML)).toBeTypeOf('object')
    expect(told(tomlPlaces(TOML), LINES, path).startsWith(expected)).toBe(true)
  })

  it.each([
    ['GATE.hosts[0]', '22: "a"] }'],
    ['ROUTES[0].match', '24: match = 1'],
    ['ISSUERS', '21: [env.live.vars]'],
    ['cases[0].a', '4: a = 1979'],
  ])('%s of an environment is at %s', (path, expected) => {
    expect(told(tomlPlaces(TOML), LINES, path, 'live').startsWith(expected)).toBe(true)
  })
})

const JSONC = `{
  // a comment, with "quotes"
  "vars": { "GATE": { "resource": "https://a.dev/#x", /* ] */ "hosts": ["a", "b",], },
    "ROUTES": [{ "match": "GET /a" }, { "match": "GET \\u002fb" }] },
  "n": -1.5e3, "t": [true, false, null], "__proto__": {},
}
`

describe('JSONC', () => {
  it('is read, with places', () => {
    const read = readJsonc(JSONC)
    if ('mistake' in read) throw new Error(read.mistake)
    expect(JSON.stringify(read.value)).toBe(
      '{"vars":{"GATE":{"resource":"https://a.dev/#x","hosts":["a","b"]},"ROUTES":[{"match":"GET /a"},{"match":"GET /b"}]},"n":-1500,"t":[true,false,null],"__proto__":{}}',
    )
    const lines = JSONC.split('\n')
    expect(told(read.placeOf, lines, 'ROUTES[1].match')).toMatch(/^4: "match": "GET \\/)
    expect(told(read.placeOf, lines, 'GATE.hosts[1]')).toMatch(/^3: "b",/)
  })

  it.each([
    ['', 'ends where a value should be', 1, 1],
    ['{ "a": 1', 'ends where a comma or } should be', 1, 9],
    ['{ "a" 1 }', 'expected a colon', 1, 7],
    ['{\n  a: 1 }', 'expected a name in double quotes', 2, 3],
    ['{ "a": yes }', 'expected a value of JSON', 1, 8],
    ['{ "a": \'b\' }', 'expected a value of JSON', 1, 8],
    ['{ "a": 01 }', 'expected a value of JSON', 1, 8],
    ['{ "a": 1 "b": 2 }', 'expected a comma or }', 1, 10],
    ['{} {}', 'expected the end', 1, 4],
    ['{ "a": [1 }', 'expected a comma or ]', 1, 11],
    ['{ "a": , }', 'expected a value', 1, 8],
  ])('that is none is told with its place: %s', (text, mistake, line, column) => {
    expect(readJsonc(text)).toEqual({ mistake, place: { line, column }, form: 'JSONC' })
  })
})

describe('a text', () => {
  it('is JSONC if it begins with a brace or a comment of JSONC, and else TOML', () => {
    for (const text of [' { "a": 1 }', '// a\n{ "a": 1 }', '/* a */ { "a": 1 }', '# a\na = 1']) {
      expect(readText(text)).toMatchObject({ value: { a: 1 } })
    }
    expect(readText(' ')).toMatchObject({ value: {} })
  })

  it.each([
    ['a = ', 'TOML', /./],
    ['[]', 'TOML', /./],
    ['[['.repeat(5_000), 'TOML', /./],
    [`a = ${'['.repeat(100_000)}`, 'TOML', /./],
    [`${'a.'.repeat(100_000)}a = 1`, 'TOML', /^it is nested too deep$/],
    [`[vars.GATE.${'a.'.repeat(5_000)}a]`, 'TOML', /^it is nested too deep$/],
    ['{"vars": ', 'JSONC', /^ends where a value should be$/],
    [`{"a":${'['.repeat(200_000)}`, 'JSONC', /^it is nested too deep$/],
  ])('that cannot be read is told with a place: %.20s', (text, form, mistake) => {
    expect(readText(text)).toEqual({
      form,
      mistake: expect.stringMatching(mistake),
      place: { line: expect.any(Number), column: expect.any(Number) },
    })
  })
})
