import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { importRules, rulesToml } from '../../../src/command/openapi/rules.ts'
import { createJudge } from '../../../src/command/tests/test-case.ts'
import type { WrittenScopes } from '../../../src/gate/policy/reading/rows.ts'
import { tries } from '../../kit/property.ts'
import { policy as policyOf } from '../../policy/support.ts'
import { asking, document, large } from './documents.ts'

const imported = async (root: Record<string, unknown>, unnamed: readonly string[] = []) => {
  const result = await importRules({ root }, unnamed)
  if (!result.ok) throw new Error(result.reason)
  return result.value
}

const rulesOf = async (root: Record<string, unknown>, unnamed?: readonly string[]) =>
  (await imported(root, unnamed)).rules.map(({ match, scopes }) => [match, scopes])

const notesOf = async (root: Record<string, unknown>) =>
  (await imported(root)).notes.map(
    ({ pointer, message, isLeftOut }) => `${isLeftOut ? 'left out' : 'note'} ${pointer} ${message}`,
  )

const securityOf = async (security: unknown) => {
  const root = document({ '/a': { get: { security } } })
  return [(await rulesOf(root))[0]?.[1], await notesOf(root)]
}

describe('rules of a document', () => {
  it('are below the base path of its servers, and of nearer servers where there are some', async () => {
    const item = { get: asking('a') }
    const at = (servers: readonly string[], more = {}) =>
      rulesOf(
        document({ '/x': { ...item, ...more } }, { servers: servers.map((url) => ({ url })) }),
      )
    expect(await at(['https://a.dev/v1/', 'https://b.dev/v1', '/v2'])).toEqual([
      ['GET /v1/x', ['a']],
      ['GET /v2/x', ['a']],
    ])
    expect(await at([])).toEqual([['GET /x', ['a']]])
    expect(await at(['/v1'], { servers: [{ url: 'https://up.dev/up' }] })).toEqual([
      ['GET /up/x', ['a']],
    ])
    expect(await notesOf(document({ '/x': item }, { servers: [{ url: '/{v}' }] }))).toEqual([
      'left out #/servers has a server whose url is not a URL, or a variable without a default',
    ])
  })

  it('join operations of one path with equal scopes, and stand before wider ones', async () => {
    const paths = {
      '/a/{id}': { get: asking('r'), head: asking('h'), put: asking('w'), patch: asking('w') },
      '/a/{id}:go': { get: asking('go') },
      '/a/me': { get: asking('me') },
      '/{b}/me': { get: asking('other') },
    }
    expect(await rulesOf(document(paths))).toEqual([
      ['GET /a/me', ['me']],
      ['GET /a/{id}:go', ['go']],
      ['HEAD /a/{id}', ['h']],
      ['GET /a/{id}', ['r']],
      ['PUT,PATCH /a/{id}', ['w']],
      ['GET /{b}/me', ['other']],
    ])
  })

  it.each<[string, unknown, WrittenScopes, readonly string[]]>([
    ['all of one requirement', [{ oauth: ['b', 'a'] }], ['a', 'b'], []],
    ['both of two schemes', [{ oauth: ['a'], oidc: ['b'] }], ['a', 'b'], []],
    ['any of alternatives', [{ oauth: ['a'] }, { oidc: ['b'] }], { any: ['a', 'b'] }, []],
    [
      'the first of what a rule cannot say',
      [{ oauth: ['a', 'b'] }, { oauth: ['c'] }],
      ['a', 'b'],
      ['has alternatives of several scopes: the rule asks for the first'],
    ],
    [
      'a token where one is optional',
      [{}, { oauth: ['a'] }],
      ['a'],
      [
        'takes requests without a token, but the rule does not; to allow them write access = "optional"',
      ],
    ],
    [
      'a token where none is asked for',
      [],
      [],
      [
        'takes requests without a token, but the rule does not; to allow them write access = "public"',
        'names no scope: the rule asks for any valid token',
      ],
    ],
    [
      'a token where there are keys and cookies',
      [{ key: [] }, { cookie: [] }],
      [],
      [
        'names `key` (`apiKey header`), `cookie` (`apiKey cookie`), which the gate does not check',
        'names no scope: the rule asks for any valid token',
      ],
    ],
    [
      'scopes beside a key',
      [{ key: [], oauth: ['a'] }],
      ['a'],
      ['names `key` (`apiKey header`), which the gate does not check'],
    ],
    ['roles of a bearer token', [{ bearer: ['a'] }], ['a'], []],
  ])('ask for %s', async (_, security, scopes, notes) => {
    const told = notes.map((one) => `note #/paths/~1a/get/security ${one}`)
    expect(await securityOf(security)).toEqual([scopes, told])
  })

  it('ask for what all operations ask where one says nothing, and for a scope that is given', async () => {
    const root = document({ '/a': { get: {} } }, { security: [{ oauth: ['all'] }] })
    expect(await rulesOf(root)).toEqual([['GET /a', ['all']]])
    const bare = document({ '/a': { get: {} } })
    expect(await rulesOf(bare, ['api:use'])).toEqual([['GET /a', ['api:use']]])
    expect(await notesOf(bare)).toContainEqual(expect.stringMatching(/^note # names no scope/))
  })

  it.each<[string, object, string]>([
    [
      'two parameters in a segment',
      { '/{a}.{b}': { get: {} } },
      '#/paths/~1{a}.{b}/get has `{a}.{b}`',
    ],
    ['a pattern', { '/{id:[0-9]+}': { get: {} } }, '/get has `{id:[0-9]+}`'],
    ['a rest', { '/{path*}': { get: {} } }, 'without a slash in front, or with ?, # or *'],
    ['a query', { '/a?x=1': { get: {} } }, 'without a slash in front, or with ?, # or *'],
    ['a path without a slash', { a: { get: {} } }, 'without a slash in front'],
    [
      'matrix parameters',
      { '/{a}': { get: { parameters: [{ name: 'a', in: 'path', style: 'matrix' }] } } },
      '#/paths/~1{a}/get has a path parameter of style `matrix`',
    ],
    [
      'a remote reference',
      { '/a': { $ref: 'https://x.dev/a.yaml' } },
      '#/paths/~1a refers to `https://x.dev',
    ],
    ['a circle', { '/a': { $ref: '#/paths/~1a' } }, '#/paths/~1a refers to `#/paths/~1a`, which'],
    [
      'an unknown scheme',
      { '/a': { get: { security: [{ none: [] }] } } },
      '/get has no object where',
    ],
    [
      'security that is not a list',
      { '/a': { get: { security: null } } },
      '/get has `security` that is not a list',
    ],
    ['a scope that is a template', { '/a': { get: asking('x:{a}') } }, 'names the scope `x:{a}`'],
    ['a scope that is none', { '/a': { get: asking('a b') } }, '/get cannot be a rule: `a b`'],
    [
      'a scope of the gate',
      { '/a': { get: asking('edgewarden:revoke') } },
      '/get cannot be a rule: ',
    ],
    ['TRACE', { '/a': { trace: {} } }, '#/paths/~1a/trace is not a method'],
    [
      "a path of the gate's own",
      { '/.edgewarden/x': { get: {} } },
      '/get cannot be a rule: `/.edgewarden`',
    ],
    [
      'a slash at the end',
      { '/b': { get: {} }, '/b/': { get: {} } },
      '#/paths/~1b~1/get cannot be a rule',
    ],
    ['another case', { '/b': { get: {} }, '/B': { get: {}, put: {} } }, '#/paths/~1b/get'],
  ])('leave out %s', async (_, paths, message) => {
    const root = document({ '/other': { get: asking('x') }, ...paths })
    const left = (await notesOf(root)).filter((one) => one.startsWith('left out'))
    expect(left).toEqual([expect.stringContaining(message)])
  })

  it('follow local references, and tell of what has a rule but is not what it seems', async () => {
    const root = document(
      {
        '/a/{x-y}/{1}': {
          $ref: '#/x-items/a',
          parameters: [{ $ref: '#/components/parameters/p' }],
        },
        'x-more': 1,
      },
      {
        'x-items': { a: { get: { ...asking('a'), deprecated: true, callbacks: { done: {} } } } },
        webhooks: { event: {} },
      },
    )
    Object.assign(root.components as object, { parameters: { p: { name: 'x-y', in: 'path' } } })
    expect(await rulesOf(root)).toEqual([['GET /a/{x_y}/{_1}', ['a']]])
    expect(await notesOf(root)).toEqual([
      'note #/paths/~1a~1{x-y}~1{1}/get is deprecated, and has a rule',
      'note #/paths/~1a~1{x-y}~1{1}/get/callbacks is a request that the API sends, so no rule is made for it',
      'note #/webhooks/event is a request that the API sends, so no rule is made for it',
    ])
  })

  it('end where references repeat a large item', async () => {
    const item = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`x-m${i}`, {}]))
    const paths = Object.fromEntries(
      Array.from({ length: 3_000 }, (_, i) => [`/${i}`, { $ref: '#/item' }]),
    )
    const result = await importRules({ root: document(paths, { item }) }, [])
    expect(result).toEqual({ ok: false, reason: 'has too much in its paths' })
  })

  it('fill variables of the size that Cloudflare takes', async () => {
    const { rules } = await imported(large())
    expect(rules.reduce((sum, { operations }) => sum + operations.length, 0)).toBe(600)
    const toml = rulesToml(rules, 'vars.ROUTES_API')
    const names = new Set(toml.match(/ROUTES_API_\d+/g))
    expect(names.size).toBeGreaterThan(3)
    expect(toml).toContain('match = "GET /api/v3/repos/{owner}/{repo}/kind1/search"')
  })
})

