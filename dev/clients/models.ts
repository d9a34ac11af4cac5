import type { ServerResponse } from 'node:http'
import Anthropic from '@anthropic-ai/sdk'
import { decodeJwt } from 'jose'
import OpenAI from 'openai'
import type { Handler, Origin } from '../../test/kit/origin.ts'
import type { Session } from './cases.ts'
import type { Driver } from './drivers.ts'
import { LIMITED } from './places.ts'

/** What a policy allows of models, and the paths that need a scope that nobody has. */
export const MODEL_PATHS = [
  'GET /v1/models',
  'POST /v1/chat/completions',
  'POST /v1/responses',
  'POST /v1/messages',
]
export const DENIED = ['/v1/embeddings', '/v1/messages/count_tokens', '/v1/files']

const NAMES = ['get_weather', 'slow_count']
/** What a model calls that is asked for `TOOL_MODEL`. */
const TOOL = 'get_weather'
const TOOL_MODEL = 'tool_call'
const EVENTS = { 'content-type': 'text/event-stream; charset=utf-8' }
const JSON_TYPE = { 'content-type': 'application/json' }

/** The words of an API: of a whole answer, and of the events of a stream. */
interface Dialect {
  whole(text: string): object
  /** A call of the tool `get_weather`. */
  call(given: object): object
  readonly begin: readonly object[]
  part(text: string): object
  readonly end: readonly (object | string)[]
}

const choices = (member: string, content: string) => ({
  choices: [{ index: 0, [member]: { role: 'assistant', content } }],
})
const message = { id: 'm', type: 'message', role: 'assistant', content: [], usage: {} }
const outputOf = (text: string) => ({
  ...{ id: 'r', object: 'response' },
  output: [{ type: 'message', content: [{ type: 'output_text', text, annotations: [] }] }],
})

const DIALECTS: Readonly<Record<string, Dialect>> = {
  '/v1/chat/completions': {
    whole: (text) => choices('message', text),
    call: (given) => ({
      choices: [
        {
          ...{ index: 0, finish_reason: 'tool_calls' },
          message: {
            ...{ role: 'assistant', content: null },
            tool_calls: [
              {
                id: 'c',
                type: 'function',
                function: { name: TOOL, arguments: JSON.stringify(given) },
              },
            ],
          },
        },
      ],
    }),
    begin: [choices('delta', '')],
    part: (text) => choices('delta', text),
    end: ['[DONE]'],
  },
  '/v1/responses': {
    whole: outputOf,
    call: (given) => ({
      ...{ id: 'r', object: 'response' },
      output: [
        { type: 'function_call', call_id: 'c', name: TOOL, arguments: JSON.stringify(given) },
      ],
    }),
    begin: [{ type: 'response.created', response: outputOf('') }],
    part: (delta) => ({ type: 'response.output_text.delta', delta }),
    end: [{ type: 'response.completed', response: outputOf('') }],
  },
  '/v1/messages': {
    whole: (text) => ({ ...message, content: [{ type: 'text', text }] }),
    call: (input) => ({
      ...{ ...message, stop_reason: 'tool_use' },
      content: [{ type: 'tool_use', id: 'c', name: TOOL, input }],
    }),
    begin: [
      { type: 'message_start', message },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ],
    part: (text) => ({
      ...{ type: 'content_block_delta', index: 0 },
      delta: { type: 'text_delta', text },
    }),
    end: [{ type: 'content_block_stop', index: 0 }, { type: 'message_stop' }],
  },
}

