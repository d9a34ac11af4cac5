import { beforeAll, expect, it } from 'vitest'
import { type Answers, answersOf } from './answers-setting.ts'
import { outcome } from './setting.ts'

let setting: Answers
beforeAll(async () => {
  setting = await answersOf('step-up')
})

const now = () => Math.floor(Date.now() / 1000)
const user = { sub: 'alice', client_id: 'planner' }

const pay = async (claims: object, method = 'POST') =>
  setting.ask('/v1/payments', { method, token: await setting.token({ ...user, ...claims }) })

it('a user who did what the challenge says comes through', async () => {
  const refused = await pay({ acr: 'pwd', auth_time: now() - 600 })
  const challenge = refused.headers.get('www-authenticate') ?? ''
  expect(await outcome(refused)).toEqual({ status: 401, code: 'authentication_insufficient' })
  const said = Object.fromEntries(
    [...challenge.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  )
  expect(said).toMatchObject({
    error: 'insufficient_user_authentication',
    acr_values: 'urn:x:mfa phr',
    max_age: '300',
  })
  const [acr] = said.acr_values?.split(' ') ?? []
  const age = Number(said.max_age)
  expect((await pay({ acr, auth_time: now() })).status).toBe(200)
  expect((await pay({ acr, auth_time: now() - age + 30 })).status).toBe(200)
  expect((await pay({ acr, auth_time: now() - age - 30 })).status).toBe(401)
  expect((await pay({ acr: 'pwd', auth_time: now() })).status).toBe(401)
})

it('each rule asks by itself', async () => {
  expect((await pay({ acr: 'pwd', auth_time: now() - 600 }, 'GET')).status).toBe(200)
  const late = await pay({ acr: 'phr', auth_time: now() - 7_200 }, 'GET')
  expect(late.headers.get('www-authenticate')).toMatch(/ max_age="3600"/)
  expect(late.headers.get('www-authenticate')).not.toContain('acr_values')
})

it('an agent on its own is not sent to authenticate a user it does not have', async () => {
  const alone = await pay({ sub: 'planner' })
  expect(alone.headers.has('www-authenticate')).toBe(false)
  expect(await outcome(alone)).toEqual({ status: 403, code: 'user_missing' })
})

it.each([{ auth_time: 'now' }, { auth_time: 4_102_444_800 }, { acr: ['phr'] }])(
  'a token with %j is no good token',
  async (claims) => {
    const answer = await pay({ acr: 'phr', auth_time: now(), ...claims })
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"')
    expect(await outcome(answer)).toEqual({ status: 401, code: 'authentication_malformed' })
  },
)
