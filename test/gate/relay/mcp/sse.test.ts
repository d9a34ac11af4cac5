import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { filterText, type Visibility } from '../../../../src/gate/relay/mcp/lists.ts'
import { type EventTerms, filterEvents } from '../../../../src/gate/relay/mcp/sse.ts'
import { tries } from '../../../kit/property.ts'

const visibility: Visibility = {
  has: (_kind, name) => name.startsWith('ok'),
  hears: (uri) => uri.startsWith('ok'),
  hasTemplate: (template) => template.startsWith('ok'),
}

const TERMS: EventTerms = {
  filter: (data) => filterText(data, visibility),
  most: 100_000,
  isListless: false,
}

const streamOf = (chunks: readonly Uint8Array[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })

const bytes = (text: string) => new TextEncoder().encode(text)

const told = async (chunks: readonly Uint8Array[], terms = TERMS) =>
  Buffer.from(await new Response(streamOf(chunks).pipeThrough(filterEvents(terms))).arrayBuffer())

const toldText = async (text: string, terms = TERMS) => String(await told([bytes(text)], terms))

const LIST = '{"id":1,"result":{"tools":[{"name":"ok"},{"name":"no"}]}}'
const FILTERED = '{"id":1,"result":{"tools":[{"name":"ok"}]}}'
const HIDDEN = '{"method":"notifications/resources/updated","params":{"uri":"no"}}'

describe('an event', () => {
  it.each([
    ['with CRLF', `id: 7\r\ndata:${LIST}\r\n\r\n`, `id: 7\ndata: ${FILTERED}\n\n`],
    ['with CR', `data: ${LIST}\r\r`, `data: ${FILTERED}\n\n`],
    [
      'with lines that end otherwise',
      `data: ${LIST}\rid: 1\r\nid: 5\n\r`,
      `data: ${FILTERED}\nid: 1\nid: 5\n\n`,
    ],
    [
      'in several lines',
      `event: message\ndata: {"id":1,\ndata:"result":{"tools":\nid: 9\ndata: [{"name":"no"}]\ndata: }}\n\n`,
      `event: message\ndata: {"id":1, "result":{"tools": [] }}\nid: 9\n\n`,
    ],
    [
      'in lines that are alike',
      `data: {"result":{"tools":[\ndata: {"name":"no"},\ndata: {"name":"no"}\ndata: ]}}\n\n`,
      'data: {"result":{"tools":[]}}\n\n',
    ],
    ['behind a byte order mark', `\uFEFFdata: ${LIST}\n\n`, `data: ${FILTERED}\n\n`],
    [
      'behind others',
      `: hi\n\ndata: x\n\ndata: ${LIST}\n\n`,
      `: hi\n\ndata: x\n\ndata: ${FILTERED}\n\n`,
    ],
    [
      'behind a mark, with one before that is not to be told',
      `data: ${HIDDEN}\r\n\r\n\uFEFFdata: ${LIST}\n\n`,
      `data: ${FILTERED}\n\n`,
    ],
    [
      'behind a mark, with one before of which the id is told',
      `id: 1\ndata: ${HIDDEN}\n\n\uFEFFdata: ${LIST}\n\n`,
      `id: 1\n\n\uFEFFdata: ${LIST}\n\n`,
    ],
    ['that breaks off', `data: x\n\ndata: ${LIST}`, `data: x\n\ndata: ${FILTERED}\n\n`],
    ['that is hidden', `data: ${HIDDEN}\r\n\r\ndata: x\r\n\r\n`, 'data: x\r\n\r\n'],
    [
      'whose id stays',
      `: c\nevent: m\nid: 3\nretry: 1\ndata: ${HIDDEN}\n\n`,
      ': c\nid: 3\nretry: 1\n\n',
    ],
  ])('%s is filtered', async (_name, given, expected) => {
    expect(await toldText(given)).toBe(expected)
  })

  it.each([
    ['nothing of which is hidden', `data:  ${FILTERED}\r\n\r\n`],
    ['that is no JSON and could hold nothing', 'data: ping {\n\n'],
    ['with an empty data line', 'id: 1\ndata\n\nid: 2\ndata: \n\n'],
    ['of comments', ': tools\n\n:\n\n'],
    ['with other fields', `datax: ${LIST}\n data: ${LIST}\nDATA: ${LIST}\n\n`],
    ['with a mark in the middle', `data: x\n\n\uFEFFdata: ${LIST}\n\n`],
    ['of blank lines', '\n\n\r\n\r\r\n\n'],
    ['that ends with its line', 'data: x\n'],
    ['that is empty', ''],
  ])('passes as it is: %s', async (_name, given) => {
    expect(await toldText(given)).toBe(given)
  })

  it('that is no UTF-8 is read as its reader reads it', async () => {
    const chunks = [
      bytes('data: {"result":{"tools":[{"name":"no'),
      new Uint8Array([0xff]),
      bytes('"}]}}\n\n'),
    ]
    expect(String(await told(chunks))).toBe('data: {"result":{"tools":[]}}\n\n')
  })
})

