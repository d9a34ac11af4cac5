import { HOST, PATH } from './policy.ts'

/** A kind of request that is measured. */
export interface Kind {
  readonly id: string
  readonly title: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Over those that every request has. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** How many take part in a measurement, where that is not {@link CONNECTIONS}. */
  readonly connections?: number
  /** The gate's rule for it, where it is none of those that every policy has. */
  readonly rule?: Readonly<Record<string, unknown>>
  /** Whether each request has a DPoP proof of its own (RFC 9449). */
  readonly hasProof?: true
}

/** Keep-alive connections, each with one request at a time. */
export const CONNECTIONS = 32

/** Events of a streamed answer. */
export const EVENTS = 20

/** What every request has beside a token: the headers of an agent's client, and the one Cloudflare adds. */
export const HEADERS: Readonly<Record<string, string>> = {
  host: HOST,
  accept: 'application/json',
  'accept-encoding': 'gzip, deflate, br',
  'content-type': 'application/json',
  'user-agent': 'acme-agent/2.4.1 (linux; x64) node/24.21.0',
  'cf-connecting-ip': '203.0.113.7',
}

/** JSON of so many bytes, a text being most of it. */
const sized = (bytes: number, json: (text: string) => unknown): string => {
  const written = (text: string) => JSON.stringify(json(text))
  return written('All is well. '.repeat(bytes).slice(0, bytes - written('').length))
}

const prompt = { method: 'POST', path: '/v1/chat/completions' } as const
const chat = (stream: boolean): string =>
  sized(1_000, (content) => ({ model: 'large-2', stream, messages: [{ role: 'user', content }] }))

const toolCall = (bytes: number): Kind => ({
  id: `mcp-${bytes / 1_000}k`,
  title: `MCP tool call of ${bytes / 1_000} KB`,
  method: 'POST',
  path: '/mcp',
  rule: {
    match: 'POST /mcp',
    scopes: ['documents:read'],
    mcp: { tools: { 'documents_*': ['documents:read'] } },
  },
  headers: { accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' },
  body: sized(bytes, (content) => ({
    jsonrpc: '2.0',
    id: 7,
    method: 'tools/call',
    params: {
      name: 'documents_search',
      arguments: { query: 'quarterly figures', limit: 20, content },
      _meta: { progressToken: 7 },
    },
  })),
})

/** All kinds of requests; a stream is asked for as an AI API is, by a POST. */
export const KINDS = {
  post: { id: 'post', title: 'POST of 1 KB', ...prompt, body: chat(false) },
  get: { id: 'get', title: 'GET', method: 'GET', path: PATH },
  sized: { id: 'sized', title: 'GET of 12 bytes of text', method: 'GET', path: `${PATH}?sized` },
  unsized: {
    id: 'unsized',
    title: 'GET of 12 bytes of text whose length workerd does not tell',
    method: 'GET',
    path: `${PATH}?unsized`,
  },
  dpop: { id: 'dpop', title: 'GET with a DPoP proof', method: 'GET', path: PATH, hasProof: true },
  sse: {
    id: 'sse',
    title: `stream of ${EVENTS} events`,
    ...prompt,
    headers: { accept: 'text/event-stream' },
    body: chat(true),
  },
  upload: {
    id: 'upload',
    title: 'upload of 1 MB',
    method: 'POST',
    path: '/v1/files',
    headers: { 'content-type': 'application/octet-stream' },
    body: 'x'.repeat(1_000_000),
    connections: 4,
  },
  smallCall: toolCall(1_000),
  largeCall: toolCall(100_000),
} as const satisfies Readonly<Record<string, Kind>>
