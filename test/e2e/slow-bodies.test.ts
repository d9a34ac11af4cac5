import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { connectRaw, type Header } from '../kit/raw.ts'
import { expectDenial } from './denied.ts'
import { withBodyTime } from './hurried.ts'
import { EXPLAIN, REVOCATIONS, requestBytes, type Sender, startWorld, type World } from './world.ts'

/** Milliseconds that the gate in a hurry has for a body. */
const TIME = 1_000
/** Bytes that every body here is said to have. */
const SAID = 1_024

let world: World
let hurried: Sender
let remove: () => Promise<void>

beforeAll(async () => {
  const hurry = await withBodyTime(inject('bundle'), TIME)
  remove = hurry.remove
  world = await startWorld()
  hurried = await world.another({ bundle: hurry.path })
})
afterAll(async () => {
  await world.close()
  await remove()
})

interface Case {
  readonly what: string
  readonly target: string
  /** What is asked for, whole before its body is. */
  readonly wish: (value: string) => object
  readonly how: string
  readonly framing: Header
  /** What the framing puts around the body. */
  readonly around: readonly [before: string, after: string]
}

const WISHES: readonly Pick<Case, 'what' | 'target' | 'wish'>[] = [
  {
    what: 'a revocation',
    target: REVOCATIONS,
    wish: (value) => ({ kind: 'token', issuer: world.acme.issuer, value }),
  },
  {
    what: 'an explanation',
    target: EXPLAIN,
    wish: (value) => ({ method: 'GET', url: `https://api.example.com/${value}` }),
  },
]

const FRAMINGS: readonly Pick<Case, 'how' | 'framing' | 'around'>[] = [
  { how: 'with a length', framing: ['Content-Length', String(SAID)], around: ['', ''] },
  {
    how: 'in chunks',
    framing: ['Transfer-Encoding', 'chunked'],
    around: [`${SAID.toString(16)}\r\n`, '\r\n0\r\n\r\n'],
  },
]

const CASES = WISHES.flatMap((wish) => FRAMINGS.map((framing) => ({ ...wish, ...framing })))

let made = 0

/** Sends what is wished for; of the body, blanks are still to come. */
const begin = async (
  { gate }: Sender,
  { target, wish, framing, around }: Case,
  claims: Readonly<Record<string, unknown>> = {},
) => {
  const value = `slow-body-${++made}`
  const token = await world.admin({ scope: 'edgewarden:revoke edgewarden:read', ...claims })
  const headers: Header[] = [framing, ['X-Request-Id', value]]
  const json = JSON.stringify(wish(value))
  const connection = await connectRaw(gate.port)
  const [before, after] = around
  connection.send(requestBytes({ method: 'POST', target, token, headers, body: before + json }))
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

describe.concurrent.each(CASES)('$what whose body comes $how', (one) => {
  it('a byte at a time has one deadline for all of it', async () => {
    const { connection, value, trickle } = await begin(hurried, one)
    const begun = performance.now()
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
    expect(await revoked(world, value)).toHaveLength(one.target === REVOCATIONS ? 1 : 0)
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

it('makes no error that nobody has caught', () => {
  expect(hurried.gate.output()).not.toMatch(/unexpected_error|uncaught|unhandled/i)
})
