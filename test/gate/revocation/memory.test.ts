import { afterEach, beforeEach, describe, vi } from 'vitest'
import { createMemoryRevocations } from '../../../src/gate/revocation/memory.ts'
import {
  itIsBounded,
  itIsShared,
  itKeepsRevocations,
  setNow,
  T,
} from '../../kit/revocation-store.ts'

const clock = { now: () => Date.now() }

beforeEach(() => setNow(T))
afterEach(() => vi.useRealTimers())

describe('revocations in memory', () => {
  itKeepsRevocations(() => createMemoryRevocations({ clock }))
  itIsBounded(() => createMemoryRevocations({ clock, capacity: 3 }))
  itIsShared(() => createMemoryRevocations({ clock, capacity: 20 }))
})
