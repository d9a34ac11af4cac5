import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { samplePaths } from '../../src/compare/paths.ts'
import { otherSpellings, shapesOf } from '../../src/compare/shapes.ts'
import type { Route } from '../../src/gate/model/route.ts'
import { foldCase } from '../../src/gate/policy/reading/route-index.ts'
import { compileRouter } from '../../src/gate/policy/reading/router.ts'
import { routeOf } from '../kit/facts.ts'
import { tries } from '../kit/property.ts'

const HOST = 'api.example.com'

const LITERALS = 'a A b a:v b.x a%3Av b@ b%40 %7Bn0%7D __proto__ caf%C3%A9'.split(' ')
const segment = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...LITERALS) },
  { weight: 3, arbitrary: fc.constantFrom('{p}', '{p}:v', '{p}:V', '{p}.x', '{p}:v:v') },
)
const rules = fc.array(
  fc
    .tuple(fc.array(segment, { maxLength: 3 }), fc.constantFrom('', '', '/', '/*'))
    .map(([all, end]) => {
      const path = all.map((text, i) => `/${text.replace('{p}', `{n${i}}`)}`).join('') + end
      return routeOf(`GET ${path === '' ? '/' : path}`)
    }),
  { minLength: 1, maxLength: 6 },
)
const requestPath = fc
  .tuple(
    fc.array(
      fc.constantFrom(
        ...LITERALS,
        ...['c', 'c:v', 'C:V', 'c:w', 'c.x', 'c:v:v', 'c%3Av', 'c:v%3AV', ':v', '.x', 'B@', 'B%40'],
        ...['%3Av', 'A:V', 'A:v', 'a:V', 'A%3Av', 'CAF%C3%89', 'caf%C3%89', '%2A', 'B.X', 'B.x'],
      ),
      { maxLength: 4 },
    ),
    fc.boolean(),
  )
  .map(([all, slash]) => (all.length === 0 ? '/' : `/${all.join('/')}${slash ? '/' : ''}`))

/** All that rules, and lax readers of them, do with a path: which of them alone would take it. */
const fate = (routes: readonly Route[], path: string): string =>
  routes
    .map((route) => {
      const { match, ambiguous } = compileRouter([route]).find('GET', HOST, path)
      return `${match !== undefined}${ambiguous}`
    })
    .join()

describe('samplePaths', () => {
  it('has a path for whatever rules do with any path', async () => {
    const fates = new Set<string>()
    await fc.assert(
      fc.asyncProperty(
        rules,
        fc.array(requestPath, { minLength: 20, maxLength: 40 }),
        async (routes, paths) => {
          const found = await samplePaths(
            routes.flatMap((route) => shapesOf(route)),
            5_000,
          )
          expect(found).toBeDefined()
          const covered = new Set(found?.paths.map((path) => fate(routes, path)))
          for (const path of paths) {
            const one = fate(routes, path)
            if (!one.includes('true')) continue
            fates.add(one)
            expect(covered, `${path} of ${routes.map(({ name }) => name).join(', ')}`).toContain(
              one,
            )
          }
        },
      ),
      tries(25),
    )
    expect(fates.size).toBeGreaterThan(10)
  })

  it('makes up what nothing is called, and tries the values that scopes are about', async () => {
    const route = routeOf('GET /any/{id}')
    const found = await samplePaths(shapesOf(route, new Map([[1, ['42']]])), 100)
    expect(found?.placeholder).toBe('anyx')
    expect(found?.paths).toContain('/any/anyx2-')
    expect(found?.paths).toContain('/any/42')
  })

  it('makes up what no other text has in it', async () => {
    const found = await samplePaths(shapesOf(routeOf('GET /{id}')), 100, ['x:ANY1', 'anyxx'])
    expect(found?.placeholder).toBe('anyxxx')
  })

  it('says so where there are too many', async () => {
    const routes = ['a', 'b', 'c', 'd'].map((one, i) =>
      routeOf(`GET /${['{p}', '{q}', '{r}', '{s}'].with(i, one).join('/')}`),
    )
    const shapes = routes.flatMap((route) => shapesOf(route))
    expect((await samplePaths(shapes, 1_000))?.paths.length).toBeGreaterThan(16)
    expect(await samplePaths(shapes, 16)).toBeUndefined()
  })
})

describe('otherSpellings', () => {
  it.each([
    ['docs', 'DOCS', 'Docs'],
    ['a:go', 'a%3Ago', 'A:GO'],
    ['a%3Ago', 'a:go'],
    ['caf%C3%A9', 'caf%C3%89', 'CAF%C3%A9'],
  ])('of %s are read as it is, and no other', (text, ...some) => {
    const all = otherSpellings(text)
    for (const one of some) expect(all).toContain(one)
    for (const one of all) expect(foldCase(one)).toBe(foldCase(text))
    expect(all).not.toContain(text)
  })

  it.each(['42', '', '-'])('there are none of %j', (text) => {
    expect(otherSpellings(text)).toEqual([])
  })
})
