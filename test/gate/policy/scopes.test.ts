import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { tries } from '../../kit/property.ts'
import { mistakes, policy } from './support.ts'

describe('SCOPES', () => {
  it.each<[object, string]>([
    [{}, 'a'],
    [{ w: ['r'] }, 'r w'],
    [{ w: ['r'] }, 'w'],
    [{ x: ['w'], w: ['r'] }, 'r w x'],
    [{ w: ['r'] }, 'toString'],
    [{ a: ['b', 'c'], b: ['d'], c: ['d'] }, 'd b c a'],
    [{ 'd:admin': ['d:*'] }, 'd:read:7 d:admin'],
    [{ 'd:admin': ['d:*'] }, 'd:* d:admin'],
    [{ 'd:admin': ['d:*'] }, 'd:admin'],
    [{ 'd:admin': ['d:*'] }, 'd'],
    [{ 'd:admin': ['d:*'] }, 'D:read'],
    [{ 'd:*': ['d:*'] }, 'd:read d:*'],
    // Without a wildcard on the right a star on the left is a character.
    [{ 'd:*': ['d:read'] }, 'd:write'],
    [{ root: ['d:*'], 'd:write': ['r:*'] }, 'r:7 d:write root'],
    [{ root: ['a:*'], team: ['a:b:*'] }, 'a:b:c team root'],
    [{ root: ['a:*'], team: ['a:b:*'] }, 'a:c root'],
    [{ root: ['d:*', 'd:read'] }, 'd:read root'],
    [{ root: ['d:*'] }, 'edgewarden:read'],
    [{ 'd:admin': ['d:*'], 'd:*': ['d:*'] }, 'd:admin d:*'],
  ])('of %j have those that include the first of %s, which are the others', (SCOPES, all) => {
    const scopes = all.split(' ')
    expect(policy({ SCOPES }).includedBy(scopes[0] ?? '')).toEqual(scopes)
  })

  it('are kept and shown as they are declared, beside what follows from them', () => {
    const SCOPES = { x: ['w'], w: ['r', 's:*'] }
    const read = policy({ SCOPES })
    expect(Object.fromEntries(read.scopes)).toEqual(SCOPES)
    expect(showPolicy(read).scopes).toEqual(SCOPES)
  })
})

describe('a circle in SCOPES', () => {
  it.each<[object, ...circles: string[]]>([
    [{ a: ['b', 'a'] }, 'a[1]: `a` → `a`'],
    [{ a: ['b'], b: ['a'] }, 'a[0]: `a` → `b` → `a`'],
    [{ x: ['a'], a: ['y', 'b'], b: ['c'], c: ['a'] }, 'a[1]: `a` → `b` → `c` → `a`'],
    [{ a: ['b'], b: ['a', 'c'], c: ['b'] }, 'a[0]: `a` → `b` → `a`', 'b[1]: `b` → `c` → `b`'],
    [{ d: ['d:*'], 'd:r': ['d'] }, 'd[0]: `d` → `d:r` → `d`'],
    [{ e: ['x', 'd:*'], 'd:r': ['e', 'd:*'] }, 'e[1]: `e` → `d:r` → `e`'],
    [{ 'a:x': ['b:*'], 'b:x': ['a:*'] }, '["a:x"][0]: `a:x` → `b:x` → `a:x`'],
    [{ 'd:a': ['d:*'], 'd:b': ['d:*'], 'd:c': ['d:*', 'x'] }, '["d:a"][0]: `d:a` → `d:c` → `d:a`'],
    [
      JSON.parse('{"__proto__":["a"],"a":["__proto__"]}'),
      '__proto__[0]: `__proto__` → `a` → `__proto__`',
    ],
  ])('is a mistake: %j', (scopes, ...circles) => {
    const told = mistakes({ SCOPES: scopes }).map((line) =>
      line
        .replace(/^SCOPES\.?/, '')
        .replace('makes a circle: ', '')
        .replace('; take a step of it out', ''),
    )
    expect(told).toEqual(circles)
  })

  it.each<[string, object]>([
    ['a wildcard that names itself', { 'd:*': ['d:*'] }],
    ['a scope among its own wildcard', { 'd:admin': ['d:*'] }],
    [
      'scopes that are declared alike',
      { 'd:admin': ['d:*'], 'd:*': ['d:*'], 'd:x': ['d:*', 'd:*'] },
    ],
    ['a diamond', { a: ['b', 'c'], b: ['d'], c: ['d'] }],
    ['wildcards below each other', { 'a:admin': ['a:*'], 'a:b:admin': ['a:b:*'] }],
  ])('is none: %s', (_, scopes) => {
    expect(mistakes({ SCOPES: scopes })).toEqual([])
  })

  it('of a thousand scopes is told in short', () => {
    const scopes = Array.from({ length: 1_000 }, (_, i) => [`s${i}`, [`s${(i + 1) % 1_000}`]])
    const [line = '', ...rest] = mistakes({ SCOPES: Object.fromEntries(scopes) })
    expect(rest).toEqual([])
    expect(line).toMatch(/`s0` → `s1` → .*… .*→ `s999` → `s0`;/)
    expect(line.length).toBeLessThan(300)
  })

  it('behind thousands of scopes is a mistake too', () => {
    const chain = Array.from({ length: 3_000 }, (_, i) => [`s${i}`, [`s${i + 1}`]])
    const lines = (last: readonly string[]) =>
      mistakes({ SCOPES: Object.fromEntries([...chain, ['s3000', last]]) })
    expect(lines(['end'])).toEqual([])
    expect(lines(['s2999'])).toEqual([
      'SCOPES.s2999[0]: makes a circle: `s2999` → `s3000` → `s2999`; take a step of it out',
    ])
  })
})

