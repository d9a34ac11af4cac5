import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RecordedRequest } from '../kit/origin.ts'
import type { RawResponse } from '../kit/raw.ts'
import { changedAt, twinOf } from '../kit/variants.ts'
import { administration, type Name, SAME } from './administration.ts'
import { arrivals } from './arrivals.ts'
import { expectDenial } from './denied.ts'
import { AGENT, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})
beforeEach(() => world.origin.clear())
afterEach(() => liftAll())

const { revoke, liftAll, entryOf, call } = administration(() => world)
const { passed } = arrivals(() => world)

const ask = (token: string, target = '/v1/any') => world.send({ token, target })
/** A token that has passed a few times. */
const warm = async (claims: object = {}, name: Name = 'acme') => {
  const token = await world[name].mint({ ...SAME, scope: 'chat:write', ...claims })
  for (let i = 0; i < 2; i++) expect((await ask(token)).status).toBe(200)
  world.origin.clear()
  return token
}
/** It is refused, the origin hears nothing of it, and where it may go it still goes. */
const isRefused = async (response: RawResponse, status: number, code: string) => {
  expectDenial(response, status, code)
  expect(world.origin.requests).toHaveLength(0)
}

describe('a warm token', () => {
  it.each(['key', 'token', 'agent', 'subject', 'client', 'workflow', 'issuer'] as const)(
    'is refused while its %s is revoked, and passes again once that is lifted',
    async (kind) => {
      const token = await warm()
      for (let i = 0; i < 2; i++) {
        const id = await revoke('ops', entryOf(kind, 'acme'))
        for (let j = 0; j < 2; j++) await isRefused(await ask(token), 401, 'token_revoked')
        await call('ops', { method: 'DELETE', target: `/.edgewarden/revocations/${id}` })
        expect((await ask(token)).status).toBe(200)
        world.origin.clear()
      }
    },
  )

  it.each([
    ['/v1/admin/users', 403, 'scope_missing'],
    ['/v1/docs/7', 403, 'scope_missing'],
    ['/v1/planners', 403, 'agent_type_not_allowed'],
    ['/v1/runs/run-2/log', 403, 'workflow_mismatch'],
    ['/v1/delegated', 403, 'actor_missing'],
    ['/v1/beta-only', 401, 'issuer_not_accepted'],
    ['/v1/tenant', 401, 'claim_rejected'],
    ['/v1/short', 401, 'token_lifetime'],
    ['/v1/other-audience', 401, 'audience_mismatch'],
    ['/v1/moved', 401, 'audience_mismatch'],
    ['/v1/any?access_token=x', 400, 'credential_in_query'],
    ['/unknown', 404, 'route_unknown'],
    ['/.edgewarden/revocations', 403, 'scope_missing'],
  ])('moved to %s is %i %s', async (target, status, code) => {
    const token = await warm()
    for (let i = 0; i < 2; i++) await isRefused(await ask(token, target), status, code)
    expect((await ask(token)).status).toBe(200)
  })

  it('is told to the origin by what each route grants', async () => {
    const token = await warm({ scope: 'chat:admin docs:read' })
    for (const [target, grant] of [
      ['/v1/chat/completions', 'chat:admin'],
      ['/v1/docs/7', 'docs:read'],
      ['/v1/any', undefined],
      ['/v1/chat/completions', 'chat:admin'],
    ] as const) {
      const request = await passed({ token, target })
      expect(request.header('x-agent-grant'), target).toBe(grant)
      expect(request.header('x-agent-scope')).toBe('chat:admin docs:read')
      world.origin.clear()
    }
  })

  it('is refused from the moment it expires', async () => {
    const isGood = async (token: string) => (await ask(token)).status === 200
    let token: string
    let over: number
    do {
      // By the tolerance of five seconds it is good for two or three more.
      const exp = Math.floor(Date.now() / 1000) - 2
      over = (exp + 5) * 1000
      token = await world.acme.mint({ iat: exp - 60, exp })
    } while (!(await isGood(token)))
    const passes: number[] = []
    for (let at = Date.now(); await isGood(token); at = Date.now()) {
      passes.push(at)
      await wait(100)
    }
    for (const at of passes) expect(at).toBeLessThan(over)
    for (let i = 0; i < 3; i++) expectDenial(await ask(token), 401, 'token_expired')
  })

  it('makes no token good that differs from it in one bit', async () => {
    const token = await warm()
    const [header = '', payload = ''] = token.split('.')
    const ends = [header.length, header.length + 1 + payload.length, token.length]
    const places = ends.flatMap((end) => [end - 1, end - 20])
    const good = () => ask(token).then(({ status }) => status)
    for (const place of [...places, 0]) {
      const answers = await Promise.all([
        good(),
        ask(changedAt(token, place)).then(({ status }) => status),
        ask(changedAt(token, place, 32)).then(({ status }) => status),
        good(),
      ])
      expect(answers, `at ${place}`).toEqual([200, 401, 401, 200])
    }
  })

  it('has a twin that is right as well and shares its fate, and a false one', async () => {
    const token = await warm()
    const twin = twinOf(token)
    await isRefused(await ask(twinOf(token, 'r')), 401, 'signature_invalid')
    for (let i = 0; i < 2; i++) expect((await ask(twin)).status).toBe(200)
    world.origin.clear()
    await revoke('ops', entryOf('token', 'acme'))
    for (const one of [token, twin]) await isRefused(await ask(one), 401, 'token_revoked')
  })

  it('says nothing of who comes without one', async () => {
    const token = await warm()
    const anonymous = async (target: string, bearer?: string) => {
      world.origin.clear()
      const request = await passed({ target, ...(bearer !== undefined && { token: bearer }) })
      expect(request.rawHeaders.filter(([name]) => /^x-agent-/i.test(name))).toEqual([])
    }
    world.origin.clear()
    expect((await passed({ target: '/optional', token })).header('x-agent-id')).toBe(
      `acme/${AGENT}`,
    )
    await anonymous('/optional')
    await anonymous('/public/x')
    await anonymous('/public/x', token)
    world.origin.clear()
    await isRefused(await ask(`${token}.`, '/optional'), 401, 'token_malformed')
    await isRefused(await world.send({}), 401, 'credential_missing')
  })
})

