import { expect, it, vi } from 'vitest'
import { explainingPorts } from '../../src/adapters/explaining.ts'
import { createKeyCache } from '../../src/adapters/keys/cache.ts'
import { fail, ok } from '../../src/base/result.ts'
import { clock, issuerOf } from '../kit/facts.ts'

const asked: string[] = []
const events: Record<string, unknown>[] = []
const revocations = { lookup: async () => [] }
const limits = vi.fn(() => ok({ day: { left: 3, reset: 9 } }))
const ports = explainingPorts(
  {
    cache: createKeyCache(clock),
    keeper: {
      async ask({ why }) {
        asked.push(why)
        return {}
      },
    },
    clock,
    waitUntil: () => {},
    log: (event) => void events.push(event),
  },
  revocations,
  { take: limits, takeAddress: () => fail({ retryAfter: 9 }) },
)

it('remembers no token', () => {
  ports.tokens.keep({ credential: { token: 't' } } as never, Number.MAX_SAFE_INTEGER)
  expect(ports.tokens.find('t')).toBeUndefined()
})

it('looks at what is known of keys, and has nobody ask for them', async () => {
  const found = await ports.keys.find(issuerOf(), { algorithm: 'ES256', kid: 'x' }, '192.0.2.1')
  expect(found).toEqual({ ok: false, reason: 'unavailable' })
  expect(asked).toEqual(['look'])
  expect(ports.keys.vouch).toBeUndefined()
})

it('reads the time and the revocations of every request', () => {
  expect(ports.clock).toBe(clock)
  expect(ports.revocations).toBe(revocations)
})

it('tells of an error by its name only', () => {
  ports.onError('route', new TypeError('what was explained'))
  ports.onError('scope', 'what was explained')
  expect(events).toEqual([
    { event: 'unexpected_error', stage: 'explain route', error: 'TypeError' },
    { event: 'unexpected_error', stage: 'explain scope', error: 'string' },
  ])
})

it('looks at limits, takes nothing, and knows no address', () => {
  const limit = { kind: 'exact', per: 'agent', quotas: { daily: 5 } } as const
  expect(ports.limits.take(limit, 'name', true)).toEqual(ok({ day: { left: 3, reset: 9 } }))
  expect(limits).toHaveBeenCalledWith(limit, 'name', false)
  const address = { kind: 'memory', limit: 1, period: 1000 } as const
  expect(ports.limits.takeAddress(address, '192.0.2.1')).toEqual(ok({}))
})
