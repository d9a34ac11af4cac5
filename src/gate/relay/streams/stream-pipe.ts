/** A body in transit that can be cut. */
export interface Pipe {
  readonly readable: ReadableStream<Uint8Array>
  /** Resolves when the body has ended or broken off; never rejects. */
  readonly over: Promise<void>
  /**
   * Cancels the source and ends the readable side: after `last`, or with an error. A reader that
   * has stopped gets an error.
   */
  readonly cut: (last?: Last) => void
}

/** The last bytes of a cut body. */
export interface Last {
  readonly bytes: Uint8Array
  /** Whether an error follows the bytes, so that the body never looks complete. */
  readonly breaks?: boolean
}

/** Stream types of workerd only. */
interface Native {
  readonly IdentityTransformStream?: new () => ByteStream
  readonly FixedLengthStream?: new (length: number) => ByteStream
}

interface ByteStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

type Body = ReadableStream<Uint8Array>

const { IdentityTransformStream, FixedLengthStream } = globalThis as Native

/** Whether the runtime moves bodies without scripts, which is cheaper. */
export const IS_NATIVE = IdentityTransformStream !== undefined

/** Milliseconds a reader has to read the last chunk. */
const GRACE_MS = 5_000

const wasCut = () => new Error('The stream was cut')
const ignore = () => {}
const nextTask = () => new Promise((done) => setTimeout(done, 0))

/** Pipes a body. Never rejects: on errors the writable side is aborted. */
const moved = (body: Body, writable: WritableStream<Uint8Array>, signal: AbortSignal) =>
  body
    .pipeTo(writable, { signal })
    .catch((error) => writable.abort(error))
    .catch(ignore)

/** A pipe of workerd, which keeps a Content-Length. Requires {@link IS_NATIVE}. */
export function nativeStream(length: number | undefined): ByteStream {
  return length === undefined
    ? new (IdentityTransformStream as NonNullable<typeof IdentityTransformStream>)()
    : new (FixedLengthStream as NonNullable<typeof FixedLengthStream>)(length)
}

/**
 * Pipes a body unchanged. `length`: its exact length, so that workerd keeps Content-Length and
 * pipes without a script. Then `cut` ignores `last`.
 */
export function piped(body: Body, length?: number): Pipe {
  if (!IS_NATIVE) return transformed(body)
  const controller = new AbortController()
  const { signal } = controller
  const { readable, writable } = nativeStream(length)
  if (length !== undefined) {
    return {
      readable,
      over: moved(body, writable, signal),
      cut: () => controller.abort(wasCut()),
    }
  }
  let words: Last | undefined
  // The writable side stays open, so that `last` can follow.
  const go = async () => {
    try {
      await body.pipeTo(writable, { signal, preventAbort: true, preventClose: true })
      await writable.close()
    } catch (error) {
      if (words) await sayLast(writable.getWriter(), words)
      else await writable.abort(error)
    }
  }
  return {
    readable,
    over: go().catch(ignore),
    cut(last) {
      words = last
      controller.abort(wasCut())
    },
  }
}

/** The chunks read so far and the rest; without `rest` the body is complete. */
export interface Started {
  readonly chunks: readonly Uint8Array[]
  readonly rest?: {
    readonly reader: ReadableStreamDefaultReader<Uint8Array>
    /** A pending read. */
    readonly reading: ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>
  }
}

/** Milliseconds to wait for a complete body, and the most bytes to read. */
const QUICK = { ms: 5, bytes: 64 * 1024 }

/**
 * Reads the start of a body: a short one needs no watch. After {@link QUICK.ms} it returns what
 * has arrived until then. Never rejects: errors are in `rest`.
 */
export async function start(body: Body): Promise<Started> {
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<undefined>((done) => {
    timer = setTimeout(done, QUICK.ms, undefined)
  })
  try {
    for (let size = 0; ; ) {
      const reading = reader.read()
      const rest = { reader, reading }
      const read = await Promise.race([reading, late]).catch(() => undefined)
      if (!read) return { chunks, rest }
      if (read.done) return { chunks }
      chunks.push(read.value)
      size += read.value.length
      if (size > QUICK.bytes) return { chunks, rest: { reader, reading: reader.read() } }
    }
  } finally {
    if (timer !== undefined) clearTimeout(timer)
  }
}

/**
 * Pipes a body after its start was read; the rest moves without a script. `length`: as for
 * {@link piped}, of the whole body. Requires {@link IS_NATIVE}.
 */
export function resumed(body: Body, { chunks, rest }: Required<Started>, length?: number): Pipe {
  const { readable, writable } = nativeStream(length)
  const { reader, reading } = rest
  const writer = writable.getWriter()
  const controller = new AbortController()
  const { signal } = controller
  const go = async (): Promise<void> => {
    try {
      for (const chunk of chunks) await writer.write(chunk)
      const { done, value } = await reading
      if (value) await writer.write(value)
      if (done) return await writer.close()
    } catch (error) {
      // Earlier chunks are sent before the connection breaks.
      await nextTask()
      await Promise.allSettled([reader.cancel(error), writer.abort(error)])
      return
    }
    reader.releaseLock()
    writer.releaseLock()
    await moved(body, writable, signal)
  }
  return {
    readable,
    over: go().catch(ignore),
    cut() {
      controller.abort(wasCut())
      // Before the pipe has begun; afterwards the locks are released, and this does nothing.
      reader.cancel().catch(ignore)
      writer.abort(wasCut()).catch(ignore)
    },
  }
}

/**
 * Pipes a body from a script; `length`: as for {@link piped}. Copies chunks in workerd, whose own
 * pipe cannot be cut while such a body waits.
 */
export function pumped(body: Body, length?: number): Pipe {
  if (!IS_NATIVE) return transformed(body)
  const { readable, writable } = nativeStream(length)
  const reader = body.getReader()
  const writer = writable.getWriter()
  let isCut = false
  const pump = async () => {
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done || isCut) break
        await writer.write(value)
      }
      if (!isCut) await writer.close()
    } catch (error) {
      if (!isCut) await Promise.allSettled([reader.cancel(error), writer.abort(error)])
    }
  }
  return {
    readable,
    over: pump(),
    cut(last) {
      isCut = true
      reader.cancel().catch(ignore)
      if (last) void sayLast(writer, last)
      else writer.abort(wasCut()).catch(ignore)
    },
  }
}

const sayLast = async (
  writer: WritableStreamDefaultWriter<Uint8Array>,
  { bytes, breaks }: Last,
) => {
  const tired = setTimeout(() => void writer.abort(wasCut()).catch(ignore), GRACE_MS)
  try {
    if (bytes.length > 0) await writer.write(bytes)
    if (!breaks) return await writer.close()
    await nextTask()
    await writer.abort(wasCut())
  } catch {
    // The reader has gone.
  } finally {
    clearTimeout(tired)
  }
}

const transformed = (body: Body): Pipe => {
  let controller: TransformStreamDefaultController<Uint8Array> | undefined
  let isCut = false
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
    start(its) {
      controller = its
    },
    transform(chunk, its) {
      if (!isCut) its.enqueue(chunk)
    },
  })
  return {
    readable,
    over: body.pipeTo(writable).catch(ignore),
    cut(last) {
      isCut = true
      // Errors both sides at once: an aborted pipe would wait for its reader.
      if (!last) return controller?.error(wasCut())
      try {
        if (last.bytes.length > 0) controller?.enqueue(last.bytes)
        if (last.breaks) void nextTask().then(() => controller?.error(wasCut()))
        else controller?.terminate()
      } catch {
        // The stream has already ended.
      }
    },
  }
}
