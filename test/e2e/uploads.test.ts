import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSoak } from '../kit/property.ts'
import { connectRaw, type Header, rawRequest } from '../kit/raw.ts'
import { PATIENCE } from '../kit/wait.ts'
import { HOST, type Setting, startSetting, until } from './setting.ts'

/** Rules by what they do with an upload; only the first hands a short one to `fetch` as it came. */
const RULES = {
  plain: {},
  timed: { timeout: '30s' },
  watched: { on_revocation: 'end-all' },
}
const ORIGINS = ['http', 'binding'] as const

type Rule = keyof typeof RULES
type Place = (typeof ORIGINS)[number]

let setting: Setting
let token: string

beforeAll(async () => {
  setting = await startSetting({
    workers: { READER: fileURLToPath(new URL('../kit/reader-worker.js', import.meta.url)) },
    routes: ORIGINS.flatMap((place) =>
      Object.entries(RULES).map(([rule, more]) => ({
        match: `GET,POST /${place}/${rule}`,
        scopes: [],
        ...(place === 'binding' && { origin: 'service:READER' }),
        ...more,
      })),
    ),
  })
  token = await setting.token()
})
afterAll(() => setting?.close())

/** What the origin has got of an upload. */
const seenAt = async (place: Place, id: string) => {
  if (place === 'binding') {
    const response = await setting.ask(`/binding/plain?id=${id}`, { token })
    return (await response.json()) as { bytes: number; state: string }
  }
  const { bodyLength, state } = await setting.origin.arrival(
    ({ header }) => header('x-request-id') === id,
  )
  return { bytes: bodyLength, state }
}

const send = async (place: Place, rule: Rule, framing: Header, body: string) => {
  const id = crypto.randomUUID()
  const headers: readonly Header[] = [
    ['Host', HOST],
    ['Authorization', `Bearer ${token}`],
    ['X-Request-Id', id],
    framing,
  ]
  const connection = await connectRaw(setting.gate.port)
  connection.send(rawRequest({ method: 'POST', target: `/${place}/${rule}`, headers, body }))
  return { id, connection }
}

const chunk = (size: number) => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`
const CHUNKED = ['Transfer-Encoding', 'chunked'] as const
const SHORT = 'small, with a length'
/** Framing, what is sent of the body, and how many bytes of it that is. */
const PARTS = [
  [SHORT, ['Content-Length', '1000'], 'x'.repeat(500), 500],
  ['large, with a length', ['Content-Length', '1000000'], 'x'.repeat(300_000), 300_000],
  ['large, in chunks', CHUNKED, chunk(300_000), 300_000],
  ['in a chunk that is not whole', CHUNKED, chunk(500).slice(0, -102), 400],
] as const

/** How an upload breaks off. To a Worker the gate sends all in one way: `npm test` tries one way of each part. */
const ways = (place: Place) =>
  place === 'http' || isSoak() ? (['end', 'close', 'reset'] as const) : (['close'] as const)

/** What who breaks an upload off gets, where their connection is still open in the other direction. */
const answerTo = (part: string, rule: Rule, place: Place) => {
  if (rule !== 'plain' || part !== SHORT) return [400, 'body_incomplete']
  // Such a body is handed to `fetch` as it came. The Worker behind the binding answers all the same.
  return place === 'binding' ? [200, undefined] : [502, 'origin_unreachable']
}

describe.each(ORIGINS)('an upload to an origin by %s', (place) => {
  describe.each(Object.keys(RULES) as Rule[])('on a rule that is %s', (rule) => {
    it.each(PARTS.flatMap((part) => ways(place).map((way) => [part[0], way, part] as const)))(
      'is never whole there where it breaks off: %s, by %s',
      async (part, way, [, framing, body, bytes]) => {
        const { id, connection } = await send(place, rule, framing, body)
        await until(
          () => seenAt(place, id),
          (seen) => seen.bytes === bytes,
          PATIENCE,
          10,
        )
        connection[way]()
        const states = await until(
          () => seenAt(place, id),
          ({ state }) => state !== 'arriving',
          PATIENCE,
          10,
        )
        expect(states.at(-1)).toEqual({ bytes, state: 'cut' })
        if (way !== 'end') return
        const answer = await connection.response()
        connection.close()
        expect([answer.status, JSON.parse(answer.body).code]).toEqual(answerTo(part, rule, place))
      },
    )

    it.each([
      ['with a length', ['Content-Length', '300000'], 'x'.repeat(300_000)],
      ['in chunks', CHUNKED, `${chunk(300_000)}0\r\n\r\n`],
    ] as const)('is whole there where it is: %s', async (_name, framing, body) => {
      const { id, connection } = await send(place, rule, framing, body)
      expect((await connection.response()).status).toBe(200)
      connection.close()
      expect(await seenAt(place, id)).toEqual({ bytes: 300_000, state: 'whole' })
    })
  })
})
