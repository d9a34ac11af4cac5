import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryRevocations } from '../../../src/adapters/revocations/memory.ts'
import { mcpAnswerDenials } from '../../../src/answer/mcp/answer.ts'
import { holdAnswer } from '../../../src/answer/mcp/hold.ts'
import type { Facts } from '../../../src/guard.ts'
import { revocationId } from '../../../src/model/revocation.ts'
import { accessOf, agentOf, gateOf, ISSUER, NOW, policyOf, routeOf } from '../../kit/facts.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: NOW * 1000 })
})
afterEach(() => {
  vi.useRealTimers()
})

const clock = { now: () => Date.now() }
const part = new TextEncoder().encode('part')

/** An answer that comes part by part, one in a second, and is held for a rule of MCP. */
const start = ({ parts = Number.POSITIVE_INFINITY, timeout = 600_000, expires = 600 } = {}) => {
  const begun = Date.now()
  const route = routeOf('POST /mcp', {
    revocation: { consistency: 'bounded', maxStaleness: 4_000 },
  })
  const known = {
    policy: policyOf([], { gate: gateOf({ clockTolerance: 0 }) }),
    route: { ...route, target: { ...route.target, timeout } },
    access: accessOf({ expires: NOW + expires }),
    agent: agentOf(),
  } as Facts
  const cancelled = vi.fn()
  let left = parts
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (left-- <= 0) return controller.close()
        await new Promise((done) => setTimeout(done, 1_000))
        controller.enqueue(part)
      },
      cancel: cancelled,
    },
    { highWaterMark: 0 },
  )
  const set = createMemoryRevocations({ clock })
  const lookup = vi.fn(set.lookup)
  const caller = new AbortController()
  const holding = holdAnswer(body, known, {
    bytes: 1_000,
    tooLarge: () => mcpAnswerDenials('mcp_answer_invalid'),
    ports: { clock, revocations: { lookup } },
    signal: caller.signal,
  }).then((held) => ({
    got: held.ok ? held.value.length : held.reason.code,
    ms: Date.now() - begun,
  }))
  return { holding, cancelled, set, lookup, caller }
}

const over = async (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('an answer that is held', () => {
  it('is had whole, and not watched any more', async () => {
    const { holding, cancelled } = start({ parts: 3 })
    await over(10_000)
    expect(await holding).toEqual({ got: 12, ms: 3_000 })
    expect(cancelled).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('that is there at once is not watched at all', async () => {
    const { holding, lookup } = start({ parts: 0 })
    await over(0)
    expect(await holding).toEqual({ got: 0, ms: 0 })
    expect([lookup.mock.calls, vi.getTimerCount()]).toEqual([[], 0])
  })

  it.each([
    ['takes too long', {}, { got: 'origin_timeout', ms: 30_000 }],
    ['takes longer than its rule has', { timeout: 2_500 }, { got: 'origin_timeout', ms: 2_500 }],
    ['outlives its token', { expires: 7 }, { got: 'token_expired_meanwhile', ms: 7_000 }],
  ])('is denied and cancelled where it %s', async (_name, setup, expected) => {
    const { holding, cancelled } = start(setup)
    await over(40_000)
    expect(await holding).toEqual(expected)
    expect(cancelled).toHaveBeenCalledOnce()
    await over(1_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is denied and cancelled when its agent is revoked', async () => {
    const { holding, cancelled, set } = start()
    await over(500)
    const subject = { kind: 'agent', issuer: ISSUER, value: agentOf().id } as const
    const id = await revocationId(subject, 'block')
    await set.add([{ ...subject, id, mode: 'block', created: NOW, createdBy: 'op' }])
    await over(4_000)
    const { got, ms } = await holding
    expect(got).toBe('token_revoked')
    expect(ms).toBeLessThanOrEqual(4_500)
    expect(cancelled).toHaveBeenCalledOnce()
  })

  it('is cancelled when nobody waits for it any more', async () => {
    const { holding, cancelled, caller } = start()
    await over(500)
    caller.abort()
    await over(0)
    expect((await holding).ms).toBe(500)
    expect(cancelled).toHaveBeenCalledOnce()
    await over(1_000)
    expect(vi.getTimerCount()).toBe(0)
  })
})
