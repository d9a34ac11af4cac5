import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hangUp, redirect, reply } from '../kit/answers.ts'
import { type Answers, APP, answersOf, INJECTED } from './answers-setting.ts'
import { outcome } from './setting.ts'

const { API_KEY: SECRET, TENANT_KEY: OTHER } = INJECTED

let setting: Answers
let token: string

beforeAll(async () => {
  setting = await answersOf('inject')
  token = await setting.token()
})
beforeEach(() => setting.origin.clear())

/** Everything an agent can see of an answer. */
const seen = async (response: Response) =>
  JSON.stringify([[...response.headers], response.statusText, await response.text()])

describe('the origin’s own credential', () => {
  it('reaches the origin, in place of what the agent sent', async () => {
    setting.origin.on('*', reply(200))
    await setting.ask('/v1/x', { token, headers: { 'x-api-key': 'mine', x_api_key: 'mine' } })
    const [request] = setting.origin.requests
    expect(request?.header('authorization')).toBe(`Bearer ${SECRET}`)
    expect(request?.header('x-api-key')).toBe(`${OTHER}:${SECRET}`)
    expect(request?.header('x_api_key')).toBeUndefined()
  })

  it.each([
    ['a denial of the line', undefined, reply(200), 401],
    ['an answer', 'token', reply(200, { 'content-type': 'text/plain' }, 'fine'), 200],
    ['a redirect', 'token', redirect('/v1/other'), 302],
    ['a broken origin', 'token', hangUp, 502],
    ['a failure of the origin', 'token', reply(500, {}, 'oops'), 500],
    ['an id of the origin’s', 'token', reply(200, { 'x-request-id': `of-${SECRET}` }), 200],
  ])('is not in %s', async (_name, has, handler, status) => {
    setting.origin.on('*', handler)
    const response = await setting.ask('/v1/x', has === undefined ? {} : { token })
    expect(response.status).toBe(status)
    const text = await seen(response)
    expect(text).not.toContain(SECRET)
    expect(text).not.toContain(OTHER)
  })

  it.each(['/v1/x', '/browser/x'])(
    'is not at fault of the agent when refused, %s',
    async (path) => {
      const challenge = { 'www-authenticate': `Bearer realm="${SECRET}"`, 'x-leak': SECRET }
      setting.origin.on('*', reply(401, challenge, `wrong key ${SECRET}`))
      const id = `refused-at-${path.replaceAll('/', '-')}`
      const headers = { origin: APP, 'x-request-id': id }
      const response = await setting.ask(path, { token, headers })
      const text = await seen(response.clone())
      expect(await outcome(response)).toEqual({ status: 502, code: 'origin_credential_refused' })
      expect(text).not.toContain(SECRET)
      expect(response.headers.get('www-authenticate')).toBeNull()
      expect(response.headers.get('access-control-allow-origin')).toBe(
        path === '/browser/x' ? APP : null,
      )
      const line = await setting.gate.journalLine(({ request_id }) => request_id === id)
      expect(line).toMatchObject({
        decision: 'denied',
        code: 'origin_credential_refused',
        agent: 'agent-1',
      })
    },
  )

  it('is not asked for where the agent is refused', async () => {
    const response = await setting.ask('/v1/x', { token: `${token}x` })
    expect(response.status).toBe(401)
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('is in nothing that the gate wrote', async () => {
    const end = await setting.ask('/v1/end', { token, headers: { 'x-request-id': 'the-end-1' } })
    await end.text()
    await setting.gate.journalLine(({ request_id }) => request_id === 'the-end-1')
    expect(setting.gate.output()).not.toContain(SECRET)
    expect(setting.gate.output()).not.toContain(OTHER)
    expect(setting.gate.output()).not.toContain(token)
  })
})
