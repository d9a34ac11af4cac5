import { reset } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { afterEach, expect, it, vi } from 'vitest'
import {
  hasExpired,
  MODES,
  type Revocation,
  type RevocationSubject,
  type RevocationTerms,
  revocationId,
  subjectKey,
} from '../../../src/gate/model/revocation.ts'
import type { Objects } from '../../../src/gate/platform/calls.ts'
import { createRevocations } from '../../../src/gate/revocation/client.ts'
import type { Shard } from '../../../src/gate/revocation/protocol.ts'
import { createSnapshotMemory } from '../../../src/gate/revocation/snapshot.ts'
import { createIsolate, ONE_SHARD } from '../../kit/memory-shard.ts'
import { tries } from '../../kit/property.ts'
import { ACME, entryOf, setNow, T } from '../../kit/revocation-store.ts'

const { REVOCATIONS } = env as unknown as { readonly REVOCATIONS: Objects<Shard> }

afterEach(async () => {
  vi.useRealTimers()
  await reset()
})

/** Seconds and the same in milliseconds: the copy is renewed after half of it. */
const BOUND = 4
const BOUNDED: RevocationTerms = { consistency: 'bounded', maxStaleness: BOUND * 1000 }

const VALUES = ['a', 'b']

const subject = { value: fc.constantFrom(...VALUES), mode: fc.constantFrom(...MODES) }
const adding = fc.record({
  ...subject,
  at: fc.integer({ min: 0, max: 9 }),
  seconds: fc.option(fc.integer({ min: 1, max: 15 })),
})
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ add: adding }) },
  { weight: 3, arbitrary: fc.record({ lift: fc.record(subject) }) },
  { weight: 4, arbitrary: fc.record({ ask: fc.subarray(VALUES, { minLength: 1 }) }) },
  { weight: 4, arbitrary: fc.constant('follow' as const) },
)

it('says what the set says once the copy has followed, whatever was remembered', async () => {
  let runs = 0
  let now = T
  const seen = { remembered: 0, asked: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), async (steps) => {
      setNow(now)
      const run = runs++
      const named = (value: string) => `${value} of run ${run}`
      const subjectOf = (value: string): RevocationSubject => ({
        kind: 'token',
        issuer: ACME,
        value: named(value),
      })
      const { waitUntil, log, settle } = createIsolate()
      const memory = createSnapshotMemory()
      const clock = { now: () => now * 1000 }
      const isolate = { memory, clock, waitUntil, log, place: () => '' }
      const { lookup, add, remove } = createRevocations(REVOCATIONS, ONE_SHARD, isolate)
      const asking: unknown[] = []

      /** What counts now, as callers judge it. */
      const counting = async (value: string, terms?: RevocationTerms) => {
        const entries: readonly Revocation[] = await lookup([subjectOf(value)], terms)
        return entries
          .filter((entry) => !hasExpired(entry, now))
          .sort((one, other) => one.mode.localeCompare(other.mode))
      }
      const follow = async () => {
        await Promise.allSettled(asking.splice(0))
        now += BOUND / 2
        setNow(now)
        await lookup([], BOUNDED)
        await settle()
        for (const value of VALUES) {
          const isKnown = memory.held?.answers.has(subjectKey(subjectOf(value)))
          seen[isKnown ? 'remembered' : 'asked'] += 1
        }
        const all = (terms?: RevocationTerms) =>
          Promise.all(VALUES.map((value) => counting(value, terms)))
        expect(await all(BOUNDED)).toEqual(await all())
      }

      await lookup([], BOUNDED)
      await settle()
      for (const one of steps) {
        if (one === 'follow') await follow()
        // Not waited for: what changes next may overtake it.
        else if ('ask' in one) asking.push(lookup(one.ask.map(subjectOf), BOUNDED))
        else if ('lift' in one) {
          const { mode, value } = one.lift
          await remove(await revocationId(subjectOf(value), mode))
        } else {
          const { at, seconds, mode, value } = one.add
          const entry = await entryOf({
            mode,
            value: named(value),
            ...(mode === 'before' && { at: T + at }),
            ...(seconds !== null && { expires: now + seconds }),
          })
          await add([entry])
        }
      }
      await follow()
    }),
    tries(4, 10),
  )
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(8)
})
