import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import Anthropic from '@anthropic-ai/sdk'
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

  it('gets the very bytes of an answer, and the id that the origin has for it', async () => {
    const id = 'req_4e1c7a93b1f07d55'
    const headers = { 'content-type': 'application/json', 'x-request-id': id }
    const text = '{ "id":"c1",\n"object":"chat.completion" , "choices":[ ],"usage":{}}\n'
    setting.origin.on('/v1/chat/completions', reply(200, headers, text))
    const client = await openai()
    const { data, request_id } = await client.chat.completions.create(question).withResponse()
    expect([data.id, request_id]).toEqual(['c1', id])
    const response = await client.chat.completions.create(question).asResponse()
    expect(await response.text()).toBe(text)
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
})

describe('the anthropic client, with the agent’s token as its `authToken`', () => {
  const anthropic = async () =>
    new Anthropic({
      baseURL: setting.gate.url,
      authToken: await setting.token({ scope: 'chat:write' }),
      apiKey: null,
      maxRetries: 0,
    })
  const asked = { model: 'm', max_tokens: 9, messages: question.messages }
  const event = (type: string, rest = {}) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`
  const ID = 'req_011CSHoEeqs5C35K2UUqR7Fy'
  const headersOf = (type: string) => ({
    'content-type': type,
    'request-id': ID,
    'anthropic-organization-id': '3d7a1b0c',
    'anthropic-ratelimit-requests-remaining': '49',
    'cache-control': 'no-cache',
  })
  const message = { id: 'msg_1', role: 'assistant', content: [], usage: {} }
  const STREAM =
    event('message_start', { message: { type: 'message', ...message } }) +
    event('ping') +
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hi ü' } }) +
    event('content_block_stop', { index: 0 }) +
    event('message_stop')

  it('gets a message, and the id that the origin has for it', async () => {
    const text = '{ "type":"message",\n"content":[{"type":"text","text":"Hi ü"}]}\n'
    const headers = headersOf('application/json')
    setting.origin.on('/v1/messages', reply(200, headers, text))
    const client = await anthropic()
    const { data, request_id } = await client.messages.create(asked).withResponse()
    expect([data.content, request_id]).toEqual([[{ type: 'text', text: 'Hi ü' }], ID])
    const response = await client.messages.create(asked).asResponse()
    expect(await response.text()).toBe(text)
    expect(Object.fromEntries(response.headers)).toMatchObject(headers)
    expect(response.headers.get('x-request-id')).toBeNull()
    const [seen] = setting.origin.requests
    expect(seen?.header('anthropic-version')).toMatch(/^\d{4}-\d\d-\d\d$/)
    expect(seen?.header('authorization')).toBeUndefined()
  })

  it('gets a stream, byte for byte and event by event', async () => {
    const headers = headersOf('text/event-stream; charset=utf-8')
    setting.origin.on('/v1/messages', reply(200, headers, STREAM))
    const client = await anthropic()
    const streamed = { ...asked, stream: true } as const
    const response = await client.messages.create(streamed).asResponse()
    expect(await response.text()).toBe(STREAM)
    expect(Object.fromEntries(response.headers)).toMatchObject(headers)
    const { data, request_id } = await client.messages.create(streamed).withResponse()
    const types: string[] = []
    for await (const { type } of data) types.push(type)
    expect(types).toEqual([...STREAM.matchAll(/^event: (?!ping)(.*)$/gm)].map(([, type]) => type))
    expect(request_id).toBe(ID)
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