describe('many warm tokens at once', () => {
  interface Sender {
    readonly token?: string
    readonly expected: Readonly<Record<string, string | undefined>>
  }
  const HEADERS = ['id', 'issuer', 'subject', 'client-id', 'token-id', 'workflow-id', 'scope']
  const sender = async (name: 'acme' | 'beta', agent: string, scope: string): Promise<Sender> => {
    const claims = { ...SAME, client_id: agent, scope }
    return {
      token: await warm(claims, name),
      expected: {
        id: `${name}/${agent}`,
        issuer: world[name].issuer,
        subject: SAME.sub,
        'client-id': agent,
        'token-id': SAME.jti,
        'workflow-id': SAME.workflow_id,
        scope,
      },
    }
  }

  it('are never taken for each other', async () => {
    expect(world.acme.kid).toBe(world.beta.kid)
    const senders: Sender[] = [
      await sender('acme', 'agent-a', 'chat:write'),
      await sender('beta', 'agent-a', 'chat:write'),
      await sender('acme', 'agent-b', 'docs:read'),
      await sender('beta', 'agent-b', 'docs:write'),
      { expected: {} },
    ]
    const count = 60
    const send = async (i: number) => {
      const { token } = senders[i % senders.length] as Sender
      const response = await world.send({
        target: `/optional?n=${i}`,
        ...(token !== undefined && { token }),
      })
      return response.status
    }
    const statuses = await Promise.all(Array.from({ length: count }, (_, i) => send(i)))
    expect(new Set(statuses)).toEqual(new Set([200]))
    const told = (request: RecordedRequest) =>
      Object.fromEntries(HEADERS.map((name) => [name, request.header(`x-agent-${name}`)]))
    expect(world.origin.requests).toHaveLength(count)
    for (const request of world.origin.requests) {
      const n = Number(new URL(request.url, 'http://origin').searchParams.get('n'))
      const { expected } = senders[n % senders.length] as Sender
      expect(told(request), `request ${n}`).toEqual({
        ...Object.fromEntries(HEADERS.map((name) => [name, undefined])),
        ...expected,
      })
    }
  })
})