const segment = fc.constantFrom('a', 'b', 'c.json', '{p}', '{q-r}', '{p}:go', '{p}.json')
const operation = fc
  .uniqueArray(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 2 })
  .chain((scopes) =>
    fc.constantFrom(
      [{ oauth: scopes }],
      scopes.map((one) => ({ oauth: [one] })),
    ),
  )
const paths = fc.dictionary(
  fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`),
  fc.dictionary(
    fc.constantFrom('get', 'post', 'delete'),
    operation.map((security) => ({ security })),
    {
      minKeys: 1,
    },
  ),
  { minKeys: 1, maxKeys: 6 },
)

describe('the real guard with imported rules', () => {
  it('decides each operation by its rule and scopes, and denies what is not in the document', async () => {
    let seen = 0
    await fc.assert(
      fc.asyncProperty(paths, async (some) => {
        const { rules } = await imported(document(some))
        if (rules.length === 0) return
        const ROUTES = rules.map(({ match, scopes }) => ({ match, scopes }))
        const judge = createJudge(policyOf({ ROUTES }), 1_793_491_200)
        const decide = async (method: string, path: string, scope: string) => {
          const url = `https://api.example.com${path}`
          const verdict = await judge({
            ...{ file: '', line: 1, index: 0, name: '', without: [], around: {} },
            request: { method, url, headers: new Headers() },
            claims: { scope },
          } as unknown as Parameters<typeof judge>[0])
          if (!verdict.ok) throw new Error(verdict.reason)
          return verdict.value
        }
        for (const { match, scopes, operations } of rules) {
          const names = 'any' in scopes ? scopes.any : scopes
          for (const { method, path } of operations) {
            seen += 1
            const sample = path.replace(/\{\w+\}/g, 'value')
            const asked = [names.join(' '), ...names, 'other']
            for (const scope of asked) {
              const has = scope.split(' ')
              const isEnough =
                'any' in scopes
                  ? names.some((one) => has.includes(one))
                  : names.every((one) => has.includes(one))
              expect(await decide(method, sample, scope)).toMatchObject({
                rule: match,
                ...(isEnough ? { decision: 'allowed' } : { code: 'scope_missing' }),
              })
            }
          }
        }
        expect(await decide('PATCH', '/a', 'x y z')).toMatchObject({ code: 'route_unknown' })
        expect(await decide('GET', '/a/b/c/d', 'x y z')).toMatchObject({ code: 'route_unknown' })
      }),
      tries(25, 60),
    )
    expect(seen).toBeGreaterThan(40)
  })
})

