import { describe, expect, it } from 'vitest'
import { queryValues, readAddress } from '../../src/base/request.ts'
import { requestTo } from '../kit/facts.ts'

describe('readAddress', () => {
  it.each([
    ['https://api.example.com/a%61?x', undefined, '/aa'],
    ['https://api.example.com/a/../b', undefined, 'dot segment'],
    ['https://api.example.com/a', 'api.example.com', '/a'],
    ['https://api.example.com/a', 'api.example.com/../x', 'host'],
    ['https://api.example.com/a', 'api.example.com, other', 'host'],
    ['https://x@api.example.com/a', undefined, 'host'],
    ['https://api.example.com/a#b', undefined, 'host'],
  ])('%s with Host %s: %s', (url, host, expected) => {
    const reading = readAddress(requestTo(url, host === undefined ? {} : { headers: { host } }))
    expect(reading.ok ? reading.value.path : reading.reason).toBe(expected)
  })

  it('reads a request once', () => {
    const request = requestTo('https://api.example.com/a')
    expect(readAddress(request)).toBe(readAddress(request))
  })
})

it.each([
  ['', []],
  ['?a=1', ['1']],
  ['?a=1&b=2&a=3', ['1', '3']],
  ['?%61=1', ['1']],
  ['?a', ['']],
  ['?A=1', []],
  ['?b=a=1', []],
])('queryValues(%j, a)', (query, values) => {
  expect(queryValues(query, 'a')).toEqual(values)
})
