import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import type { Origin } from '../kit/origin.ts'
import { type Answers, answersOf, PRIVATE } from './answers-setting.ts'
import { assertionIn } from './asserting.ts'
import { type AskInit, outcome } from './setting.ts'

let setting: Answers
/** Reached through a binding. */
let hidden: Origin
let token: string

beforeAll(async () => {
  setting = await answersOf('claims')
  hidden = setting.second
  token = await setting.token({
    sub: 'Zo\u00eb, Ltd',
    org: { name: 'acme' },
    tenant: ['blue', 7],
  })
})
beforeEach(() => {
  setting.origin.clear()
  hidden.clear()
})

const NAMES = ['x-forwarded-user', 'x-org', 'x-tenant']

/** What the origin gets under the names of claims, in any spelling. */
const told = async (path: string, init: AskInit = {}) => {
  const response = await setting.ask(path, { token, ...init })
  expect(response.status).toBe(200)
  const headers = setting.origin.requests[0]?.rawHeaders ?? []
  const folded = headers.map(([name, value]) => [name.toLowerCase().replaceAll('_', '-'), value])
  return folded.filter(([name = '']) => NAMES.includes(name)).sort()
}

describe('claims in headers', () => {
  it("are those of the gate on every rule with an identity, and the rule's own", async () => {
    const gate = [
      ['x-forwarded-user', 'Zo%C3%AB%2C%20Ltd'],
      ['x-org', 'acme'],
    ]
    expect(await told('/v1/told')).toEqual([...gate, ['x-tenant', 'blue,7']])
    setting.origin.clear()
    expect(await told('/v1/x')).toEqual(gate)
  })

  const forged = {
    'x-forwarded-user': 'root',
    x_forwarded_user: 'root',
    X_ORG: 'root',
    'X-Tenant': 'root',
    x_tenant: 'root',
  }

  it.each<[string, string, string | undefined]>([
    ['a rule that does not set them', '/v1/x', undefined],
    ['a rule that does', '/v1/told', undefined],
    ['an optional rule without a token', '/optional', ''],
    ['a public rule', '/public', undefined],
    ['shadow mode where it would be denied', '/shadow', undefined],
  ])('are never what a caller sends: %s', async (_, path, none) => {
    const bare = none === '' ? { headers: { ...forged } } : { token, headers: forged }
    expect((await setting.ask(path, bare)).status).toBe(200)
    expect(JSON.stringify(setting.origin.requests[0]?.rawHeaders)).not.toContain('root')
  })
})

describe('headers that an answer loses', () => {
  const answer = {
    server: 'secret/1.0',
    'x-powered-by': 'secret',
    'set-cookie': ['a=secret', 'b=secret'],
    'x-own': '1',
  }

  it('are those of the rule, all of a name', async () => {
    setting.origin.on('*', reply(200, answer, 'x'))
    const response = await setting.ask('/v1/less', { token })
    expect(JSON.stringify([...response.headers])).not.toContain('secret')
    expect(response.headers.get('x-own')).toBe('1')
    expect(await response.text()).toBe('x')
  })
})

describe('an origin behind a binding', () => {
  it('is reached by it, under its own name', async () => {
    const response = await setting.ask('/via/a/b?c=d', { token, method: 'POST', body: 'hello' })
    expect(response.status).toBe(200)
    const [request] = hidden.requests
    expect(request?.url).toBe('/a/b?c=d')
    expect(request?.header('host')).toBe('models.internal.example')
    expect(request?.body).toBe('hello')
    expect(request?.header('x-agent-id')).toBe('agent-1')
    expect(setting.origin.requests).toEqual([])
    const { payload } = await assertionIn(setting.gate, request, PRIVATE)
    expect(payload).toMatchObject({ aud: PRIVATE })
  })

  it('is told back by the name of the gate', async () => {
    hidden.on('*', reply(302, { location: `${PRIVATE}/there` }))
    const response = await setting.ask('/via/a', { token })
    expect(response.headers.get('location')).toBe(`http://${setting.host}/via/there`)
  })

  it('is 502 where nobody is behind it', async () => {
    await hidden.accept(false)
    expect(await outcome(await setting.ask('/via/a', { token }))).toEqual({
      status: 502,
      code: 'origin_unreachable',
    })
    await hidden.accept(true)
  })
})