const line = fc.oneof(
  fc.constantFrom(
    `data: ${LIST}`,
    `data: ${HIDDEN}`,
    'data: {"result":',
    'data: {"tools":[{"name":"no é😀"}]}}',
    'data: ü',
    'data',
    'id: 1',
    ': c',
    'event: message',
    '\uFEFFdata: x',
    `\uFEFFdata: ${LIST}`,
    '',
    '',
    '',
  ),
  fc.string(),
)
const ending = fc.constantFrom('\n', '\r', '\r\n')
const stream = fc
  .array(fc.tuple(line, ending), { maxLength: 20 })
  .map((lines) => bytes(lines.map((one) => one.join('')).join('')))

/** The stream cut at these places. */
const cutAt = (whole: Uint8Array, places: readonly number[]) => {
  const sorted = [0, ...places.map((n) => n % (whole.length + 1)), whole.length].sort(
    (a, b) => a - b,
  )
  return sorted.slice(1).map((end, i) => whole.subarray(sorted[i], end))
}

/** What is told before the stream ends or breaks off. */
const toldBefore = async (text: string, terms = TERMS) => {
  let before = ''
  const reader = streamOf([bytes(text)])
    .pipeThrough(filterEvents(terms))
    .getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return before
      before += new TextDecoder().decode(value)
    }
  } catch (error) {
    return `${before}${error}`
  }
}

const toldOrBroken = (chunks: readonly Uint8Array[]) => told(chunks).catch(String)

