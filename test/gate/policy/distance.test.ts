import fc from 'fast-check'
import { expect, it } from 'vitest'
import { distance } from '../../../src/gate/policy/reading/issues.ts'
import { tries } from '../../kit/property.ts'

/** The same steps by their definition. */
const plainly = (a: string, b: string): number => {
  if (a === '' || b === '') return a.length + b.length
  const isSame = a[0] === b[0]
  const ways = [
    plainly(a.slice(1), b) + 1,
    plainly(a, b.slice(1)) + 1,
    plainly(a.slice(1), b.slice(1)) + (isSame ? 0 : 1),
  ]
  if (a[0] === b[1] && a[1] === b[0]) ways.push(plainly(a.slice(2), b.slice(2)) + 1)
  return Math.min(...ways)
}

it('the steps from one name to another are those of the definition, up to the limit', () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
  fc.assert(
    fc.property(name, name, fc.nat({ max: 4 }), (a, b, limit) => {
      const steps = plainly(a, b)
      expect(distance(a, b, limit)).toBe(steps <= limit ? steps : undefined)
    }),
    tries(500),
  )
})

it.each([
  ['rate_limit', 'rate_limits', 1],
  ['scopes', 'socpes', 1],
  ['scopes', 'scopes', 0],
  ['scopes', 'claims', undefined],
])('from %s to %s', (a, b, steps) => {
  expect(distance(a, b, 2)).toBe(steps)
})
