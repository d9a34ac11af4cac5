import { rpcErrorOf } from '../../answer/mcp-refusal.ts'
import { errorOf } from '../../answer/problem.ts'
import { utf8Encode } from '../../base/bytes.ts'
import type { HeaderReader } from '../../base/request.ts'
import type { Address } from '../../base/url.ts'
import type { Last } from './stream-pipe.ts'
import type { Ending } from './stream-watch.ts'

/** What {@link lastOf} reads to know the protocol of a stream. */
export interface Streaming {
  readonly headers: HeaderReader
  /** Of the request. */
  readonly method: string
  readonly address: Address
  /** See `StreamContext`. */
  readonly openRequests?: (() => readonly (string | number)[]) | undefined
}

/** Paths that clients of OpenAI and Anthropic append to their base URL to ask a model. */
const MODEL_PATH = /\/(?:completions|responses|v1\/messages)$/

/**
 * How a body without length and content coding ends when its token does, in its own protocol:
 * - to an MCP client, a JSON-RPC error for each open request, and nothing if there is none;
 * - from a model API, an `error` event, on which its clients throw;
 * - other events: a last event `edgewarden.closed`;
 * - lines of JSON: a line with `error`, and then an error.
 *
 * `undefined` for other bodies: they break off. Begins with a line end, or two, since the body may
 * be cut within a line or event. It may be called at any time.
 */
export function lastOf(ending: Ending, stream: Streaming): Last | undefined {
  const { headers, method, address, openRequests } = stream
  // The last event has the code for streams instead of the code of the denial.
  const denial = { ...ending.denial, code: ending.code }
  if (!isEventStream(headers)) {
    if (!isLines(headers)) return undefined
    return { bytes: utf8Encode(`\n${JSON.stringify({ error: errorOf(denial) })}\n`), breaks: true }
  }
  const events = openRequests
    ? openRequests().map((id) =>
        eventText('message', { jsonrpc: '2.0', id, error: rpcErrorOf(denial) }),
      )
    : method === 'POST' && MODEL_PATH.test(address.path)
      ? [eventText('error', { type: 'error', error: errorOf(denial) })]
      : [eventText('edgewarden.closed', { code: denial.code })]
  return { bytes: utf8Encode(events.length === 0 ? '' : `\n\n${events.join('')}`) }
}

/** A server-sent event. */
export function eventText(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}

/** Whether an answer is a stream of server-sent events, by its Content-Type. */
export function isEventStream(headers: HeaderReader): boolean {
  return /^\s*text\/event-stream\s*(?:;|$)/i.test(headers.get('content-type') ?? '')
}

/** Whether an answer is lines of JSON, by its Content-Type. */
export function isLines(headers: HeaderReader): boolean {
  const type = headers.get('content-type') ?? ''
  return /^\s*application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines)\s*(?:;|$)/i.test(type)
}