const send = (res: ServerResponse, events: readonly (object | string)[]) => {
  for (const event of events) {
    const type = typeof event === 'object' && 'type' in event ? `event: ${event.type}\n` : ''
    res.write(`${type}data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
  }
}

/** Lets an origin answer like a model that does what it is told: it knows the weather, and counts step by step. */
export function serveModels(origin: Origin, step: () => Promise<void>): void {
  const data = NAMES.map((id) => ({ id, type: 'model' }))
  origin.on('/v1/models', (_req, res) => {
    res.writeHead(200, JSON_TYPE).end(JSON.stringify({ data, has_more: false }))
  })
  const answering =
    ({ whole, call, begin, part, end }: Dialect): Handler =>
    async (_req, res, recorded) => {
      await recorded.finished()
      const { model, messages, input, stream } = JSON.parse(recorded.body ?? '')
      const { to, city } = JSON.parse(input ?? messages[0].content)
      const text = model === 'slow_count' ? `counted to ${to}` : `sunny in ${city}`
      if (!stream) {
        const answer = model === TOOL_MODEL ? call({ city }) : whole(text)
        res.writeHead(200, JSON_TYPE).end(JSON.stringify(answer))
        return
      }
      res.writeHead(200, EVENTS)
      send(res, begin)
      for (let count = 0; count < to && !res.closed; count++) {
        await step()
        send(res, [part('')])
      }
      send(res, [part(text), ...end])
      res.end()
    }
  for (const [path, dialect] of Object.entries(DIALECTS)) origin.on(path, answering(dialect))
}

/** The ways to ask a model. */
interface Asking {
  whole(model: string, content: string): Promise<string>
  stream(model: string, content: string): Promise<AsyncIterable<string | undefined>>
  /** The tool that it calls, and with what. */
  tool(model: string, content: string): Promise<string>
}

interface Further {
  list(): Promise<readonly { readonly id: string }[]>
  denied(): Promise<unknown>
  upload(file: File): Promise<unknown>
}

const sessionOf = (
  { list, denied, upload }: Further,
  { whole, stream, tool }: Asking,
): Session => ({
  list: async () => (await list()).map(({ id }) => id),
  async call(name, given) {
    if (!NAMES.includes(name)) return String(await denied())
    const content = JSON.stringify(given)
    if (name !== 'slow_count') return whole(name, content)
    let text = ''
    for await (const part of await stream(name, content)) text += part ?? ''
    return text
  },
  async parts(to) {
    const times: number[] = []
    const begun = performance.now()
    for await (const _ of await stream('slow_count', JSON.stringify({ to }))) {
      times.push(performance.now() - begun)
    }
    return times
  },
  begin(to) {
    let isCancelled = false
    const reading = async () => {
      for await (const _ of await stream('slow_count', JSON.stringify({ to }))) {
        if (isCancelled) break
      }
    }
    reading().catch(() => {})
    return () => {
      isCancelled = true
    }
  },
  upload: (bytes) => upload(new File([new Uint8Array(bytes)], 'file.bin')),
  toolCall: () => tool(TOOL_MODEL, JSON.stringify({ city: 'Lund' })),
  close: async () => {},
})

/** Of a limited path: a client would wait, and try again. */
const retries = (url: string) => (url.includes(LIMITED) ? { maxRetries: 0 } : {})

async function* mapped<From, To>(parts: AsyncIterable<From>, map: (part: From) => To) {
  for await (const part of parts) yield map(part)
}

const user = (content: string) => [{ role: 'user' as const, content }]

const openai =
  (askingOf: (client: OpenAI) => Asking): Driver['connect'] =>
  async (url, who) => {
    const client = new OpenAI({ baseURL: url, apiKey: who.token, ...retries(url) })
    const further: Further = {
      list: async () => (await client.models.list()).data,
      denied: () => client.embeddings.create({ model: 'm', input: 'x' }),
      upload: (file) => client.files.create({ file, purpose: 'user_data' }),
    }
    return sessionOf(further, askingOf(client))
  }

const chat = openai((client) => ({
  async tool(model, content) {
    const answer = await client.chat.completions.create({ model, messages: user(content) })
    const call = answer.choices[0]?.message.tool_calls?.[0]
    return call?.type === 'function' ? `${call.function.name} ${call.function.arguments}` : ''
  },
  whole: async (model, content) => {
    const answer = await client.chat.completions.create({ model, messages: user(content) })
    return answer.choices[0]?.message.content ?? ''
  },
  stream: async (model, content) =>
    mapped(
      await client.chat.completions.create({ model, messages: user(content), stream: true }),
      (part) => part.choices[0]?.delta.content ?? '',
    ),
}))

const responses = openai((client) => ({
  async tool(model, input) {
    const [call] = (await client.responses.create({ model, input })).output
    return call?.type === 'function_call' ? `${call.name} ${call.arguments}` : ''
  },
  whole: async (model, input) => (await client.responses.create({ model, input })).output_text,
  stream: async (model, input) =>
    mapped(await client.responses.create({ model, input, stream: true }), (event) =>
      event.type === 'response.output_text.delta' ? event.delta : '',
    ),
}))

const anthropic: Driver['connect'] = async (url, who) => {
  const client = new Anthropic({
    ...{ baseURL: url.replace(/\/v1$/, ''), ...retries(url) },
    credentials: async () => {
      const token = await who.token()
      return { token, expiresAt: decodeJwt(token).exp ?? null }
    },
  })
  const asked = (model: string, content: string) => ({
    ...{ model, max_tokens: 9, messages: user(content) },
  })
  return sessionOf(
    {
      list: async () => (await client.models.list()).data,
      denied: () => client.messages.countTokens({ model: 'm', messages: user('x') }),
      upload: (file) => client.beta.files.upload({ file }),
    },
    {
      async tool(model, content) {
        const [block] = (await client.messages.create(asked(model, content))).content
        return block?.type === 'tool_use' ? `${block.name} ${JSON.stringify(block.input)}` : ''
      },
      async whole(model, content) {
        const [block] = (await client.messages.create(asked(model, content))).content
        return block?.type === 'text' ? block.text : ''
      },
      stream: async (model, content) =>
        mapped(await client.messages.create({ ...asked(model, content), stream: true }), (event) =>
          event.type === 'content_block_delta' && event.delta.type === 'text_delta'
            ? event.delta.text
            : '',
        ),
    },
  )
}

/** Clients of models by what they call. */
export const MODEL_CLIENTS = { chat, responses, anthropic }
