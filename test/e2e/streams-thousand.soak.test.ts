import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { WebSocket } from 'ws'
import type { Gate } from '../kit/gate.ts'
import { usualObjects } from '../kit/repository.ts'
import { PATIENCE } from '../kit/wait.ts'
import { HOST, type Setting, startSetting } from './setting.ts'
import { withShards } from './shards.ts'
import { hanging, lastEvent, newAgent, revoke, SSE, STREAMING } from './streaming.ts'

/** Each takes four descriptors of the gate, and two of this process, which is client and origin. */
const EVENTS = 900
const SOCKETS = 100
/** More than the other tests have: a busy machine takes longer than that for the beginning. */
const BOUND = 10_000
/** The copy that streams look into may be three fifths of the bound old; it is renewed at half of that. */
const RENEWAL = (BOUND * 3) / 10
const RENEWALS = 3

let shards: Awaited<ReturnType<typeof withShards>>
let setting: Setting

beforeAll(async () => {
  shards = await withShards(inject('bundle'))
  const revocation = { consistency: 'bounded', max_staleness: `${BOUND / 1000}s` }
  setting = await startSetting({
    ...STREAMING,
    gate: { ...STREAMING.gate, revocation, in_flight: 2_000 },
    bundle: shards.path,
    durableObjects: { ...usualObjects(), REVOCATIONS: 'CountedShard' },
  })
})
afterAll(async () => {
  await setting.close()
  await shards.remove()
})

const headers = (token: string) => ({ host: HOST, authorization: `Bearer ${token}` })

/** An event stream whose answer has begun, and how it ends. */
const openEvents = async ({ port }: Gate, token: string) => {
  const path = '/v1/events'
  const asked = request({ host: '127.0.0.1', port, path, headers: headers(token), agent: false })
  const [answer] = (await once(asked.end(), 'response')) as [IncomingMessage]
  expect(answer.statusCode).toBe(200)
  return { end: endOf(answer) }
}

const endOf = async (answer: IncomingMessage): Promise<string> => {
  let text = ''
  answer.setEncoding('utf8').on('data', (part) => {
    text += part
  })
  answer.on('error', () => {})
  // The one event that comes in any case.
  await new Promise((done) => answer.once('close', done))
  return answer.complete ? text : 'broken off'
}

/** A WebSocket that is open, and how it ends. */
const openSocket = async ({ host }: Gate, token: string) => {
  const socket = new WebSocket(`ws://${host}/v1/socket`, { headers: headers(token) })
  await once(socket, 'open')
  return { end: once(socket, 'close').then(([code, reason]) => `${code} ${reason}`) }
}

it('a thousand streams share the pulls of their isolate, and one revocation cuts all of them', async () => {
  const { gate, origin } = setting
  const calls = () => gate.journal().filter(({ called }) => called !== undefined)
  const renewals = () => calls().filter(({ called }) => called === 'pullSince')
  const open = async (one: typeof openEvents, client_id: string) =>
    one(gate, await setting.token({ client_id }))
  const agent = newAgent()
  hanging(setting, '/v1/events', SSE)
  const streams = [
    ...(await Promise.all(Array.from({ length: EVENTS }, () => open(openEvents, agent)))),
    ...(await Promise.all(Array.from({ length: SOCKETS }, () => open(openSocket, agent)))),
  ]
  // Of another agent, when the gate has time for it.
  const first = hanging(setting, '/v1/events', SSE)
  const kept = await open(openEvents, newAgent())
  const ofKept = await first
  const before = { calls: calls().length, renewals: renewals().length }

  await gate.journalLine(() => renewals().length >= before.renewals + RENEWALS, PATIENCE)
  const idle = renewals().slice(before.renewals, before.renewals + RENEWALS)
  // A machine that is too busy to renew the copy in time has some of them ask the set itself.
  expect(calls().length - before.calls).toBeLessThan((EVENTS + SOCKETS) / 10)
  const times = idle.map(({ at }) => Number(at))
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan((RENEWALS - 1) * RENEWAL * 0.75)
  expect(origin.requests).toHaveLength(1 + EVENTS + SOCKETS)

  await revoke(setting, agent)
  const ends = await Promise.all(streams.map(({ end }) => end))
  const count = (end: string) => ends.filter((one) => one === end).length
  // Where the set is too busy to say which entry it was, that is the reason.
  expect(count(lastEvent('token_revoked')) + count(lastEvent('revocations_unavailable'))).toBe(
    EVENTS,
  )
  expect(count('4401 token_revoked') + count('4503 revocations_unavailable')).toBe(SOCKETS)
  ofKept.end('data: still here\n\n')
  // It is not revoked; a set that is too busy to say so in time ends it, too.
  const likely = ['data: still here\n\n', lastEvent('revocations_unavailable')]
  expect(likely).toContain(await kept.end)
})
