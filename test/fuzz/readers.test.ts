import { execFileSync, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { posix, win32 } from 'node:path'
import { parse as parseNode } from 'node:querystring'
import fc from 'fast-check'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { ambiguousParameter, queryValues, readForm } from '../../src/gate/base/query.ts'
import type { McpUse } from '../../src/gate/model/mcp.ts'
import { namesOf } from '../../src/gate/policy/keys/mcp-names.ts'
import { tries } from '../kit/property.ts'

/** What people's servers read with, beside what the gate reads: no value that one reads is another than was judged. */

const require = createRequire(import.meta.url)
type Parser = (query: string, options?: object) => Readonly<Record<string, unknown>>
/** The parser that Express brings. */
const { parse: parseQs } = createRequire(require.resolve('express'))('qs') as { parse: Parser }

/** What an app of Express reads queries with, by its setting. */
const byExpress = (name: 'express' | 'express4', setting: 'simple' | 'extended'): Reader => {
  const parse: Parser = require(name)().set('query parser', setting).get('query parser fn')
  return (query, name) => all(parse(query.slice(1))[name])
}

const withPython = it.skipIf(spawnSync('python3', ['-c', '']).status !== 0)

/** What a program of Python makes of many texts at once. */
const byPython = (
  program: string,
  texts: readonly string[],
): readonly (readonly string[] | null)[] =>
  JSON.parse(
    execFileSync('python3', ['-c', `import json, sys\nfrom urllib.parse import *\n${program}`], {
      input: JSON.stringify(texts),
      encoding: 'utf8',
    }),
  )

/** Everything that a parser reads under a name: texts, or what is no text. */
type Reader = (query: string, name: string) => readonly unknown[]

const all = (value: unknown): readonly unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value]

const app = new Hono().get('/', (c) => c.json(c.req.queries(c.req.query('of') ?? '') ?? []))

const READERS: Readonly<Record<string, Reader>> = {
  'Express 4': byExpress('express4', 'extended'),
  'Express 4, simple': byExpress('express4', 'simple'),
  'Express 5': byExpress('express', 'simple'),
  'Express 5, extended': byExpress('express', 'extended'),
  qs: (query, name) => all(parseQs(query.slice(1))[name]),
  'qs with dots': (query, name) => all(parseQs(query.slice(1), { allowDots: true })[name]),
  'node:querystring': (query, name) => all(parseNode(query.slice(1))[name]),
  WHATWG: (query, name) => new URLSearchParams(query).getAll(name),
  'URL.searchParams': (query, name) => new URL(`http://x/${query}`).searchParams.getAll(name),
  // PHP: the last one of those whose names it rewrites alike.
  PHP: (query, name) => all(readByPhp(query).get(name)),
  'without case': (query, name) =>
    [...new URLSearchParams(query)].flatMap(([one, value]) =>
      one.toLowerCase() === name ? [value] : [],
    ),
  'separated by ;': (query, name) => new URLSearchParams(query.replaceAll(';', '&')).getAll(name),
}

