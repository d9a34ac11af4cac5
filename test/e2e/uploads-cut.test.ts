import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeAll, expect, it } from 'vitest'
import { PATIENCE } from '../kit/wait.ts'
import { HOST, type Setting, sharedSetting, until } from './setting.ts'
import { BOUND, newAgent, revoke, STREAMING, withShortToken } from './streaming.ts'

let setting: Setting

beforeAll(async () => {
  setting = await sharedSetting(STREAMING)
})

/** An upload that never ends by itself, chunk after chunk; and what the origin has got of it. */
const upload = async (
  path: string,
  token: string,
  begin: (res: ServerResponse) => void = () => {},
) => {
  const seen = { bytes: 0, isOver: false, isWhole: false }
  setting.origin.on(path, (req, res) => {
    req.on('data', (chunk: Buffer) => {
      seen.bytes += chunk.length
    })
    req.on('end', () => {
      seen.isWhole = true
      res.end('done')
    })
    req.on('close', () => {
      seen.isOver = true
    })
    begin(res)
  })
  const answer = Promise.withResolvers<IncomingMessage>()
  const sent = request(
    {
      port: setting.gate.port,
      host: '127.0.0.1',
      path,
      method: 'POST',
      agent: false,
      headers: { host: HOST, authorization: `Bearer ${token}` },
    },
    answer.resolve,
  )
  sent.on('error', answer.reject)
  let isAnswered = false
  const note = () => {
    isAnswered = true
  }
  answer.promise.then(note, note)
  let isSending = true
  const sending = (async () => {
    for (; isSending; await wait(100)) sent.write('x'.repeat(100))
  })()
  await until(
    async () => seen.bytes > 0 || isAnswered,
    (isBegun) => isBegun,
    PATIENCE,
  )
  return {
    seen,
    answer: answer.promise,
    async stop() {
      isSending = false
      await sending
      sent.destroy()
    },
    async finish() {
      isSending = false
      await sending
      sent.end()
    },
  }
}

const codeOf = async (answer: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return (JSON.parse(Buffer.concat(chunks).toString()) as { code: unknown }).code
}

it.concurrent('an upload ends when its agent is revoked, and never as if it were complete', async () => {
  const agent = newAgent()
  const { seen, answer, stop } = await upload(
    '/all/revoked',
    await setting.token({ client_id: agent }),
  )
  await revoke(setting, agent)
  const response = await answer
  expect(response.statusCode).toBe(401)
  expect(await codeOf(response)).toBe('token_revoked')
  await until(
    async () => seen.isOver,
    (isOver) => isOver,
    PATIENCE,
  )
  expect(seen.isWhole).toBe(false)
  await stop()
})

it.concurrent.each<[string, object, string]>([
  ['of which a part is there', { 'content-length': 5 }, 'ab'],
  ['that flows', {}, 'ab'],
])('also when the origin has begun with an answer %s', async (name, headers, part) => {
  const agent = newAgent()
  const path = `/all/early-${name.replaceAll(' ', '-')}`
  const token = await setting.token({ client_id: agent })
  const { seen, answer, stop } = await upload(path, token, (res) => {
    res.writeHead(200, { ...headers })
    res.flushHeaders()
    if (part) res.write(part)
  })
  const response = await answer
  response.on('error', () => {}).resume()
  expect(response.statusCode).toBe(200)
  await revoke(setting, agent)
  await until(
    async () => seen.isOver,
    (isOver) => isOver,
    PATIENCE,
  )
  await stop()
})

it.concurrent('or when its token expires', async () => {
  const { answer, stop, exp } = await withShortToken(setting.token, async (token, exp) => {
    const begun = await upload('/all/expired', token)
    if (begun.seen.bytes > 0) return { ...begun, exp }
    await begun.stop()
    return undefined
  })
  const response = await answer
  expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000)
  expect([response.statusCode, await codeOf(response)]).toEqual([
    401,
    'token_expired_during_request',
  ])
  await stop()
})

it.concurrent.each(['/all/slow', '/v1/upload'])('goes on otherwise (%s)', async (path) => {
  const agent = newAgent()
  const { seen, answer, finish } = await upload(path, await setting.token({ client_id: agent }))
  if (path !== '/all/slow') await revoke(setting, agent)
  await wait(BOUND + 500)
  await finish()
  const response = await answer
  expect(response.statusCode).toBe(200)
  response.resume()
  expect(seen.isWhole).toBe(true)
})
