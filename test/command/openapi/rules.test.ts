import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { importRules, rulesToml } from '../../../src/command/openapi/rules.ts'
import { createJudge } from '../../../src/command/tests/test-case.ts'
import { policy as policyOf } from '../../gate/policy/support.ts'
import { tries } from '../../kit/property.ts'
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

describe('a document that makes much of little', () => {
  it('is refused where servers and operations are too many together', async () => {
    const many = Array.from({ length: 500 }, (_, i) => i)
    const paths = Object.fromEntries(many.map((i) => [`/p${i}`, { get: asking('a') }]))
    const root = document(paths, { servers: many.map((i) => ({ url: `/s${i}` })) })
    const result = await importRules({ root }, [])
    expect(result).toEqual({ ok: false, reason: 'has too much in its paths' })
  })
})
