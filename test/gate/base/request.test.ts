import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IncomingRequest, readAddress } from '../../../src/gate/base/request.ts'
import { requestTo } from '../../kit/facts.ts'
import { tries } from '../../kit/property.ts'

describe('readAddress', () => {
  it.each([
    ['https://api.example.com/a/../b', undefined, 'dot segment'],
    ['https://api.example.com/a', 'api.example.com', '/a'],
    ['https://api.example.com/a', 'api.example.com/../x', 'host'],
    ['https://api.example.com/a', 'api.example.com, other', 'host'],
  ])('%s with Host %s: %s', (url, host, expected) => {
    const reading = readAddress(requestTo(url, host === undefined ? {} : { headers: { host } }))
    expect(reading.ok ? reading.value.path : reading.reason).toBe(expected)
  })

  it('reads a request anew that has another URL or Host by now', () => {
    const request = { method: 'GET', url: 'https://api.example.com/a', headers: new Headers() }
    const before = readAddress(request)
    request.url = 'https://api.example.com/b'
    expect(before).toMatchObject({ value: { path: '/a' } })
    expect(readAddress(request)).toMatchObject({ value: { path: '/b' } })
    request.headers.set('host', 'two, hosts')
    expect(readAddress(request)).toEqual({ ok: false, reason: 'host' })
  })

  it('gives no two pairs of Host and URL one reading', () => {
    const words = fc.array(
      fc.constantFrom('undefined', 'null', '0', '1', '4', '9', '', 'https://api.example.com/a'),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(words, (all) => {
        const requests = all.flatMap((_, at) => {
          const url = all.slice(at).join(' ')
          return [{}, { headers: { host: all.slice(0, at).join(' ') } }].map((init) =>
            requestTo(url, init),
          )
        })
        const pairs = new Map(
          requests.map((one) => [JSON.stringify([one.headers.get('host'), one.url]), one]),
        )
        expect(new Set([...pairs.values()].map(readAddress)).size).toBe(pairs.size)
      }),
      tries(100),
    )
  })
})

it('keeps the body of an incoming request for its reader', async () => {
  const request = requestTo('https://api.example.com/a', { method: 'POST', body: 'x' })
  const incoming = new IncomingRequest(request)
  expect(incoming.body).toBe(request.body)
  expect(incoming.signal).toBe(request.signal)
  await request.text()
  expect(incoming.bodyUsed).toBe(true)
})
