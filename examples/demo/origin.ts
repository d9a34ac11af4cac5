import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Loopback, listenOnLoopback } from './loopback.ts'
import { serveMcp } from './mcp-server.ts'

const MODEL = 'demo-small'
const MAX_BODY = 1 << 20
const DELTA_INTERVAL = 60

type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  parameter: string,
) => void | Promise<void>

interface ChatRequest {
  readonly model: string
  readonly stream: boolean
  readonly question: string
}

const ROUTES: readonly (readonly [method: string, path: RegExp, handler: Handler])[] = [
  ['GET', /^\/v1\/models$/, listModels],
  ['POST', /^\/v1\/chat\/completions$/, completeChat],
  ['GET', /^\/v1\/documents\/([A-Za-z0-9._~-]+)$/, readDocument],
  ['GET', /^\/v1\/runs\/([A-Za-z0-9._~-]+)\/(?:notes|archive)$/, readRun],
  ['POST', /^\/v1\/runs\/([A-Za-z0-9._~-]+)\/notes$/, readRun],
  ['POST', /^\/v1\/(?:patches|refunds)$/, whoAmI],
  ['GET', /^\/whoami$/, whoAmI],
  ['POST', /^\/mcp$/, serveMcp],
  ['GET', /^\/mcp$/, noStream],
  ['DELETE', /^\/mcp$/, noStream],
]

/**
 * Starts a small OpenAI-compatible origin on 127.0.0.1, with an MCP server at `/mcp`. It checks no credential: it believes the
 * `X-Agent-*` headers, as an origin may that only the gate can reach.
 */
export async function startOrigin(options: { readonly port?: number } = {}): Promise<Loopback> {
  const server = createServer((request, response) => {
    // What fails here is a caller that went away, or one that is past an orderly answer.
    answer(request, response).catch(() => response.destroy())
  })
  return listenOnLoopback(server, options.port ?? 0)
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const [path = ''] = (request.url ?? '').split('?', 1)
  for (const [allowed, pattern, handler] of ROUTES) {
    const match = method === allowed ? pattern.exec(path) : null
    if (match) return handler(request, response, match[1] ?? '')
  }
  sendError(response, 404, 'not_found', 'This origin has nothing here.')
}

function listModels(_request: IncomingMessage, response: ServerResponse): void {
  const model = { id: MODEL, object: 'model', created: 0, owned_by: 'edgewarden-demo' }
  sendJson(response, 200, { object: 'list', data: [model] })
}

function readDocument(request: IncomingMessage, response: ServerResponse, id: string): void {
  sendJson(response, 200, {
    id,
    object: 'document',
    title: `Document ${id}`,
    text: 'A document that only agents with the right scope see.',
    read_by: agentOf(request),
  })
}

function readRun(request: IncomingMessage, response: ServerResponse, run: string): void {
  const delegation = request.headers['x-agent-delegation']
  sendJson(response, 200, { run, agent: agentOf(request), ...(delegation && { delegation }) })
}

function whoAmI(request: IncomingMessage, response: ServerResponse): void {
  const identity = Object.entries(request.headers).filter(([name]) => name.startsWith('x-agent-'))
  sendJson(response, 200, Object.fromEntries(identity))
}

/** An MCP server without sessions has nothing to say by itself, and nothing to end. */
function noStream(_request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('allow', 'POST')
  sendError(response, 405, 'method_not_allowed', 'Messages are posted.')
}

async function completeChat(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = await readText(request)
  if (text === undefined) {
    // The rest of the body stays unread, so nothing can follow it on this connection.
    response.setHeader('connection', 'close')
    return sendError(response, 413, 'body_too_large', 'The body is larger than 1 MiB.')
  }
  const chat = parseChat(text)
  if (!chat) {
    return sendError(response, 400, 'invalid_body', 'The body must be JSON with messages.')
  }
  const content = `Hello, ${agentOf(request)}. You asked: ${chat.question}`
  const head = { id: `chatcmpl-${randomUUID()}`, created: seconds(), model: chat.model }
  if (chat.stream) return streamChat(response, head, content)
  const message = { role: 'assistant', content, refusal: null }
  sendJson(response, 200, {
    ...head,
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
  })
}

async function streamChat(response: ServerResponse, head: object, content: string): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const send = (delta: object, finish_reason: string | null) => {
    const choices = [{ index: 0, delta, finish_reason }]
    const chunk = { ...head, object: 'chat.completion.chunk', choices }
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  send({ role: 'assistant', content: '' }, null)
  for (const part of content.match(/\S+\s*/g) ?? []) {
    await sleep(DELTA_INTERVAL, undefined, { signal: gone.signal })
    send({ content: part }, null)
  }
  send({}, 'stop')
  response.end('data: [DONE]\n\n')
}

function parseChat(text: string): ChatRequest | undefined {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(body) || !Array.isArray(body.messages)) return undefined
  const last: unknown = body.messages.at(-1)
  const content = isRecord(last) ? last.content : undefined
  return {
    model: typeof body.model === 'string' ? body.model : MODEL,
    stream: body.stream === true,
    question: typeof content === 'string' ? content.slice(0, 200) : '(no text)',
  }
}

async function readText(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function agentOf(request: IncomingMessage): string {
  const id = request.headers['x-agent-id']
  return typeof id === 'string' ? id : 'stranger'
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { error: { message, type: 'invalid_request_error', code } })
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body, undefined, 2)}\n`)
}
