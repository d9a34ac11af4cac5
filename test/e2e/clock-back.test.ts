import { afterEach, beforeEach, expect, it } from 'vitest'
import { CAN_SET_CLOCK } from '../kit/clock.ts'
import { eventually } from '../kit/eventually.ts'
import { HOUR, type ServedClock, servedClock } from './served-clock.ts'

let gate: ServedClock
beforeEach(async () => {
  if (CAN_SET_CLOCK) gate = await servedClock()
})
afterEach(() => gate?.close())

/** Sends requests whose decisions have these ids. */
const act = async (...ids: readonly string[]) => {
  for (const id of ids) {
    const answer = await gate.ask('/v1/x', await gate.mint(), { headers: { 'x-request-id': id } })
    expect(answer.status).toBe(200)
  }
}
const stored = async () => {
  const path = '/.edgewarden/decisions?rule=GET+/v1/*'
  const answer = await gate.ask(path, await gate.mint({ scope: 'edgewarden:audit:read' }))
  const { decisions } = (await answer.json()) as { decisions: readonly { request_id: string }[] }
  return decisions.map(({ request_id }) => request_id).sort()
}

it.runIf(CAN_SET_CLOCK)(
  'stores every decision while the clock is an hour back, and after it is put right',
  async () => {
    const served = await gate.start()
    await act('request-a-1', 'request-a-2')
    await eventually(async () => expect(await stored()).toEqual(['request-a-1', 'request-a-2']))
    await gate.clock.set(-HOUR)
    await act('request-b-1', 'request-b-2')
    await eventually(async () =>
      expect(await stored()).toEqual(['request-a-1', 'request-a-2', 'request-b-1', 'request-b-2']),
    )
    const token = await gate.mint({ scope: 'edgewarden:metrics' })
    const metrics = await gate.ask('/.edgewarden/metrics', token)
    expect(await metrics.text()).toContain('edgewarden_problem{shard="0",problem="clock"} 1\n')
    await act('request-c-1')
    await gate.clock.set(0)
    await act('request-d-1', 'request-d-2')
    const all = [
      'request-a-1',
      'request-a-2',
      'request-b-1',
      'request-b-2',
      'request-c-1',
      'request-d-1',
      'request-d-2',
    ]
    await eventually(async () => expect(await stored()).toEqual(all))
    // A step just before a graceful stop.
    await gate.clock.set(-HOUR)
    await act('request-e-1', 'request-e-2')
    served.child.kill('SIGTERM')
    expect(await served.ended()).toBe(0)
    await gate.clock.set(0)
    await gate.start()
    expect(await stored()).toEqual([...all, 'request-e-1', 'request-e-2'])
  },
)

it.runIf(CAN_SET_CLOCK)(
  'lists agents in the registry while the clock is an hour back, and after it is put right',
  async () => {
    await gate.start()
    const isListed = async (agent: string) => {
      const token = await gate.mint({ client_id: agent, sub: agent })
      expect((await gate.ask('/v1/x', token)).status).toBe(200)
      await eventually(async () => {
        const path = '/.edgewarden/agents'
        const answer = await gate.ask(path, await gate.mint({ scope: 'edgewarden:agents' }))
        const { agents } = (await answer.json()) as { agents: readonly { agent: string }[] }
        expect(agents.map((one) => one.agent)).toContain(agent)
      })
    }
    await isListed('agent-a')
    await gate.clock.set(-HOUR)
    await isListed('agent-b')
    await gate.clock.set(0)
    await isListed('agent-c')
  },
)
