import type { ServerResponse } from 'node:http'
import type { Handler, Origin } from '../../test/kit/origin.ts'
import { MODELS } from './places.ts'

export const NAMES = ['get_weather', 'slow_count']
/** What a model calls that is asked for {@link TOOL_MODEL}. */
export const TOOL = 'get_weather'
export const TOOL_MODEL = 'tool_call'

/** The words of an API: of a whole answer, and of the parts of a stream. */
interface Dialect {
  whole(text: string): object
  /** A call of the tool {@link TOOL}. */
  call(given: object): object
  readonly begin: readonly object[]
  part(text: string): object
  readonly end: readonly (object | string)[]
  /** Whether parts are lines of JSON, or else events. */
  readonly isLines?: true
}

/** An API with models: its paths begin with its name, and come to an end of these. */
interface Api {
  readonly asks: Readonly<Record<string, Dialect>>
  /** Of paths where a person's models are in the path. */
  readonly hasModelInPath?: true
  readonly list: readonly [path: string, body: object]
  /** Paths that need a scope that nobody has. */
  readonly denied: readonly string[]
}

const completion = { id: 'c', object: 'chat.completion', created: 1, model: 'm' }
const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
const choices = (member: string, content: string) => ({
  ...{ ...completion, usage },
  choices: [
    {
      ...{ index: 0, [member]: { role: 'assistant', content } },
      finish_reason: member === 'message' ? 'stop' : null,
    },
  ],
})
const toolCall = (given: object) => ({
  ...{ id: 'c', type: 'function' },
  function: { name: TOOL, arguments: JSON.stringify(given) },
})
const message = { id: 'm', type: 'message', role: 'assistant', content: [], usage: {} }
const outputOf = (text: string) => ({
  ...{ id: 'r', object: 'response' },
  output: [{ type: 'message', content: [{ type: 'output_text', text, annotations: [] }] }],
})

const CHAT: Dialect = {
  whole: (text) => choices('message', text),
  call: (given) => ({
    ...{ ...completion, usage },
    choices: [
      {
        ...{ index: 0, finish_reason: 'tool_calls' },
        message: { role: 'assistant', content: null, tool_calls: [toolCall(given)] },
      },
    ],
  }),
  begin: [choices('delta', '')],
  part: (text) => choices('delta', text),
  end: ['[DONE]'],
}

const RESPONSES: Dialect = {
  whole: outputOf,
  call: (given) => ({
    ...{ id: 'r', object: 'response' },
    output: [{ type: 'function_call', call_id: 'c', name: TOOL, arguments: JSON.stringify(given) }],
  }),
  begin: [{ type: 'response.created', response: outputOf('') }],
  part: (delta) => ({ type: 'response.output_text.delta', delta }),
  end: [{ type: 'response.completed', response: outputOf('') }],
}

const ANTHROPIC: Dialect = {
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
}

const candidate = (part: object) => ({
  candidates: [{ index: 0, content: { role: 'model', parts: [part] } }],
})
const GEMINI: Dialect = {
  whole: (text) => candidate({ text }),
  call: (args) => candidate({ functionCall: { name: TOOL, args } }),
  ...{ begin: [], end: [] },
  part: (text) => candidate({ text }),
}

const cohere = (more: object) => ({
  ...{ id: 'c', finish_reason: 'COMPLETE' },
  message: { role: 'assistant', ...more },
})
const COHERE: Dialect = {
  whole: (text) => cohere({ content: [{ type: 'text', text }] }),
  call: (given) => cohere({ tool_calls: [toolCall(given)] }),
  begin: [
    { type: 'message-start', id: 'c', delta: { message: { role: 'assistant' } } },
    {
      ...{ type: 'content-start', index: 0 },
      delta: { message: { content: { type: 'text', text: '' } } },
    },
  ],
  part: (text) => ({
    ...{ type: 'content-delta', index: 0 },
    delta: { message: { content: { text } } },
  }),
  end: [
    { type: 'content-end', index: 0 },
    { type: 'message-end', id: 'c', delta: { finish_reason: 'COMPLETE' } },
  ],
}

const line = (done: boolean, more: object) => ({
  ...{ model: 'm', created_at: '2026-01-01T00:00:00Z', done },
  message: { role: 'assistant', content: '', ...more },
})
const OLLAMA: Dialect = {
  whole: (content) => line(true, { content }),
  call: (given) => line(true, { tool_calls: [{ function: { name: TOOL, arguments: given } }] }),
  ...{ begin: [], end: [line(true, {})], isLines: true },
  part: (content) => line(false, { content }),
}

const MODEL = { object: 'model', type: 'model', created: 1, owned_by: 'kit', capabilities: {} }
const cards = (more: object) => NAMES.map((id) => ({ id, ...MODEL, ...more }))
const named = { models: NAMES.map((name) => ({ name, model: name })) }

