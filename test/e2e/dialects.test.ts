import { beforeAll, describe, expect, it } from 'vitest'
import type { DIALECTS } from '../../src/gate/answer/dialects.ts'
import { readEvents, type SseEvent } from '../kit/sse.ts'
import { type Setting, sharedSetting } from './setting.ts'
import { fate, hanging, newAgent, revoke, SSE, STREAMING } from './streaming.ts'

let setting: Setting

beforeAll(async () => {
  setting = await sharedSetting(STREAMING)
})

const MESSAGE =
  'The token, or the agent or key behind it, has been revoked. Stop using this token; a new one helps only if the agent itself was not revoked (token_revoked)'
const ERROR = { message: MESSAGE, type: 'authentication_error', code: 'token_revoked', param: null }
const RPC_STATUS = { code: 401, message: MESSAGE, status: 'UNAUTHENTICATED', details: [] }
const LINES = 'application/x-ndjson'
const EVENTS = SSE['content-type']
const GRAPHQL = 'application/graphql-response+json'

/** What Apollo Client accepts for a subscription. */
const SUBSCRIPTIONS =
  'multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9'

/** The error of JSON-RPC. */
const RPC_ERROR = (message: unknown, code = 'token_revoked') => ({
  ...{ code: -32000, message, data: { code } },
})

const data = (body: object) => `data: ${JSON.stringify(body)}\n\n`
/** Flags, length and text. */
const frame = (flags: number, text: string) => {
  const head = Buffer.from([flags, 0, 0, 0, 0])
  head.writeUInt32BE(Buffer.byteLength(text), 1)
  return head.toString('latin1') + text
}
const TRAILERS = frame(0x80, `grpc-status: 16\r\ngrpc-message: ${MESSAGE}\r\n`)

interface Case {
  readonly method?: string
  readonly path: string
  /** Of the request. */
  readonly headers?: Record<string, string>
  /** The Content-Type of the stream, and what it ends with; absent: it breaks off. */
  readonly stream: string
  readonly last?: string
  /** What the origin has sent until then. */
  readonly begin?: string
  readonly breaks?: boolean
}

