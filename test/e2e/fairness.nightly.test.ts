import { expect, it } from 'vitest'
import { honestCallers, startHostileWorld, startPaced } from './hostile.ts'
import { HOST } from './world.ts'

const RATE = 1_500
const SECONDS = 20

it.each([
  ['a rule without a limit', '/v1/x'],
  ['a rule with an exact limit', '/v1/ten'],
])('one agent at 1,500 requests a second on %s leaves others their answers', async (_, path) => {
  const world = await startHostileWorld()
  const honest = await honestCallers(world)
  await honest.callFor(1, path)
  const quiet = await honest.callFor(SECONDS, path)
  const token = await world.acme.mint({ client_id: 'flood' })
  const kinds = [['flood', [{ host: HOST, path, token }]]] as const
  const flood = startPaced({ port: world.gate.port, rate: RATE, connections: 64, kinds })
  const beside = await honest.callFor(SECONDS, path)
  const { count, answers } = await flood.end()
  console.log({ path, quiet, beside, flood: { count, answers } })
  expect([...honest.statuses]).toEqual(['200'])
  // On a quiet machine it is 13 and 125 ms at most.
  expect([beside.p50 < 50, beside.p99 < 500]).toEqual([true, true])
  await world.close()
})
