import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import OpenAI, { toFile } from 'openai'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { reply } from '../kit/answers.ts'
import { feed, sse } from '../kit/sse.ts'
import { type Answers, answersOf } from './answers-setting.ts'

let setting: Answers

beforeAll(async () => {
  setting = await answersOf('clients')
})
beforeEach(() => setting.origin.clear())

const openai = async (scope = 'chat:write files:write') =>
  new OpenAI({
    baseURL: `${setting.gate.url}/v1`,
    apiKey: await setting.token({ scope }),
    maxRetries: 0,
  })

const chunk = (content: string) =>
  JSON.stringify({
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
  })

const question = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] }

describe('the openai client, with the agent’s token as its key', () => {
  it('gets a chat completion', async () => {
    const completion = {
      id: 'c1',
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
    }
    const json = { 'content-type': 'application/json' }
    setting.origin.on('/v1/chat/completions', reply(200, json, JSON.stringify(completion)))
    const client = await openai()
    const answer = await client.chat.completions.create(question)
    expect(answer.choices[0]?.message.content).toBe('Hi')
    const [seen] = setting.origin.requests
    expect(JSON.parse(seen?.body ?? '')).toEqual(question)
    expect(seen?.header('authorization')).toBeUndefined()
    expect(seen?.header('x-agent-id')).toBe('agent-1')
    expect(seen?.header('x-agent-issuer')).toBe(setting.issuer.issuer)
  })

  it('reads each event of a stream before the next one is sent', async () => {
    const events = feed()
    setting.origin.on('/v1/chat/completions', (_req, res) => sse(res, events))
    const client = await openai()
    const stream = await client.chat.completions.create({ ...question, stream: true })
    const read = stream[Symbol.asyncIterator]()
    for (const word of ['one', 'two', 'three']) {
      events.push(chunk(word))
      const { value } = await read.next()
      expect(value?.choices[0]?.delta.content).toBe(word)
    }
    events.push('[DONE]')
    expect(await read.next()).toEqual({ done: true, value: undefined })
    events.end()
  })

  it('stops the origin when it leaves a stream', async () => {
    const events = feed()
    setting.origin.on('/v1/chat/completions', (_req, res) => sse(res, events))
    const client = await openai()
    const stream = await client.chat.completions.create({ ...question, stream: true })
    const read = stream[Symbol.asyncIterator]()
    events.push(chunk('one'))
    await read.next()
    stream.controller.abort()
    const writing = setInterval(() => events.push(chunk('unread')), 20)
    try {
      expect(await setting.origin.requests[0]?.answered()).toBe('cut')
    } finally {
      clearInterval(writing)
    }
  })

  it.each([
    ['ft:gpt-4o:acme::abc', /^\/v1\/models\/ft(?::|%3A)gpt-4o(?::|%3A)acme(?:::|%3A%3A)abc$/],
    ['meta-llama/Llama-3', /^\/v1\/models\/meta-llama%2FLlama-3$/],
  ])('retrieves the model %s', async (id, path) => {
    const json = { 'content-type': 'application/json' }
    setting.origin.on('*', reply(200, json, JSON.stringify({ id, object: 'model' })))
    const client = await openai()
    expect(await client.models.retrieve(id)).toMatchObject({ id })
    expect(setting.origin.requests[0]?.url).toMatch(path)
  })

  it('uploads 4 MB', async () => {
    const content = randomBytes(4 * 1024 * 1024)
    let received: Buffer = Buffer.alloc(0)
    setting.origin.on('/v1/files', async (req, res, recorded) => {
      received = await whole(req)
      await recorded.finished()
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"file-1"}')
    })
    const client = await openai()
    const file = await toFile(content, 'data.jsonl')
    expect(await client.files.create({ file, purpose: 'batch' })).toMatchObject({ id: 'file-1' })
    expect(received.indexOf(content)).toBeGreaterThan(0)
  })

  it('tells a refusal by its status', async () => {
    const client = await openai('chat:read')
    const error = await client.chat.completions.create(question).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError)
    expect(error).toMatchObject({ status: 403, error: 'insufficient_scope' })
    expect(setting.origin.requests).toHaveLength(0)
  })
})

describe('a WebSocket client', () => {
  const open = (token?: string, path = '/v1/realtime') =>
    new WebSocket(`${setting.gate.url.replace('http', 'ws')}${path}`, ['realtime', 'other'], {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })

  it('speaks to the origin, which knows who it is', async () => {
    const socket = open(await setting.token({ client_id: 'planner' }))
    await once(socket, 'open')
    expect(socket.protocol).toBe('realtime')
    for (const [data, binary] of [
      ['text', false],
      [Buffer.from([0, 1, 255]), true],
    ] as const) {
      socket.send(data)
      const [echo, isBinary] = await once(socket, 'message')
      expect({ echo: Buffer.from(echo), isBinary }).toEqual({
        echo: Buffer.from(data),
        isBinary: binary,
      })
    }
    const [seen] = setting.origin.requests
    expect(seen?.header('x-agent-id')).toBe('planner')
    expect(seen?.header('authorization')).toBeUndefined()
    const closed = once(socket, 'close')
    socket.close(4000, 'done')
    expect((await closed)[0]).toBe(4000)
  })

  it('is connected on a rule with cors, too', async () => {
    const socket = open(await setting.token(), '/v1/browser')
    await once(socket, 'open')
    expect(socket.protocol).toBe('realtime')
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe('hello')
    socket.terminate()
  })

  it('is told when the origin closes', async () => {
    const socket = open(await setting.token())
    await once(socket, 'open')
    const closed = once(socket, 'close')
    setting.origin.webSockets.at(-1)?.close(4321, 'enough')
    const [code, reason] = await closed
    expect([code, String(reason)]).toEqual([4321, 'enough'])
  })

  it.each([
    ['no token', undefined, 401],
    ['no scope', '', 403],
  ])('is refused the upgrade with %s', async (_name, scope, status) => {
    const socket = open(scope === undefined ? undefined : await setting.token({ scope }))
    socket.on('error', () => {})
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    expect(response.statusCode).toBe(status)
    expect(response.headers['www-authenticate']).toMatch(/^Bearer /)
    expect(setting.origin.requests).toHaveLength(0)
    response.destroy()
  })
})

async function whole(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  req.on('data', (data: Buffer) => chunks.push(data))
  await once(req, 'end')
  return Buffer.concat(chunks)
}
