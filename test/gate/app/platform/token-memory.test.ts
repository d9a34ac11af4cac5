import { describe, expect, it } from 'vitest'
import { createTokenMemory } from '../../../../src/gate/app/platform/token-memory.ts'
import { weigh } from '../../../../src/gate/base/admission.ts'
import { LIMITS } from '../../../../src/gate/base/limits.ts'
import type { PassedToken } from '../../../../src/gate/model/ports.ts'
import { admissionFor, NOW, passedOf } from '../../../kit/facts.ts'

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

const [A, B] = [tokenOf('a'), tokenOf('b')] as const
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
})
