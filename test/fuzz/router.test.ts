import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { whole } from '../../src/gate/base/parts.ts'
import type { Method, Route } from '../../src/gate/model/route.ts'
import { readingsOf } from '../../src/gate/policy/reading/path-readings.ts'
import { foldCase, type Readings, segmentsOf } from '../../src/gate/policy/reading/route-index.ts'
import { compileRouter } from '../../src/gate/policy/reading/router.ts'
import { routeOf } from '../kit/facts.ts'
import { tries } from '../kit/property.ts'

const HOST = 'api.example.com'

/** Rules and paths from the same few pieces, so that they meet often. */
const literals = [
  'a',
  'A',
  'b',
  'a:v',
  'b.x',
  'a%3Av',
  'b@',
  'b%40',
  '%2A',
  '%3An0',
  '%7Bn0%7D',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
]
const segment = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...literals) },
  { weight: 3, arbitrary: fc.constantFrom('{p}', '{q}', '{p}:v', '{q}:V', '{p}.x', '{p}:v:v') },
)
const rulePath = fc
  .tuple(fc.array(segment, { maxLength: 3 }), fc.constantFrom('', '', '/', '/*'))
  .map(([segments, end]) => {
    const names = segments.map((text, i) => text.replace(/^\{./, `{n${i}`))
    return (names.length > 0 ? `/${names.join('/')}` : '') + end || '/'
  })
const rule = fc
  .tuple(
    fc.constantFrom('GET', 'HEAD', 'POST', 'GET,POST', '*'),
    rulePath,
    fc.constantFrom('', '', HOST, 'o.example.com'),
  )
  .map(([methods, path, host]) => routeOf(`${methods} ${path}`, host === '' ? {} : { host }))
const rules = fc.array(rule, { maxLength: 7 })

const requestSegment = fc.constantFrom(
  ...literals,
  ...[
    'c',
    'c:v',
    'C:V',
    'c.x',
    'c:v:v',
    'c%3Av',
    'c:v%3AV',
    '%3Av',
    'B@',
    'B%40',
    '%2A',
    ':v',
    '.x',
    '*',
    '**',
    ':p',
    ':n0',
    '%2F',
    'B.X',
  ],
)
const requestPath = fc
  .tuple(fc.array(requestSegment, { maxLength: 4 }), fc.boolean())
  .map(([segments, slash]) =>
    segments.length === 0 ? '/' : `/${segments.join('/')}${slash ? '/' : ''}`,
  )
const asked = fc.record({
  method: fc.constantFrom<Method>('GET', 'HEAD', 'POST', 'PUT'),
  host: fc.constantFrom(HOST, 'o.example.com'),
  path: requestPath,
})

/** A text as an origin may read it that decodes what it can and ignores case. */
const lax = (text: string): string =>
  text
    .replace(/%[0-9A-F]{2}/gi, (triplet) => {
      const char = String.fromCharCode(Number.parseInt(triplet.slice(1), 16))
      return /^[\x20-\x7e]$/.test(char) && !'/%?#\\'.includes(char) ? char : triplet
    })
    .toLowerCase()

/** A rule's path read in the plainest way: segment by segment. */
const fits = (
  pattern: string,
  path: string,
  read = (text: string) => text,
): Record<string, string> | undefined => {
  const want = pattern.split('/')
  const have = path.split('/')
  const rest = want.at(-1) === '*'
  if (rest ? have.length < want.length : have.length !== want.length) return undefined
  const params: Record<string, string> = {}
  for (const [i, text] of (rest ? want.slice(0, -1) : want).entries()) {
    const [, name, behind = ''] = /^\{(\w+)\}(.*)$/.exec(text) ?? []
    const suffix = read(behind)
    const got = read(have[i] ?? '')
    if (
      name === undefined ? got !== read(text) : !got.endsWith(suffix) || got.length <= suffix.length
    ) {
      return undefined
    }
    if (name !== undefined) params[name] = got.slice(0, got.length - suffix.length)
  }
  return params
}

interface Asked {
  readonly method: Method
  readonly host: string
  readonly path: string
}

const serves = (route: Route, { method, host }: Asked) =>
  route.methods.includes(method) && (route.host === undefined || route.host === host)

const firstOf = (file: readonly Route[], request: Asked) =>
  file.findIndex((route) => serves(route, request) && fits(route.path, request.path))

const firstLoose = (file: readonly Route[], request: Asked) => {
  const { path } = request
  const other = path.endsWith('/') ? path.slice(0, -1) : `${path}/`
  return file.findIndex(
    (route) => serves(route, request) && [path, other].some((one) => fits(route.path, one, lax)),
  )
}

/** Every path that is made of one reading of each segment, without empty segments. */
const pathsOf = ([first, ...rest]: readonly Readings[]): readonly string[] => {
  if (!first) return ['/']
  const join = (text: string, path: string) =>
    text === '' || text === '.' ? path : `/${text}${path === '/' ? '' : path}`
  return [
    ...[...first.ended].map((text) => join(text, '/')),
    ...pathsOf(rest).flatMap((path) => [...first.open].map((text) => join(text, path))),
  ]
}

describe('against the plainest reading', () => {
  it('finds the same rule with the same parameters, and the same ambiguity', () => {
    const seen = { found: 0, ambiguous: 0 }
    fc.assert(
      fc.property(rules, fc.array(asked, { minLength: 4, maxLength: 12 }), (file, requests) => {
        const router = compileRouter(file)
        for (const request of requests) {
          const { method, host, path } = request
          const index = firstOf(file, request)
          const route = file[index]
          const { match, ambiguous: isAmbiguous } = router.find(method, host, path)
          expect(match?.route).toBe(route)
          if (route) {
            seen.found++
            expect(Object.fromEntries(match?.params ?? [])).toEqual(fits(route.path, path))
          }
          const loose = firstLoose(file, request)
          const ambiguous = loose >= 0 && (index < 0 || loose < index)
          if (ambiguous) seen.ambiguous++
          // What some servers read otherwise may be refused besides: test/policy/router.test.ts.
          if (ambiguous || !/[.%+(:]/.test(path)) expect(isAmbiguous).toBe(ambiguous)
        }
      }),
      tries(120),
    )
    expect(seen.found).toBeGreaterThan(40)
    expect(seen.ambiguous).toBeGreaterThan(1)
  })

  it('finds what any server could read, one segment in another way than the next', () => {
    const seen = { ambiguous: 0, not: 0 }
    const readAs = fc.constantFrom(
      '',
      '',
      '.',
      '%20',
      '%3Bx',
      '%3Fx',
      '::$DATA',
      ':$x',
      '%E2%80%8B',
      '.x',
    )
    const texts = fc.tuple(fc.constantFrom('a', 'A', 'b', 'c', 'a:v', 'b.x', ''), readAs, readAs)
    const paths = fc
      .array(texts, { minLength: 1, maxLength: 3 })
      .filter((all) => all.every((text) => !/^\.*$/.test(text.join(''))))
    fc.assert(
      fc.property(rules, fc.array(paths, { minLength: 4, maxLength: 12 }), (file, all) => {
        const router = compileRouter([...file, routeOf('* /*')])
        for (const segments of all) {
          const path = `/${segments.map((text) => text.join('')).join('/')}`
          const { match, ambiguous, fault } = router.find('GET', HOST, path)
          if (fault) continue
          const route = match?.route as Route
          const index = file.includes(route) ? file.indexOf(route) : file.length
          const sets = readingsOf(foldCase(path), segmentsOf(route.path))
          const expected =
            sets.ok &&
            pathsOf(sets.value).some((text) => {
              const loose = firstLoose(file.slice(0, index), {
                method: 'GET',
                host: HOST,
                path: text,
              })
              return loose >= 0
            })
          seen[expected ? 'ambiguous' : 'not']++
          expect(ambiguous, path).toBe(expected)
        }
      }),
      tries(120),
    )
    expect(seen.ambiguous).toBeGreaterThan(15)
    expect(seen.not).toBeGreaterThan(40)
  })

  it('never calls a rule unreachable that some request reaches', () => {
    let reported = 0
    fc.assert(
      fc.property(rules, fc.array(asked, { minLength: 20, maxLength: 60 }), (file, requests) => {
        const dead = new Set(
          whole(compileRouter(file).unreachable(new Set([HOST, 'o.example.com']))).map(
            ({ index }) => index,
          ),
        )
        reported += dead.size
        const router = compileRouter(file)
        for (const { method, host, path } of requests) {
          const index = file.indexOf(router.find(method, host, path).match?.route as Route)
          if (router.find(method, host, path).ambiguous) continue
          expect(dead.has(index)).toBe(false)
        }
      }),
      tries(100),
    )
    expect(reported).toBeGreaterThan(8)
  })
})
