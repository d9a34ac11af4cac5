import fc from 'fast-check'
import { expect, it } from 'vitest'
import { whole } from '../../src/gate/base/parts.ts'
import type { Method, Route } from '../../src/gate/model/route.ts'
import { compileRouter } from '../../src/gate/policy/reading/router.ts'
import { repaired } from '../differential/cases.ts'
import { compareAll } from '../differential/compare.ts'
import { routeOf } from '../kit/facts.ts'
import { tries } from '../kit/property.ts'

const HOSTS = ['api.example.com', 'o.example.com']

/** Rules and paths from the same few pieces, so that they meet often. */
const LITERALS = [
  ...['a', 'A', 'b', 'a:v', 'b.x', 'a%3Av', 'b@', 'b%40', '%2A', '%3An0', '%7Bn0%7D'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'],
]
const segment = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...LITERALS) },
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
    fc.constantFrom(undefined, undefined, ...HOSTS),
  )
  .map(([methods, path, host]) => ({ match: `${methods} ${path}`, ...(host && { host }) }))
const rules = fc.array(rule, { minLength: 1, maxLength: 7 })

const requestSegment = fc.constantFrom(
  ...[...LITERALS, 'c', 'c:v', 'C:V', 'c.x', 'c:v:v', 'c%3Av', 'c:v%3AV', '%3Av', 'B@', 'B%40'],
  ...[':v', '.x', '*', '**', ':p', ':n0', '%2F', 'B.X'],
)
/** What servers leave out, or read otherwise. */
const END = ['', '', '', '.', '%20', '%3Bx', '%3Fx', '::$DATA', ':$x', '%E2%80%8B', '.x']
const requestPath = fc
  .tuple(
    fc.array(fc.tuple(requestSegment, fc.constantFrom(...END)), { maxLength: 4 }),
    fc.constantFrom('', '', '/'),
  )
  .map(([segments, slash]) =>
    segments.length === 0 ? '/' : `/${segments.map((one) => one.join('')).join('/')}${slash}`,
  )
const asked = fc.record({
  method: fc.constantFrom<Method>('GET', 'HEAD', 'POST', 'PUT'),
  host: fc.constantFrom(...HOSTS),
  path: requestPath,
})

it('finds the rules, and refuses the paths, that the second implementation does', async () => {
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(
      rules,
      fc.array(asked, { minLength: 4, maxLength: 12 }),
      async (file, requests) => {
        const vars = repaired({
          GATE: { resource: 'https://api.example.com', origin: 'service:ORIGIN', hosts: HOSTS },
          ISSUERS: { acme: { issuer: 'https://auth.acme.example' } },
          ROUTES: file.map((one) => ({ ...one, access: 'public' })),
        })
        if (!vars) return
        const steps = requests.map(({ path: target, method, host }) => ({
          request: { method, scheme: 'https' as const, host, target, headers: [], address: '::1' },
        }))
        const one = { policies: [vars], keys: {}, tokens: {}, steps }
        const found = await compareAll(one, ({ said }) => {
          const what = said.code ?? said.outcome
          seen.set(what, (seen.get(what) ?? 0) + 1)
        })
        expect(found).toEqual([])
      },
    ),
    tries(120),
  )
  expect(seen.get('forwarded')).toBeGreaterThan(40)
  expect(seen.get('path_ambiguous')).toBeGreaterThan(40)
  expect(seen.get('route_unknown')).toBeGreaterThan(40)
})

it('never calls a rule unreachable that some request reaches', () => {
  let reported = 0
  fc.assert(
    fc.property(rules, fc.array(asked, { minLength: 20, maxLength: 60 }), (drawn, requests) => {
      const file = drawn.map(({ match, ...more }) => routeOf(match, more))
      const router = compileRouter(file)
      const dead = new Set(whole(router.unreachable(new Set(HOSTS))).map(({ index }) => index))
      reported += dead.size
      for (const { method, host, path } of requests) {
        const { match, ambiguous } = router.find(method, host, path)
        if (!ambiguous) expect(dead.has(file.indexOf(match?.route as Route))).toBe(false)
      }
    }),
    tries(100),
  )
  expect(reported).toBeGreaterThan(8)
})