/** At least one case for each row, except that of gRPC, whose requests are not forwarded. */
const ENDINGS: Readonly<Record<Exclude<keyof typeof DIALECTS, 'grpc'>, readonly Case[]>> = {
  grpcWeb: [
    {
      path: '/v1/kit.Agents/Watch',
      headers: { 'content-type': 'application/grpc-web+proto' },
      stream: 'application/grpc-web+proto',
      begin: frame(0, 'whole') + frame(0, ''),
      last: TRAILERS,
    },
    ...[frame(0, 'not whole').slice(0, 9), frame(0, 'whole') + frame(0, '').slice(0, 3)].map(
      (begin, i) => ({
        path: `/v1/kit.Agents/WatchCut${i}`,
        headers: { 'content-type': 'application/grpc-web+proto' },
        stream: 'application/grpc-web+proto',
        begin,
        breaks: true,
      }),
    ),
  ],
  grpcWebText: [
    {
      path: '/v1/kit.Agents/WatchText',
      headers: { 'content-type': 'application/grpc-web-text' },
      stream: 'application/grpc-web-text+proto',
      begin: 'AAAA',
      breaks: true,
    },
  ],
  connectStream: [
    {
      path: '/v1/kit.Agents/WatchConnect',
      headers: { 'content-type': 'application/connect+json' },
      stream: 'application/connect+json',
      begin: frame(0, '{}'),
      last: frame(2, JSON.stringify({ error: { code: 'unauthenticated', message: MESSAGE } })),
    },
  ],
  connect: [
    {
      path: '/v1/kit.Agents/Get',
      headers: { 'connect-protocol-version': '1' },
      stream: 'application/octet-stream',
      breaks: true,
    },
  ],
  graphqlParts: [
    ['multipart/mixed;boundary="graphql";subscriptionSpec=1.0', 'graphql'],
    ['Multipart/Mixed; subscriptionSpec=1.0; Boundary=a-b,application/json', 'a-b'],
    ['multipart/mixed;', '-'],
  ].map(([stream = '', boundary], i) => ({
    path: `/v1/${i}/graphql`,
    headers: { accept: SUBSCRIPTIONS },
    stream,
    begin: `--${boundary}\r\ncontent-type: application/json\r\n\r\n{"payload":{}}\r\n--${boundary}`,
    last: `\r\n--${boundary}\r\ncontent-type: application/json\r\n\r\n${JSON.stringify({ payload: null, errors: [{ message: MESSAGE, extensions: { code: 'token_revoked' } }] })}\r\n--${boundary}--\r\n`,
  })),
  graphql: [
    // Parts of `@defer`, which have no form for this error.
    {
      path: '/v1/deferred/graphql',
      headers: { accept: 'multipart/mixed;deferSpec=20220824,application/json' },
      stream: 'multipart/mixed; boundary="-"',
      begin: '---\r\ncontent-type: application/json\r\n\r\n{"hasNext":true}\r\n---',
      breaks: true,
    },
    {
      path: '/v1/graphql',
      stream: EVENTS,
      last: `:\nevent: next\n${data({ errors: [{ message: MESSAGE, extensions: { code: 'token_revoked' } }] })}event: complete\ndata:\n\n`,
    },
  ],
  a2a: ['/v1/message:stream', '/v1/tasks/7:subscribe'].map((path) => ({
    path,
    stream: EVENTS,
    last: `:\nevent: error\n${data({ error: RPC_STATUS })}`,
  })),
  a2aRpc: [
    { id: 7, begin: 'data: {"jsonrpc":"2.0","id":7,"result":{}}\n\n' },
    { id: 'a-b', begin: `data: { "id": "a-b", "result": { "text": "${'x'.repeat(2_000)}"} }\n\n` },
    // An id that cannot be read.
    { id: null, begin: 'data: {"jsonrpc":"2.0","id":007}\n\n' },
    { id: null, begin: 'data: {"jsonrpc":"2.0","id":"\t"}\n\n' },
    { id: null, begin: 'data: {"jsonrpc":"2.0","id":"a\\"}\n\n' },
    { id: null, begin: `:${' '.repeat(1_024)}\ndata: {"jsonrpc":"2.0","id":7,"result":{}}\n\n` },
  ].map(({ id, begin }, i) => ({
    path: `/v1/agent/${i}`,
    headers: { 'a2a-version': '1.0' },
    stream: EVENTS,
    begin,
    last: `:\n${data({ jsonrpc: '2.0', id, error: RPC_ERROR(MESSAGE) })}`,
  })),
  anthropic: [
    { path: '/v1/any/v1/messages' },
    { path: '/v1/any', headers: { 'anthropic-version': '2023-06-01' } },
  ].map((one) => ({
    ...one,
    stream: EVENTS,
    last: `:\nevent: error\n${data({ type: 'error', error: ERROR })}`,
  })),
  gemini: [
    { path: '/v1/models/m:streamGenerateContent?alt=sse' },
    { path: '/v1/interactions', headers: { 'x-goog-api-client': 'google-genai-sdk/2' } },
  ].map((one) => ({ ...one, stream: EVENTS, last: `\n\n${data({ error: RPC_STATUS })}` })),
  responses: [
    { path: '/v1/responses' },
    { method: 'GET', path: '/v1/responses/resp_1?stream=true' },
  ].map((one) => ({
    ...one,
    stream: EVENTS,
    last: `:\nevent: error\n${data({ type: 'error', sequence_number: 0, error: ERROR })}`,
  })),
  openai: [
    '/v1/chat/completions',
    '/v1/completions',
    '/v1/images/edits',
    '/v1/audio/transcriptions',
    '/v1/threads/runs',
    '/v1/threads/t/runs',
    '/v1/threads/t/runs/r/submit_tool_outputs',
  ].map((path) => ({ path, stream: EVENTS, last: `:\n${data({ error: ERROR })}` })),
  ollama: [
    {
      path: '/v1/api/chat',
      headers: { 'user-agent': 'ollama-js/0.6.4 (x64 linux Node.js/v24)' },
      stream: LINES,
      last: `${JSON.stringify({ error: MESSAGE })}\n`,
      breaks: true,
    },
  ],
  lines: [
    {
      path: '/v1/api/generate',
      stream: LINES,
      last: `\n${JSON.stringify({ error: ERROR })}\n`,
      breaks: true,
    },
  ],
  otherPost: ['/v1/chat', '/v1/completions/7', '/v1/completionsx', '/v1/v1/messages/7'].map(
    (path) => ({
      path,
      stream: EVENTS,
      last: `:\nevent: edgewarden.closed\n${data({ code: 'token_revoked' })}`,
      breaks: true,
    }),
  ),
  other: [
    {
      method: 'GET',
      path: '/v1/feed',
      stream: EVENTS,
      last: `:\nevent: edgewarden.closed\n${data({ code: 'token_revoked' })}`,
    },
  ],
}

