import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { METHODS, type Method, type Route } from '../../src/model/route.ts'
import { compileRouter, parseMatch, unreachable } from '../../src/policy/router.ts'
import { routeOf } from '../kit/facts.ts'

const HOST = 'api.example.com'

/** The `match` of the rule that is found, with its parameters. */
const found = (rules: readonly Route[], method: Method, path: string, host = HOST) => {
  const match = compileRouter(rules).find(method, host, path)
  return match && [match.route.name, Object.fromEntries(match.params)]
}

describe('parseMatch', () => {
  it.each<[string, readonly string[], string, readonly string[]]>([
    ['GET /', ['GET', 'HEAD'], '/', []],
    ['HEAD /', ['HEAD'], '/', []],
    ['POST,GET /a', ['GET', 'HEAD', 'POST'], '/a', []],
    ['GET,HEAD /a', ['GET', 'HEAD'], '/a', []],
    ['* /a/', METHODS, '/a/', []],
    ['GET /*', ['GET', 'HEAD'], '/*', []],
    ['GET /a/{id}/b/*', ['GET', 'HEAD'], '/a/{id}/b/*', ['id']],
    ['POST /m/{m}:load', ['POST'], '/m/{m}:load', ['m']],
    ['POST /m/{m}.json', ['POST'], '/m/{m}.json', ['m']],
    ['POST /a:b', ['POST'], '/a:b', []],
    ['POST /{__proto__}', ['POST'], '/{__proto__}', ['__proto__']],
    ['POST /a%20b', ['POST'], '/a%20b', []],
  ])('reads %s', (text, methods, path, params) => {
    expect(parseMatch(text)).toEqual({ ok: true, value: { methods, path, params } })
  })

  it.each([
    '',
    'GET',
    '/a',
    'GET  /a',
    'GET /a ',
    'GET /a b',
    ' GET /a',
    'get /a',
    'TRACE /a',
    'CONNECT /a',
    'GET,* /a',
    'GET,GET /a',
    'GET, /a',
    'GET a',
    'GET https://h/a',
    'GET /a?b',
    'GET /a#b',
    'GET /a;b',
    'GET /a\\b',
    'GET //a',
    'GET /a//b',
    'GET /a/../b',
    'GET /./a',
    'GET /%61',
    'GET /%e2%82%ac',
    'GET /a%2Fb',
    'GET /a%2fb',
    'GET /%2561',
    'GET /%',
    'GET /ä',
    'GET /*/a',
    'GET /a*',
    'GET /**',
    'GET /{*}',
    'GET /:id',
    'GET /a/:id?',
    'GET /{id',
    'GET /id}',
    'GET /{}',
    'GET /{1a}',
    'GET /{a-b}',
    'GET /{a}{b}',
    'GET /{a}-{b}',
    'GET /x{a}',
    'GET /{a}x',
    'GET /{a}:*',
    'GET /{a}/{a}',
    'GET /{a:[0-9]+}',
  ])('refuses %j, with a sentence', (text) => {
    const match = parseMatch(text)
    expect(match).toMatchObject({ ok: false })
    expect(match.ok || match.reason.length).toBeGreaterThan(10)
  })
})

