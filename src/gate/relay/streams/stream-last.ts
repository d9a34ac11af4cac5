import { BEGINNING, endingFor, lastEvent } from '../../answer/dialects.ts'
import { rpcErrorOf } from '../../answer/mcp-refusal.ts'
import { utf8Encode } from '../../base/bytes.ts'
import type { HeaderReader, RequestHead } from '../../base/request.ts'
import type { Last } from './stream-pipe.ts'
import type { Ending } from './stream-watch.ts'

/** What {@link lastOf} reads to know the protocol of a stream. */
export interface Streaming {
  readonly request: RequestHead
  /** The headers of the answer. */
  readonly headers: HeaderReader
  /** See `StreamContext`. */
  readonly openRequests?: (() => readonly (string | number)[]) | undefined
}

/**
 * How a body without length and content coding ends when its token does, in its own protocol: to
 * an MCP client with a JSON-RPC error for each open request, and nothing if there is none; to
 * others as `DIALECTS` says. `undefined` for other bodies: they break off.
 */
export function lastOf({ request, headers, openRequests }: Streaming): LastOf | undefined {
  const row = endingFor(request, headers.get('content-type') ?? '')
  if (!row) return undefined
  const beginning = row.needsBeginning && !openRequests ? keepBeginning() : undefined
  return {
    tap: beginning?.tap,
    // The last event has the code for streams instead of the code of the denial.
    last({ denial, code }) {
      const ended = { ...denial, code }
      if (!openRequests) {
        const last = row.last(ended, beginning?.text() ?? '')
        const bytes = typeof last === 'string' ? utf8Encode(last) : last
        return { bytes, ...(row.breaks && { breaks: true }) }
      }
      const error = rpcErrorOf(ended)
      const events = openRequests().map((id) => lastEvent({ jsonrpc: '2.0', id, error }, 'message'))
      return { bytes: utf8Encode(events.join('')) }
    },
  }
}

/** How a stream ends. `tap`: what its body has to go through, if the end depends on its beginning. */
export interface LastOf {
  readonly last: (ending: Ending) => Last
  readonly tap: TransformStream<Uint8Array, Uint8Array> | undefined
}

const keepBeginning = () => {
  const decoder = new TextDecoder()
  let [text, left] = ['', BEGINNING]
  const tap = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      if (left > 0) text += decoder.decode(chunk.subarray(0, left), { stream: true })
      left -= chunk.length
      controller.enqueue(chunk)
    },
  })
  return { tap, text: () => text }
}
