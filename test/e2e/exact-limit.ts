import { expect } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { askGate, outcome, type Setting } from './setting.ts'

interface Asked {
  readonly token: string
  /** What the rule lets through. */
  readonly limit: number
  readonly times: number
}

/**
 * So many in all, over the gate and the first one beside it: they share one count. A hundred are on their
 * way at once, as workerd hangs up on a connection that is open for long before it is used.
 */
export const expectExact = async (
  setting: Setting,
  path: string,
  { token, limit, times }: Asked,
): Promise<void> => {
  const gates = [setting.gate, ...setting.gate.beside.slice(0, 1)]
  const answers: Response[] = []
  const seen: Awaited<ReturnType<typeof outcome>>[] = []
  let asked = 0
  const askOn = async () => {
    while (asked < times) {
      const answer = await askGate(gates[asked++ % gates.length] as Gate, path, { token })
      answers.push(answer)
      seen.push(await outcome(answer))
    }
  }
  await Promise.all(Array.from({ length: Math.min(times, 100) }, askOn))
  expect(seen.filter(({ status }) => status === 200)).toHaveLength(limit)
  expect(seen.filter(({ code }) => code === 'rate_limited')).toHaveLength(times - limit)
  expect(setting.origin.requests).toHaveLength(limit)
  for (const answer of answers.filter(({ status }) => status === 429)) {
    expect(answer.headers.get('ratelimit')).toMatch(/^"agent";r=0;t=\d+$/)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  }
}
