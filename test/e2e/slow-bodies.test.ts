import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { connectRaw, type Header } from '../kit/raw.ts'
import { expectDenial } from './denied.ts'
import { withLimits } from './hurried.ts'
import { REVOCATIONS, requestBytes, type Sender, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

/** Milliseconds that the gate in a hurry has for a body. */
const TIME = 1_000
/** Bytes that every body of an administrator here is said to have. */
const SAID = 1_024
/** Bytes of a body that the gate in a hurry holds, to bind an assertion to them. */
const MOST = 256

let world: World
let hurried: Sender
let remove: () => Promise<void>

beforeAll(async () => {
  const hurry = await withLimits(inject('bundle'), { bodyReadMs: TIME })
  remove = hurry.remove
  world = await sharedWorld(WORLD)
  const assertion = { binding: 'body', max_body: MOST }
  hurried = await world.another({ bundle: hurry.path }, { assertion })
})
beforeEach(() => world.origin.clear())
afterAll(() => remove())

interface Case {
  readonly how: string
  readonly framing: Header
  /** What the framing puts around the body. */
  readonly around: readonly [before: string, after: string]
}

const CASES: readonly Case[] = [
  { how: 'with a length', framing: ['Content-Length', String(SAID)], around: ['', ''] },
  {
    how: 'in chunks',
    framing: ['Transfer-Encoding', 'chunked'],
    around: [`${SAID.toString(16)}\r\n`, '\r\n0\r\n\r\n'],
  },
]

let made = 0

/** Sends a revocation, whole before its body is: blanks are still to come. */
const begin = async (
  { gate }: Sender,
  { framing, around }: Case,
  claims: Readonly<Record<string, unknown>> = {},
) => {
  const value = `slow-body-${++made}`
  const token = await world.admin(claims)
  const headers: Header[] = [framing, ['X-Request-Id', value]]
  const json = JSON.stringify({ kind: 'token', issuer: world.acme.issuer, value })
  const connection = await connectRaw(gate.port)
  const [before, after] = around
  connection.send(
    requestBytes({ method: 'POST', target: REVOCATIONS, token, headers, body: before + json }),
  )
  let left = SAID - json.length
  return {
    connection,
    value,
    /** Sends a blank at a time, until it is told to stop. */
    async trickle(isEnough: () => boolean) {
      for (; left > 1 && !isEnough(); left--) {
        connection.send(' ')
        await pause(50)
      }
    },
    finish: () => connection.send(' '.repeat(left) + after),
  }
}

const revoked = async ({ send }: Sender, value: string): Promise<readonly unknown[]> => {
  const target = `${REVOCATIONS}?value=${value}`
  const response = await send({ target, token: await world.admin() })
  expect(response.status).toBe(200)
  return JSON.parse(response.body).revocations
}

const codeOf = async ({ gate }: Sender, id: string) =>
  (await gate.journalLine(({ request_id }) => request_id === id)).code

describe.concurrent.each(CASES)('a revocation whose body comes $how', (one) => {
  it('a byte at a time has one deadline for all of it', async () => {
    const begun = performance.now()
    const { connection, value, trickle } = await begin(hurried, one)
    let isOver = false
    const trickled = trickle(() => isOver)
    const response = await connection.response()
    const took = performance.now() - begun
    // The rest is not waited for.
    await expect(connection.until(() => false)).rejects.toThrow('the connection ended')
    isOver = true
    await trickled
    connection.close()
    expectDenial(response, 408, 'body_timeout')
    expect(response.header('connection')).toBe('close')
    expect(took).toBeGreaterThan(TIME * 0.9)
    expect(await codeOf(hurried, value)).toBe('body_timeout')
    expect(await revoked(hurried, value)).toEqual([])
  })

  it('slowly, but whole in time, is taken', async () => {
    const { connection, value, trickle, finish } = await begin(world, one)
    const begun = performance.now()
    // Longer than the gate in a hurry would wait.
    await trickle(() => performance.now() - begun > TIME * 1.2)
    finish()
    expect((await connection.response()).status).toBe(200)
    connection.close()
    expect(await revoked(world, value)).toHaveLength(1)
  })

  it('of a sender who is revoked meanwhile changes nothing', async () => {
    const jti = `slow-admin-${++made}`
    const { connection, value, trickle, finish } = await begin(world, one, { jti })
    let sent = 0
    await trickle(() => sent++ > 3)
    const response = await world.send({
      method: 'POST',
      target: REVOCATIONS,
      token: await world.admin(),
      headers: [['Content-Type', 'application/json']],
      body: JSON.stringify({ kind: 'token', issuer: world.ops.issuer, value: jti }),
    })
    expect(response.status).toBe(200)
    finish()
    expectDenial(await connection.response(), 401, 'token_revoked')
    connection.close()
    expect(await revoked(world, value)).toEqual([])
  })

  it.each(['close', 'end'] as const)('and breaks off is no error of the gate (%s)', async (way) => {
    const { connection, value } = await begin(hurried, one)
    connection[way]()
    if (way === 'end') expectDenial(await connection.response(), 400, 'body_incomplete')
    expect(await codeOf(hurried, value)).toBe('body_incomplete')
    connection.close()
    expect(await revoked(hurried, value)).toEqual([])
  })
})

it('a body that is to be held, and comes byte by byte, is 408 when the time is over', async () => {
  const connection = await connectRaw(hurried.gate.port)
  const token = await world.token()
  const headers = [['Content-Length', String(MOST)] as const]
  const began = performance.now()
  connection.send(requestBytes({ method: 'POST', token, headers, body: 'x' }))
  let left = MOST - 2
  const trickle = setInterval(() => left-- > 0 && connection.send('x'), 100)
  const response = await connection.response()
  clearInterval(trickle)
  connection.close()
  expectDenial(response, 408, 'body_timeout')
  expect(performance.now() - began).toBeGreaterThan(TIME * 0.9)
  expect(world.origin.requests).toEqual([])
})

it('makes no error that nobody has caught', () => {
  const lines = hurried.gate.output().split('\n')
  expect(lines.filter((line) => /unexpected_error|uncaught|unhandled/i.test(line))).toEqual([])
})
