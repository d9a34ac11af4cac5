import { reset } from 'cloudflare:test'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LOG } from '../../../src/gate/revocation/object/log.ts'
import { tries } from '../../kit/property.ts'
import { createShardWorld, NAMES } from '../../kit/shard-world.workerd.ts'

const bounds = { ...LOG }
beforeEach(() => void Object.assign(LOG, { batch: 2, page: 3, changes: 12, tombstoneSeconds: 20 }))
afterEach(async () => {
  Object.assign(LOG, bounds)
  vi.restoreAllMocks()
  vi.useRealTimers()
  await reset()
})

const value = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
const name = fc.constantFrom(...NAMES)
const replica = fc.constantFrom(...NAMES.slice(1))
const seconds = fc.option(fc.integer({ min: 1, max: 60 }))

/** What may happen at once. */
const at = fc.oneof(
  {
    weight: 7,
    arbitrary: fc.record({
      add: fc.array(fc.record({ value, seconds }), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ lift: value }) },
  { weight: 12, arbitrary: fc.record({ read: name }) },
  { weight: 4, arbitrary: fc.record({ pull: name }) },
  { weight: 3, arbitrary: fc.constant({ alarm: '0' } as const) },
  { weight: 1, arbitrary: fc.record({ crash: name }) },
)
/** What happens alone. */
const alone = fc.oneof(
  { weight: 5, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 15 }) }) },
  { weight: 3, arbitrary: fc.record({ fault: fc.constantFrom('down', 'deaf', 'late'), name }) },
  { weight: 4, arbitrary: fc.constant({ mend: true } as const) },
  { weight: 1, arbitrary: fc.record({ wipe: replica }) },
  { weight: 2, arbitrary: fc.constant({ wipe: '0' } as const) },
  { weight: 1, arbitrary: fc.record({ idle: replica }) },
)
const step = fc.oneof(
  { weight: 3, arbitrary: fc.array(at, { minLength: 1, maxLength: 5 }) },
  { weight: 2, arbitrary: fc.array(alone, { minLength: 1, maxLength: 1 }) },
)

const SEEN = [
  'answered by the leader',
  'answered by a replica',
  'unanswered',
  'acknowledged by several',
  'pending',
  'pulled',
  'followed',
  'survived',
]

it('keeps what it has acknowledged over any failures', async () => {
  const seen: Record<string, number> = {}
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 60 }), async (steps) => {
      await reset()
      vi.restoreAllMocks()
      // Each failure is told there.
      vi.spyOn(console, 'error').mockImplementation(() => {})
      const world = await createShardWorld(seen)
      for (const step of steps) await Promise.all(step.map(world.act))
      await world.settle()
    }),
    { ...tries(2, 3), endOnFailure: true },
  )
  // What there is to survive did happen.
  expect(seen).toMatchObject(Object.fromEntries(SEEN.map((what) => [what, expect.any(Number)])))
})
