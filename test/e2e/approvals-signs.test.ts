import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../kit/eventually.ts'
import { asking, call, MCP, result } from './mcp-asking.ts'
import { revoking } from './revoking.ts'
import { type Setting, startSetting } from './setting.ts'

const TOOLS = { refund: { scopes: [], approval: { hold: '30s' } } }
const mcp = (match: string, more: object = {}, rule: object = {}) => ({
  ...{ match, resource: MCP, scopes: ['mcp:connect'] },
  mcp: { tools: TOOLS, ...more },
  ...rule,
})

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({
    routes: [
      mcp('POST /mcp', { revisions: ['2025-03-26', '2025-11-25'] }),
      mcp('POST /brief', { tools: { refund: { scopes: [], approval: { hold: '7s' } } } }),
      mcp('POST /status', { refusals: 'http' }),
      mcp(
        'POST /cors',
        { origins: ['https://app.example'] },
        { cors: { origins: ['https://app.example'] } },
      ),
      mcp('POST /limited', {}, { rate_limit: { limit: 5, period: '1m' } }),
    ],
    issuer: { admin: 'all', agent_prefix: 'acme/' },
    others: {
      people: {
        issuer: 'https://people.example',
        ...{ agent_prefix: 'people/', admin: 'all', rules: false, person: { client_id: 'gate' } },
      },
    },
    gate: {
      revocation: { consistency: 'strict', max_staleness: '1s' },
      console: { host: 'ops.example.com' },
    },
    reaching: true,
  })
  setting.origin.on('*', async (_, res, recorded) => {
    await recorded.finished(60_000)
    const { kind } = [JSON.parse(`${recorded.body}`)].flat()[0].params.arguments
    const [status, type, text] = ANSWERS[kind as keyof typeof ANSWERS] ?? ANSWERS.json
    res.writeHead(status, { 'content-type': type, 'x-of-server': 'yes' }).end(text)
  })
})
afterAll(() => setting.close())

const EVENTS = 'text/event-stream'
const ERROR = '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no such tool"}}'
const ANSWERS = {
  json: [200, 'application/json', '{"jsonrpc":"2.0",\r\n "id":1,\n "result":{"is":"json"}}'],
  events: [200, EVENTS, `event: message\ndata: ${result({ is: 'events' })}\n\n`],
  rpc: [404, 'application/json', ERROR],
  error: [500, 'application/json', '{"error":"broken"}'],
  page: [502, 'text/html', '<p>Bad gateway</p>'],
  other: [200, 'text/html', '<p>Sign in</p>'],
  none: [202, 'application/json', ''],
} as const

const store = <Answer>(method: string, ...given: unknown[]) =>
  setting.gate.call('APPROVALS', 'approvals', method, ...given) as Promise<Answer>
const decide = (id: string, state = 'granted') =>
  store('decide', id, {
    ...{ by: { issuer: 'https://people.example', subject: 'bob' }, digest: 'shown', state },
    ...(state === 'refused' && { reason: 'not this customer' }),
  })
interface Waiting {
  readonly id: string
  readonly agent: string
  readonly state: string
}
const stateOf = async (id: string) => (await store<Waiting>('get', id)).state

interface Held {
  readonly agent: string
  /** The id of the approval. */
  readonly id: string
  /** Milliseconds from the call to the head of its answer. */
  readonly took: () => Promise<number>
  readonly answer: Promise<Response>
  readonly again: () => Promise<Response>
}

const { post, tokenOf } = asking(() => setting)
let agents = 0
/** Sends a call that waits for its approval. */
const held = async (
  init: object = {},
  kind = 'json',
  wrap = (one: string) => one,
): Promise<Held> => {
  const agent = `agent-${++agents}`
  const token = await tokenOf({ sub: agent, client_id: agent })
  const body = wrap(call('tools/call', { name: 'refund', arguments: { kind } }))
  const begun = performance.now()
  const again = () => post(body, { token, ...init, signal: null })
  const answer = post(body, { token, ...init })
  const took = answer.then(() => performance.now() - begun)
  const waiting = await eventually(async () => {
    const { approvals } = await store<{ approvals: Waiting[] }>('list', { state: 'waiting' })
    const one = approvals.find((other) => other.agent === agent)
    expect(one).toBeDefined()
    return one as Waiting
  })
  return { agent, id: waiting.id, took: () => took, answer, again }
}

/** The comments and the messages of a stream, once it has ended. */
const heard = async (answer: Response) => {
  const events = (await answer.text()).split('\n\n')
  const isMessage = (one: string) => one.startsWith('event: message\ndata: ')
  return {
    comments: events.filter((one) => /^: [^\n]*$/.test(one)).length,
    messages: events.filter(isMessage).map((one) => JSON.parse(one.split('data: ')[1] ?? '')),
    rest: events.filter((one) => one !== '' && !one.startsWith(': ') && !isMessage(one)),
  }
}
const arrivals = (agent: string) =>
  setting.origin.requests.filter(({ rawHeaders }) =>
    JSON.stringify(rawHeaders).includes(`${agent}"`),
  ).length

/** The stream in which a call waits. */
const streamOf = async (one: Held) => {
  const stream = await one.answer
  expect(stream.headers.get('content-type')).toBe(EVENTS)
  return stream
}

