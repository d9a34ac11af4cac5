import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { request } from '../kit/request.ts'
import {
  ASKS,
  type Caching,
  expectOwn,
  KEEPABLE,
  own,
  PLACES,
  shared,
  startCaching,
} from './caching.ts'

let caching: Caching
beforeAll(async () => {
  caching = await startCaching()
})
beforeEach(() => caching.clear())
afterAll(() => caching?.close())

describe.each(PLACES)('of %s, asked by %j', (path, names) => {
  it.each(KEEPABLE)('everybody gets their own answer, however they ask: %s', async (_, headers) => {
    caching.answerWith(headers, own)
    for (const init of ASKS) await expectOwn(caching, path, names, init)
  })
})

describe('the same caches', () => {
  it.each(KEEPABLE)('would give one agent’s answer to another without a gate: %s', async (_, h) => {
    caching.answerWith(h, shared)
    const say = (name: string) =>
      request(caching.behind.port, '/x', { headers: { 'x-agent-id': name } }).then((one) =>
        one.text(),
      )
    const isKept = !String(h.vary).includes('Agent')
    expect([await say('alice'), await say('bob')]).toEqual(['alice', isKept ? 'alice' : 'bob'])
  })
})
