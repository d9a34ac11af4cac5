import { describe, expect, it } from 'vitest'
import { whole } from '../../src/gate/base/parts.ts'
import { METHODS, type Method, type Route } from '../../src/gate/model/route.ts'
import { foldCase } from '../../src/gate/policy/reading/route-index.ts'
import { compileRouter, parseMatch } from '../../src/gate/policy/reading/router.ts'
import { routeOf } from '../kit/facts.ts'

const HOST = 'api.example.com'

/** The `match` of the rule that is found, with its parameters. */
const found = (rules: readonly Route[], method: Method, path: string, host = HOST) => {
  const { match } = compileRouter(rules).find(method, host, path)
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
    expect(compileRouter(rules).find(method, host, path).ambiguous).toBe(ambiguous)
  })
})

describe('isAmbiguous, of characters that may stand plain or escaped', () => {
  const strict = { host: HOST }
  const verbs = [routeOf('POST /v1/models/{model}:generate', strict), routeOf('* /v1/models/{m}')]
  const accents = ['GET /caf%C3%A9', 'GET /kelvin', 'GET /stra%C3%9Fe', 'GET /*'].map((match) =>
    routeOf(match),
  )
  const literals = [
    routeOf('GET /a:b'),
    routeOf('GET /c%3Ad'),
    routeOf('GET /x/%2A'),
    routeOf('GET /y/%7Bid%7D'),
    routeOf('GET /z/%3Aid'),
    routeOf("GET /!$&'()+,=@|[]"),
    routeOf('* /*'),
  ]

  it.each<[readonly Route[], Method, string, boolean]>([
    [verbs, 'POST', '/v1/models/gpt:generate', false],
    [verbs, 'POST', '/v1/models/gpt%3Agenerate', true],
    [verbs, 'POST', '/v1/models/gpt%3AGenerate', true],
    [verbs, 'POST', '/v1/models/gpt%3Agenerate/', true],
    [verbs, 'POST', '/v1/models/a%3Ab%3Agenerate', true],
    [verbs, 'GET', '/v1/models/gpt%3Agenerate', false],
    [verbs, 'POST', '/v1/models/gpt%3Aload', false],
    [verbs, 'POST', '/v1/models/%3Agenerate', false],
    [literals, 'GET', '/a:b', false],
    [literals, 'GET', '/a%3Ab', true],
    [literals, 'GET', '/A%3Ab/', true],
    [accents, 'GET', '/caf%C3%A9', false],
    [accents, 'GET', '/caf%C3%89', true],
    [accents, 'GET', '/CAF%C3%89/', true],
    [accents, 'GET', '/%E2%84%AAelvin', true],
    [accents, 'GET', '/caf%C3%A8', false],
    [accents, 'GET', '/stra%C3%9Fe', false],
    [accents, 'GET', '/stra%E1%BA%9Ee', true],
    [accents, 'GET', '/STRASSE', true],
    [literals, 'GET', '/c%3Ad', false],
    [literals, 'GET', '/c:d', true],
    [literals, 'GET', '/x/*', true],
    [literals, 'GET', '/x/q', false],
    [literals, 'GET', '/x/%2A/q', false],
    [literals, 'GET', '/y/q', false],
    [literals, 'GET', '/y/%7Bid%7D', false],
    [literals, 'GET', '/z/q', false],
    [literals, 'GET', '/z/:id', true],
    [literals, 'GET', '/a%2Fb', false],
    [literals, 'GET', '/e%40f', false],
    ...[..."!$&'()+,=@|[]"].map((char): [readonly Route[], Method, string, boolean] => {
      const triplet = `%${char.charCodeAt(0).toString(16).toUpperCase()}`
      return [literals, 'GET', "/!$&'()+,=@|[]".replace(char, () => triplet), true]
    }),
  ])('%# %s %s: %s', (file, method, path, ambiguous) => {
    expect(compileRouter(file).find(method, HOST, path).ambiguous).toBe(ambiguous)
  })

  it('is so of every character and its other case', () => {
    const escaped = (text: string) => foldCase(encodeURIComponent(text))
    // No character beyond these has another case.
    const differing = Array.from({ length: 0x1_f0_00 - 0x80 }, (_, i) => i + 0x80)
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .flatMap((code) => {
        const char = String.fromCodePoint(code)
        return [char.toLowerCase(), char.toUpperCase()].flatMap((other) =>
          other === char || escaped(other) === escaped(char) ? [] : [`${char} ${other}`],
        )
      })
    expect(differing).toEqual([])
  })

  it('leaves an escape as it is where no earlier rule is concerned', () => {
    expect(found(verbs, 'POST', '/v1/models/gpt%3Aload%40x')?.[1]).toEqual({ m: 'gpt%3Aload%40x' })
  })
})

