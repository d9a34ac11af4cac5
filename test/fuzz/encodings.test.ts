import fc from 'fast-check'
import { expect, it } from 'vitest'
import { maskStream, maskText } from '../../src/gate/relay/secrets/mask.ts'
import { tries } from '../kit/property.ts'
import { base64With, SPELLINGS, spelledOf } from '../kit/spelled.ts'

/** A way to write a text, and how many characters of what is written the text alone decides. */
interface Layer {
  readonly name: string
  readonly write: (text: string) => string
  readonly decided: (length: number) => number
  readonly isLines?: boolean
  readonly is64?: boolean
  /** Whether it is not looked for inside of base64. */
  readonly isRare?: boolean
}

const RARE = new Set(['HTML by names', 'HTML by long numbers', 'a script'])
const escapes = Object.entries(SPELLINGS).map(
  ([name, write]): Layer => ({ name, write, decided: (length) => length, isRare: RARE.has(name) }),
)
const url64 = (text: string) => text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
const lines = (text: string, length: number, end: string) =>
  text.replace(new RegExp(`.{${length}}(?=.)`, 'g'), (line) => line + end)

const around = fc.string({ unit: fc.constantFrom(...'ab:0{"%'), maxLength: 5 })
/** base64 of a text with something around it. What two neighbours share a character with is not decided. */
const base64 = fc
  .record({ before: around, after: around, isUrl: fc.boolean() })
  .map(({ before, after, isUrl }): Layer => {
    const write = (text: string) => base64With(before, text, after)
    return {
      name: `base64 after "${before}"`,
      write: isUrl ? (text) => url64(write(text)) : write,
      decided: (length) => Math.floor((length * 8) / 6) - 1,
      is64: true,
    }
  })
const inLines = fc
  .record({
    before: fc.string({ maxLength: 100, unit: fc.constantFrom(...'abc') }),
    line: fc.constantFrom([76, '\r\n'], [64, '\n'], [60, '\n']) as fc.Arbitrary<[number, string]>,
  })
  .map(
    ({ before, line }): Layer => ({
      name: `base64 in lines of ${line[0]} after ${before.length}`,
      write: (text) => lines(base64With(before, text), ...line),
      decided: (length) => Math.floor((length * 8) / 6) - 1,
      isLines: true,
      is64: true,
    }),
  )
const layer = fc.oneof(fc.constantFrom(...escapes), base64, inLines)

const secrets = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'abcXYZ0189+/=-_.~'), minLength: 8, maxLength: 60 }),
  fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 30 }),
)

const given = fc.record({
  secret: secrets,
  // base64 in lines, or what is rare, and in base64 again, is not promised.
  layers: fc
    .tuple(layer, layer)
    .filter(([inner, outer]) => !((inner.isLines || inner.isRare) && outer.is64)),
  before: fc.constantFrom('', 'x', '"', '%', '%4', '\\', '\\u00', '&', '&#x', 'a=', '='),
  sizes: fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 8 }),
})

const bytes = (text: string) => Buffer.from(text, 'latin1') as Uint8Array<ArrayBuffer>

const streamed = async (text: string, sizes: readonly number[], secret: string) => {
  let [at, i] = [0, 0]
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= text.length) return controller.close()
      const size = sizes[i++ % sizes.length] ?? 1
      controller.enqueue(new Uint8Array(bytes(text.slice(at, at + size))))
      at += size
    },
  })
  const masked = body.pipeThrough(maskStream(spelledOf(secret)))
  return Buffer.from(await new Response(masked).arrayBuffer()).toString('latin1')
}

it('a secret is masked in any two encodings, one in the other', async () => {
  await fc.assert(
    fc.asyncProperty(given, async ({ secret, layers: [inner, outer], before, sizes }) => {
      const first = inner.write(secret)
      const decided = inner.is64 ? inner.decided(secret.length) : first.length
      const text = `${before}${outer.write(first)} end`
      const masked = maskText(text, spelledOf(secret))
      const run = Math.max(...(masked.match(/\**/g) ?? []).map(({ length }) => length))
      const why = `${inner.name}, then ${outer.name}: ${text} -> ${masked}`
      expect(run, why).toBeGreaterThanOrEqual(outer.decided(decided))
      // Of a last `&` the name that HTML gives it may stay: it tells nothing.
      if (!inner.is64 && !outer.is64 && !secret.endsWith('&')) {
        expect(masked.slice(before.length, -4), why).toMatch(/^\*+$/)
      }
      expect(await streamed(text, sizes, secret), why).toBe(masked)
    }),
    tries(8, 60),
  )
})

/** Ends of lines, as they are and as encoders of the text around them write them. */
const ENDS = ['\n', '\r\n', '\\n', '\\r\\n', '%0A', '%0d%0a', '&#10;', '&#13;&#10;', '&#x0D;&#x0A;']
/** How base64 is written: as it is, for URLs, and by encoders of URLs, JSON and HTML. */
const WRITTEN: readonly ((code: string) => string)[] = [
  (code) => code,
  url64,
  encodeURIComponent,
  (code) => code.replaceAll('/', '\\/'),
  (code) => code.replaceAll('+', '&#43;').replaceAll('=', '&#61;'),
  (code) => code.replaceAll('+', '\\u002B').replaceAll('/', '&#x2F;'),
]
/** Letters only, signs in many places, and a long one. */
const LINED = ['sk-proj-Ab3dEf6hIj9lMn2p', 'aaaaaaaa', '~~~???>>>~~~', 'k/+'.repeat(30)]

const lined = fc.record({
  secret: fc.constantFrom(...LINED),
  inner: fc.constantFrom(
    (text: string) => text,
    JSON.stringify,
    (text: string) => base64With('u:', text),
  ),
  before: fc.nat({ max: 160 }),
  after: fc.nat({ max: 160 }),
  length: fc.constantFrom(60, 64, 76, 61, 72, 100),
  end: fc.constantFrom(...ENDS),
  write: fc.constantFrom(...WRITTEN),
  head: fc.constantFrom('', 'x', '-----BEGIN-----\n', 'key: "'),
  sizes: fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 8 }),
})

it('a stream hides in lines of base64 what the whole body hides, at every offset', async () => {
  await fc.assert(
    fc.asyncProperty(lined, async (given) => {
      const { secret, inner, before, after, length, end, write, head, sizes } = given
      const code = base64With('a'.repeat(before), inner(secret), 'b'.repeat(after))
      const text = `${head}${lines(code, length, '\n').split('\n').map(write).join(end)}${end}end`
      const whole = maskText(text, spelledOf(secret))
      expect(whole).toContain('*'.repeat(Math.floor((secret.length * 8) / 6) - 1))
      expect(await streamed(text, sizes, secret), text).toBe(whole)
    }),
    tries(400),
  )
})