const initOf = ({ method = 'POST', headers = {} }: Omit<Case, 'stream'>) => ({
  method,
  headers,
  ...(method === 'POST' && { body: '{}' }),
})

/** What a stream ends with whose token is revoked; again where a busy machine could not find out in time. */
const ended = async (one: Case, begin: string, tries = 4): Promise<Response> => {
  const agent = newAgent()
  hanging(setting, one.path.replace(/\?.*/, ''), { 'content-type': one.stream }, begin)
  const token = await setting.token({ client_id: agent })
  const response = await setting.ask(one.path, { ...initOf(one), token })
  // Read before it breaks: a broken stream forgets what has come.
  const ending = fate(response)
  await revoke(setting, agent)
  const { bytes, error } = await ending
  if (bytes.includes('revocations_unavailable') && tries > 1) return ended(one, begin, tries - 1)
  return new Response(bytes, { headers: { 'x-error': String(error) } })
}

describe.concurrent.each(Object.entries(ENDINGS))('a stream of the row %s', (_row, cases) => {
  it.each(cases)('ends in its form: $path', async (one) => {
    const { begin = 'what was sent\n\n' } = one
    const response = await ended(one, begin)
    const text = Buffer.from(await response.arrayBuffer()).toString('latin1')
    expect([text, response.headers.get('x-error')]).toEqual([
      begin + (one.last ?? ''),
      String(one.breaks ?? false),
    ])
  })
})

describe.concurrent('the last event of a stream that is cut within a line', () => {
  it.each([
    ['a comment', ': keep-ali'],
    ['the name of an event', 'event: chunk-o'],
    ['the name of a field', 'eve'],
    ['the end of a line', 'id: 1\r'],
  ])('is read after %s', async (_name, begin) => {
    const path = `/v1/${newAgent()}/chat/completions`
    const events: SseEvent[] = []
    for await (const event of readEvents(await ended({ path, stream: EVENTS }, begin))) {
      events.push(event)
    }
    expect(events.map((event) => JSON.parse(event.data))).toEqual([{ error: ERROR }])
  })
})

const MISSING = expect.stringMatching(/\(credential_missing\)$/)
const PROBLEM = {
  type: 'https://edgewarden.dev/denials#credential_missing',
  title: expect.any(String),
  status: 401,
  code: 'credential_missing',
  error: {
    message: MISSING,
    type: 'authentication_error',
    code: 'credential_missing',
    param: null,
  },
  request_id: expect.any(String),
  hint: expect.any(String),
}
const REFUSED_STATUS = { code: 401, message: MISSING, status: 'UNAUTHENTICATED', details: [] }
const GRAPHQL_ERRORS = { errors: [{ message: MISSING, extensions: PROBLEM }] }

