import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createTokenMemory } from '../../src/adapters/verified-tokens.ts'
import type { RememberedToken, VerifiedToken } from '../../src/model/token.ts'
import { credentialOf, issuerOf, NOW } from '../kit/facts.ts'
import { tries } from '../kit/property.ts'

/** A token of so many characters, as the line hands it over; nobody has signed it. */
const tokenOf = (name: string, length: number): RememberedToken => ({
  credential: credentialOf({ token: name.padEnd(length, '.') }),
  token: { claims: { jti: name }, issuer: issuerOf(), key: {} } as unknown as VerifiedToken,
})

/** What a token weighs, by the memory's own account. */
const weightOf = (one: RememberedToken): number => {
  const memory = createTokenMemory({ clock: { now: () => NOW * 1000 } })
  memory.keep(one, NOW + 600)
  return memory.bytes
}

/** Second chance as it is written in books: a queue, whose head goes or is put behind. */
const queueOf = (entries: number, bytes: number) => {
  let queue: { name: number; expires: number; weight: number; used: boolean }[] = []
  const total = () => queue.reduce((sum, { weight }) => sum + weight, 0)
  const drop = (name: number) => {
    queue = queue.filter((one) => one.name !== name)
  }
  return {
    total,
    size: () => queue.length,
    find(name: number, now: number) {
      const found = queue.find((one) => one.name === name)
      if (found && found.expires <= now) drop(name)
      else if (found) found.used = true
      return found !== undefined && found.expires > now
    },
    keep(name: number, { expires, weight, now }: Record<'expires' | 'weight' | 'now', number>) {
      drop(name)
      if (expires <= now || weight > bytes || entries === 0) return
      while (queue.length >= entries || total() + weight > bytes) {
        const head = queue.shift()
        if (head?.used && head.expires > now) queue.push({ ...head, used: false })
      }
      queue.push({ name, expires, weight, used: false })
    },
  }
}

it('stays within its bounds and is second chance, whatever is asked of it', () => {
  const tokens = Array.from({ length: 12 }, (_, i) => tokenOf(`t${i}`, 50 + 400 * (i % 4)))
  const weights = tokens.map(weightOf)
  const step = fc.oneof(
    fc.record({ keep: fc.nat(11), life: fc.integer({ min: -1, max: 20 }) }),
    fc.record({ find: fc.nat(11) }),
    fc.record({ pass: fc.integer({ min: 1, max: 8 }) }),
  )
  const bounds = fc.record({ entries: fc.nat(8), bytes: fc.nat(9 * (weights[0] ?? 0)) })
  fc.assert(
    fc.property(bounds, fc.array(step, { maxLength: 80 }), ({ entries, bytes }, steps) => {
      const time = { now: NOW }
      const clock = { now: () => time.now * 1000 }
      const memory = createTokenMemory({ clock, entries, bytes })
      const queue = queueOf(entries, bytes)
      for (const one of steps) {
        const { now } = time
        if ('pass' in one) time.now += one.pass
        else if ('find' in one) {
          const token = tokens[one.find] as RememberedToken
          const found = queue.find(one.find, now)
          expect(memory.find(token.credential.token)?.token).toBe(found ? token.token : undefined)
        } else {
          const { keep, life } = one
          memory.keep(tokens[keep] as RememberedToken, now + life)
          queue.keep(keep, { expires: now + life, weight: weights[keep] ?? 0, now })
        }
        expect([memory.size, memory.bytes]).toEqual([queue.size(), queue.total()])
        expect(memory.size).toBeLessThanOrEqual(entries)
        expect(memory.bytes).toBeLessThanOrEqual(bytes)
      }
    }),
    tries(100),
  )
})
