import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createTokenMemory } from '../../src/gate/app/platform/token-memory.ts'
import { type Admission, weigh } from '../../src/gate/base/admission.ts'
import type { PassedToken } from '../../src/gate/model/ports.ts'
import { admissionFor, NOW, passedOf } from '../kit/facts.ts'
import { tries } from '../kit/property.ts'

const TOKENS = Array.from({ length: 12 }, (_, i) => passedOf(`t${i}`.padEnd(50 + 400 * (i % 4))))
const VALUES = ['0', '1', '2', '3']

/** What these weigh that are kept together, by the memory's own account. */
const weightOf = (...all: readonly PassedToken[]): number => {
  const memory = createTokenMemory({ clock: { now: () => NOW * 1000 } })
  for (const one of all) memory.keep(one, NOW + 600)
  return memory.bytes
}
const withValue = (one: PassedToken, values: string): PassedToken => ({
  ...one,
  values,
  admission: admissionFor(),
})

const WEIGHTS = TOKENS.map((one) => weightOf(withValue(one, '0')))
/** What one more admission weighs that nothing was made of. */
const MORE =
  weightOf(...['0', '1'].map((values) => withValue(TOKENS[0] as PassedToken, values))) -
  (WEIGHTS[0] ?? 0)

interface Entry {
  readonly name: number
  readonly token: PassedToken['token']
  readonly expires: number
  readonly admissions: Map<string, Admission>
  used: boolean
}

interface Bounds {
  readonly entries: number
  readonly bytes: number
  readonly ofOne: number
}

/** How often a token was kept again, and how often one had more than its share. */
const met = { again: 0, share: 0 }

/** Second chance as it is written in books: a queue, whose head goes or is put behind. */
const queueOf = ({ entries, bytes, ofOne }: Bounds) => {
  let queue: Entry[] = []
  const weight = ({ name, admissions }: Entry) =>
    [...admissions.values()].reduce(
      (sum, admission) => sum + MORE + admission.bytes,
      (WEIGHTS[name] ?? 0) - MORE,
    )
  const total = () => queue.reduce((sum, one) => sum + weight(one), 0)
  const drop = (name: number) => {
    queue = queue.filter((one) => one.name !== name)
  }
  const makeRoom = (now: number, more = 0, count = 0) => {
    while (queue.length + count > entries || total() + more > bytes) {
      const head = queue.shift()
      if (head?.used && head.expires > now) queue.push({ ...head, used: false })
    }
  }
  /** Everyone within its share, and all within the bounds. */
  const settle = (now: number) => {
    for (const one of queue) {
      if (weight(one) <= ofOne) continue
      met.share++
      one.admissions.clear()
    }
    makeRoom(now)
  }
  return {
    total,
    settle,
    size: () => queue.length,
    find(name: number, now: number) {
      const found = queue.find((one) => one.name === name)
      if (found && found.expires <= now) drop(name)
      else if (found) found.used = true
      return found && found.expires > now ? found : undefined
    },
    keep(name: number, { token, values, admission }: PassedToken, expires: number, now: number) {
      const alone = {
        name,
        token,
        expires,
        admissions: new Map([[values, admission]]),
        used: false,
      }
      if (expires <= now || entries === 0 || weight(alone) > Math.min(bytes, ofOne)) return
      const old = queue.find((one) => one.name === name)
      if (old?.token === token) {
        met.again++
        old.admissions.set(values, admission)
      } else {
        drop(name)
        makeRoom(now, weight(alone), 1)
        queue.push(alone)
      }
      settle(now)
    },
  }
}

it('stays within its bounds and is second chance, whatever is asked of it', () => {
  const kept = { token: fc.nat(11), values: fc.constantFrom(...VALUES) }
  const step = fc.oneof(
    fc.record({
      do: fc.constant('keep' as const),
      ...kept,
      // Of a few, so that most are kept more than once.
      isAnew: fc.nat(9).map((n) => n === 0),
      life: fc.integer({ min: -1, max: 20 }),
    }),
    fc.record({ do: fc.constant('find' as const), ...kept }),
    fc.record({ do: fc.constant('make' as const), ...kept, bytes: fc.nat(4 * MORE) }),
    fc.record({ do: fc.constant('pass' as const), seconds: fc.integer({ min: 1, max: 8 }) }),
  )
  const bounds = fc.record({
    entries: fc.nat(8),
    bytes: fc.nat(16 * (WEIGHTS[0] ?? 0)),
    ofOne: fc.nat(4 * (WEIGHTS[0] ?? 0)),
  })
  fc.assert(
    fc.property(bounds, fc.array(step, { minLength: 20, maxLength: 80 }), (within, steps) => {
      const time = { now: NOW }
      const memory = createTokenMemory({ clock: { now: () => time.now * 1000 }, ...within })
      const queue = queueOf(within)
      const verified = TOKENS.map(({ token }) => token)
      /** What was decided last, kept or not. */
      const decided = new Map<string, Admission>()
      for (const one of steps) {
        const { now } = time
        if (one.do === 'pass') {
          time.now += one.seconds
          continue
        }
        const passed = TOKENS[one.token] as PassedToken
        if (one.do === 'find') {
          const found = queue.find(one.token, now)
          const remembered = memory.find(passed.credential.authorization)
          expect(remembered?.token).toBe(found?.token)
          const admissions = remembered?.admissions.get(passed.route) ?? new Map()
          expect(admissions).toEqual(found?.admissions ?? new Map())
        } else if (one.do === 'keep') {
          if (one.isAnew) verified[one.token] = { ...passed.token }
          const token = verified[one.token] as PassedToken['token']
          const all = { ...withValue(passed, one.values), token }
          decided.set(`${one.token} ${one.values}`, all.admission)
          memory.keep(all, now + one.life)
          queue.keep(one.token, all, now + one.life, now)
        } else {
          const admission = decided.get(`${one.token} ${one.values}`)
          if (admission) weigh(admission, one.bytes)
          queue.settle(now)
        }
        expect([memory.size, memory.bytes]).toEqual([queue.size(), queue.total()])
        expect(memory.size).toBeLessThanOrEqual(within.entries)
        expect(memory.bytes).toBeLessThanOrEqual(within.bytes)
      }
    }),
    tries(300),
  )
  for (const [what, times] of Object.entries(met)) expect(times, what).toBeGreaterThan(20)
})