/** Refusals: the case, the Content-Type, the body. */
const REFUSALS: readonly (readonly [Omit<Case, 'stream'>, string, object])[] = [
  [{ path: '/v1/v1/messages' }, 'application/json', { ...PROBLEM, type: 'error' }],
  [
    { method: 'GET', path: '/v1/models', headers: { 'anthropic-version': '2023-06-01' } },
    'application/json',
    { ...PROBLEM, type: 'error' },
  ],
  ...['/v1/m:generateContent', '/v1/m:countTokens', '/v1/message:send', '/v1/tasks/7:cancel'].map(
    (path) => [{ path }, 'application/json', { ...PROBLEM, error: REFUSED_STATUS }] as const,
  ),
  [
    { path: '/v1/api/chat', headers: { 'user-agent': 'ollama-js/0.6.4' } },
    'application/json',
    { ...PROBLEM, error: MISSING },
  ],
  ...[{ path: '/v1/kit.Agents/Get', headers: { 'connect-protocol-version': '1' } }].map(
    (one) =>
      [one, 'application/json', { ...PROBLEM, code: 'unauthenticated', message: MISSING }] as const,
  ),
  [
    { method: 'GET', path: '/v1/kit.Agents/Get?encoding=json&connect=v1' },
    'application/json',
    { ...PROBLEM, code: 'unauthenticated', message: MISSING },
  ],
  [
    { path: '/v1/agent', headers: { 'a2a-version': '1.0' } },
    'application/json',
    { ...PROBLEM, jsonrpc: '2.0', id: null, error: RPC_ERROR(MISSING, 'credential_missing') },
  ],
  [{ path: '/v1/graphql' }, 'application/json', GRAPHQL_ERRORS],
  [
    { path: '/v1/any', headers: { accept: `${GRAPHQL}, application/json` } },
    GRAPHQL,
    GRAPHQL_ERRORS,
  ],
  [{ path: '/v1/subscriptions', headers: { accept: SUBSCRIPTIONS } }, GRAPHQL, GRAPHQL_ERRORS],
  ...['/v1/chat/completions', '/v1/responses', '/v1/api/chat', '/v1/messages/7'].map(
    (path) => [{ path }, 'application/problem+json', PROBLEM] as const,
  ),
]

describe('a refusal', () => {
  it.each(REFUSALS)('has the form of its dialect: $path', async (one, type, body) => {
    const response = await setting.ask(one.path, initOf(one))
    expect([response.status, response.headers.get('content-type')]).toEqual([401, type])
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /)
    expect(await response.json()).toEqual(body)
  })

  it.each([
    ['application/grpc-web', 'application/grpc-web+proto'],
    ['application/grpc-web-text+proto', 'application/grpc-web-text+proto'],
    ['application/connect+json', 'application/connect+json'],
    ['application/connect+proto', 'application/connect+proto'],
  ])('of a call in %s is its status, with HTTP 200', async (asked, type) => {
    const response = await setting.ask('/v1/kit.Agents/Get', {
      method: 'POST',
      headers: { 'content-type': asked },
      body: frame(0, ''),
    })
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type])
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /)
    const sent = Buffer.from(await response.arrayBuffer()).toString('latin1')
    const bytes = type.includes('-text') ? Buffer.from(sent, 'base64').toString('latin1') : sent
    const text = bytes.slice(5)
    expect(bytes.slice(0, 5)).toBe(frame(type.includes('web') ? 0x80 : 2, text).slice(0, 5))
    if (type.includes('web')) {
      const [, message = ''] = /^grpc-status: 16\r\ngrpc-message: (.*)\r\n$/.exec(text) ?? []
      expect(decodeURIComponent(message)).toEqual(MISSING)
    } else {
      expect(JSON.parse(text)).toEqual({ error: { code: 'unauthenticated', message: MISSING } })
    }
  })

  it('of HEAD has no body in any dialect', async () => {
    const headers = { 'anthropic-version': '2023-06-01' }
    const response = await setting.ask('/v1/messages', { method: 'HEAD', headers })
    expect([response.status, await response.text()]).toEqual([401, ''])
  })
})
