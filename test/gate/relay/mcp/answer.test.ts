import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { mcpAnswer } from '../../../../src/gate/relay/mcp/answer.ts'
import {
  createGuard,
  type Decision,
  forward,
  parsePolicy,
  type Send,
} from '../../../../src/index.ts'
import { reply } from '../../../kit/answers.ts'
import { createIssuer, type Issuer } from '../../../kit/issuer.ts'
import { type Origin, startOrigin } from '../../../kit/origin.ts'

const MCP = 'https://api.example.com/mcp'
const JSON_TYPE = { 'content-type': 'application/json' }
const SSE = { 'content-type': 'text/event-stream' }

let issuer: Issuer
let origin: Origin

beforeAll(async () => {
  ;[issuer, origin] = await Promise.all([createIssuer(), startOrigin()])
})
beforeEach(() => origin.clear())
afterAll(() => Promise.all([issuer.close(), origin.close()]))

const policyOf = () => {
  const parsed = parsePolicy(
    {
      GATE: { resource: MCP, origin: origin.url },
      ISSUERS: { acme: { issuer: issuer.issuer, allow_insecure_http: true } },
      ROUTES: [
        { match: 'GET,POST,DELETE /mcp', scopes: [], mcp: { tools: { 'ok*': [] } } },
        {
          match: 'POST /bound',
          scopes: [],
          mcp: { tools: { 'ok*': [] } },
          origin: 'service:TOOLS',
        },
      ],
    },
    { services: ['TOOLS'] },
  )
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value.policy
}

/** A gate in this process, asked for one method. */
const start = () => {
  const guard = createGuard(policyOf())
  return async (
    method: string,
    { send, session, path = '/mcp', decided, signal }: Asked = {},
  ): Promise<Response> => {
    const request = new Request(`https://api.example.com${path}`, {
      method: 'POST',
      headers: {
        ...JSON_TYPE,
        authorization: `Bearer ${await issuer.mint({ aud: MCP })}`,
        'mcp-protocol-version': '2025-11-25',
        ...(session !== undefined && { 'mcp-session-id': session }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method }),
      ...(signal && { signal }),
    })
    const decision = await guard(request)
    return forward(request, decided?.(decision) ?? decision, send ? { send } : {})
  }
}

interface Asked {
  readonly send?: Send
  readonly session?: string
  readonly path?: string
  readonly decided?: (decision: Decision) => Decision
  readonly signal?: AbortSignal
}

const LIST = '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"ok"},{"name":"no"}]}}'
const FILTERED = '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"ok"}]}}'

describe('an answer', () => {
  it.each([
    ['JSON', JSON_TYPE, LIST, FILTERED],
    ['compressed JSON', { ...JSON_TYPE, 'content-encoding': 'gzip' }, gzipSync(LIST), FILTERED],
    ['JSON with a mark', JSON_TYPE, `\uFEFF${LIST}`, FILTERED],
    ['another JSON', { 'content-type': 'Application/Vnd.x+Json; charset=UTF-8' }, LIST, FILTERED],
    [
      'a charset in quotes',
      { 'content-type': 'application/json; charset="utf-8"' },
      LIST,
      FILTERED,
    ],
    ['events', SSE, `data: ${LIST}\n\n`, `data: ${FILTERED}\n\n`],
    ['nothing hidden', JSON_TYPE, ` ${FILTERED}\n`, ` ${FILTERED}\n`],
  ])('of %s is told without what is not for its reader', async (_name, headers, body, expected) => {
    origin.on('/mcp', reply(200, headers, body))
    const response = await start()('tools/list')
    expect([response.status, await response.text()]).toEqual([200, expected])
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it.each([
    ['is filtered', LIST, {}, FILTERED],
    ['is as it was where it holds none', '{"id":1,"result":{"content":["tools"]}}', {}, undefined],
    ['is as it was where it is no JSON', '{"a":1,"tools":NaN', {}, undefined],
    [
      'may be in an old charset',
      'tools ü',
      { 'content-type': 'application/json;charset=ISO-8859-1' },
      undefined,
    ],
  ])('in JSON that answers no list %s', async (_name, given, headers, expected = given) => {
    const send: Send = async () =>
      new Response(given, { headers: { ...JSON_TYPE, etag: '"a"', ...headers } })
    const response = await start()('ping', { send, path: '/bound' })
    expect([response.status, await response.text()]).toEqual([200, expected])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.has('etag')).toBe(false)
  })

  it('that is too long and has a list is 502, and is not read on', async () => {
    const cancelled = Promise.withResolvers<unknown>()
    const part = new TextEncoder().encode(`{"id":1,"result":{"tools":[${'0,'.repeat(40_000)}`)
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(part),
      cancel: cancelled.resolve,
    })
    const send: Send = async () => new Response(body, { headers: JSON_TYPE })
    const response = await start()('ping', { send, path: '/bound' })
    expect(response.status).toBe(502)
    expect(await response.text()).toContain('mcp_answer_invalid')
    await cancelled.promise
  })

  it('is told to nobody who was not let pass', async () => {
    origin.on('/mcp', reply(200, JSON_TYPE, LIST))
    const decided = ({ known, waits, ports }: Decision): Decision =>
      ({ outcome: 'ended', known, waits, ports }) as Decision
    const response = await start()('tools/list', { decided })
    expect(response.status).toBe(503)
    expect(await response.text()).not.toContain('tools')
  })
})

