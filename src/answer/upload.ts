import { LIMITS } from '../base/limits.ts'

/**
 * Counts the time the origin keeps a request waiting, and ends `timeout` once that is `ms` at a
 * stretch. The caller's own slowness is not counted, nor anything after the origin's answer.
 */
export const patience = (ms: number) => {
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
      if (!over) timer = setTimeout(expire, ms)
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

/** What an upload on its way is watched and broken off by. */
export interface Upload {
  readonly wait: ReturnType<typeof patience>
  readonly abort: AbortController
  readonly overNetwork: boolean
}

/**
 * The request's body, passed on chunk by chunk; the origin's time runs while it takes none. A small one
 * fits the buffers of a connection, whatever the origin does, and is left to the runtime.
 */
export const streamed = (
  body: ReadableStream<Uint8Array>,
  request: Request,
  upload: Upload,
): ReadableStream<Uint8Array> => {
  const length = Number(request.headers.get('content-length') ?? Number.NaN)
  const Fixed = (globalThis as { FixedLengthStream?: FixedLength }).FixedLengthStream
  const pipe =
    Fixed && Number.isSafeInteger(length) ? new Fixed(length) : new TransformStream<Uint8Array>()
  if (Fixed && length <= LIMITS.smallBodyBytes && upload.overNetwork) {
    void body.pipeTo(pipe.writable).then(upload.wait.begin, upload.wait.begin)
  } else {
    void pump(body.getReader(), pipe.writable.getWriter(), upload)
  }
  return pipe.readable
}

/** Never rejects: a side that breaks off breaks the other off, and the response tells the rest. */
const pump = async (
  reader: ReadableStreamDefaultReader<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  { wait, abort }: Upload,
): Promise<void> => {
  try {
    for (;;) {
      // Only an abort breaks the outgoing request off: a stream that fails ends as if complete.
      const { done, value } = await reader.read().catch((error: unknown) => {
        abort.abort()
        throw error
      })
      wait.begin()
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
