import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { copyOf, SentHeaders } from '../../../src/gate/base/request.ts'
import { tries } from '../../kit/property.ts'

describe('headers that are read at once', () => {
  const name = fc.constantFrom('a', 'Accept', 'X-Agent-Id', 'Set-Cookie', 'set-cookie', 'x_b')
  const value = fc.constantFrom('', '1', 'a, b', 'c')

  it('read like those of the request', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), name, (lines, asked) => {
        const headers = new Headers(lines)
        const read = new SentHeaders(headers)
        expect(read.get(asked)).toBe(headers.get(asked))
        expect(read.has(asked)).toBe(headers.has(asked))
        expect([...read.keys()]).toEqual([...headers.keys()])
        const pairs: [string, string][] = []
        read.forEach((text, one) => {
          pairs.push([one, text])
        })
        expect(pairs).toEqual([...headers])
        expect([...copyOf(read)]).toEqual([...headers])
      }),
      tries(200),
    )
  })

  it('do not see later changes', () => {
    const headers = new Headers({ a: '1' })
    const read = new SentHeaders(headers)
    headers.set('a', '2')
    expect(read.get('a')).toBe('1')
  })
})