describe('an answer of a server that is a Worker', () => {
  const path = '/bound'
  const sends =
    (
      headers: Record<string, string>,
      body: string | ReadableStream | null,
      more: object = {},
    ): Send =>
    async () =>
      Object.assign(new Response(body, { headers }), more)
  const cut = () => new ReadableStream({ start: (c) => c.error(new Error('gone')) })
  const hidden = '[{"method":"notifications/resources/updated"}]'

  it('is filtered as well, whatever length it says', async () => {
    const headers = { ...SSE, 'content-length': '5', etag: '"a"' }
    const send = sends(headers, `data: ${LIST}\n\n`)
    const response = await start()('tools/list', { path, send })
    expect(await response.text()).toBe(`data: ${FILTERED}\n\n`)
    expect([...response.headers.keys()]).not.toContain('content-length')
    expect([...response.headers.keys()]).not.toContain('etag')
  })

  it.each([
    ['a WebSocket', sends({}, null, { webSocket: {} }), 502, 'origin_unreachable'],
    ['a message that nobody may read', sends(JSON_TYPE, hidden), 502, 'mcp_answer_invalid'],
    ['an empty answer', sends({}, ''), 200, ''],
    ['a whole page', sends({ 'content-type': 'text/html' }, '<p>'), 502, 'mcp_answer_invalid'],
    ['JSON that breaks off', sends(JSON_TYPE, cut()), 502, 'origin_unreachable'],
  ])('may be %s', async (_name, send, status, code) => {
    const response = await start()('tools/list', { path, send })
    expect(response.status).toBe(status)
    expect(await response.text()).toContain(code)
  })
})

/** What a server's answer to these messages comes to. */
const answerTo = async (messages: unknown, revision: string, response: Response) => {
  const request = new Request(MCP, {
    method: 'POST',
    headers: {
      ...JSON_TYPE,
      authorization: `Bearer ${await issuer.mint({ aud: MCP })}`,
      'mcp-protocol-version': revision,
    },
    body: JSON.stringify(messages),
  })
  return mcpAnswer(response, request, await createGuard(policyOf())(request))
}

it('takes no page as the answer to a batch that asks for a list among others', async () => {
  const batch = ['ping', 'tools/list'].map((method, id) => ({ jsonrpc: '2.0', id, method }))
  const page = new Response(`[${LIST}]`, { headers: { 'content-type': 'text/plain' } })
  expect(await answerTo(batch, '2025-03-26', page)).toMatchObject({
    reason: { code: 'mcp_answer_invalid' },
  })
})

describe('the requests of a POST that events have not answered yet', () => {
  const batch = [
    { jsonrpc: '2.0', id: 1, method: 'ping' },
    { jsonrpc: '2.0', id: 'two', method: 'ping' },
    { jsonrpc: '2.0', method: 'notifications/initialized' },
  ]
  const openAfter = async (messages: unknown, revision: string, ...events: string[]) => {
    const body = events.map((one) => `data: ${one}\n\n`).join('')
    const answer = await answerTo(messages, revision, new Response(body, { headers: SSE }))
    if (!answer.ok) throw new Error(answer.reason.code)
    const { response, openRequests } = answer.value
    expect(await response.text()).toBe(body)
    return openRequests?.()
  }

  it.each<[string, string[], number[]]>([
    ['nothing', [], [1]],
    ['a result', ['{"result":{},"jsonrpc":"2.0","id":1}'], []],
    ['an error', ['{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}'], []],
    ['an error for another id', ['{"jsonrpc":"2.0","id":99,"error":{"code":-1}}'], [1]],
    ['a long result', [`{"id":1,"result":"${'x'.repeat(20_000)}"}`], []],
    ['a result with a method', ['{"id":1,"result":{"method":"GET"}}'], []],
    ['progress', ['{"method":"notifications/progress","params":{"progress":1}}'], [1]],
    ['a notification about a result', ['{"method":"x","params":{"result":1,"id":1}}'], [1]],
    ['a request of the server', ['{"method":"ping","id":1,"params":{"error":1}}'], [1]],
    ['what is no JSON', ['"result" "method"'], [1]],
  ])('after %s', async (_name, events, open) => {
    expect(await openAfter(batch[0], '2025-11-25', ...events)).toEqual(open)
  })

  it.each<[string, string[], (string | number)[]]>([
    ['nothing', [], [1, 'two']],
    ['one response', ['{"id":"two","result":{}}'], [1]],
    ['the response to nobody', ['{"id":3,"result":{}}', 'null "result"'], [1, 'two']],
    ['all in one event', ['[{"id":1,"result":{}},{"id":"two","error":{}}]'], []],
  ])('of a batch, after %s', async (_name, events, open) => {
    expect(await openAfter(batch, '2025-03-26', ...events)).toEqual(open)
  })
})
