import { describe, expect, it } from 'vitest'
import { readRecord, recordName, writeRecord } from '../../../src/gate/keys/store.ts'
import { KEY_TIMES } from '../../../src/gate/keys/times.ts'
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
      issuerOf({ keys: uri('discovery/') }),
    ]
    const names = await Promise.all(issuers.map(recordName))
    expect(new Set(names).size).toBe(issuers.length)
    for (const name of names) expect(name).toMatch(/^jwks:2:[A-Za-z0-9_-]{43}$/)
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
    const rotations = [{ at: NOW, added: ['a'], removed: ['b', 'c'] }]
    const record = { keys: [{ ...KEY }], fetchedAt: NOW, maxAge: 300, rotations }
    await writeRecord(kv, 'k', record)
    expect(kv.puts[0]?.expirationTtl).toBe(86_400)
    expect(await readRecord(kv, 'k', NOW)).toEqual(record)
  })

  it.each([
    ['null', null],
    ['no set', { fetchedAt: NOW }],
    ['keys that are no array', { jwks: { keys: {} }, fetchedAt: NOW }],
    ['no keys', { jwks: { keys: [] }, fetchedAt: NOW }],
    ['secret keys only', { jwks: { keys: [{ ...KEY, d: 'x' }] }, fetchedAt: NOW }],
    ['no time', { jwks: { keys: [KEY] } }],
    ['a time that is text', { jwks: { keys: [KEY] }, fetchedAt: String(NOW) }],
    ['a day ago', { jwks: { keys: [KEY] }, fetchedAt: NOW - 24 * HOUR }],
    ['a time to come', { jwks: { keys: [KEY] }, fetchedAt: NOW + KEY_TIMES.skewMs + 1 }],
  ])('ignores %s', async (_, value) => expect(await read(value)).toBeUndefined())

  it('drops entries with a secret, as from a fetched set', async () => {
    const jwks = { keys: [{ ...KEY, d: 'x' }, null, KEY] }
    expect(await read({ jwks, fetchedAt: NOW })).toEqual({
      keys: [KEY],
      fetchedAt: NOW,
      rotations: [],
    })
  })

  it.each([
    ['a max-age that is text', { maxAge: '60' }],
    ['rotations that are no array', { rotations: {} }],
    [
      'what is no rotation',
      { rotations: [null, 7, { at: NOW }, { at: 'x', added: [], removed: [] }] },
    ],
    ['names that are none', { rotations: [{ at: NOW, added: [7], removed: [] }] }],
  ])('reads the keys without %s', async (_, over) => {
    const value = { jwks: { keys: [KEY] }, fetchedAt: NOW, ...over }
    expect(await read(value)).toEqual({ keys: [KEY], fetchedAt: NOW, rotations: [] })
  })
})
