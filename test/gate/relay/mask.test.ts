import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maskBytes, maskStream, maskText } from '../../../src/gate/relay/secrets/mask.ts'
import type { Spelled } from '../../../src/gate/relay/secrets/secret-encodings.ts'
import { tries } from '../../kit/property.ts'
import { base64With, SPELLINGS, spelledOf } from '../../kit/spelled.ts'

const SECRET = 'sk-live/8f+2=Q"&x\'<y>\\ z%41~_.!'
const PLAIN = 'sk-proj-Ab3dEf6hIj9lMn2p'
const stars = (text: string) => '*'.repeat(text.length)

/** No `Buffer`, of which a slice is no copy. */
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const text = (all: readonly Uint8Array[]) => Buffer.concat(all).toString('latin1')

const streamed = async (chunks: readonly Uint8Array[], spelled: Spelled) => {
  const parts: Uint8Array[] = []
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
  for await (const part of body.pipeThrough(maskStream(spelled))) parts.push(part)
  return text(parts)
}

describe('a secret', () => {
  for (const secret of [SECRET, PLAIN]) {
    it.each(Object.entries(SPELLINGS))(`is masked as %s: ${secret}`, (_name, spell) => {
      const written = spell(secret)
      const spelled = spelledOf(secret)
      for (const [before, after] of [
        ['', ''],
        ['a ', ' b'],
        ['{"k":"', '"}'],
        ['aa', 'zz'],
      ]) {
        const whole = `${before}${written}${after}`
        const masked = `${before}${stars(written)}${after}`
        expect(maskText(whole, spelled)).toBe(masked)
        expect(text([maskBytes(bytes(whole), spelled)])).toBe(masked)
      }
    })
  }

  it('is masked where it overlaps another, or begins with it', () => {
    const spelled = spelledOf('abcdefgh', 'efghijkl', 'abcdefghijklmnop', 'aaaaaaaa')
    expect(maskText('-abcdefghijkl-', spelled)).toBe('-************-')
    expect(maskText('-abcdefghijklmnop-', spelled)).toBe('-****************-')
    expect(maskText('-aaaaaaaaaaa-', spelled)).toBe('-***********-')
  })

  const long = base64With('x'.repeat(50), PLAIN, 'y'.repeat(50))
  it.each([
    ['in lines', long.replace(/.{76}/g, '$&\r\n')],
    ['in lines of PEM', long.replace(/.{64}/g, '$&\n')],
    ['in lines, in JSON', long.replace(/.{76}/g, '$&\\r\\n')],
    ['in lines, in a form', encodeURIComponent(long.replace(/.{64}/g, '$&\n'))],
    ['in base64', base64With('a', long)],
  ])('is masked in base64 %s', (_, written) => {
    expect(maskText(written, spelledOf(PLAIN))).toMatch(/\*{31}/)
  })

  it('is found in linear time', () => {
    // Else it would take longer than any test may.
    maskText('%25%25\\\\&#38;'.repeat(100_000), spelledOf('%&\\%&\\%&\\%&\\%&\\'))
    maskText('a'.repeat(1_000_000), spelledOf(`${'a'.repeat(60)}b`))
  })
})

/** Few characters, so that beginnings and overlaps are common. */
const letters = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(...'ab/+%\\&"= '), minLength: min, maxLength: max })

const bodies = fc.record({
  secrets: fc.array(letters(8, 12), { minLength: 1, maxLength: 3 }),
  parts: fc.array(fc.tuple(letters(0, 6), fc.nat(), fc.nat()), { maxLength: 8 }),
  sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }),
})

/** A body with secrets in it, and that body in chunks. */
const bodyOf = ({
  secrets,
  parts,
  sizes,
}: typeof bodies extends fc.Arbitrary<infer T> ? T : never) => {
  const spells = Object.values(SPELLINGS)
  const whole = parts
    .map(([between, which, how]) => {
      const secret = secrets[which % secrets.length] ?? ''
      return between + (spells[how % (spells.length + 1)] ?? ((one) => base64With('', one)))(secret)
    })
    .join('')
  const chunks: Uint8Array[] = []
  for (let at = 0, i = 0; at < whole.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    chunks.push(bytes(whole.slice(at, at + size)))
    at += size
  }
  return { whole, chunks, spelled: spelledOf(...secrets) }
}

