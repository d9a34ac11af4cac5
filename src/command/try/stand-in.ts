import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type JsonObject, objectOf, own, ownText, parseJsonObject } from '../../gate/base/json.ts'
import { MCP_REVISIONS } from '../../gate/model/mcp.ts'

/** A request that the gate has forwarded. */
export interface Arrival {
  readonly method: string
  /** Host and path, as the gate asked for them. */
  readonly address: string
  readonly headers: IncomingMessage['headers']
}

/** A server in place of all origins. */
export interface StandIn {
  /** `host:port` */
  readonly address: string
  /** What has arrived since the last call. */
  arrivals(): readonly Arrival[]
  close(): Promise<void>
}

/**
 * Starts a server on a free port of this machine that answers as an MCP server, as a model API or with what it received.
 * It checks nothing: whatever arrives was let through by the gate.
 */
export async function startStandIn(): Promise<StandIn> {
  let arrived: Arrival[] = []
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request
    arrived.push({ method, address: `${headers.host}${url}`, headers })
    const body = await text(request).catch(() => '')
    const { status = 200, json } = answerTo(request, parseJsonObject(body) ?? {})
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(json === undefined ? '' : JSON.stringify(json))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrivals() {
      const last = arrived
      arrived = []
      return last
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

interface Answer {
  readonly status?: number
  readonly json?: JsonObject
}

const answerTo = (request: IncomingMessage, body: JsonObject): Answer => {
  const { method, url = '', headers } = request
  const [path = ''] = url.split('?', 1)
  const words = `An answer of edgewarden try, in place of ${headers.host}.`
  if (own(body, 'jsonrpc') === '2.0') return mcpAnswer(body, words)
  // A stream of an MCP server, which has nothing to say by itself.
  if (method === 'GET' && headers.accept === 'text/event-stream') return { status: 405 }
  const model = ownText(body, 'model') ?? 'none'
  const api = Object.entries(MODEL_ANSWERS).find(([end]) => path.endsWith(end))
  if (method === 'POST' && api) return { json: api[1](model, words) }
  return { json: { message: words, method: String(method), path: url } }
}

/** The ends of paths of model APIs, and the least that their clients read. */
const MODEL_ANSWERS: Readonly<Record<string, (model: string, words: string) => JsonObject>> = {
  '/chat/completions': (model, content) => ({
    id: 'chatcmpl-try',
    object: 'chat.completion',
    created: 0,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  }),
  '/responses': (model, text) => ({
    id: 'resp_try',
    object: 'response',
    created_at: 0,
    status: 'completed',
    model,
    output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] }],
  }),
  '/embeddings': (model) => ({
    object: 'list',
    model,
    data: [{ object: 'embedding', index: 0, embedding: [0, 0, 0] }],
  }),
  '/messages': (model, text) => ({
    id: 'msg_try',
    type: 'message',
    role: 'assistant',
    model,
    content: [{ type: 'text', text }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 0, output_tokens: 0 },
  }),
}

const mcpAnswer = (message: JsonObject, words: string): Answer => {
  const id = own(message, 'id')
  if (id === undefined) return { status: 202 }
  return { json: { jsonrpc: '2.0', id, result: resultOf(message, words) } }
}

const resultOf = (message: JsonObject, text: string): JsonObject => {
  const params = objectOf(own(message, 'params'))
  switch (own(message, 'method')) {
    case 'initialize':
      return {
        protocolVersion: ownText(params, 'protocolVersion') ?? MCP_REVISIONS[0],
        capabilities: { tools: {} },
        serverInfo: { name: 'edgewarden-try', version: '1' },
      }
    case 'tools/list':
      return { tools: [] }
    case 'tools/call':
      return { content: [{ type: 'text', text: `${ownText(params, 'name')} was called. ${text}` }] }
    default:
      return {}
  }
}
