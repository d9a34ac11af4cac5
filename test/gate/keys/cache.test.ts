import { describe, expect, it } from 'vitest'
import {
  createKeyCache,
  entryOf,
  keyStatus,
  rememberMiss,
  rememberNetwork,
  takeAnswer,
} from '../../../src/gate/keys/cache.ts'
import { DEFAULT_KEY_TIMES } from '../../../src/gate/policy/keys/keys.ts'
import { issuerOf, publicJwk, startClock } from './support.ts'

const A = await publicJwk('ES256', { kid: 'a' })
const B = await publicJwk('ES256', { kid: 'b' })
const HEADER = { algorithm: 'ES256', kid: 'a' } as const
const issuer = issuerOf({})

const start = () => {
  const clock = startClock()
  const cache = createKeyCache(clock)
  const entry = entryOf(cache, issuer)
  const recordOf = (...keys: object[]) => ({
    keys: keys as never[],
    fetchedAt: clock.now(),
    rotations: [{ at: clock.now(), added: ['a'], removed: [] }],
  })
  return {
    clock,
    cache,
    entry,
    recordOf,
    take: (answer: Parameters<typeof takeAnswer>[2], source: 'kv' | 'issuer' = 'issuer') =>
      takeAnswer(entry, issuer, answer, source, clock.now()),
    status: () => keyStatus(cache, issuer, clock.now()),
  }
}

describe('the entry of an issuer', () => {
  it.each([
    ['issuer', { issuer: 'https://other.example' }],
    ['place', { keys: { kind: 'uri', uri: 'https://auth.acme.example/jwks' } }],
    ['set', { keys: { kind: 'inline', keys: [] } }],
    ['list of origins', { keys: { kind: 'discovery', never: ['https://gate.example'] } }],
    ['scheme', { allowInsecureHttp: false }],
    ['list of algorithms', { algorithms: ['ES256'] }],
    ['span', { keyTimes: { ...DEFAULT_KEY_TIMES, maxFresh: 60_000 } }],
  ] as const)('is another for another %s', (_, over) => {
    const { cache, entry } = start()
    expect(entryOf(cache, issuerOf(over))).not.toBe(entry)
  })
})

describe('an answer', () => {
  it('is taken where it is newer, and ends what was remembered of missing keys', async () => {
    const { entry, take, recordOf, clock, status } = start()
    take({ record: recordOf(A) })
    rememberMiss(entry, 'b', clock.now() + 30_000)
    const held = entry.held
    take({ record: recordOf(A) })
    expect([entry.held === held, entry.misses.size]).toEqual([true, 1])
    clock.advance(1)
    take({ record: recordOf(A, B) })
    expect(entry.misses.size).toBe(0)
    expect(status()).toMatchObject({ keys: 2, age: 0, source: 'issuer', stale: false })
    take({ record: { ...recordOf(B), fetchedAt: clock.now() - 1 } }, 'kv')
    expect(status()).toMatchObject({ keys: 2, source: 'issuer' })
  })

  it('keeps the very keys that are in both sets', async () => {
    const { entry, take, recordOf, clock } = start()
    take({ record: recordOf(A) })
    const first = await entry.held?.set.find(HEADER)
    clock.advance(1)
    take({ record: structuredClone(recordOf(B, A)) })
    expect(await entry.held?.set.find(HEADER)).toBe(first)
    clock.advance(1)
    take({ record: recordOf({ ...B, kid: 'a' }) })
    const other = await entry.held?.set.find(HEADER)
    expect(other).toMatchObject({ kid: 'a' })
    expect(other).not.toBe(first)
  })

  it('brings no key of another tenant', async () => {
    const { entry, take, recordOf } = start()
    const marked = (tenant: string) => ({ ...A, issuer: `https://login.example/${tenant}/v2.0` })
    const [ours, theirs] = ['1', '9'].map((digit) => `${digit}1111111-2222-3333-4444-555555555555`)
    take({ record: recordOf(marked(`${theirs}`)) })
    expect(entry.held?.set.size).toBe(1)
    const tenant = issuerOf({ issuer: `https://login.example/${ours}/v2.0` })
    const cache = createKeyCache(startClock())
    const own = entryOf(cache, tenant)
    const record = recordOf(marked(`${theirs}`), { ...marked(`${ours}`), kid: 'b' })
    takeAnswer(own, tenant, { record }, 'kv', cache.clock.now())
    expect(await own.held?.set.find(HEADER)).toBe('unknown')
    expect(own.held?.set.size).toBe(1)
  })

  it('of a clock that is ahead is not fresh for longer', () => {
    const { entry, take, recordOf, clock } = start()
    take({ record: { ...recordOf(A), fetchedAt: clock.now() + 60_000 } })
    expect(entry.held?.fetchedAt).toBe(clock.now())
    expect(entry.held?.confirmBy).toBe(clock.now() + 600_000)
  })
})

it('remembers a bounded number of missing keys and of callers, the newest', () => {
  const { entry } = start()
  for (let i = 0; i < 5_000; i++) {
    rememberMiss(entry, `x${i}`, 1)
    rememberNetwork(entry, `n${i}`)
    rememberNetwork(entry, `n${i}`)
  }
  expect([entry.misses.size, entry.known.size]).toEqual([1_024, 1_024])
  expect([entry.misses.has('x4999'), entry.misses.has('x3975')]).toEqual([true, false])
  expect([entry.known.has('n4999'), entry.known.has('n3975')]).toEqual([true, false])
})

describe('what is told of keys', () => {
  it('counts what can be used, as long as it can be', () => {
    const { take, recordOf, clock, status } = start()
    take({ record: recordOf(A, B, { ...A, use: 'enc' }) })
    clock.advance(1_500)
    expect(status()).toEqual({
      age: 1,
      source: 'issuer',
      keys: 2,
      stale: false,
      rotations: [{ at: 1_000_000_000, added: ['a'], removed: [] }],
    })
    clock.advance(600_000 - 1_501)
    expect(status().stale).toBe(false)
    clock.advance(1)
    expect(status()).toMatchObject({ stale: true, keys: 2 })
    clock.advance(23 * 3_600_000 + 3_000_000 - 1)
    expect(status()).toMatchObject({ stale: true, keys: 2 })
    clock.advance(1)
    expect(status()).toMatchObject({ stale: true, keys: 0 })
  })
})
