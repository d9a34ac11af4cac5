import { describe, expect, it } from 'vitest'
import {
  isWorthWriting,
  readRecord,
  recordName,
  writeRecord,
} from '../../../src/adapters/keys/store.ts'
import { KEY_TIMES } from '../../../src/adapters/keys/times.ts'
import { issuerOf, MemoryKv, publicJwk } from './support.ts'

const NOW = 1_000_000_000_000
const HOUR = 3_600_000
const KEY = await publicJwk('ES256', { kid: 'a' })

describe('recordName', () => {
  it('is short, and different wherever keys may differ', async () => {
    const uri = (text: string) => ({ kind: 'uri', uri: text }) as const
    const issuers = [
      issuerOf({}),
      issuerOf({ allowInsecureHttp: false }),
      issuerOf({ issuer: 'https://auth.acme.example/' }),
      issuerOf({ keys: uri('https://auth.acme.example/jwks') }),
      issuerOf({ keys: uri('https://auth.acme.example/jwks/') }),
      issuerOf({ issuer: 'x'.repeat(4_000) }),
    ]
    const names = await Promise.all(issuers.map(recordName))
    expect(new Set(names).size).toBe(issuers.length)
    for (const name of names) expect(name).toMatch(/^jwks:1:[A-Za-z0-9_-]{43}$/)
  })

  it('does not depend on what the entry is called or allows', async () => {
    const other = issuerOf({ name: 'other', algorithms: ['ES256'] })
    expect(await recordName(other)).toBe(await recordName(issuerOf({})))
  })
})

describe('readRecord', () => {
  const read = async (value: unknown) => {
    const kv = new MemoryKv()
    kv.values.set('k', JSON.stringify(value))
    return readRecord(kv, 'k', NOW)
  }

  it('reads what was written, to be forgotten after a day', async () => {
    const kv = new MemoryKv()
    await writeRecord(kv, 'k', { keys: [{ ...KEY }], fetchedAt: NOW })
    expect(kv.puts[0]?.expirationTtl).toBe(86_400)
    expect(await readRecord(kv, 'k', NOW)).toEqual({ keys: [KEY], fetchedAt: NOW })
  })

  it.each([
    ['null', null],
    ['text', 'x'],
    ['an array', []],
    ['no set', { fetchedAt: NOW }],
    ['a set without keys', { jwks: {}, fetchedAt: NOW }],
    ['keys that are no array', { jwks: { keys: {} }, fetchedAt: NOW }],
    ['no time', { jwks: { keys: [] } }],
    ['a time that is text', { jwks: { keys: [] }, fetchedAt: String(NOW) }],
    ['a day ago', { jwks: { keys: [] }, fetchedAt: NOW - 24 * HOUR }],
    ['a time to come', { jwks: { keys: [] }, fetchedAt: NOW + KEY_TIMES.skewMs + 1 }],
  ])('ignores %s', async (_, value) => expect(await read(value)).toBeUndefined())

  it('drops entries with a secret, as from a fetched set', async () => {
    const jwks = { keys: [{ ...KEY, d: 'x' }, null, KEY] }
    expect(await read({ jwks, fetchedAt: NOW })).toEqual({ keys: [KEY], fetchedAt: NOW })
  })

  it('does not take a clock that is ahead for freshness', async () => {
    expect((await read({ jwks: { keys: [] }, fetchedAt: NOW + 5_000 }))?.fetchedAt).toBe(NOW)
  })
})

describe('isWorthWriting', () => {
  const record = { keys: [{ ...KEY }], fetchedAt: NOW }
  it.each([
    ['nothing is stored', undefined, true],
    ['the same is stored', { ...record, fetchedAt: NOW - 12 * HOUR + 1 }, false],
    ['half its life is gone', { ...record, fetchedAt: NOW - 12 * HOUR }, true],
    ['the keys changed', { keys: [], fetchedAt: NOW }, true],
  ])('when %s', (_, stored, worth) => expect(isWorthWriting(record, stored)).toBe(worth))
})
