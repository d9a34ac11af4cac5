import { describe, expect, it } from 'vitest'
import { whole } from '../../../src/gate/base/parts.ts'
import { METHODS, type Method, type Route } from '../../../src/gate/model/route.ts'
import { foldCase } from '../../../src/gate/policy/reading/route-index.ts'
import { compileRouter, parseMatch } from '../../../src/gate/policy/reading/router.ts'
import { routeOf } from '../../kit/facts.ts'

/** Rules and paths that random ones (test/fuzz/router.test.ts) do not have, and those that show what is meant. */

const HOST = 'api.example.com'
const linesOf = (text: string) => text.trim().split('\n')
const rulesOf = (text: string) => linesOf(text).map((match) => routeOf(match))

/** The `match` of the rule that is found, with its parameters. */
const found = (rules: readonly Route[], method: Method, path: string, host = HOST) => {
  const { match } = compileRouter(rules).find(method, host, path)
  return match && [match.route.name, Object.fromEntries(match.params)]
}

describe('match', () => {
  it.each<[string, readonly string[], string, readonly string[]]>([
    ['GET /', ['GET', 'HEAD'], '/', []],
    ['HEAD /', ['HEAD'], '/', []],
    ['POST,GET /a', ['GET', 'HEAD', 'POST'], '/a', []],
    ['* /a/', METHODS, '/a/', []],
    ['GET /a/{id}/b/*', ['GET', 'HEAD'], '/a/{id}/b/*', ['id']],
    ['POST /m/{m}:load', ['POST'], '/m/{m}:load', ['m']],
    ['POST /a:b', ['POST'], '/a:b', []],
    ['POST /{__proto__}', ['POST'], '/{__proto__}', ['__proto__']],
    ['POST /a%20b', ['POST'], '/a%20b', []],
  ])('may be %s', (text, methods, path, params) => {
    expect(parseMatch(text)).toEqual({ ok: true, value: { methods, path, params } })
  })

  const WRONG = `
|GET|/a|GET  /a|GET /a |GET /a b| GET /a|get /a|TRACE /a|CONNECT /a|GET,* /a|GET,GET /a|GET, /a|GET a
GET https://h/a|GET /a?b|GET /a#b|GET /a;b|GET /a\\b|GET //a|GET /a//b|GET /a/../b|GET /./a|GET /%61
GET /%e2%82%ac|GET /a%2Fb|GET /a%2fb|GET /%2561|GET /%|GET /ä|GET /*/a|GET /a*|GET /**|GET /{*}
GET /:id|GET /a/:id?|GET /{id|GET /id}|GET /{}|GET /{1a}|GET /{a-b}|GET /{a}{b}|GET /{a}-{b}|GET /x{a}
GET /{a}x|GET /{a}:*|GET /{a}/{a}|GET /{a:[0-9]+}`

  it.each(WRONG.slice(1).split(/[|\n]/))('may not be %j, and a sentence says why', (text) => {
    const match = parseMatch(text)
    expect(match.ok || match.reason).toMatch(/\w+ \w+ \w+/)
  })
})