describe('isAmbiguous, of what some servers read as an earlier rule', () => {
  const rules = [
    routeOf('GET /admin'),
    routeOf('GET /x/{p}:go'),
    routeOf('GET /report'),
    routeOf('GET /report.json'),
    routeOf('GET /y/{p}/admin'),
    routeOf('GET /y/{p}/admin.xml'),
    routeOf('GET /c++/new'),
    routeOf('GET /x/{p}'),
    routeOf('GET /z/*', { ambiguousPaths: 'allow' }),
    routeOf('GET /*'),
  ]

  it.each<[string, boolean]>([
    ['/admin.json', true],
    ['/admin:$DATA', true],
    ['/admin:$I30:$INDEX_ALLOCATION', true],
    ['/admin%3A%24x.json', true],
    ['/admin:go', false],
    ['/admin:go$x', false],
    ['/c++/new.', true],
    ['/c++/new+', true],
    ['/c++.%20/new', true],
    ['/admin.a.b', true],
    ['/.json', false],
    ['/admin%20.%20', true],
    ['/a%20dmin', false],
    ['/admin%20.json/', true],
    ['/admin%3Ba.b%3Fc/d/e', true],
    ['/%E2%93%90dmin', true],
    ['/b%EF%BC%8F..%EF%BC%8Fadmin', true],
    ['/%E2%80%8B/admin', true],
    ['/admin.json/b', false],
    ['/x/a:go.json', true],
    ['/x/a%3Bb:go', false],
    ['/report.json', false],
    ['/report.json.', true],
    ['/report.xml', true],
    ['/y/1/admin.xml', false],
    ['/y/1/admin.pdf', true],
    ['/y/1%3Fx/admin.xml', false],
    ['/z/%EF%BC%8E%EF%BC%8E/admin', false],
    ['/...', false],
    ['/b/..a', false],
    ['/b/..%20/c', true],
    ['/b/..+/c', true],
    ['/b/..%3B/c', true],
    ['/b/%EF%BC%8E%EF%BC%8E/c', true],
    ['/b/.%E2%80%8B./c', true],
    ['/y/..%23/c', true],
  ])('%s: %s', (path, ambiguous) => {
    expect(compileRouter(rules).find('GET', HOST, path).ambiguous).toBe(ambiguous)
  })

  it('costs little, whatever the path is', () => {
    const { find } = compileRouter(rules)
    for (const text of ['.', '%20', '.a', '%3B', '%EF%BC%8E/', '%20.']) {
      expect(find('GET', HOST, `/${text.repeat(8_000 / text.length)}x`).match).toBeDefined()
    }
  })
})

describe('suffixes', () => {
  const four = (suffix: string) => `/{a}${suffix}/{b}${suffix}/{c}${suffix}/{d}${suffix}`
  const nested = Array.from({ length: 30 }, (_, i) => ':a'.repeat(i + 1))
  const file = nested.map((suffix) => routeOf(`GET ${four(suffix)}`)).toReversed()

  it('are looked up without trying their combinations', () => {
    const path = `/x${nested.at(-1)}`.repeat(4)
    expect(found(file, 'GET', path)?.[0]).toBe(file[0]?.name)
    expect(found(file, 'GET', '/x:a:a/x:a/x:a:a/x:a:a')?.[0]).toBe(`GET ${four(':a')}`)
    expect(found(file, 'GET', '/x:a/x:a/x:a/x')).toBeUndefined()
  })
})

describe('unreachable', () => {
  const hosts = new Set([HOST, 'o.example.com'])
  const here = { host: HOST }
  const there = { host: 'o.example.com' }

  it.each<[string, Route[], number[]]>([
    ['a doubled rule', [routeOf('GET /a'), routeOf('GET /a')], [1]],
    ['HEAD behind GET', [routeOf('GET /a'), routeOf('HEAD /a')], [1]],
    ['GET behind HEAD', [routeOf('HEAD /a'), routeOf('GET /a')], []],
    ['a literal behind a parameter', [routeOf('GET /{p}'), routeOf('GET /a')], [1]],
    ['a parameter behind a literal', [routeOf('GET /a'), routeOf('GET /{p}')], []],
    ['another name', [routeOf('GET /{p}'), routeOf('GET /{q}')], [1]],
    ['a suffix behind none', [routeOf('GET /{p}'), routeOf('GET /{p}:v')], [1]],
    ['none behind a suffix', [routeOf('GET /{p}:v'), routeOf('GET /{p}')], []],
    ['all behind the rest', [routeOf('* /*'), routeOf('GET /a/{b}/c')], [1]],
    ['a longer rest', [routeOf('GET /a/*'), routeOf('GET /a/b/*')], [1]],
    ['a shorter rest', [routeOf('GET /a/b/*'), routeOf('GET /a/*')], []],
    ['the rest behind one segment', [routeOf('GET /a/{p}'), routeOf('GET /a/*')], []],
    ['one method left', [routeOf('GET /a'), routeOf('GET,POST /a')], []],
    ['methods taken by two', [routeOf('GET /a'), routeOf('POST /a'), routeOf('GET,POST /a')], [2]],
    ['another case', [routeOf('GET /a'), routeOf('GET /A')], [1]],
    ['an escape of a plain rule', [routeOf('GET /a:b'), routeOf('GET /a%3Ab')], [1]],
    ['the plain form of an escape', [routeOf('GET /a%40b'), routeOf('GET /a@b')], [1]],
    ['an escape behind a suffix', [routeOf('GET /{p}:v'), routeOf('GET /a%3Av')], [1]],
    ['an escaped star before a rest', [routeOf('GET /a/%2A'), routeOf('GET /a/*')], []],
    ['an escaped brace', [routeOf('GET /%7Bp%7D'), routeOf('GET /a')], []],
    ['another last slash', [routeOf('GET /a'), routeOf('GET /a/')], [1]],
    ['all hosts behind one', [routeOf('GET /a', here), routeOf('GET /a')], []],
    ['one host behind all', [routeOf('GET /a'), routeOf('GET /a', here)], [1]],
    ['another host', [routeOf('GET /a', there), routeOf('GET /a', here)], []],
    [
      'all hosts behind each',
      [routeOf('GET /a', there), routeOf('GET /a', here), routeOf('GET /a')],
      [2],
    ],
  ])('%s', (_, file, dead) => {
    const found = whole(compileRouter(file).unreachable(hosts))
    expect(found.map(({ index }) => index)).toEqual(dead)
    for (const { index, by } of found) expect(by).toBeLessThan(index)
  })
})
