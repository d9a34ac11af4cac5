import { describe, expect, it } from 'vitest'
import { createTokenMemory } from '../../../src/gate/app/platform/token-memory.ts'
import { weigh } from '../../../src/gate/base/admission.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import type { PassedToken } from '../../../src/gate/model/ports.ts'
import { admissionFor, NOW, passedOf, routeOf } from '../../kit/facts.ts'

/** A token of so many characters. */
const tokenOf = (name: string, length = 100) => passedOf(name.padEnd(length, '.'))
/** The same token, with something else decided of it. */
const alsoFor = (one: PassedToken, changes: Partial<PassedToken> = {}): PassedToken => ({
  ...one,
  admission: admissionFor(),
  ...changes,
})
const LATER = NOW + 600

interface Given {
  readonly entries?: number
  readonly bytes?: number
  readonly ofOne?: number
}

/** A memory, and the time it is there, in seconds. */
const memoryOf = (bounds: Given = {}) => {
  const time = { now: NOW }
  const memory = createTokenMemory({ clock: { now: () => time.now * 1000 }, ...bounds })
  return Object.assign(memory, {
    time,
    /** Which of these it still has. Asking counts as use, so a test asks last. */
    has: (...tokens: readonly PassedToken[]) =>
      tokens.map(({ credential }) => memory.find(credential.authorization) !== undefined),
    use: ({ credential }: PassedToken) => memory.find(credential.authorization),
  })
}

/** What a token weighs, by the memory's own account. */
const weightOf = (one: PassedToken): number => {
  const memory = createTokenMemory({ clock: { now: () => NOW * 1000 } })
  memory.keep(one, LATER)
  return memory.bytes
}

const [A, B, C, D] = [tokenOf('a'), tokenOf('b'), tokenOf('c'), tokenOf('d')] as const
const WEIGHT = weightOf(A)