const readByPhp = (query: string): ReadonlyMap<string, unknown> => {
  const found = new Map<string, unknown>()
  for (const [sent, value] of new URLSearchParams(query)) {
    const [name = ''] = sent.replace(/^ +/, '').split('\0')
    const nested = /^([^[]+)\[.*\]/.exec(name)
    const [written = ''] = nested ? [nested[1] ?? ''] : [name]
    found.set(written.replace(/[ .[]/g, '_'), nested ? { value } : value)
  }
  return found
}

const NAMES = ['run', 'user_id', 'q']
const PIECES = [
  ...['run', 'RUN', 'user_id', 'user.id', 'user', 'id', 'q', 'x', 'r%75n', 'r%00un', 'rün'],
  'r%C3%BCn',
]
const AROUND = [
  ...['', '', '', '[', ']', '[]', '[x]', '[[', '.', '.x', '+', '%20', '%00', '%5B', '%5D', '_'],
  ...['?', '%', '%FF', '%EF%BB%BF', '%E2%80%8B', '%2525', ';', '&'],
]
const VALUES = [
  ...['mine', 'theirs', '', 'a+b', 'a%2Bb', '%26run%3Dx', 'a=b', 'a,b', '%FF', '%EF%BF%BD', '%'],
  ...['%00', 'x;run=y', '%F0%9F%98%80', "it's", '"<>', '[1]'],
]
const parameter = fc
  .tuple(
    fc.constantFrom(...AROUND),
    fc.constantFrom(...PIECES),
    fc.constantFrom(...AROUND),
    fc.constantFrom('=', '=', '=', ''),
    fc.constantFrom(...VALUES),
  )
  .map((parts) => parts.join(''))
const plain = fc
  .tuple(
    fc.constantFrom('run', 'user_id', 'q', 'x', 'y[]', 'z[a]', 'r%75n'),
    fc.constantFrom(...VALUES),
  )
  .map(([name, value]) => `${name}=${value}`)
const fillers = fc
  .constantFrom(0, 0, 0, 0, 97, 1_000)
  .map((count) => Array<string>(count).fill('f=1'))
const query = fc
  .tuple(
    fillers,
    fc.array(fc.oneof({ weight: 3, arbitrary: plain }, parameter), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('&', '&', '&', '&&', ';'),
  )
  .map(([first, rest, separator]) => `?${[...first, ...rest].join(separator)}`)

/** What the gate judges of a query: the value under each name; nothing where it is refused. */
const judged = (text: string): readonly (readonly [name: string, value: string | undefined])[] =>
  NAMES.flatMap((name) =>
    ambiguousParameter(text, [name]) === undefined
      ? [[name, queryValues(text, name)[0]] as const]
      : [],
  )

describe('a query that a rule reads', () => {
  it('is read alike by all parsers, or refused', async () => {
    let taken = 0
    await fc.assert(
      fc.asyncProperty(query, async (text) => {
        for (const [name, value] of judged(text)) {
          if (value !== undefined) taken++
          const expected = value === undefined ? [] : [value]
          for (const [reader, read] of Object.entries(READERS)) {
            expect({ reader, name, read: read(text, name) }).toEqual({
              reader,
              name,
              read: expected,
            })
          }
          const answer = await app.request(`http://x/${text}&of=${name}`)
          expect({ name, read: await answer.json() }).toEqual({ name, read: expected })
        }
      }),
      tries(200),
    )
    expect(taken).toBeGreaterThan(20)
  })

  withPython('is read alike by Python, or refused', () => {
    const taken = fc
      .sample(query, tries(200))
      .flatMap((text) => judged(text).map(([name, value]) => ({ text, name, value })))
    const read = byPython(
      'print(json.dumps([parse_qs(q[1:], keep_blank_values=True).get(n) for q, n in map(json.loads, json.load(sys.stdin))]))',
      taken.map(({ text, name }) => JSON.stringify([text, name])),
    )
    taken.forEach(({ text, name, value }, i) => {
      expect({ text, name, read: read[i] ?? [] }).toEqual({
        text,
        name,
        read: value === undefined ? [] : [value],
      })
    })
  })
})

const use = (pattern: string): McpUse => ({ pattern, scopes: { mode: 'all', scopes: [] } })
const names = namesOf(
  'resources',
  ['file:///docs/*', 'file:///docs/secret', 'file:///docs/closed/*'].map(use),
)

const SEGMENTS = [
  ...['a', 'secret', 'closed', 'Secret', 'etc', 'caf%C3%A9', 'a%20b', '..', '.', '', '%2e%2e'],
  ...['C:', 'c%3A', '%EF%BD%93ecret', 'sec%E2%80%8Bret', '%EF%BC%8E%EF%BC%8E', 'sec%C2%ADret'],
]
const ENDS = [
  ...['', '', '', ';v=1', ';', '%3Bx', '?x', '#x', '%3Fx', '%23x', '.', '%20', '%2F', '%2Fetc'],
  ...['%5C..%5C..', '%00', '%252F', '%EF%BC%8F', '%EF%BC%9Bv', '|', '%'],
]
const uri = fc
  .array(fc.tuple(fc.constantFrom(...SEGMENTS), fc.constantFrom(...ENDS)), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => `file:///docs/${parts.map((part) => part.join('')).join('/')}`)

/** Paths of files that servers make of a URI's path. */
const filesOf = (path: string): readonly string[] => {
  const texts = [path, decodeURIComponent(path)]
  return [
    ...texts,
    ...texts.map((text) => text.normalize('NFKC').replace(/[\p{C}\p{DI}]/gu, '')),
  ].flatMap((text) => {
    const rest = text.replace(/^\/docs\//, '')
    return [
      posix.normalize(text),
      posix.resolve('/docs', rest),
      win32.resolve('C:\\docs', rest).replaceAll('\\', '/').replace(/^C:/, ''),
    ]
  })
}

describe('a resource under a pattern', () => {
  it('is in its folder, and none that is named more closely, to every reader', () => {
    let taken = 0
    fc.assert(
      fc.property(uri, (text) => {
        if (!isTaken(text)) return
        taken++
        expectInside(text, filesOf(new URL(text).pathname))
        expectInside(text, filesOf(text.slice('file://'.length).replace(/[?#].*$/s, '')))
      }),
      tries(200),
    )
    expect(taken).toBeGreaterThan(3)
  })

  withPython('is there to Python', () => {
    const taken = fc.sample(uri, tries(200)).filter(isTaken)
    const read = byPython(
      'print(json.dumps([[p, unquote(p)] for p in (urlparse(u).path for u in json.load(sys.stdin))]))',
      taken,
    )
    taken.forEach((text, i) => {
      expectInside(
        text,
        (read[i] ?? []).flatMap((path) => [
          posix.normalize(path),
          posix.join('/docs', path.replace(/^\/docs\//, '')),
        ]),
      )
    })
  })
})

/** Forms with a token: pieces of their grammar in any order. */
const form = fc
  .array(
    fc.constantFrom(
      ...['token=', 'token', 'e30.e30.AA', '&', '=', '+', '?', ';', '%', '%41', '%C3%A9', '%FF'],
      ...['x=1', 'Token=', '%74oken=', '\ufeff', 'é', '[]', '.'],
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''))

describe('a token in a form', () => {
  it('is the one that every reader of forms finds', () => {
    let taken = 0
    fc.assert(
      fc.property(form, (text) => {
        const token = readForm(text)?.get('token')
        if (token === undefined) return
        taken++
        expect({ text, read: new URLSearchParams(`?${text}`).getAll('token') }).toEqual({
          text,
          read: [token],
        })
        expect({ text, read: all(parseNode(text).token) }).toEqual({ text, read: [token] })
      }),
      tries(500),
    )
    expect(taken).toBeGreaterThan(3)
  })
})

const isTaken = (text: string) => names.find(text)?.pattern === 'file:///docs/*'

const expectInside = (text: string, files: readonly string[]): void => {
  for (const file of files) {
    const at = { text, file, inside: /^\/docs(?:\/|$)/.test(file) }
    expect(at).toEqual({ ...at, inside: true })
    const ends = file
      .replace(/[?#].*$/s, '')
      .replace(/[ ./]+$/, '')
      .toLowerCase()
    expect({ text, closer: ends === '/docs/secret' || ends.startsWith('/docs/closed/') }).toEqual({
      text,
      closer: false,
    })
  }
}
