import { contentLength } from '../../base/body.ts'
import type { Denial } from '../../base/denial.ts'
import { LIMITS } from '../../base/limits.ts'
import type { RequestParts } from '../../base/request.ts'
import type { Decision } from '../../guard/guard.ts'
import type { Route } from '../../model/route.ts'
import { IS_NATIVE, nativeStream } from './stream-pipe.ts'
import { endingDenial, watch } from './stream-watch.ts'

/**
 * Times an origin: `timeout` resolves after `ms` milliseconds of waiting without a break, or never
 * without `ms`. Time spent on the caller, or after the answer, does not count.
 */
export function createOriginTimer(ms: number | undefined) {
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

/**
 * Aborts once `signal` aborts, or at once if it has already. The returned function undoes this. Some runtimes give
 * requests no signal.
 */
export function abortWith(signal: AbortSignal | undefined, abort: AbortController) {
  const leave = () => abort.abort()
  if (signal?.aborted) leave()
  signal?.addEventListener('abort', leave)
  return () => signal?.removeEventListener('abort', leave)
}

export interface Upload {
  readonly wait: ReturnType<typeof createOriginTimer>
  readonly abort: AbortController
  readonly overNetwork: boolean
}

/** The state of a body; `broken`: by its sender. */
type Progress = 'flowing' | 'whole' | 'broken'

/**
 * Copies the request's body chunk by chunk; the origin's timer runs while it reads nothing. A small
 * body fits the connection's buffers and is piped by the runtime.
 */
export function streamed(body: ReadableStream<Uint8Array>, request: RequestParts, upload: Upload) {
  const length = contentLength(request.headers)
  const pipe =
    IS_NATIVE && length !== undefined ? nativeStream(length) : new TransformStream<Uint8Array>()
  let progress: Progress = 'flowing'
  const report = (now: Progress) => {
    progress = now
    upload.wait.begin()
  }
  const isSmall =
    IS_NATIVE && length !== undefined && length <= LIMITS.smallBodyBytes && upload.overNetwork
  const through = isSmall
    ? // The pipe also breaks when the origin does, but only after sending has failed.
      body.pipeTo(pipe.writable).then(
        () => report('whole'),
        () => report('broken'),
      )
    : pump(body.getReader(), pipe.writable.getWriter(), upload, report)
  const hasLeft = () => progress === 'flowing' && request.signal?.aborted
  return {
    readable: pipe.readable,
    /** Whether the sender broke the body off or left before its end. Valid right after sending has failed. */
    brokeOff: () => progress === 'broken' || hasLeft(),
    isWhole: () => progress === 'whole',
    /** Resolves once the body has ended or broken off; never rejects. */
    through,
  }
}

/** Never rejects: an error on one side breaks off the other. */
const pump = async (
  reader: ReadableStreamDefaultReader<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  { wait, abort }: Upload,
  report: (progress: Progress) => void,
): Promise<void> => {
  try {
    for (;;) {
      // Only an abort breaks off the outgoing request: a failed stream would end as if complete.
      const { done, value } = await reader.read().catch((error: unknown) => {
        report('broken')
        abort.abort()
        throw error
      })
      report(done ? 'whole' : 'flowing')
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

/**
 * Watches the token of a request until the origin answers, on rules with `mcp` and with `end-all`: aborts the request
 * when the token is revoked, or expires before the body is whole. Ignores requests without a token, and shadow mode.
 */
export function watchRequest(decision: Decision, abort: AbortController | undefined) {
  let resolve: (denial: Denial) => void = () => {}
  const ended = new Promise<Denial>((settle) => {
    resolve = settle
  })
  const { outcome, known } = decision
  // `ended` resolves with the denial once the token has ended; `over` ends the watch.
  if (outcome !== 'passed' || known.route.mode === 'shadow' || !isWatchedPending(known.route)) {
    return { ended, over() {} }
  }
  const { ports, onLate } = decision
  const over = watch(
    known,
    ports,
    (ending) => {
      resolve(endingDenial(ending, known))
      abort?.abort()
    },
    { mayFinish: () => decision.isReceived?.() ?? true, onLate, isChecked: true },
  )
  return { ended, over }
}

/** Whether a rule's requests are watched until the origin answers. A timer for each costs too much on all rules. */
export function isWatchedPending({ mcp, onRevocation }: Route): boolean {
  return mcp !== undefined || onRevocation === 'end-all'
}
