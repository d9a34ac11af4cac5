import { describe, expect, it } from 'vitest'
import { freshnessOf, isEntityTag } from '../../src/gate/base/freshness.ts'

const MOST = 2 ** 31

const maxAge = (headers: Record<string, string>) => freshnessOf(new Headers(headers)).maxAge
const ofCacheControl = (value: string) => maxAge({ 'cache-control': value })

describe('maxAge', () => {
  it.each([
    ['max-age=60', 60],
    ['public, max-age=60, must-revalidate', 60],
    ['MAX-AGE=60', 60],
    ['max-age="60"', 60],
    [' ,, max-age = 60 ,', 60],
    ['max-age=0', 0],
    ['max-age=007', 7],
    ['max-age=60, max-age=3600', 60],
    ['max-age=soon, max-age=60', 60],
    ['s-maxage=5, max-age=60', 60],
    ['private="a, max-age=5, b", max-age=60', 60],
    ['x="a", max-age=60, y="b"', 60],
    [`max-age=${2 ** 31 + 1}`, MOST],
    [`max-age=${'9'.repeat(400)}`, MOST],
  ])('of Cache-Control %.50s is %i', (value, seconds) =>
    expect(ofCacheControl(value)).toBe(seconds),
  )

  it.each([
    '',
    'public',
    'max-age',
    'max-age=',
    'max-age=-1',
    'max-age=+60',
    'max-age=1.5',
    'max-age=1e3',
    'max-age=0x10',
    'max-age=60s',
    'max-age=60"',
    'max-age="60',
    'max-age=60 60',
    'xmax-age=60',
    's-maxage=60',
    'x="max-age=60',
  ])('of Cache-Control %j is not known', (value) => expect(ofCacheControl(value)).toBeUndefined())

  it.each([
    'no-store',
    'no-cache',
    'No-Cache',
    'max-age=60, no-store',
    'no-cache, max-age=60',
    'no-cache="set-cookie", max-age=60',
    'public,no-store ',
  ])('of Cache-Control %j is none', (value) => expect(ofCacheControl(value)).toBe(0))

  it.each(['no-storex, max-age=60', 'x="a, no-store, b", max-age=60'])(
    'of Cache-Control %j is what it says',
    (value) => expect(ofCacheControl(value)).toBe(60),
  )

  it.each([
    ['60', 40, '20'],
    ['60', 0, '60'],
    ['60', 0, '61'],
    ['60', 0, '9'.repeat(400)],
    ['60', 40, '20, 50'],
    ['60', 60, '-5'],
    ['60', 60, 'old'],
    ['60', 60, '20.5'],
    ['60', 60, ''],
    ['9'.repeat(400), MOST - 5, '5'],
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
  it.each(['"a"', 'W/"a"', '""', '"!#~"', '"a,b\\c"', '"\xe4\xff"', `"${'x'.repeat(254)}"`])(
    'takes %.20j',
    (text) => {
      expect(isEntityTag(text)).toBe(true)
      expect(freshnessOf(new Headers({ etag: text }))).toStrictEqual({ etag: text })
    },
  )

  it.each([
    'a',
    '"a',
    'a"',
    '"a"b"',
    'w/"a"',
    'W/a',
    '"a b"',
    '"a", "b"',
    "'a'",
    `"${'x'.repeat(255)}"`,
  ])('refuses %.20j', (text) => {
    expect(isEntityTag(text)).toBe(false)
    expect(freshnessOf(new Headers({ etag: text }))).toStrictEqual({})
  })

  it.each(['', '"\x7f"', '"a\r\n"', '"a"\n', '"\u0100"'])('refuses %j', (text) =>
    expect(isEntityTag(text)).toBe(false),
  )
})