describe('what is left out', () => {
  const LEFT = 'left out #/paths/'

  it('is told with the rule that allows its requests all the same', async () => {
    const paths = {
      '/users/{id}': { get: asking('read'), head: asking('two words') },
      '/users/{id}.{format}': { get: asking('admin') },
      '/users/export': { $ref: './export.yaml' },
      '/users/me': { get: asking('of/{id}') },
      '/teams/{id}.{format}': { get: asking('admin') },
    }
    const root = document(paths, { servers: [{ url: 'https://a.dev/v1' }] })
    const told = (await notesOf(root)).map((note) => [
      note.slice(LEFT.length).split(' ', 1)[0],
      / its requests are allowed by (.*)$/.exec(note)?.[1],
    ])
    const allowed = '`GET /v1/users/{id}`'
    expect(told).toEqual([
      ['~1users~1{id}.{format}/get', allowed],
      ['~1users~1export', allowed],
      ['~1users~1me/get', allowed],
      ['~1teams~1{id}.{format}/get', undefined],
      ['~1users~1{id}/head', allowed],
    ])
  })

  it('has objects where texts must be', async () => {
    const object = { toString: 1 }
    const paths = {
      '/ref': { $ref: object },
      '/scope': { get: { security: [{ oauth: [object] }] } },
      '/style': { get: { parameters: [{ in: 'path', style: object }] } },
      '/server': { servers: [{ url: object }], get: {} },
    }
    const notes = (await notesOf(document(paths))).filter((note) => note.startsWith(LEFT))
    expect(notes.map((note) => note.slice(LEFT.length).split(' ', 1)[0])).toEqual([
      '~1ref',
      '~1scope/get',
      '~1style/get',
      '~1server/servers',
    ])
  })
})

describe('a document that makes much of little', () => {
  it('is refused where servers and operations are too many together', async () => {
    const many = Array.from({ length: 500 }, (_, i) => i)
    const paths = Object.fromEntries(many.map((i) => [`/p${i}`, { get: asking('a') }]))
    const root = document(paths, { servers: many.map((i) => ({ url: `/s${i}` })) })
    const result = await importRules({ root }, [])
    expect(result).toEqual({ ok: false, reason: 'has too much in its paths' })
  })

  it('is left out where references go on and on', async () => {
    const chain = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`${i}`, { $ref: `#/x/${i + 1}`, [`x-${i}`]: 1 }]),
    )
    const root = document({ '/a': { $ref: '#/x/0' } }, { x: { ...chain, 200: { get: {} } } })
    expect(await rulesOf(root)).toEqual([])
  })
})
