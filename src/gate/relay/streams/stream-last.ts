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
 * others as `DIALECTS` says. `undefined` for other bodies, and within a frame: they break off.
 */
export function lastOf({ request, headers, openRequests }: Streaming): LastOf | undefined {
  const type = headers.get('content-type') ?? ''
  const row = endingFor(request, type)
  if (!row) return undefined
  const beginning = row.needsBeginning && !openRequests ? keepBeginning() : undefined
  const frames = row.isFramed ? followFrames() : undefined
  return {
    tap: (beginning ?? frames)?.tap,
    // The last event has the code for streams instead of the code of the denial.
    last({ denial, code }) {
      if (frames && !frames.isWhole()) return undefined
      const ended = { ...denial, code }
      if (!openRequests) {
        const last = row.last(ended, beginning?.text() ?? '', type)
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
  readonly last: (ending: Ending) => Last | undefined
  readonly tap: TransformStream<Uint8Array, Uint8Array> | undefined
}

/** Bytes of flags and length in front of a frame. */
const FRAME_HEAD = 5

/** Knows whether what has passed are whole frames. Keeps none of their content. */
const followFrames = () => {
  /** Bytes of the head that have passed, the length that they say so far, and bytes of content that are left. */
  let [head, length, left] = [0, 0, 0]
  const tap = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      for (let at = 0; at < chunk.length; ) {
        if (left > 0) {
          const part = Math.min(left, chunk.length - at)
          left -= part
          at += part
          continue
        }
        if (head > 0) length = length * 256 + (chunk[at] ?? 0)
        at++
        if (++head < FRAME_HEAD) continue
        left = length
        head = length = 0
      }
      controller.enqueue(chunk)
    },
  })
  return { tap, isWhole: () => head === 0 && left === 0 }
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
