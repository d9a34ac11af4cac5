import {
  evictDurableObject,
  reset,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { MODES, revocationId } from '../../../src/gate/model/revocation.ts'
import { createMemoryRevocations } from '../../../src/gate/revocation/memory.ts'
import { LOG } from '../../../src/gate/revocation/object/log.ts'
import { tries } from '../../kit/property.ts'
import { answering, createCopy, hashesOfAll } from '../../kit/revocation-copy.ts'
import { ACME, entryOf, setNow, T } from '../../kit/revocation-store.ts'
import { leader as shard } from '../../kit/shards.workerd.ts'

const bounds = { ...LOG }
beforeEach(() => void Object.assign(LOG, { page: 3, changes: 12, tombstoneSeconds: 20 }))
afterEach(async () => {
  Object.assign(LOG, bounds)
  vi.useRealTimers()
  await reset()
})

const subject = {
  value: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  mode: fc.constantFrom(...MODES),
}
const entry = fc.record({ ...subject, seconds: fc.option(fc.integer({ min: 1, max: 30 })) })
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ add: fc.array(entry, { minLength: 1, maxLength: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ lift: fc.record(subject) }) },
  { weight: 3, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 15 }) }) },
  { weight: 4, arbitrary: fc.constant('follow' as const) },
  { weight: 1, arbitrary: fc.constant('sweep' as const) },
  { weight: 1, arbitrary: fc.constant('evict' as const) },
)

it('keeps a copy equal to the set over any changes', async () => {
  let runs = 0
  const seen = { followed: 0, resets: 0, changedBetweenPages: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      await runInDurableObject(shard(), (object, { storage: { sql } }) => {
        object.head()
        sql.exec('DELETE FROM entries; DELETE FROM tombstones')
        sql.exec('UPDATE log SET epoch = ?, version = 0, oldest = 0', `run ${runs++}`)
      })
      let now = T
      setNow(now)
      const model = createMemoryRevocations({ clock: { now: () => now * 1000 } })
      const copy = createCopy(answering(shard))
      const waiting = [...steps]

      const change = async (one: (typeof steps)[number]): Promise<void> => {
        if (one === 'follow') return
        if (one === 'sweep') await runDurableObjectAlarm(shard())
        else if (one === 'evict') {
          // Only what runs can be evicted.
          await shard().get('nothing')
          await evictDurableObject(shard())
        } else if ('wait' in one) {
          now += one.wait
          setNow(now)
        } else if ('lift' in one) {
          const { mode, value } = one.lift
          const id = await revocationId({ kind: 'token', issuer: ACME, value }, mode)
          expect(await shard().remove(id)).toBe(await model.remove(id))
        } else {
          const entries = await Promise.all(
            one.add.map(({ seconds, ...parts }) =>
              entryOf({ ...parts, ...(seconds !== null && { expires: now + seconds }) }),
            ),
          )
          expect(await shard().add(entries)).toEqual(await model.add(entries))
        }
      }
      const judge = async (): Promise<void> => {
        const { revocations } = await model.list({ limit: 100 })
        expect(copy.hashes()).toEqual(await hashesOfAll(revocations))
      }

      await shard().pullAll()
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
        await change(one)
        if (one !== 'follow') continue
        if (await copy.follow()) {
          seen.followed += 1
        } else {
          seen.resets += 1
          // The set changes while it is pulled, as far as the changes can still be told.
          await copy.pull(async () => {
            const next = waiting.shift()
            if (next === undefined) return
            seen.changedBetweenPages += 1
            await change(next)
          })
          if (!(await copy.follow())) {
            await copy.pull()
            expect(await copy.follow()).toBe(true)
          }
        }
        await judge()
      }
    }),
    tries(12, 20),
  )
  // What the bounds are small for did happen.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(4)
})