describe('a memory of tokens that passed', () => {
  it('is empty at first, and bounded as the limits say', () => {
    const memory = memoryOf()
    expect([memory.size, memory.bytes, memory.has(A)]).toEqual([0, 0, [false]])
    for (let i = 0; i < LIMITS.verifiedTokens + 10; i++) memory.keep(tokenOf(`${i}`), LATER)
    expect(memory.size).toBe(LIMITS.verifiedTokens)
    for (let i = 0; i < 1_000; i++) memory.keep(tokenOf(`large-${i}`, LIMITS.tokenLength), LATER)
    expect(memory.size).toBeLessThan(LIMITS.verifiedTokens)
    expect(memory.bytes).toBeLessThanOrEqual(LIMITS.verifiedTokenBytes)
    expect(memory.bytes).toBeGreaterThan(0.9 * LIMITS.verifiedTokenBytes)
  })

  it('gives back what it was given, for exactly that header', () => {
    const memory = memoryOf()
    for (const one of [A, B]) memory.keep(one, LATER)
    expect(memory.use(A)?.credential).toBe(A.credential)
    expect(memory.use(A)?.token).toBe(A.token)
    expect(memory.use(A)?.admissions.get(A.route)?.get('')).toBe(A.admission)
    expect(memory.use(B)?.token).toBe(B.token)
    const { token, authorization } = A.credential
    for (const text of [
      '',
      token,
      ` ${authorization}`,
      `${authorization} `,
      `${authorization}.`,
      authorization.slice(0, -1),
      authorization.toUpperCase(),
      `bearer ${token}`,
      `Bearer  ${token}`,
      '__proto__',
      'constructor',
      'size',
    ]) {
      expect(memory.find(text), text).toBeUndefined()
    }
  })

  it('weighs more than the text, and more for a longer one', () => {
    expect(WEIGHT).toBeGreaterThan(A.credential.token.length)
    expect(weightOf(tokenOf('a', 1_000))).toBeGreaterThan(WEIGHT + 900)
    const memory = memoryOf()
    for (const one of [A, B, C]) memory.keep(one, LATER)
    expect([memory.size, memory.bytes]).toEqual([3, 3 * WEIGHT])
  })

  it('has what was decided of a token at each rule and for each value, and counts it', () => {
    const memory = memoryOf()
    const other = routeOf('GET /y')
    const all = [
      A,
      alsoFor(A, { values: '1' }),
      alsoFor(A, { values: '2\n1' }),
      alsoFor(A, { route: other }),
    ]
    let before = 0
    for (const one of all) {
      memory.keep(one, LATER)
      expect(memory.bytes).toBeGreaterThan(before + 1_000)
      before = memory.bytes
    }
    expect(memory.size).toBe(1)
    for (const { route, values, admission } of all) {
      expect(memory.use(A)?.admissions.get(route)?.get(values)).toBe(admission)
    }
    // What is decided anew for the same takes the place of the old.
    const anew = alsoFor(A)
    memory.keep(anew, LATER)
    expect(memory.use(A)?.admissions.get(A.route)?.get('')).toBe(anew.admission)
    expect([memory.size, memory.bytes]).toEqual([1, before])
  })

  it('counts what is made of an admission, before and after it is kept, until it goes', () => {
    const [one, two, other] = [tokenOf('one'), tokenOf('two'), tokenOf('other')]
    const memory = memoryOf({ bytes: 4 * WEIGHT, ofOne: 3 * WEIGHT })
    weigh(one.admission, 10)
    for (const each of [one, two]) memory.keep(each, LATER)
    weigh(one.admission, WEIGHT)
    weigh(other.admission, WEIGHT)
    expect(memory.bytes).toBe(3 * WEIGHT + 10)
    weigh(one.admission, -10)
    expect(memory.bytes).toBe(3 * WEIGHT)
    // What makes it too much lets the oldest go, with all that hangs on it.
    weigh(two.admission, 1.5 * WEIGHT)
    expect([memory.bytes, memory.size]).toEqual([2.5 * WEIGHT, 1])
    weigh(one.admission, WEIGHT)
    expect(memory.bytes).toBe(2.5 * WEIGHT)
    // One that is decided anew takes with it what was made of the old.
    const anew = alsoFor(two)
    memory.keep(anew, LATER)
    weigh(two.admission, WEIGHT)
    expect([memory.bytes, memory.size]).toEqual([WEIGHT, 1])
  })

  it('lets go of what was decided of a token that has more than its share, and of nothing else', () => {
    const [one, two] = [tokenOf('one'), tokenOf('two')]
    const memory = memoryOf({ bytes: 9 * WEIGHT, ofOne: 2 * WEIGHT })
    for (const each of [one, two]) memory.keep(each, LATER)
    const more = alsoFor(two, { values: '1' })
    memory.keep(more, LATER)
    weigh(more.admission, WEIGHT)
    // It is still verified, so that its signature need not be again.
    expect(memory.use(two)?.token).toBe(two.token)
    expect(memory.use(two)?.admissions.size).toBe(0)
    expect(memory.use(one)?.admissions.size).toBe(1)
    const bare = memory.bytes - WEIGHT
    expect(bare).toBeGreaterThan(two.credential.token.length)
    expect(bare).toBeLessThan(WEIGHT)
    // What was made of those is nobody's concern by now.
    for (const { admission } of [two, more]) weigh(admission, WEIGHT)
    expect(memory.bytes).toBe(WEIGHT + bare)
    memory.keep(two, LATER)
    expect(memory.use(two)?.admissions.get(two.route)?.get('')).toBe(two.admission)
    // That one had so much made of it by now that it takes all of the share.
    expect(memory.bytes).toBe(3 * WEIGHT)
    // What has more than its share by itself is not kept at all.
    const heavy = tokenOf('heavy')
    weigh(heavy.admission, 2 * WEIGHT)
    memory.keep(heavy, LATER)
    expect(memory.size).toBe(2)
  })

  it('keeps a token of 100,000 values within its share, and all others', () => {
    const memory = memoryOf()
    const others = Array.from({ length: 40 }, (_, i) => tokenOf(`other ${i}`))
    for (const one of others) memory.keep(one, LATER)
    const before = memory.bytes
    let most = 0
    for (let i = 0; i < 100_000; i++) {
      memory.keep(alsoFor(A, { values: `value ${i}` }), LATER)
      most = Math.max(most, memory.bytes - before)
    }
    expect(most).toBeLessThanOrEqual(LIMITS.verifiedTokenBytesOfOne)
    expect(most).toBeGreaterThan(0.9 * LIMITS.verifiedTokenBytesOfOne)
    expect(memory.size).toBe(41)
    expect(memory.use(A)?.token).toBe(A.token)
    expect(memory.has(...others)).toEqual(others.map(() => true))
  })

  it('counts a token once, however often it is kept, and has what was verified last', () => {
    const memory = memoryOf({ entries: 2 })
    const again = alsoFor(A, { token: { ...A.token } })
    memory.keep(B, LATER)
    for (const one of [A, A, again, A, again]) memory.keep(one, LATER)
    expect([memory.size, memory.bytes]).toEqual([2, 2 * WEIGHT])
    expect(memory.use(A)?.token).toBe(again.token)
    expect(memory.has(B)).toEqual([true])
  })

  it('leaves a token in its place that is kept again, with something else decided', () => {
    const memory = memoryOf({ entries: 2 })
    for (const one of [A, B, alsoFor(A, { values: '1' }), C]) memory.keep(one, LATER)
    expect(memory.has(A, B, C)).toEqual([false, true, true])
  })

  it('has a token until it expires and not a moment longer', () => {
    const memory = memoryOf()
    memory.keep(A, NOW + 1.5)
    for (const [now, held] of [
      [NOW + 1, true],
      [NOW + 1.499, true],
      [NOW + 1.5, false],
      [NOW + 1, false],
    ] as const) {
      memory.time.now = now
      expect(memory.has(A), String(now)).toEqual([held])
    }
    expect([memory.size, memory.bytes]).toEqual([0, 0])
  })

  it.each([
    ['is over already', NOW],
    ['was over long ago', 0],
    ['is no number', Number.NaN],
  ])('takes nobody’s place for a token whose time %s', (_, expires) => {
    const memory = memoryOf({ entries: 2 })
    for (const one of [A, B]) memory.keep(one, LATER)
    memory.keep(C, expires)
    expect(memory.has(A, B, C)).toEqual([true, true, false])
    memory.keep(alsoFor(A, { values: '1' }), expires)
    expect(memory.has(A, B)).toEqual([true, true])
    expect([memory.size, memory.bytes]).toEqual([2, 2 * WEIGHT])
  })

  it.each<[string, Given]>([
    ['entries', { entries: 3 }],
    ['bytes', { bytes: 3 * WEIGHT }],
    ['bytes, to the last', { bytes: 4 * WEIGHT - 1 }],
  ])('full by %s, lets the oldest go that was not used', (_, bounds) => {
    const memory = memoryOf(bounds)
    for (const one of [A, B, C]) memory.keep(one, LATER)
    memory.use(A)
    memory.keep(D, LATER)
    expect([memory.size, memory.bytes]).toEqual([3, 3 * WEIGHT])
    expect(memory.has(A, B, C, D)).toEqual([true, false, true, true])
  })

  it.each([
    ['again each time it was used again', [C, D, B], true],
    ['not twice for one use', [C], false],
  ])('spares a used one, and %s', (_, afterUse, spared) => {
    const memory = memoryOf({ entries: 2 })
    for (const one of [A, B]) memory.keep(one, LATER)
    for (const one of [C, D, B]) {
      if (afterUse.includes(one)) memory.use(A)
      memory.keep(one, LATER)
    }
    expect(memory.has(A, B)).toEqual([spared, true])
  })

  it('makes room where all were used, by the oldest', () => {
    const memory = memoryOf({ entries: 3 })
    for (const one of [A, B, C]) memory.keep(one, LATER)
    memory.has(A, B, C)
    memory.keep(D, LATER)
    expect(memory.has(A, B, C, D)).toEqual([false, true, true, true])
  })

  it('spares none that has expired, however much it was used', () => {
    const memory = memoryOf({ entries: 2 })
    memory.keep(A, NOW + 1)
    memory.keep(B, LATER)
    memory.use(A)
    memory.time.now = NOW + 1
    memory.keep(C, LATER)
    expect(memory.has(A, B, C)).toEqual([false, true, true])
  })

  it('makes as much room as a large one needs, and no more', () => {
    const large = tokenOf('large', 300)
    const small = Array.from({ length: 10 }, (_, i) => tokenOf(`${i}`))
    const memory = memoryOf({ bytes: 10 * WEIGHT })
    for (const one of small) memory.keep(one, LATER)
    memory.keep(large, LATER)
    const left = Math.floor((10 * WEIGHT - weightOf(large)) / WEIGHT)
    expect(memory.has(large, ...small)).toEqual([true, ...small.map((_, i) => i >= 10 - left)])
    expect(memory.bytes).toBe(left * WEIGHT + weightOf(large))
  })

  it.each<[string, Given]>([
    ['no entries', { entries: 0 }],
    ['no bytes', { bytes: 0 }],
    ['a byte too few', { bytes: WEIGHT - 1 }],
  ])('with %s keeps nothing', (_, bounds) => {
    const memory = memoryOf(bounds)
    memory.keep(A, LATER)
    expect([memory.size, memory.bytes, memory.has(A)]).toEqual([0, 0, [false]])
  })

  it('lets nobody go for one that is too large at all', () => {
    const memory = memoryOf({ bytes: 2 * WEIGHT })
    const large = tokenOf('large', 10_000)
    for (const one of [A, B, large]) memory.keep(one, LATER)
    expect(memory.has(A, B, large)).toEqual([true, true, false])
  })
})
