import { beforeAll, describe, expect, it } from 'vitest'
import { explaining } from './explaining.ts'
import { AGENT, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})

const { told } = explaining(() => world)

const codeOf = ({ status, body }: { readonly status: number; readonly body: string }) =>
  status === 200 ? 200 : JSON.parse(body).code

const ask = async (by: 'acme' | 'beta', target: string, claims: object = {}) =>
  codeOf(await world.send({ target, token: await world[by].mint({ ...claims }) }))

describe('a limit', () => {
  it('is not shared by agents of one id and two issuers', async () => {
    expect(await ask('acme', '/v1/apart')).toBe(200)
    expect(await ask('acme', '/v1/apart')).toBe('rate_limited')
    expect(await ask('beta', '/v1/apart')).toBe(200)
    expect(await ask('beta', '/v1/apart')).toBe('rate_limited')
  })

  it('is looked at in an explanation, and not spent', async () => {
    const claims = { sub: 'explained', client_id: 'explained' }
    const token = await world.acme.mint(claims)
    const explained = async () => {
      const { allowed, denial, steps } = await told('ops', { token, path: '/v1/explained' })
      const { outcome, detail } = steps.find(({ stage }) => stage === 'limit') ?? {}
      return { allowed, code: denial?.code, outcome, detail }
    }
    for (let i = 0; i < 3; i++) {
      expect(await explained()).toMatchObject({
        allowed: true,
        outcome: 'passed',
        detail: { per: 'agent', limit: 'exact', bucket: { left: 1 } },
      })
    }
    expect(await ask('acme', '/v1/explained', claims)).toBe(200)
    expect(await explained()).toMatchObject({
      allowed: false,
      code: 'rate_limited',
      outcome: 'denied',
      detail: { retry_after: expect.any(Number) },
    })
    expect(await ask('acme', '/v1/explained', { sub: AGENT })).toBe(200)
  })
})
