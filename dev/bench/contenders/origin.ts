import { EVENTS } from '../kinds.ts'

const DOCUMENT = {
  object: 'document',
  id: 'doc_7f3a9c',
  title: 'Quarterly figures',
  status: 'ready',
  pages: 12,
  owner: 'team-finance',
}

const COMPLETION = {
  id: 'chatcmpl-7f3a9c',
  object: 'chat.completion',
  created: 1_795_600_000,
  model: 'large-2',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'Revenue rose by 4 % over the quarter before.' },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 214, completion_tokens: 12, total_tokens: 226 },
}

const RESULT = {
  jsonrpc: '2.0',
  id: 7,
  result: { content: [{ type: 'text', text: 'One document: Quarterly figures, 12 pages.' }] },
}

/** Milliseconds before an event, so that each comes by itself. */
const PAUSE = 2

const event = (index: number): string =>
  `data: ${JSON.stringify({ id: 'chatcmpl-7f3a9c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: ` word${index}` } }] })}\n\n`

const EVENTS_WRITTEN = Array.from({ length: EVENTS }, (_, index) =>
  new TextEncoder().encode(event(index)),
)

const events = (): Response => {
  const { readable, writable } = new IdentityTransformStream()
  const writer = writable.getWriter()
  const write = async () => {
    for (const bytes of EVENTS_WRITTEN) {
      await scheduler.wait(PAUSE)
      await writer.write(bytes)
    }
    await writer.close()
  }
  void write()
  return new Response(readable, { headers: { 'Content-Type': 'text/event-stream' } })
}

const TEXT = new TextEncoder().encode('All is well.')

/** A text whose length is told or not, or a document as JSON. */
const document = (query: string): Response => {
  if (query !== '?sized' && query !== '?unsized') return Response.json(DOCUMENT)
  const body = query === '?sized' ? TEXT : new Blob([TEXT]).stream()
  return new Response(body, { headers: { 'Content-Type': 'text/plain' } })
}

/** Longer than any measurement, in milliseconds. */
const LONG = 600_000

/** A stream with one event at once, and none after it. */
const idleStream = (): Response => {
  const { readable, writable } = new IdentityTransformStream()
  const writer = writable.getWriter()
  const write = async () => {
    await writer.write(EVENTS_WRITTEN[0] ?? new Uint8Array())
    await Promise.race([writer.closed, scheduler.wait(LONG)])
  }
  // The stream ends when its reader goes.
  write().catch(() => undefined)
  return new Response(readable, { headers: { 'Content-Type': 'text/event-stream' } })
}

/** The origin: a small answer by the kind of request, once its body is read to the end. */
export default {
  async fetch(request) {
    const isStream = request.headers.get('accept') === 'text/event-stream'
    if (request.method === 'GET') {
      return isStream ? idleStream() : document(new URL(request.url).search)
    }
    await request.arrayBuffer()
    if (isStream) return events()
    return Response.json(new URL(request.url).pathname === '/mcp' ? RESULT : COMPLETION)
  },
} satisfies ExportedHandler
