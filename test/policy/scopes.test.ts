import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { showPolicy } from '../../src/gate/policy/show.ts'
import { tries } from '../kit/property.ts'
import { mistakes, policy } from './support.ts'

const includedBy = (SCOPES: object, scope: string) => policy({ SCOPES }).includedBy(scope)

describe('SCOPES', () => {
  it.each([
    [{}, 'a', ['a']],
    [{ w: ['r'] }, 'r', ['r', 'w']],
    [{ w: ['r'] }, 'w', ['w']],
    [{ x: ['w'], w: ['r'] }, 'r', ['r', 'w', 'x']],
    [{ w: ['r'] }, 'toString', ['toString']],
    [{ a: ['b', 'c'], b: ['d'], c: ['d'] }, 'd', ['d', 'b', 'c', 'a']],
  ])('%j: %s is included by %j', (scopes, scope, expected) => {
    expect(includedBy(scopes, scope)).toEqual(expected)
  })

  it.each([
    [{ 'd:admin': ['d:*'] }, 'd:read', ['d:read', 'd:admin']],
    [{ 'd:admin': ['d:*'] }, 'd:read:7', ['d:read:7', 'd:admin']],
    [{ 'd:admin': ['d:*'] }, 'd:', ['d:', 'd:admin']],
    [{ 'd:admin': ['d:*'] }, 'd:*', ['d:*', 'd:admin']],
    [{ 'd:admin': ['d:*'] }, 'd:admin', ['d:admin']],
    [{ 'd:admin': ['d:*'] }, 'd', ['d']],
    [{ 'd:admin': ['d:*'] }, 'D:read', ['D:read']],
    [{ 'd:admin': ['d:*'] }, 'docs:read', ['docs:read']],
    [{ 'd:*': ['d:*'] }, 'd:read', ['d:read', 'd:*']],
    [{ 'd:*': ['d:*'] }, 'd:*', ['d:*']],
    // Without a wildcard on the right a star on the left is a character.
    [{ 'd:*': ['d:read'] }, 'd:write', ['d:write']],
    [{ 'd:*': ['d:read'] }, 'd:read', ['d:read', 'd:*']],
    [{ root: ['d:*'], 'd:write': ['r:*'] }, 'r:7', ['r:7', 'd:write', 'root']],
    [{ root: ['a:*'], team: ['a:b:*'] }, 'a:b:c', ['a:b:c', 'team', 'root']],
    [{ root: ['a:*'], team: ['a:b:*'] }, 'a:c', ['a:c', 'root']],
    [{ root: ['d:*', 'd:read'] }, 'd:read', ['d:read', 'root']],
    [{ root: ['https://x/*'] }, 'https://x/y', ['https://x/y', 'root']],
    [{ root: ['d:*'] }, 'edgewarden:read', ['edgewarden:read']],
    [{ 'd:admin': ['d:*'], 'd:*': ['d:*'] }, 'd:read', ['d:read', 'd:admin', 'd:*']],
    [{ 'd:admin': ['d:*'], 'd:*': ['d:*'] }, 'd:admin', ['d:admin', 'd:*']],
  ])('%j: with wildcards %s is included by %j', (scopes, scope, expected) => {
    expect(includedBy(scopes, scope)).toEqual(expected)
  })

  it('is kept and shown as it is declared, beside what follows from it', () => {
    const SCOPES = { x: ['w'], w: ['r', 's:*'] }
    const read = policy({ SCOPES })
    expect([...read.scopes]).toEqual([
      ['x', ['w']],
      ['w', ['r', 's:*']],
    ])
    expect(showPolicy(read).scopes).toEqual(SCOPES)
  })

  const star = /SCOPES\.a\[0\]: .*\* can only end a scope, after a character like :/
  it.each([
    ['admin scope', { a: ['edgewarden:read'] }, /^SCOPES\.a\[0\]: .*own endpoints/],
    ['every admin scope', { a: ['edgewarden:*'] }, /^SCOPES\.a\[0\]: .*own endpoints/],
    ['no token', { a: ['b c'] }, /^SCOPES\.a\[0\]: .*Two scopes/],
    ['template', { a: ['b:{id}'] }, /^SCOPES\.a\[0\]: .*template/],
    ['template with a wildcard', { a: ['b:{id}:*'] }, /^SCOPES\.a\[0\]: .*template/],
    ['name', { 'a b': ['c'] }, /^SCOPES\["a b"\]: .*RFC 6749/],
    ['no list', { a: 'b' }, /^SCOPES\.a: must be a list/],
    ['empty list', { a: [] }, /^SCOPES\.a: .*empty/],
    ['no table', [], /^SCOPES: must be a table/],
    ...['*', 'b*', 'b-*', 'b.*', '*:b', 'b:*:c', 'b:**', 'b:*:*', '**'].map(
      (entry) => [`wildcard ${entry}`, { a: [entry] }, star] as const,
    ),
  ] as const)('mistake: %s', (_, scopes, says) => {
    const lines = mistakes({ SCOPES: scopes })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(says)
  })
})

describe('a circle in SCOPES', () => {
  it.each<[string, object, string[]]>([
    ['itself', { a: ['b', 'a'] }, ['SCOPES.a[1]: `a` → `a`']],
    ['two', { a: ['b'], b: ['a'] }, ['SCOPES.a[0]: `a` → `b` → `a`']],
    [
      'three, begun from outside',
      { x: ['a'], a: ['y', 'b'], b: ['c'], c: ['a'] },
      ['SCOPES.a[1]: `a` → `b` → `c` → `a`'],
    ],
    [
      'two of them',
      { a: ['b'], b: ['a'], c: ['d'], d: ['c'] },
      ['SCOPES.a[0]: `a` → `b` → `a`', 'SCOPES.c[0]: `c` → `d` → `c`'],
    ],
    [
      'two with a scope in common',
      { a: ['b'], b: ['a', 'c'], c: ['b'] },
      ['SCOPES.a[0]: `a` → `b` → `a`', 'SCOPES.b[1]: `b` → `c` → `b`'],
    ],
    [
      'by a wildcard',
      { 'd:admin': ['d:*'], 'd:read': ['d:admin'] },
      ['SCOPES["d:admin"][0]: `d:admin` → `d:read` → `d:admin`'],
    ],
    [
      'by two wildcards',
      { 'd:admin': ['d:*'], 'd:owner': ['bills', 'd:*'] },
      ['SCOPES["d:admin"][0]: `d:admin` → `d:owner` → `d:admin`'],
    ],
    [
      'by wildcards of two prefixes',
      { 'a:x': ['b:*'], 'b:x': ['a:*'] },
      ['SCOPES["a:x"][0]: `a:x` → `b:x` → `a:x`'],
    ],
    [
      'behind scopes that are alike',
      { 'd:a': ['d:*'], 'd:b': ['d:*'], 'd:c': ['d:*', 'x'] },
      ['SCOPES["d:a"][0]: `d:a` → `d:c` → `d:a`'],
    ],
    [
      'with a prototype',
      JSON.parse('{"__proto__":["a"],"a":["__proto__"]}'),
      ['SCOPES.__proto__[0]: `__proto__` → `a` → `__proto__`'],
    ],
  ])('is a mistake: %s', (_, scopes, circles) => {
    const lines = mistakes({ SCOPES: scopes })
    const told = lines.map((line) =>
      line.replace('makes a circle: ', '').replace('; take a step of it out', ''),
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
