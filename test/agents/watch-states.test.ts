import { afterEach, expect, it, vi } from 'vitest'
import { createWatchStates } from '../../src/agents/watch-states.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

it('remembers no agents that it has forgotten, though it may write no more rows', () => {
  const sql = { exec: () => [] }
  const states = createWatchStates({ sql } as unknown as DurableObjectStorage, () => false)
  const add = vi.spyOn(Set.prototype, 'add')
  for (let i = 0; i < 5_000; i++) states.use(`made-up-${i}`)
  const [dirty] = add.mock.contexts as Set<string>[]
  expect(dirty?.size).toBeLessThanOrEqual(2_000)
})