describe('a stream', () => {
  it('is told alike wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(stream, fc.array(fc.nat(), { maxLength: 30 }), async (whole, places) => {
        const expected = await toldOrBroken([whole])
        expect(await toldOrBroken(cutAt(whole, places))).toEqual(expected)
        const single = [...whole].map((byte) => new Uint8Array([byte]))
        expect(await toldOrBroken(single)).toEqual(expected)
      }),
      tries(60),
    )
  })

  it('is told alike where its events are told later', async () => {
    const later: EventTerms = {
      ...TERMS,
      filter: (data) => {
        const now = filterText(data, visibility)
        return now.outcome === 'changed' ? Promise.resolve(now) : now
      },
    }
    await fc.assert(
      fc.asyncProperty(stream, fc.array(fc.nat(), { maxLength: 30 }), async (whole, places) => {
        const expected = await toldOrBroken([whole])
        expect(await told(cutAt(whole, places), later).catch(String)).toEqual(expected)
      }),
      tries(60),
    )
  })

  it('ends with an error where what is told later fails', async () => {
    const filter = () => Promise.reject(new Error('no key'))
    await expect(told([bytes('data: x\n\n')], { ...TERMS, filter })).rejects.toThrow('no key')
    await expect(told([bytes('data: x')], { ...TERMS, filter })).rejects.toThrow('no key')
  })

  it('without a list or a hidden resource is the same, byte by byte', async () => {
    const plain = fc.uint8Array({ maxLength: 200 })
    const ends = fc.array(fc.constantFrom(10, 13, 58, 32, 100), { maxLength: 50 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(plain, ends)), async (parts) => {
        const whole = Buffer.concat(parts.map((part) => Uint8Array.from(part)))
        expect(await told(parts.map((part) => Uint8Array.from(part)))).toEqual(whole)
      }),
      tries(60),
    )
  })

  it('gives an event as soon as its blank line is there', async () => {
    const { readable, writable } = filterEvents(TERMS)
    const [writer, reader] = [writable.getWriter(), readable.getReader()]
    const next = async () => new TextDecoder().decode((await reader.read()).value)
    void writer.write(bytes(`data: ${LIST}\r\n\r`))
    expect(await next()).toBe(`data: ${FILTERED}\n\n`)
    void writer.write(bytes('\ndata: x\r\n\r'))
    expect(await next()).toBe('data: x\r\n\r')
    void writer.write(bytes('\ndata: y\n\ndata: z'))
    expect(await next()).toBe('\ndata: y\n\n')
    void writer.close()
    expect(await next()).toBe('data: z')
  })

  it('breaks off at an event that is too long to be held', async () => {
    const terms = { ...TERMS, most: 20 }
    const long = `data: x\n\ndata: ${'y'.repeat(20)}\n\n`
    await expect(toldText(long, terms)).rejects.toThrow('longer')
    await expect(told(cutAt(bytes(long), [9, 25]), terms)).rejects.toThrow('longer')
    const exact = `data: ${'y'.repeat(12)}\n\n`
    expect(await toldText(exact, terms)).toBe(exact)
  })

  it.each([
    ['too long', `data: ${'y'.repeat(100)}\n\n`, 'An event is longer than the gate buffers'],
    ['too long so far', `data: ${'y'.repeat(100)}`, 'An event is longer than the gate buffers'],
    ['no JSON', 'data: {"tools"\n\n', 'An event that may contain a list is not JSON'],
  ])('has told all before one that is %s', async (_name, bad, error) => {
    const good = `id: 1\ndata: ${FILTERED}\n\n: c\n\n`
    const told = await toldBefore(`${good}${bad}`, { ...TERMS, most: 100 })
    expect(told).toBe(`${good}Error: ${error}`)
  })

  const NAN = '{"id":1,"result":{"tools":[{"name":"no","inputSchema":{"default":NaN}}]}}'
  const NAN_UPDATED = `{"method":"notifications/resources/updated","params":{"uri":"no","n":NaN}}`

  it.each([
    ['a list with what only lenient readers take', `data: ${NAN}\n\n`],
    ['in several lines', `data: {"result":\ndata: {"tools":[{"name":"no"}],}}\n\n`],
    ['behind a mark of its own', `data: \uFEFF${LIST}\n\n`],
    ['behind others', `data: x\n\nid: 1\ndata: ${NAN}\n\ndata: y\n\n`],
    ['that breaks off', 'data: {"result":{"tools":[{"name":"no"}'],
    ['spelled otherwise', String.raw`data: {"result":{"\u0074ools":[{"name":"no"}],}}${'\n\n'}`],
    ['about a resource', `data: ${NAN_UPDATED}\n\n`],
  ])('breaks off at what cannot be judged: %s', async (_name, text) => {
    await expect(toldText(text)).rejects.toThrow('not JSON')
    await expect(told([...bytes(text)].map((byte) => Uint8Array.of(byte)))).rejects.toThrow()
  })

  it('without lists passes what is not JSON, but nothing about a list or a resource', async () => {
    const terms = { ...TERMS, isListless: true }
    const given = 'data: {"result":{"structuredContent":{"tools":NaN}}}\n\n'
    expect(await toldText(given, terms)).toBe(given)
    for (const hidden of [
      NAN,
      NAN_UPDATED,
      NAN_UPDATED.replaceAll('/', '\\/'),
      NAN_UPDATED.replace('resources', String.raw`\u0072esources`),
    ]) {
      await expect(toldText(`data: ${hidden}\n\n`, terms)).rejects.toThrow('not JSON')
    }
  })

  it('passes one that is too long where it holds no list, and filters on behind it', async () => {
    const terms = { ...TERMS, most: 100, isListless: true }
    const long = `data: ${'y'.repeat(200)}\r\n\r\n`
    const whole = bytes(`${long}data: ${LIST}\n\n${long}`)
    const expected = `${long}data: ${FILTERED}\n\n${long}`
    expect(String(await told([whole], terms))).toBe(expected)
    expect(String(await told(cutAt(whole, [50, 120, 209, 210, 215, 400]), terms))).toBe(expected)
  })

  it.each([
    ['a list', `data: ${LIST}${' '.repeat(200)}\n\n`],
    ['a list in several lines', `id: 1\ndata: {"result":\r\ndata: {"tools":[${'0,'.repeat(100)}`],
    ['several messages', `data: [{"id":1,"result":{}},${' '.repeat(200)}\n\n`],
  ])('breaks off at one that is too long and begins with %s', async (_name, text) => {
    const terms = { ...TERMS, most: 100, isListless: true }
    await expect(toldText(text, terms)).rejects.toThrow('longer')
    await expect(
      told(
        [...bytes(text)].map((byte) => Uint8Array.of(byte)),
        terms,
      ),
    ).rejects.toThrow('longer')
  })
})
