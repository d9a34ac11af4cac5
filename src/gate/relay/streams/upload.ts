import { atMost, contentLength, dropParts, type PartReader, readerAtOnce } from '../../base/body.ts'
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
  /** How many bytes are read and dropped once the origin reads no more. */
  readonly dropBytes: number
}

/** The state of a body. `writing`: the origin is to read a part; `broken`: by its sender. */
type Progress = 'reading' | 'writing' | 'whole' | 'broken' | 'dropped'

interface State {
  progress: Progress
  /** How many the origin has read. */
  parts: number
}

/**
 * Copies the request's body part by part; the origin's timer runs while it reads nothing. A small
 * body fits the connection's buffers and is piped by the runtime.
 */
export function streamed(body: ReadableStream<Uint8Array>, request: RequestParts, upload: Upload) {
  const length = contentLength(request.headers)
  const pipe =
    IS_NATIVE && length !== undefined ? nativeStream(length) : new TransformStream<Uint8Array>()
  const isSmall =
    IS_NATIVE && length !== undefined && length <= LIMITS.smallBodyBytes && upload.overNetwork
  const state: State = { progress: 'reading', parts: 0 }
  // Workerd's own parts have 4 KiB; copying a body in those costs five times as much.
  const reader = isSmall
    ? undefined
    : (readerAtOnce(body, LIMITS.uploadPartBytes - 1, 1) ?? body.getReader())
  const through = reader
    ? pump(reader, pipe.writable.getWriter(), upload, state)
    : // The pipe also breaks when the origin does, but only after sending has failed.
      body.pipeTo(pipe.writable).then(
        () => report(state, 'whole', upload),
        () => report(state, 'broken', upload),
      )
  const hasLeft = () => !isOver(state) && request.signal?.aborted
  return {
    readable: pipe.readable,
    /** Whether the sender broke the body off or left before its end. Valid right after sending has failed. */
    brokeOff: () => state.progress === 'broken' || hasLeft(),
    isWhole: () => state.progress === 'whole',
    /** Resolves once the body has been read to its end, or has broken off; never rejects. */
    through,
    /** As `through`; once the origin reads nothing for a while, the rest is dropped. For an origin that has refused. */
    async rest() {
      for (let before = -1; state.progress !== 'writing' || before !== state.parts; ) {
        if (isOver(state)) return through
        before = state.parts
        await atMost(LIMITS.originStallMs, through)
      }
      state.progress = 'dropped'
      if (reader) await dropParts(reader, upload.dropBytes)
    },
  }
}

const isOver = ({ progress }: { readonly progress: Progress }) =>
  progress === 'whole' || progress === 'broken' || progress === 'dropped'

const report = (state: State, progress: Progress, { wait }: Upload) => {
  state.progress = progress
  wait.begin()
}

/** Never rejects: an error on one side breaks off the other. What the origin does not read is dropped. */
const pump = async (
  reader: PartReader,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  upload: Upload,
  state: State,
): Promise<void> => {
  let block: Uint8Array<ArrayBuffer> | undefined
  try {
    for (;;) {
      // Only an abort breaks off the outgoing request: a failed stream would end as if complete.
      const { done, value } = await reader.read(block).catch((error: unknown) => {
        report(state, 'broken', upload)
        upload.abort.abort()
        throw error
      })
      report(state, done ? 'whole' : 'writing', upload)
      if (done) break
      await writer.write(value)
      // The origin stopped reading, and the parts after this one are dropped.
      if (isOver(state)) return
      state.parts++
      state.progress = 'reading'
      upload.wait.end()
      block = new Uint8Array(value.buffer as ArrayBuffer)
    }
    await writer.close()
  } catch (error) {
    upload.wait.begin()
    const isDropped = state.progress === 'dropped'
    if (state.progress === 'writing') state.progress = 'dropped'
    await Promise.allSettled([
      !isDropped && dropParts(reader, upload.dropBytes),
      writer.abort(error),
    ])
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