/** APIs by what their paths begin with. */
const APIS: Readonly<Record<string, Api>> = {
  '': {
    list: ['/models', { data: cards({}), has_more: false }],
    asks: { '/chat/completions': CHAT, '/responses': RESPONSES, '/messages': ANTHROPIC },
    denied: ['/embeddings', '/messages/count_tokens', '/files'],
  },
  '/together': {
    list: ['/models', cards({ type: 'chat' })],
    asks: { '/chat/completions': CHAT },
    denied: ['/embeddings', '/audio/transcriptions'],
  },
  '/groq/openai/v1': {
    list: ['/models', { object: 'list', data: cards({}) }],
    asks: { '/chat/completions': CHAT },
    denied: ['/embeddings', '/audio/transcriptions'],
  },
  '/mistral/v1': {
    list: ['/models', { object: 'list', data: cards({ type: 'base' }) }],
    asks: { '/chat/completions': CHAT },
    denied: ['/embeddings', '/files'],
  },
  '/gemini/v1beta': {
    list: ['/models', { models: NAMES.map((name) => ({ name: `models/${name}` })) }],
    asks: { ':generateContent': GEMINI, ':streamGenerateContent': GEMINI },
    hasModelInPath: true,
    denied: ['/models/m:countTokens'],
  },
  '/cohere': {
    list: ['/v1/models', named],
    asks: { '/v2/chat': COHERE },
    denied: ['/v2/embed', '/v1/datasets'],
  },
  '/ollama': {
    list: ['/api/tags', named],
    asks: { '/api/chat': OLLAMA },
    denied: ['/api/embed'],
  },
}

const rows = Object.entries(APIS)
const ASKED = [...NAMES, TOOL_MODEL]

/** What a policy allows of models. */
export const MODEL_PATHS: readonly string[] = rows.flatMap(
  ([api, { asks, list, hasModelInPath }]) => [
    `GET ${MODELS}${api}${list[0]}`,
    ...Object.keys(asks).map(
      (path) => `POST ${MODELS}${api}${hasModelInPath ? '/models/{model}' : ''}${path}`,
    ),
  ],
)
/** Those that need a scope that nobody has. */
export const DENIED_MODELS: readonly string[] = rows.flatMap(([api, { denied }]) =>
  denied.map((path) => `POST ${MODELS}${api}${path}`),
)

const textOf = (part: object | string) => (typeof part === 'string' ? part : JSON.stringify(part))
const eventOf = (part: object | string) => {
  const name = typeof part === 'object' && 'type' in part ? `event: ${part.type}\n` : ''
  return `${name}data: ${textOf(part)}\n\n`
}

/** What a request asks, in each of the dialects. */
const askedIn = (url: string, body: string) => {
  const [path = ''] = url.split('?')
  const [, model, verb] = /\/models\/(\w+):(\w+)$/.exec(path) ?? []
  const asked = JSON.parse(body)
  const content = asked.input ?? asked.messages?.[0].content ?? asked.contents[0].parts[0].text
  return {
    model: model ?? asked.model,
    isStream: verb ? verb.startsWith('stream') : asked.stream === true,
    ...JSON.parse(content),
  } as { model: string; isStream: boolean; to?: number; city?: string }
}

const send = (res: ServerResponse, { isLines }: Dialect, parts: Dialect['end']) => {
  for (const part of parts) res.write(isLines ? `${textOf(part)}\n` : eventOf(part))
}

const answering =
  (dialect: Dialect, step: () => Promise<void>): Handler =>
  async (_req, res, recorded) => {
    const { whole, call, begin, part, end, isLines } = dialect
    await recorded.finished()
    const { model, isStream, to = 0, city } = askedIn(recorded.url, recorded.body ?? '')
    const text = model === 'slow_count' ? `counted to ${to}` : `sunny in ${city}`
    if (!isStream) {
      const answer = model === TOOL_MODEL ? call({ city }) : whole(text)
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
      return
    }
    const type = isLines ? 'application/x-ndjson' : 'text/event-stream; charset=utf-8'
    res.writeHead(200, { 'content-type': type })
    res.flushHeaders()
    send(res, dialect, begin)
    for (let count = 0; count < to && !res.closed; count++) {
      await step()
      send(res, dialect, [part('')])
    }
    send(res, dialect, [part(text), ...end])
    res.end()
  }

/** Lets an origin answer like models that do what they are told: they know the weather, and count step by step. */
export function serveModels(origin: Origin, step: () => Promise<void>): void {
  for (const [api, { asks, list, hasModelInPath }] of rows) {
    const [path, body] = list
    origin.on(MODELS + api + path, (_req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
    for (const [end, dialect] of Object.entries(asks)) {
      for (const before of hasModelInPath ? ASKED.map((name) => `/models/${name}`) : ['']) {
        origin.on(MODELS + api + before + end, answering(dialect, step))
      }
    }
  }
}
