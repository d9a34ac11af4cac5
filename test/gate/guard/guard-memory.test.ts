import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { NOW, policyOf, routeOf, scopesOf } from '../../kit/facts.ts'
import { type Asked, startLine } from '../../kit/line.ts'
import { FAILING, keys, minted, POLICY, TOKEN } from '../../line-cases.ts'

let line: ReturnType<typeof startLine>
beforeEach(() => {
  line = startLine({ keys })
  line.verified()
})
afterEach(() => {
  expect(line.errors).toEqual([])
  vi.restoreAllMocks()
})

const ask = async (path: string, token?: string, asked?: Asked) =>
  (await line.ask(POLICY, path, token, asked)).code

describe('a token that passed', () => {
  it('is verified once, and kept once for each rule', async () => {
    for (let i = 0; i < 5; i++) expect(await ask(`/docs/${i}`, TOKEN)).toBe('passed')
    expect(line.kept()).toEqual([TOKEN])
    for (let i = 0; i < 3; i++) expect(await ask('/optional', TOKEN)).toBe('passed')
    expect(line.kept()).toEqual([TOKEN, TOKEN])
    expect(line.tokens.size).toBe(1)
    expect(line.verified()).toBe(1)
  })

  it('is verified each time in another spelling of the scheme, and takes no other place', async () => {
    await ask('/docs/1', TOKEN)
    const spelled = [`bearer ${TOKEN}`, `BEARER   ${TOKEN}`, `Bearer  ${TOKEN}`]
    for (const authorization of [...spelled, ...spelled]) {
      expect(await ask('/docs/1', undefined, { headers: { authorization } })).toBe('passed')
    }
    expect(line.verified()).toBe(7)
    expect(line.kept()).toEqual([TOKEN])
    expect(line.tokens.size).toBe(1)
  })

  it('is verified on each request once only the tolerance keeps it alive, and takes no place', async () => {
    await ask('/docs/1', TOKEN)
    line.clock.at = (NOW + 602) * 1000
    line.verified()
    for (let i = 0; i < 3; i++) expect(await ask('/docs/1', TOKEN)).toBe('passed')
    expect(line.verified()).toBe(3)
    expect(line.tokens.size).toBe(0)
    line.clock.at = (NOW + 605) * 1000
    expect(await ask('/docs/1', TOKEN)).toBe('token_expired')
  })
})

describe('what is remembered of an address', () => {
  const policy = policyOf([routeOf('GET /d/{id}', { scopes: scopesOf('all', 'd:{id}') })])
  const one = minted({ scope: 'd:1' })

  it('is not changed by whoever reads a decision', async () => {
    for (let i = 0; i < 3; i++) {
      const { code, known } = await line.ask(policy, '/d/2', one)
      expect(code).toBe('scope_missing')
      const params = known.params as Map<string, string>
      params.set('id', '1')
    }
    expect((await line.ask(policy, '/d/1', one)).code).toBe('passed')
  })
})

describe('nothing is kept', () => {
  it.each(FAILING)('where the line says $code ($path)', async ({ code, path, token, asked }) => {
    for (let i = 0; i < 2; i++) expect(await ask(path, token, asked)).toBe(code)
    expect(line.kept()).toEqual([])
    expect(line.tokens.size).toBe(0)
  })

  it('of a token that is revoked, or expires while the request waits', async () => {
    const lift = await line.revoke('token', 'token-1')
    expect(await ask('/docs/1', TOKEN)).toBe('token_revoked')
    await lift()
    const lookup = async () => {
      line.clock.at = (NOW + 700) * 1000
      return []
    }
    const late = await ask('/docs/1', TOKEN, { ports: { revocations: { lookup } } })
    expect(late).toBe('token_expired_during_request')
    expect(line.kept()).toEqual([])
  })
})
