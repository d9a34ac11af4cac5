import { beforeAll, expect, it } from 'vitest'
import { explaining } from './explaining.ts'
import { sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})

const { told } = explaining(() => world)

it.each([
  ['a limit', 'limit', '/v1/explained', 'rate_limited', { bucket: { left: 1 } }],
  ['a token that is good for one use', 'replay', '/v1/once-apart', 'token_replayed', {}],
])('%s is looked at in an explanation, and not spent', async (_, name, path, code, shown) => {
  const token = await world.acme.mint({ sub: 'explained', client_id: 'explained' })
  // An explanation asks no issuer for keys.
  expect((await world.send({ token })).status).toBe(200)
  const explained = async () => {
    const { allowed, denial, steps } = await told('ops', { token, path })
    const { outcome, detail } = steps.find(({ stage }) => stage === name) ?? {}
    return { allowed, code: denial?.code, outcome, detail }
  }
  for (let i = 0; i < 3; i++) {
    const { detail, ...rest } = await explained()
    expect(rest).toEqual({ allowed: true, code: undefined, outcome: 'passed' })
    expect(detail ?? {}).toMatchObject(shown)
  }
  expect((await world.send({ target: path, token })).status).toBe(200)
  expect(await explained()).toMatchObject({ allowed: false, code, outcome: 'denied' })
})