const part = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '%2F', 'x-y', 'ß', '7')
const by = fc.constantFrom(':', '/', '%')
const scope = fc
  .tuple(part, by, part, by, part, fc.integer({ min: 1, max: 3 }))
  .map(([one, first, two, second, three, length]) =>
    [one, first + two, second + three].slice(0, length).join('').replaceAll('ß', '~'),
  )
const wildcard = fc
  .tuple(part, by, part, by, fc.boolean())
  .map(([one, first, two, second, long]) =>
    `${long ? one + first + two + second : one + first}*`.replaceAll('ß', '~'),
  )
/** Any names, as an issuer may give them out. */
const name = fc.oneof(
  { weight: 6, arbitrary: scope },
  { weight: 2, arbitrary: wildcard },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 8 }) },
)
const lists = fc.array(
  fc.tuple(
    fc.oneof({ weight: 4, arbitrary: scope }, { weight: 1, arbitrary: wildcard }),
    fc.array(fc.oneof({ weight: 3, arbitrary: scope }, { weight: 1, arbitrary: wildcard }), {
      minLength: 1,
      maxLength: 3,
    }),
  ),
  { maxLength: 5 },
)

/** The declarations, read anew: whether one step leads from a scope to another. */
const isStep = (entries: readonly string[], to: string) =>
  entries.some((one) => (one.endsWith('*') ? to.startsWith(one.slice(0, -1)) : to === one))

/** By steps from the holder downwards; whoever holds a scope holds it. */
const covers = (declared: ReadonlyMap<string, readonly string[]>, held: string, needed: string) => {
  const reached = new Set([held])
  for (const one of reached) {
    for (const next of [...declared.keys(), needed]) {
      if (isStep(declared.get(one) ?? [], next)) reached.add(next)
    }
  }
  return reached.has(needed)
}

const wordOf = (entries: readonly string[] = []) => [...new Set(entries)].sort().join(' ')

/** Whether a scope names itself, or two that are not declared alike include one another. */
const hasCircle = (declared: ReadonlyMap<string, readonly string[]>) =>
  [...declared].some(
    ([one, entries]) =>
      (!one.endsWith('*') && entries.includes(one)) ||
      [...declared.keys()].some(
        (other) =>
          wordOf(entries) !== wordOf(declared.get(other)) &&
          covers(declared, one, other) &&
          covers(declared, other, one),
      ),
  )

describe('holding a scope', () => {
  it('covers what declared steps lead to, and nothing else', () => {
    const seen = { covered: 0, not: 0, circles: 0 }
    fc.assert(
      fc.property(lists, fc.array(name, { minLength: 1, maxLength: 4 }), (entries, asked) => {
        const declared = new Map(entries)
        const SCOPES = Object.defineProperties(
          {},
          Object.fromEntries(
            [...declared].map(([key, value]) => [key, { value, enumerable: true }]),
          ),
        )
        const found = mistakes({ SCOPES })
        expect(found.length > 0, found.join()).toBe(hasCircle(declared))
        if (found.length > 0) {
          seen.circles++
          return
        }
        const { includedBy } = policy({ SCOPES })
        for (const needed of [...asked, ...declared.keys()]) {
          const holders = includedBy(needed)
          expect(holders[0]).toBe(needed)
          expect(new Set(holders).size).toBe(holders.length)
          expect(includedBy(needed)).toEqual(holders)
          for (const held of [...asked, ...declared.keys()]) {
            const covered = covers(declared, held, needed)
            expect(holders.includes(held), `${held} covers ${needed}`).toBe(covered)
            if (held !== needed) seen[covered ? 'covered' : 'not']++
          }
        }
      }),
      tries(80),
    )
    expect(seen.covered).toBeGreaterThan(4)
    expect(seen.not).toBeGreaterThan(300)
    expect(seen.circles).toBeGreaterThan(0)
  })
})
