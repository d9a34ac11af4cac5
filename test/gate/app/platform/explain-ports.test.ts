import { expect, it, vi } from 'vitest'
import { explainingPorts } from '../../../../src/gate/app/platform/explain-ports.ts'
import { createSessions } from '../../../../src/gate/app/platform/sessions.ts'
import { createMemoryAssertionKeys } from '../../../../src/gate/assertion/key-service.ts'
import { createAssertionKeys, createAssertionMemory } from '../../../../src/gate/assertion/keys.ts'
import { fail, ok } from '../../../../src/gate/base/result.ts'
import { createKeyCache } from '../../../../src/gate/keys/cache.ts'
import { anyRooms, clock, ISSUER, RESOURCE } from '../../../kit/facts.ts'

const asked: string[] = []
const events: Record<string, unknown>[] = []
const revocations = { lookup: async () => [] }
const limits = vi.fn(() => ok({ day: { left: 3, reset: 9 } }))
const replays = { claim: vi.fn(() => true), isClaimed: vi.fn(() => true) }
const service = vi.fn(createMemoryAssertionKeys(clock))
const signingKeys = createAssertionKeys({
  memory: createAssertionMemory(),
  rule: { binding: 'identity', algorithm: 'ES256', maxBody: 1, operatorKeys: [], withdrawn: [] },
  service,
  clock,
  waitUntil: () => {},
  log: () => {},
})
const ports = explainingPorts(
  {
    cache: createKeyCache(clock),
    service: {
      async ask({ why }) {
        asked.push(why)
        return {}
      },
    },
    clock,
    waitUntil: () => {},
    log: (event) => void events.push(event),
  },
  {
    revocations,
    limits: { take: limits, takeAddress: () => fail({ retryAfter: 9 }) },
    replays,
    signingKeys,
    bodies: anyRooms,
  },
)

it('opens sessions by keys that are in memory, asks for none, and seals none', async () => {
  const holder = { issuer: ISSUER, agent: 'planner', route: 'POST /mcp', resource: RESOURCE }
  const other = createAssertionKeys({
    memory: createAssertionMemory(),
    rule: { binding: 'identity', algorithm: 'ES256', maxBody: 1, operatorKeys: [], withdrawn: [] },
    service: createMemoryAssertionKeys(clock),
    clock,
    waitUntil: () => {},
    log: () => {},
  })
  const foreign = await createSessions({ keys: other, clock }).seal('one', holder)
  expect(await ports.sessions.open('garbage', holder)).toBeUndefined()
  await expect(ports.sessions.open(foreign, holder)).rejects.toThrow('none are asked for')
  expect(service).not.toHaveBeenCalled()
  const sealed = await createSessions({ keys: signingKeys, clock }).seal('one', holder)
  expect(service).toHaveBeenCalledTimes(1)
  expect(await ports.sessions.open(sealed, holder)).toBe('one')
  expect(await ports.sessions.open(foreign, holder)).toBeUndefined()
  await expect(ports.sessions.seal('one', holder)).rejects.toThrow('nothing is signed')
  expect(service).toHaveBeenCalledTimes(1)
})
