import { contentLength } from '../../core/body.ts'
import type { Denial } from '../../core/denial.ts'
import type { Decision } from '../../core/guard.ts'
import { LIMITS } from '../../core/limits.ts'
import { type Ending, endingDenial, watch } from './stream-watch.ts'

/**
 * Counts the time the origin keeps a request waiting, and ends `timeout` once that is `ms` at a
 * stretch; never without `ms`. The caller's own slowness is not counted, nor anything after the origin's answer.
 */
export function patience(ms: number | undefined) {
  let expire = () => {}
  const timeout = new Promise<undefined>((resolve) => {
    expire = () => resolve(undefined)
  })
  let over = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const end = () => {
    if (timer !== undefined) clearTimeout(timer)
  }
  return {
    timeout,
    begin() {
      end()
      if (!over && ms !== undefined) timer = setTimeout(expire, ms)
    },
    end,
    over() {
      over = true
      end()
    },
  }
}

/** A stream type of workerd that keeps Content-Length; absent elsewhere. */
type FixedLength = new (
  length: number,
) => {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/**
 * Aborts when `signal` does, or has; the function it gives ends that. A runtime may have no signal of a
 * request.
 */
export function following(signal: AbortSignal | undefined, abort: AbortController) {
  const leave = () => abort.abort()
  if (signal?.aborted) leave()
  signal?.addEventListener('abort', leave)
  return () => signal?.removeEventListener('abort', leave)
}

/** What an upload on its way is watched and broken off by. */
export interface Upload {
  readonly wait: ReturnType<typeof patience>
  readonly abort: AbortController
  readonly overNetwork: boolean
}

/** How far a body has come; `broken` is its sender's doing. */
type Progress = 'flowing' | 'whole' | 'broken'

/** A body on its way. */
export interface Streamed {
  readonly readable: ReadableStream<Uint8Array>
  /**
   * Whether its sender broke it off, or has left before its end. Asked when sending it has failed: what comes
   * after that is not told apart.
   */
  readonly brokeOff: () => boolean
  /** Settles when nothing more of it is on its way; never rejects. */
  readonly through: Promise<void>
}

/**
 * The request's body, passed on chunk by chunk; the origin's time runs while it takes none. A small one
 * fits the buffers of a connection, whatever the origin does, and is left to the runtime.
 */
export function streamed(
  body: ReadableStream<Uint8Array>,
  request: Request,
  upload: Upload,
): Streamed {
  const length = contentLength(request.headers)
  const Fixed = (globalThis as { FixedLengthStream?: FixedLength }).FixedLengthStream
  const pipe = Fixed && length !== undefined ? new Fixed(length) : new TransformStream<Uint8Array>()
  let progress: Progress = 'flowing'
  const tell = (now: Progress) => {
    progress = now
    upload.wait.begin()
  }
  const isSmall =
    Fixed && length !== undefined && length <= LIMITS.smallBodyBytes && upload.overNetwork
  const through = isSmall
    ? // It breaks, too, when the origin does, but only after sending has failed.
      body.pipeTo(pipe.writable).then(
        () => tell('whole'),
        () => tell('broken'),
      )
    : pump(body.getReader(), pipe.writable.getWriter(), upload, tell)
  const hasLeft = () => progress === 'flowing' && request.signal?.aborted
  return {
    readable: pipe.readable,
    brokeOff: () => progress === 'broken' || hasLeft(),
    through,
  }
}

/** Never rejects: a side that breaks off breaks the other off, and the response tells the rest. */
const pump = async (
  reader: ReadableStreamDefaultReader<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  { wait, abort }: Upload,
  tell: (progress: Progress) => void,
): Promise<void> => {
  try {
    for (;;) {
      // Only an abort breaks the outgoing request off: a stream that fails ends as if complete.
      const { done, value } = await reader.read().catch((error: unknown) => {
        tell('broken')
        abort.abort()
        throw error
      })
      tell(done ? 'whole' : 'flowing')
      if (done) break
      await writer.write(value)
      wait.end()
    }
    await writer.close()
  } catch (error) {
    wait.begin()
    await Promise.allSettled([reader.cancel(error), writer.abort(error)])
  }
}

/** A request on its way, which ends when its token does. */
export interface WatchedUpload {
  /** Why it was broken off. */
  ended(): Denial | undefined
  /** Ends the watch. */
  over(): void
}

const UNWATCHED: WatchedUpload = { ended: () => undefined, over: () => {} }

/**
 * Breaks a request off when its token has expired or is revoked while its body is on its way. Bodies that are
 * small by their Content-Length are let be, and requests that passed without a token or in shadow mode.
 */
export function watchUpload(
  { headers }: Request,
  decision: Decision,
  abort: AbortController,
): WatchedUpload {
  const length = contentLength(headers)
  if (length !== undefined && length <= LIMITS.smallBodyBytes) return UNWATCHED
  if (decision.outcome !== 'passed' || decision.known.route.mode === 'shadow') return UNWATCHED
  let ending: Ending | undefined
  const over = watch(decision.known, decision.ports, (how) => {
    ending = how
    abort.abort()
  })
  return { over, ended: () => ending && endingDenial(ending) }
}