describe('the rule of a path', () => {
  const rules = [
    ...rulesOf(`
GET /docs/new
GET /docs/{id}
DELETE /docs/{name}
POST /docs/{id}:copy
POST /docs/{id}:deep:copy
POST /docs/{id}
GET /docs/*
GET /x/{a}/{b}.json
GET /x/*
PATCH /*`),
    routeOf('GET /y/*', { host: 'other.example.com' }),
  ]

  it.each(
    linesOf(`
HEAD /docs/new → GET /docs/new
GET /docs/New → GET /docs/{id}, New
DELETE /docs/7 → DELETE /docs/{name}, 7
PUT /docs/7 → none
GET /docs → none
GET /docs/ → GET /docs/*
GET /docs/7/8/9 → GET /docs/*
POST /docs/7:copy → POST /docs/{id}:copy, 7
POST /docs/7:deep:copy → POST /docs/{id}:copy, 7:deep
POST /docs/7:COPY → POST /docs/{id}, 7:COPY
POST /docs/:copy → POST /docs/{id}, :copy
POST /docs/ → none
GET /x/a/b.json → GET /x/{a}/{b}.json, a, b
GET /x/a/.json → GET /x/*
PATCH / → PATCH /*
GET /docs/{id} → GET /docs/{id}, {id}
GET /docs/__proto__ → GET /docs/{id}, __proto__
GET /toString/valueOf → none
GET /%2Fdocs/7 → none
GET /y/a → none`),
  )('is the first that matches, with its parameters as they stand there: %s', (line) => {
    const [asked = '', expected] = line.split(' → ')
    const [method, path = ''] = asked.split(' ')
    const [name = 'none', params = {}] = found(rules, method as Method, path) ?? []
    expect([name, ...Object.values(params)].join(', ')).toBe(expected)
  })

  it('is that of the file’s order, however special a later one is, and of the host', () => {
    const file = rulesOf('\nGET /*\nGET /a\nGET /{p}')
    expect(found(file, 'GET', '/a')?.[0]).toBe('GET /*')
    expect(found(file.toReversed(), 'GET', '/a')?.[0]).toBe('GET /{p}')
    expect(found(rules, 'GET', '/y/a', 'other.example.com')?.[0]).toBe('GET /y/*')
  })

  it('is looked up by suffixes without trying their combinations', () => {
    const four = (suffix: string) => `/{a}${suffix}/{b}${suffix}/{c}${suffix}/{d}${suffix}`
    const nested = Array.from({ length: 30 }, (_, i) => ':a'.repeat(i + 1))
    const file = nested.map((suffix) => routeOf(`GET ${four(suffix)}`)).toReversed()
    expect(found(file, 'GET', `/x${nested.at(-1)}`.repeat(4))?.[0]).toBe(file[0]?.name)
    expect(found(file, 'GET', '/x:a:a/x:a/x:a:a/x:a:a')?.[0]).toBe(`GET ${four(':a')}`)
  })
})

const CASE = `
GET /Admin/{p}:Go
GET /admin
POST /secret/
GET /deep/*
GET /caf%C3%A9
GET /kelvin
GET /stra%C3%9Fe
* /*`
const ESCAPES = `
POST /v1/models/{model}:generate
* /v1/models/{m}
GET /a:b
GET /c%3Ad
GET /x/%2A
GET /y/%7Bid%7D
GET /z/%3Aid
* /*`
const SERVERS = `
GET /admin
GET /x/{p}:go
GET /report
GET /report.json
GET /y/{p}/admin
GET /y/{p}/admin.xml
GET /c++/new
GET /x/{p}
GET /*`

/** Rules, and which paths are ambiguous with them, and which not. */
const READ: readonly (readonly [what: string, rules: string, ambiguous: string, not: string])[] = [
  [
    'in another case, or with another slash at its end',
    CASE,
    `/ADMIN /admin/ /aDmin/ /admin/x:go /Admin/x:go /Admin/x:Go/ POST:/secret /deep /DEEP/a
     /caf%C3%89 /CAF%C3%89/ /%E2%84%AAelvin /stra%E1%BA%9Ee /STRASSE`,
    `/admin POST:/ADMIN /admin/x /Admin/x:Go /Admin/X:Go /admin/:go POST:/secret/ /secret / /__proto__
     /caf%C3%A9 /caf%C3%A8 /stra%C3%9Fe`,
  ],
  [
    'with a character escaped that stands plain in a rule, or the other way round',
    ESCAPES,
    `POST:/v1/models/gpt%3Agenerate POST:/v1/models/gpt%3AGenerate/ POST:/v1/models/a%3Ab%3Agenerate
     /a%3Ab /A%3Ab/ /c:d /x/* /z/:id`,
    `POST:/v1/models/gpt:generate /v1/models/gpt%3Agenerate POST:/v1/models/gpt%3Aload
     POST:/v1/models/%3Agenerate /a:b /c%3Ad /x/q /x/%2A/q /y/q /y/%7Bid%7D /z/q /a%2Fb /e%40f`,
  ],
  [
    'by some server',
    SERVERS,
    `/admin.json /admin:$DATA /admin:$I30:$INDEX_ALLOCATION /admin%3A%24x.json /c++/new. /c++/new+
     /c++.%20/new /c++%20/new /admin.a.b /admin%20.%20 /admin%20.json/ /admin%3Ba.b%3Fc/d/e /%E2%93%90dmin
     /b%EF%BC%8F..%EF%BC%8Fadmin /%E2%80%8B/admin /x/a:go.json /report.json. /report.xml /y/1/admin.pdf
     /b/..%20/c /b/..+/c /b/..%3B/c /b/%EF%BC%8E%EF%BC%8E/c /b/.%E2%80%8B./c /y/..%23/c`,
    `/admin:go /admin:go$x /.json /a%20dmin /admin.json/b /x/a%3Bb:go /report.json /y/1/admin.xml
     /y/1%3Fx/admin.xml /... /b/..a`,
  ],
]