describe('find', () => {
  const rules = [
    routeOf('GET /docs/new'),
    routeOf('GET /docs/{id}'),
    routeOf('DELETE /docs/{name}'),
    routeOf('POST /docs/{id}:copy'),
    routeOf('POST /docs/{id}.copy'),
    routeOf('POST /docs/{id}:deep:copy'),
    routeOf('POST /docs/{id}'),
    routeOf('GET /docs/*'),
    routeOf('GET /x/*', { host: 'other.example.com' }),
    routeOf('GET /x/{a}/{b}.json'),
    routeOf('GET /x/*'),
    routeOf('PUT /'),
    routeOf('PUT /a/'),
    routeOf('PATCH /*'),
  ]

  it.each<[Method, string, string | undefined, Record<string, string>?]>([
    ['GET', '/docs/new', 'GET /docs/new'],
    ['HEAD', '/docs/new', 'GET /docs/new'],
    ['GET', '/docs/New', 'GET /docs/{id}', { id: 'New' }],
    ['HEAD', '/docs/7', 'GET /docs/{id}', { id: '7' }],
    ['DELETE', '/docs/7', 'DELETE /docs/{name}', { name: '7' }],
    ['PUT', '/docs/7', undefined],
    ['GET', '/docs', undefined],
    ['GET', '/docs/', 'GET /docs/*'],
    ['GET', '/docs/7/', 'GET /docs/*'],
    ['GET', '/docs/7/8/9', 'GET /docs/*'],
    ['GET', '/docsx', undefined],
    ['GET', '/DOCS/7', undefined],
    ['POST', '/docs/7:copy', 'POST /docs/{id}:copy', { id: '7' }],
    ['POST', '/docs/7.copy', 'POST /docs/{id}.copy', { id: '7' }],
    ['POST', '/docs/7:deep:copy', 'POST /docs/{id}:copy', { id: '7:deep' }],
    ['POST', '/docs/7:COPY', 'POST /docs/{id}', { id: '7:COPY' }],
    ['POST', '/docs/:copy', 'POST /docs/{id}', { id: ':copy' }],
    ['POST', '/docs/7:copy:', 'POST /docs/{id}', { id: '7:copy:' }],
    ['POST', '/docs/', undefined],
    ['GET', '/x/a/b.json', 'GET /x/{a}/{b}.json', { a: 'a', b: 'b' }],
    ['GET', '/x/a/.json', 'GET /x/*'],
    ['GET', '/x/', 'GET /x/*'],
    ['GET', '/x', undefined],
    ['PUT', '/', 'PUT /'],
    ['PUT', '/a/', 'PUT /a/'],
    ['PUT', '/a', undefined],
    ['PATCH', '/', 'PATCH /*'],
    ['PATCH', '/a/b', 'PATCH /*'],
    ['GET', '/docs/*', 'GET /docs/{id}', { id: '*' }],
    ['GET', '/docs/:p', 'GET /docs/{id}', { id: ':p' }],
    ['GET', '/docs/{id}', 'GET /docs/{id}', { id: '{id}' }],
    ['GET', '/docs/__proto__', 'GET /docs/{id}', { id: '__proto__' }],
    ['GET', '/__proto__', undefined],
    ['GET', '/constructor', undefined],
    ['GET', '/toString/valueOf', undefined],
    ['GET', '/*', undefined],
    ['GET', '/:p/x', undefined],
    ['GET', '/%2Fdocs/7', undefined],
  ])('%s %s: %s', (method, path, name, params = {}) => {
    expect(found(rules, method, path)).toEqual(name && [name, params])
  })

  it('takes the first rule in the file, however special a later one is', () => {
    const file = [routeOf('GET /*'), routeOf('GET /a'), routeOf('GET /{p}')]
    expect(found(file, 'GET', '/a')?.[0]).toBe('GET /*')
    expect(found(file.toReversed(), 'GET', '/a')?.[0]).toBe('GET /{p}')
  })

  it('takes a rule for one host on that host only', () => {
    const there = routeOf('GET /x/*', { host: 'other.example.com' })
    const file = [there, routeOf('GET /x/{id}')]
    expect(found(file, 'GET', '/x/1', 'other.example.com')?.[1]).toEqual({})
    expect(found(file, 'GET', '/x/1')?.[1]).toEqual({ id: '1' })
    expect(found([there], 'GET', '/x/1')).toBeUndefined()
  })

  it('gives parameters as they stand in the path', () => {
    expect(found([routeOf('GET /{__proto__}/{constructor}')], 'GET', '/%E2%82%AC/a')).toEqual([
      'GET /{__proto__}/{constructor}',
      Object.fromEntries([
        ['__proto__', '%E2%82%AC'],
        ['constructor', 'a'],
      ]),
    ])
  })
})

describe('isAmbiguous', () => {
  const rules = [
    routeOf('GET /Admin/{p}:Go'),
    routeOf('GET /admin'),
    routeOf('POST /secret/'),
    routeOf('GET /only', { host: 'other.example.com' }),
    routeOf('GET /deep/*'),
    routeOf('* /*'),
  ]

  it.each<[Method, string, boolean, string?]>([
    ['GET', '/admin', false],
    ['GET', '/ADMIN', true],
    ['GET', '/admin/', true],
    ['HEAD', '/aDmin/', true],
    ['POST', '/ADMIN', false],
    ['GET', '/admin/x', false],
    ['GET', '/Admin/x:Go', false],
    ['GET', '/admin/x:go', true],
    ['GET', '/Admin/x:go', true],
    ['GET', '/Admin/x:Go/', true],
    ['GET', '/Admin/X:Go', false],
    ['GET', '/admin/:go', false],
    ['POST', '/secret', true],
    ['POST', '/secret/', false],
    ['POST', '/secret/a', false],
    ['GET', '/secret', false],
    ['GET', '/ONLY', false],
    ['GET', '/ONLY', true, 'other.example.com'],
    ['GET', '/deep', true],
    ['GET', '/DEEP/a', true],
    ['GET', '/', false],
    ['GET', '/__proto__', false],
  ])('%s %s: %s', (method, path, ambiguous, host = HOST) => {
    expect(compileRouter(rules).isAmbiguous(method, host, path)).toBe(ambiguous)
  })
})