describe('a body', () => {
  it('comes without secrets, whatever the chunks, and else as it was', async () => {
    await fc.assert(
      fc.asyncProperty(bodies, async (given) => {
        const { whole, chunks, spelled } = bodyOf(given)
        const masked = await streamed(chunks, spelled)
        expect(masked).toBe(maskText(whole, spelled))
        expect(masked).toHaveLength(whole.length)
        for (const secret of given.secrets) expect(masked).not.toContain(secret)
        const kept = [...masked].filter((one, i) => one !== '*' && one !== whole[i])
        expect(kept).toEqual([])
      }),
      tries(4, 60),
    )
  })

  it.each([1, 7, 50, 64, 199])('in chunks of %i bytes holds no long secret', async (size) => {
    const secret = Array.from({ length: 200 }, (_, i) => (i * i).toString(36).slice(-1)).join('')
    // The word goes on for longer than the gate waits.
    const rest = 'x'.repeat(1_000)
    const whole = `{"key":"${secret}${rest}"}`
    const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
      bytes(whole.slice(i * size, (i + 1) * size)),
    )
    expect(await streamed(chunks, spelledOf(secret))).toBe(`{"key":"${stars(secret)}${rest}"}`)
  })

  it.each([1, 12, 23])(
    'holds no secret where it could be handed on but for %i of it',
    async (cut) => {
      const spelled = spelledOf(PLAIN)
      // All of it may be inside of a secret, and it is longer than any by so many characters.
      const after = 'a'.repeat(spelled.longest - 1 + cut - PLAIN.length)
      const masked = await streamed([PLAIN + after, 'a '].map(bytes), spelled)
      expect(masked).toBe(`${stars(PLAIN)}${after}a `)
    },
  )

  /** What is there after each chunk, the last one without an end after it. */
  const soFar = async (chunks: readonly string[], secret = PLAIN) => {
    const { readable, writable } = maskStream(spelledOf(secret))
    const writer = writable.getWriter()
    let arrived = ''
    void readable.pipeTo(
      new WritableStream({
        write: (chunk) => {
          arrived += text([chunk])
        },
      }),
    )
    const seen: string[] = []
    for (const chunk of chunks) {
      await writer.write(bytes(chunk))
      await new Promise((done) => setImmediate(done))
      seen.push(arrived)
    }
    return seen
  }

  it('holds back what may be a beginning of a secret, whether it is or is not', async () => {
    const lengths = async (...chunks: string[]) => (await soFar(chunks)).map(({ length }) => length)
    expect(await lengths('x sk-proj-Ab', 'c d')).toEqual(await lengths('x sk-proj-Zz', 'c d'))
    expect(await soFar(['x sk-proj-Zz', 'c d'])).toEqual(['x ', 'x sk-proj-Zzc '])
  })

  it.each([1, 5, 77, 1_000])(
    'of base64 in lines, in chunks of %i, holds no secret',
    async (size) => {
      const code = base64With('x'.repeat(50), PLAIN).replace(/.{76}/g, '$&\n')
      const chunks = code.match(new RegExp(`.{1,${size}}`, 'gs')) ?? []
      const masked = await streamed(chunks.map(bytes), spelledOf(PLAIN))
      expect(masked).toBe(maskText(code, spelledOf(PLAIN)))
      expect(masked).toMatch(/\*{31}/)
    },
  )

  it('waits after a line of base64, and after no other', async () => {
    const line = 'QUJD'.repeat(19)
    expect(await soFar([`x ${line}\n`, `${line} `])).toEqual([
      expect.stringMatching(/^x (?:QUJD)*$|^x [A-Z]*$/i),
      `x ${line}\n${line} `,
    ])
    expect(await soFar(['QUJD\n', `${'words '.repeat(20)}\n`])).toEqual([
      'QUJD\n',
      `QUJD\n${'words '.repeat(20)}\n`,
    ])
  })

  it('holds back no more than the longest secret', async () => {
    const [seen = ''] = await soFar(['a'.repeat(10_000)])
    expect(10_000 - seen.length).toBeLessThan(PLAIN.length * 10)
  })
})
