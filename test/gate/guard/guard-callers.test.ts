import { beforeEach, expect, it } from 'vitest'
import { createTokenMemory } from '../../../src/gate/app/platform/token-memory.ts'
import { createGuard } from '../../../src/gate/guard/guard.ts'
import {
  anyRooms,
  clock,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  RESOURCE,
  requestTo,
} from '../../kit/facts.ts'
import { keys, POLICY, TOKEN } from '../../line-cases.ts'

/** Who was vouched for, and who asked for a key. */
let vouched: (string | undefined)[]
let asking: (string | undefined)[]
let ask: (caller: string | undefined, token?: string) => Promise<string>

beforeEach(() => {
  vouched = []
  asking = []
  const guard = createGuard(POLICY, {
    clock,
    tokens: createTokenMemory({ clock }),
    revocations: { lookup: async () => [] },
    limits: noLimits,
    replays: noReplays,
    signingKeys: noSigning,
    sessions: noSessions,
    bodies: anyRooms,
    onError: () => {},
    keys: {
      find: (issuer, header, caller) => {
        asking.push(caller)
        return keys.find(issuer, header, caller)
      },
      recordSuccess: (_, caller) => void vouched.push(caller),
    },
  })
  ask = async (caller, token = TOKEN) => {
    const headers = { authorization: `Bearer ${token}` }
    return (await guard(requestTo(`${RESOURCE}/docs/1`, { headers }), { caller })).outcome
  }
})

it('whoever sends a token that passes is vouched for, also where it is remembered', async () => {
  for (const caller of ['192.0.2.1', '192.0.2.2', '192.0.2.1', undefined]) {
    expect(await ask(caller)).toBe('passed')
  }
  expect(vouched).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.1', undefined])
  expect(asking).toEqual(vouched)
})

it('nobody is whose token does not pass', async () => {
  await ask('192.0.2.1')
  expect(await ask('192.0.2.9', `${TOKEN.slice(0, -4)}AAAA`)).toBe('denied')
  expect(await ask('192.0.2.9', 'x.y.z')).toBe('denied')
  expect(vouched).toEqual(['192.0.2.1'])
})