describe.concurrent('a call of an MCP client that is held longer than five seconds', () => {
  it('gets a comment every five seconds, and then the JSON of the server as a message', async () => {
    const one = await held()
    const stream = await streamOf(one)
    expect(stream.status).toBe(200)
    expect(await one.took()).toBeGreaterThan(4_900)
    expect(await one.took()).toBeLessThan(9_000)
    expect(stream.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/)
    expect(stream.headers.has('x-of-server')).toBe(false)
    const [now, later] = stream.body?.tee() ?? []
    const reader = (now as ReadableStream<Uint8Array>).getReader()
    const begun = performance.now()
    await reader.read()
    await reader.read()
    expect(performance.now() - begun).toBeGreaterThan(4_000)
    await decide(one.id)
    void reader.cancel()
    const { comments, messages, rest } = await heard(new Response(later as ReadableStream))
    expect(comments).toBeGreaterThanOrEqual(2)
    expect(messages).toEqual([{ jsonrpc: '2.0', id: 1, result: { is: 'json' } }])
    expect(rest).toEqual([])
    expect(arrivals(one.agent)).toBe(1)
    expect(await stateOf(one.id)).toBe('taken')
  })

  it.each([
    ['events', { result: { is: 'events' } }],
    ['rpc', { error: { code: -32601 } }],
    ['error', { error: { data: { code: 'mcp_answer_invalid' } } }],
    ['page', { error: { data: { code: 'mcp_answer_invalid' } } }],
    ['other', { error: { data: { code: 'mcp_answer_invalid' } } }],
    ['none', { error: { data: { code: 'mcp_answer_invalid' } } }],
  ])('gets what the server answers by %s: %j', async (kind, expected) => {
    const one = await held({}, kind)
    const stream = await streamOf(one)
    await decide(one.id)
    const { messages, rest } = await heard(stream)
    expect(messages).toEqual([expect.objectContaining({ jsonrpc: '2.0', id: 1 })])
    expect(messages[0]).toMatchObject(expected)
    expect(rest).toEqual([])
    expect(arrivals(one.agent)).toBe(1)
  })

  it('is refused in the stream', async () => {
    const one = await held()
    const stream = await streamOf(one)
    await decide(one.id, 'refused')
    const { messages } = await heard(stream)
    expect(messages).toMatchObject([{ id: 1, result: { isError: true } }])
    expect(JSON.stringify(messages)).toMatch(/not this customer.*approval_refused/)
    expect(arrivals(one.agent)).toBe(0)
  })

  it('is told in the stream that its agent is revoked', async () => {
    const one = await held()
    const stream = await streamOf(one)
    await revoking(setting, setting.gate).revoke({ kind: 'agent', value: one.agent })
    const { messages } = await heard(stream)
    expect(messages).toMatchObject([{ id: 1, error: { data: { code: 'token_revoked' } } }])
    expect(arrivals(one.agent)).toBe(0)
  })

  it('is told in the stream that an approval is needed once the time is over', async () => {
    const one = await held({ path: '/brief' })
    const { messages } = await heard(await streamOf(one))
    expect(messages).toMatchObject([{ id: 1, result: { isError: true } }])
    expect(JSON.stringify(messages)).toContain('approval_required')
    expect(await stateOf(one.id)).toBe('waiting')
  })

  it('takes no approval if the client has gone from the stream', async () => {
    const leave = new AbortController()
    const one = await held({ signal: leave.signal })
    const stream = await streamOf(one)
    await stream.body?.getReader().read()
    leave.abort()
    // The gate learns of it by its next sign at the latest.
    const { code } = await setting.gate.journalLine(({ agent }) => agent === one.agent)
    expect(code).toBe('approval_required')
    await decide(one.id)
    expect(await stateOf(one.id)).toBe('granted')
    expect(arrivals(one.agent)).toBe(0)
    expect(await (await one.again()).json()).toMatchObject({ id: 1, result: { is: 'json' } })
    expect(await stateOf(one.id)).toBe('taken')
  })

  it('gets the headers of CORS with the stream, and none of the rate limit', async () => {
    const cors = await held({ path: '/cors', headers: { origin: 'https://app.example' } })
    const limited = await held({ path: '/limited' })
    const streams = await Promise.all([streamOf(cors), streamOf(limited)])
    expect(streams[0].headers.get('access-control-allow-origin')).toBe('https://app.example')
    expect([...streams[1].headers.keys()].join()).not.toMatch(/ratelimit/i)
    for (const one of [cors, limited]) await decide(one.id)
    for (const one of streams) expect((await heard(one)).messages).toMatchObject([{ id: 1 }])
  })

  it.each([
    ['accepts no events', { headers: { accept: 'application/json, */*' } }],
    ['accepts events least of all: not', { headers: { accept: `${EVENTS};q=0, */*` } }],
    ['sends the call in a batch', { version: '2025-03-26' }, (one: string) => `[${one}]`],
    ['uses a rule whose refusals have a status of their own', { path: '/status' }],
  ])('waits in silence if the client %s', async (_, init, wrap?) => {
    const one = await held(init, 'json', wrap)
    await new Promise((done) => setTimeout(done, 6_500))
    await decide(one.id)
    const answer = await one.answer
    expect(await one.took()).toBeGreaterThan(6_000)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(answer.headers.get('x-of-server')).toBe('yes')
    expect(await answer.json()).toMatchObject({ id: 1, result: { is: 'json' } })
  })
})