/** Rules and paths from the same few pieces, so that they meet often. */
const literals = [
  'a',
  'A',
  'b',
  'a:v',
  'b.x',
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
  ...['c', 'c:v', 'C:V', 'c.x', 'c:v:v', ':v', '.x', '*', '**', ':p', ':n0', '%2F', 'B.X'],
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

/** A rule's path read in the plainest way: segment by segment. */
const fits = (pattern: string, path: string): Record<string, string> | undefined => {
  const want = pattern.split('/')
  const have = path.split('/')
  const rest = want.at(-1) === '*'
  if (rest ? have.length < want.length : have.length !== want.length) return undefined
  const params: Record<string, string> = {}
  for (const [i, text] of (rest ? want.slice(0, -1) : want).entries()) {
    const [, name, suffix = ''] = /^\{(\w+)\}(.*)$/.exec(text) ?? []
    const got = have[i] ?? ''
    if (name === undefined ? got !== text : !got.endsWith(suffix) || got.length <= suffix.length) {
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
  const lower = request.path.toLowerCase()
  const other = lower.endsWith('/') ? lower.slice(0, -1) : `${lower}/`
  // Names of parameters may change their case too: only literals are compared.
  return file.findIndex(
    (route) =>
      serves(route, request) && [lower, other].some((path) => fits(route.path.toLowerCase(), path)),
  )
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
          const match = router.find(method, host, path)
          expect(match?.route).toBe(route)
          if (route) {
            seen.found++
            expect(Object.fromEntries(match?.params ?? [])).toEqual(fits(route.path, path))
          }
          const loose = firstLoose(file, request)
          const ambiguous = loose >= 0 && (index < 0 || loose < index)
          if (ambiguous) seen.ambiguous++
          expect(router.isAmbiguous(method, host, path)).toBe(ambiguous)
        }
      }),
      { seed: 20_267, numRuns: 1_200 },
    )
    expect(seen.found).toBeGreaterThan(1_000)
    expect(seen.ambiguous).toBeGreaterThan(40)
  })

  it('never calls a rule unreachable that some request reaches', () => {
    let reported = 0
    fc.assert(
      fc.property(rules, fc.array(asked, { minLength: 20, maxLength: 60 }), (file, requests) => {
        const dead = new Set(
          unreachable(file, new Set([HOST, 'o.example.com'])).map(({ index }) => index),
        )
        reported += dead.size
        const router = compileRouter(file)
        for (const { method, host, path } of requests) {
          const index = file.indexOf(router.find(method, host, path)?.route as Route)
          if (router.isAmbiguous(method, host, path)) continue
          expect(dead.has(index)).toBe(false)
        }
      }),
      { seed: 20_268, numRuns: 500 },
    )
    expect(reported).toBeGreaterThan(40)
  })
})

describe('unreachable', () => {
  const hosts = new Set([HOST, 'o.example.com'])
  const here = { host: HOST }
  const there = { host: 'o.example.com' }

  it.each<[string, Route[], { index: number; by: number }[]]>([
    ['a doubled rule', [routeOf('GET /a'), routeOf('GET /a')], [{ index: 1, by: 0 }]],
    ['HEAD behind GET', [routeOf('GET /a'), routeOf('HEAD /a')], [{ index: 1, by: 0 }]],
    ['GET behind HEAD', [routeOf('HEAD /a'), routeOf('GET /a')], []],
    [
      'a literal behind a parameter',
      [routeOf('GET /{p}'), routeOf('GET /a')],
      [{ index: 1, by: 0 }],
    ],
    ['a parameter behind a literal', [routeOf('GET /a'), routeOf('GET /{p}')], []],
    ['another name', [routeOf('GET /{p}'), routeOf('GET /{q}')], [{ index: 1, by: 0 }]],
    ['a suffix behind none', [routeOf('GET /{p}'), routeOf('GET /{p}:v')], [{ index: 1, by: 0 }]],
    ['none behind a suffix', [routeOf('GET /{p}:v'), routeOf('GET /{p}')], []],
    ['all behind the rest', [routeOf('* /*'), routeOf('GET /a/{b}/c')], [{ index: 1, by: 0 }]],
    ['a longer rest', [routeOf('GET /a/*'), routeOf('GET /a/b/*')], [{ index: 1, by: 0 }]],
    ['a shorter rest', [routeOf('GET /a/b/*'), routeOf('GET /a/*')], []],
    ['the rest behind one segment', [routeOf('GET /a/{p}'), routeOf('GET /a/*')], []],
    ['one method left', [routeOf('GET /a'), routeOf('GET,POST /a')], []],
    [
      'methods taken by two',
      [routeOf('GET /a'), routeOf('POST /a'), routeOf('GET,POST /a')],
      [{ index: 2, by: 0 }],
    ],
    ['another case', [routeOf('GET /a'), routeOf('GET /A')], [{ index: 1, by: 0 }]],
    ['another last slash', [routeOf('GET /a'), routeOf('GET /a/')], [{ index: 1, by: 0 }]],
    ['all hosts behind one', [routeOf('GET /a', here), routeOf('GET /a')], []],
    ['one host behind all', [routeOf('GET /a'), routeOf('GET /a', here)], [{ index: 1, by: 0 }]],
    ['another host', [routeOf('GET /a', there), routeOf('GET /a', here)], []],
    [
      'all hosts behind each',
      [routeOf('GET /a', there), routeOf('GET /a', here), routeOf('GET /a')],
      [{ index: 2, by: 1 }],
    ],
  ])('%s', (_, file, dead) => {
    const found = unreachable(file, hosts)
    expect(found.map(({ index }) => index)).toEqual(dead.map(({ index }) => index))
    for (const { index, by } of found) expect(by).toBeLessThan(index)
  })
})
