import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RecordedRequest } from '../kit/origin.ts'
import type { RawResponse } from '../kit/raw.ts'
import { twinOf } from '../kit/variants.ts'
import { administration, type Name, SAME } from './administration.ts'
import { expectDenial } from './denied.ts'
import { sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})
beforeEach(() => world.origin.clear())
afterEach(() => liftAll())

const { revoke, liftAll, entryOf } = administration(() => world)

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
  it('has a twin that is right as well and shares its fate, and a false one', async () => {
    const token = await warm()
    const twin = twinOf(token)
    await isRefused(await ask(twinOf(token, 'r')), 401, 'signature_invalid')
    for (let i = 0; i < 2; i++) expect((await ask(twin)).status).toBe(200)
    world.origin.clear()
    await revoke('ops', entryOf('token', 'acme'))
    for (const one of [token, twin]) await isRefused(await ask(one), 401, 'token_revoked')
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
