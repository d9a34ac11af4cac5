import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { connectRaw } from '../kit/raw.ts'
import { expectDenial } from './denied.ts'
import { withBodyTime } from './hurried.ts'
import { requestBytes, type Sender, startWorld, type World } from './world.ts'

/** Bodies that are not held: at a gate which holds 100 bytes, for a second. */
const MOST = 100
const TIME = 1_000

let world: World
let holding: Sender
let remove: () => Promise<void>

beforeAll(async () => {
  const hurry = await withBodyTime(inject('bundle'), TIME)
  remove = hurry.remove
  world = await startWorld()
  const assertion = { binding: 'body', max_body: MOST }
  holding = await world.another({ bundle: hurry.path }, { assertion })
})
beforeEach(() => world.origin.clear())
afterAll(async () => {
  await world.close()
  await remove()
})

const chunked = ['Transfer-Encoding', 'chunked'] as const
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

describe('a body that is to be held', () => {
  it.each([
    ['as long as is allowed', { body: 'x'.repeat(MOST) }],
    [
      'in chunks',
      { body: `${chunk('x'.repeat(60))}${chunk('y'.repeat(40))}0\r\n\r\n`, headers: [chunked] },
    ],
  ])('%s goes on', async (_, ask) => {
    const token = await world.token()
    const response = await holding.send({ method: 'POST', token, ...ask })
    expect(response.status).toBe(200)
    expect(world.origin.requests.map(({ bodyLength }) => bodyLength)).toEqual([MOST])
  })

  it.each([
    ['by its length', { body: 'x'.repeat(MOST + 1) }],
    [
      'by what arrives',
      { body: `${chunk('x'.repeat(60))}${chunk('y'.repeat(41))}0\r\n\r\n`, headers: [chunked] },
    ],
  ])('is too long %s: 413, and nothing reaches the origin', async (_, ask) => {
    const token = await world.token()
    const response = await holding.send({ method: 'POST', token, ...ask })
    expectDenial(response, 413, 'body_too_large')
    expect(world.origin.requests).toEqual([])
  })

  it.each([
    ['says nothing more', () => false],
    ['comes byte by byte', () => true],
  ])('that %s is 408 when the time is over', async (_, goesOn) => {
    const connection = await connectRaw(holding.gate.port)
    const token = await world.token()
    const headers = [['Content-Length', '90'] as const]
    const began = performance.now()
    connection.send(requestBytes({ method: 'POST', token, headers, body: 'x' }))
    const answered = connection.response(5_000)
    const trickle = setInterval(() => goesOn() && connection.send('x'), 100)
    const response = await answered
    clearInterval(trickle)
    connection.close()
    expectDenial(response, 408, 'body_timeout')
    expect(performance.now() - began).toBeGreaterThan(TIME - 100)
    expect(world.origin.requests).toEqual([])
  })

  it('of a method that has none is refused as ever', async () => {
    const response = await holding.send({ token: await world.token(), body: 'x' })
    expectDenial(response, 400, 'body_unexpected')
    expect(world.origin.requests).toEqual([])
  })

  it('of nobody is not read', async () => {
    const response = await holding.send({ method: 'POST', body: 'x'.repeat(MOST + 1) })
    expectDenial(response, 401, 'credential_missing')
  })
})
