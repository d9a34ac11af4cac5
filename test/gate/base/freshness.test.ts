import { describe, expect, it } from 'vitest'
import { freshnessOf, isEntityTag } from '../../../src/gate/base/freshness.ts'

const MOST = 2 ** 31

const maxAge = (headers: Record<string, string>) => freshnessOf(new Headers(headers)).maxAge
const ofCacheControl = (value: string) => maxAge({ 'cache-control': value })

describe('maxAge', () => {
  it.each([
    ['max-age=60', 60],
    [' ,, max-age = 60 ,', 60],
    ['max-age=soon, max-age=60', 60],
    ['private="a, max-age=5, b", max-age=60', 60],
    [`max-age=${2 ** 31 + 1}`, MOST],
  ])('of Cache-Control %.50s is %i', (value, seconds) =>
    expect(ofCacheControl(value)).toBe(seconds),
  )

  it.each(['public', 'max-age=-1', 'max-age=60s', 'max-age="60', 'x="max-age=60'])(
    'of Cache-Control %j is not known',
    (value) => expect(ofCacheControl(value)).toBeUndefined(),
  )

  it.each(['no-store', 'no-cache="set-cookie", max-age=60'])(
    'of Cache-Control %j is none',
    (value) => expect(ofCacheControl(value)).toBe(0),
  )

  it.each(['no-storex, max-age=60', 'x="a, no-store, b", max-age=60'])(
    'of Cache-Control %j is what it says',
    (value) => expect(ofCacheControl(value)).toBe(60),
  )

  it.each([
    ['60', 40, '20'],
    ['60', 0, '61'],
    ['60', 40, '20, 50'],
    ['60', 60, '-5'],
    ['60', 60, ''],
  ])('of max-age %.8s is %i where Age is %.8s', (most, left, age) =>
    expect(maxAge({ 'cache-control': `max-age=${most}`, age })).toBe(left),
  )

  it('is found in time, however long a header is', () => {
    // In the square of its length it would take longer than any test may.
    for (const part of ['"\\', '"', 'a="\\', ',', 'max-age=', ' ', '=""']) {
      ofCacheControl(`x${part.repeat(1_048_576 / part.length)}`)
    }
  })
})

describe('isEntityTag', () => {
  it.each(['W/"a"', `"${'x'.repeat(254)}"`])('takes %.20j', (text) => {
    expect(isEntityTag(text)).toBe(true)
    expect(freshnessOf(new Headers({ etag: text }))).toStrictEqual({ etag: text })
  })

  it.each(['"a"b"', '"a b"', '"a", "b"', `"${'x'.repeat(255)}"`])('refuses %.20j', (text) => {
    expect(isEntityTag(text)).toBe(false)
    expect(freshnessOf(new Headers({ etag: text }))).toStrictEqual({})
  })

  it.each(['', '"\x7f"', '"a\r\n"', '"a"\n', '"\u0100"'])('refuses %j', (text) =>
    expect(isEntityTag(text)).toBe(false),
  )
})