describe('a path is ambiguous if an earlier rule would match it', () => {
  const isAmbiguous = (rules: string, asked: string) => {
    const [method, path = ''] = asked.startsWith('/') ? ['GET', asked] : asked.split(/:(.*)/)
    return compileRouter(rulesOf(rules)).find(method as Method, HOST, path).ambiguous
  }

  it.each(READ)('%s', (_, rules, ambiguous, not) => {
    const those = (text: string) => text.split(/\s+/)
    expect(those(ambiguous).filter((asked) => !isAmbiguous(rules, asked))).toEqual([])
    expect(those(not).filter((asked) => isAmbiguous(rules, asked))).toEqual([])
  })

  it.each([..."!$&'()+,=@|[]"])('with %s escaped', (char) => {
    const triplet = `%${char.charCodeAt(0).toString(16).toUpperCase()}`
    const path = "/!$&'()+,=@|[]"
    expect(
      isAmbiguous(
        `\nGET ${path}\n* /*`,
        path.replace(char, () => triplet),
      ),
    ).toBe(true)
  })

  it('with any character in its other case', () => {
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

  it('unless its own rule says that it is as written, or the earlier one is of another host', () => {
    const own = routeOf('GET /z/*', { ambiguousPaths: 'allow' })
    const path = '/z/%EF%BC%8E%EF%BC%8E/admin'
    expect(compileRouter([routeOf('GET /admin'), own]).find('GET', HOST, path).ambiguous).toBe(
      false,
    )
    const there = compileRouter([routeOf('GET /only', { host: 'o.example.com' }), routeOf('* /*')])
    expect(there.find('GET', HOST, '/ONLY').ambiguous).toBe(false)
    expect(there.find('GET', 'o.example.com', '/ONLY').ambiguous).toBe(true)
  })
})

describe('a rule that no request reaches', () => {
  const hosts = new Set([HOST, 'o.example.com'])
  const deadOf = (file: readonly Route[]) => whole(compileRouter(file).unreachable(hosts))

  it.each(
    linesOf(`
GET /a, GET /a
GET /a, HEAD /a
GET /{p}, GET /a
GET /{p}, GET /{q}
GET /{p}, GET /{p}:v
* /*, GET /a/{b}/c
GET /a/*, GET /a/b/*
GET /a, POST /a, GET,POST /a
GET /a, GET /A
GET /a:b, GET /a%3Ab
GET /a%40b, GET /a@b
GET /{p}:v, GET /a%3Av
GET /a, GET /a/`),
  )('is the last of %s', (line) => {
    const file = line.split(', ').map((match) => routeOf(match))
    expect(deadOf(file)).toMatchObject([{ index: file.length - 1 }])
  })

  it.each(
    linesOf(`
HEAD /a, GET /a
GET /a, GET /{p}
GET /{p}:v, GET /{p}
GET /a/b/*, GET /a/*
GET /a/{p}, GET /a/*
GET /a, GET,POST /a
GET /a/%2A, GET /a/*
GET /%7Bp%7D, GET /a`),
  )('is none of %s', (line) => {
    expect(deadOf(line.split(', ').map((match) => routeOf(match)))).toEqual([])
  })

  it('is one whose hosts earlier rules take', () => {
    const [here, there] = [HOST, 'o.example.com'].map((host) => routeOf('GET /a', { host }))
    const all = routeOf('GET /a')
    if (!here || !there) throw new Error('no rules')
    expect(deadOf([all, here])).toMatchObject([{ index: 1, by: 0 }])
    expect(deadOf([there, here, all])).toMatchObject([{ index: 2 }])
    for (const file of [
      [here, all],
      [there, here],
    ])
      expect(deadOf(file)).toEqual([])
  })
})
