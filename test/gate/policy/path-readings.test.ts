import { describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { compileRouter } from '../../../src/gate/policy/reading/router.ts'
import { routeOf } from '../../kit/facts.ts'

const TOKENS = [
  'a',
  '.',
  '.a',
  '%20',
  '%3Bx',
  '%3Fx',
  '::',
  ':$',
  '%E2%80%8B',
  '%EF%BD%81',
  '(S(a))',
  '/',
]
const PAIRS = TOKENS.flatMap((first) => TOKENS.map((second) => `${first}${second}`))

/** As often as it fits, with no text twice, so that no two segments are alike. */
const repeated = (text: string, length: number): string => {
  let path = '/v1/'
  for (let i = 0; path.length + text.length + 4 < length; i++) path += `${text}${i % 10}`
  return `${path.replace(/\/{2,}/g, '/')}x`
}

const RULES = [
  ...Array.from({ length: 300 }, (_, i) => routeOf(`GET /v1/r${i}/{a}/{b}:go`)),
  routeOf('GET /v1/{a}/{b}/{c}/x'),
  routeOf('GET /v1/{a}.json'),
  routeOf('GET /v1/*'),
]

const { find } = compileRouter(RULES)

/** Characters that a router reads for a path that it has not seen, and its look-ups in the tree of rules. */
const stepsOf = (path: string): number => {
  const reads = vi.spyOn(String.prototype, 'replace')
  const lookUps = vi.spyOn(Map.prototype, 'get')
  const { match } = find('GET', 'api.example.com', path)
  const characters = reads.mock.contexts.reduce<number>((sum, text) => sum + String(text).length, 0)
  const steps = characters + lookUps.mock.calls.length
  vi.restoreAllMocks()
  expect(match).toBeDefined()
  return steps
}

/** Segments that servers read in many ways, each after each other. */
const MIXED = Array.from({ length: 5 }, (_, i) => {
  const ends = ['.%20%3Bx', '::.+', '%E2%80%8B.', '.a%3Bb%20', ':$%EF%BC%8E']
  return `(S(a))%EF%BD%81${i}${ends.slice(i).join('')}`
}).join('/')

describe('the readings of a path', () => {
  it.each([...PAIRS, MIXED])('cost twice as much for twice as many of %s', (text) => {
    expect(stepsOf(repeated(text, 800))).toBeLessThan(3 * stepsOf(repeated(text, 400)))
  })

  it.each([...PAIRS, MIXED, `${MIXED}/`, '%EF%B7%BA', `%EF%B7%BA${MIXED}`])(
    'have a bound for the longest path: of %s',
    (text) => {
      const path = repeated(text, LIMITS.pathLength)
      expect(stepsOf(path)).toBeLessThan(16 * (path.length + LIMITS.pathReadings))
    },
  )
})

describe('a path with too many readings', () => {
  const many = `/v1/${Array.from({ length: 50 }, (_, i) => `${i}+`).join('/')}`
  const few = many.split('/').slice(0, 45).join('/')

  it('is ambiguous whatever the earlier rules are', () => {
    const { find } = compileRouter([routeOf('GET /v1/*')])
    expect(find('GET', 'api.example.com', many)).toMatchObject({
      ambiguous: true,
      fault: 'too many readings',
    })
    expect(find('GET', 'api.example.com', few).ambiguous).toBe(false)
  })

  it('is as written for a rule that says so', () => {
    const { find } = compileRouter([routeOf('GET /v1/*', { ambiguousPaths: 'allow' })])
    expect(find('GET', 'api.example.com', many).ambiguous).toBe(false)
  })
})
