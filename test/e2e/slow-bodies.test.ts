import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { connectRaw, type Header } from '../kit/raw.ts'
import { expectDenial } from './denied.ts'
import { withLimits } from './hurried.ts'
import {
  EXPLAIN,
  REVOCATIONS,
  requestBytes,
  type Sender,
  sharedWorld,
  type World,
} from './world.ts'
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

const chunked = ['Transfer-Encoding', 'chunked'] as const
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

describe('a body that is to be held', () => {
  it.each([
    ['as long as is allowed', { body: 'x'.repeat(MOST) }],
    [
      'in chunks',
      {
        body: `${chunk('x'.repeat(60))}${chunk('y'.repeat(MOST - 60))}0\r\n\r\n`,
        headers: [chunked],
      },
    ],
  ])('%s goes on', async (_, ask) => {
    const token = await world.token()
    const response = await hurried.send({ method: 'POST', token, ...ask })
    expect(response.status).toBe(200)
    expect(world.origin.requests.map(({ bodyLength }) => bodyLength)).toEqual([MOST])
  })

  it.each([
    ['by its length', { body: 'x'.repeat(MOST + 1) }],
    [
      'by what arrives',
      {
        body: `${chunk('x'.repeat(60))}${chunk('y'.repeat(MOST - 59))}0\r\n\r\n`,
        headers: [chunked],
      },
    ],
  ])('is too long %s: 413, and nothing reaches the origin', async (_, ask) => {
    const token = await world.token()
    const response = await hurried.send({ method: 'POST', token, ...ask })
    expectDenial(response, 413, 'body_too_large')
    expect(world.origin.requests).toEqual([])
  })

  it.each([
    ['says nothing more', () => false],
    ['comes byte by byte', () => true],
  ])('that %s is 408 when the time is over', async (_, goesOn) => {
    const connection = await connectRaw(hurried.gate.port)
    const token = await world.token()
    const headers = [['Content-Length', String(MOST)] as const]
    const began = performance.now()
    connection.send(requestBytes({ method: 'POST', token, headers, body: 'x' }))
    const answered = connection.response()
    let left = MOST - 2
    const trickle = setInterval(() => goesOn() && left-- > 0 && connection.send('x'), 100)
    const response = await answered
    clearInterval(trickle)
    connection.close()
    expectDenial(response, 408, 'body_timeout')
    expect(performance.now() - began).toBeGreaterThan(TIME * 0.9)
    expect(world.origin.requests).toEqual([])
  })

  it('of a method that has none is refused as ever', async () => {
    const response = await hurried.send({ token: await world.token(), body: 'x' })
    expectDenial(response, 400, 'body_unexpected')
    expect(world.origin.requests).toEqual([])
  })

  it('of nobody is not read', async () => {
    const response = await hurried.send({ method: 'POST', body: 'x'.repeat(MOST + 1) })
    expectDenial(response, 401, 'credential_missing')
  })
})

describe('a slow message to an MCP server', () => {
  const ECHO = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}'
  const start = async () => {
    const connection = await connectRaw(hurried.gate.port)
    const headers = [['Content-Length', String(MOST)] as const]
    const token = await world.token()
    const target = '/read/mcp'
    connection.send(requestBytes({ method: 'POST', target, token, headers, body: ECHO }))
    return connection
  }
  const codeIn = (body: string) => {
    const { code, error } = JSON.parse(body)
    return error?.data?.code ?? code
  }

  it('has one deadline for all of it', async () => {
    const begun = performance.now()
    const connection = await start()
    let left = MOST - ECHO.length - 1
    const trickle = setInterval(() => left-- > 0 && connection.send(' '), 50)
    const response = await connection.response()
    clearInterval(trickle)
    connection.close()
    expect([response.status, codeIn(response.body)]).toEqual([408, 'body_timeout'])
    expect(performance.now() - begun).toBeGreaterThan(TIME * 0.9)
    expect(world.origin.requests).toEqual([])
  })

  it('that breaks off reaches nobody', async () => {
    const connection = await start()
    connection.end()
    expect(codeIn((await connection.response()).body)).toBe('body_incomplete')
    connection.close()
    expect(world.origin.requests).toEqual([])
  })
})

it('makes no error that nobody has caught', () => {
  const lines = hurried.gate.output().split('\n')
  expect(lines.filter((line) => /unexpected_error|uncaught|unhandled/i.test(line))).toEqual([])
})
