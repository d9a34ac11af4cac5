import { afterAll, beforeAll, expect, it } from 'vitest'
import { CAN_SET_CLOCK } from '../kit/clock.ts'
import { eventually } from '../kit/eventually.ts'
import type { Served } from '../kit/serve.ts'
import { HOUR, type ServedClock, servedClock } from './served-clock.ts'

let gate: ServedClock
let served: Served
beforeAll(async () => {
  if (!CAN_SET_CLOCK) return
  gate = await servedClock({}, { jwks_cache: { cooldown: '1s' } })
  served = await gate.start()
})
afterAll(() => gate?.close())

const read = async (path: string, scope: string) =>
  gate.ask(`/.edgewarden${path}`, await gate.mint({ scope: `edgewarden:${scope}` }))

/** Two requests of an agent, whose decisions have its id. */
const sent: string[] = []
const act = async (agent: string) => {
  const token = await gate.mint({ client_id: agent, sub: agent })
  for (const id of [`${agent}-first`, `${agent}-second`]) {
    const answer = await gate.ask('/v1/x', token, { headers: { 'x-request-id': id } })
    expect(answer.status).toBe(200)
    sent.push(id)
  }
}
const isStored = async () => {
  const answer = await read('/decisions?rule=GET+/v1/*', 'audit:read')
  const { decisions } = (await answer.json()) as { decisions: readonly { request_id: string }[] }
  expect(decisions.map(({ request_id }) => request_id).sort()).toEqual(sent)
}
const isListed = async (...all: readonly string[]) => {
  const { agents } = (await (await read('/agents', 'agents')).json()) as {
    agents: readonly { agent: string }[]
  }
  expect(agents.map(({ agent }) => agent)).toEqual(expect.arrayContaining([...all]))
}

it.runIf(CAN_SET_CLOCK)(
  'every decision is stored and every agent listed while the clock is an hour back, and after it is put right',
  async () => {
    await act('agent-a')
    await eventually(isStored)
    await gate.clock.set(-HOUR)
    await act('agent-b')
    await eventually(isStored)
    await eventually(() => isListed('agent-b'))
    const metrics = await (await read('/metrics', 'metrics')).text()
    expect(metrics).toContain('edgewarden_problem{shard="0",problem="clock"} 1\n')
    await gate.clock.set(0)
    await act('agent-c')
    await eventually(isStored)
    await eventually(() => isListed('agent-a', 'agent-b', 'agent-c'))
    // A step just before a graceful stop.
    await gate.clock.set(-HOUR)
    await act('agent-d')
    served.child.kill('SIGTERM')
    expect(await served.ended()).toBe(0)
    await gate.clock.set(0)
    served = await gate.start()
    await isStored()
  },
)

it.runIf(CAN_SET_CLOCK)(
  'a key that is rotated in is known after the cooldown, while the clock is an hour back and after it is put right',
  async () => {
    const use = async () => (await gate.ask('/v1/x', await gate.mint())).status
    expect(await use()).toBe(200)
    for (const seconds of [-HOUR, 0]) {
      await gate.clock.set(seconds)
      await gate.rotate()
      await eventually(async () => expect([seconds, await use()]).toEqual([seconds, 200]))
    }
  },
)
