import { fail, ok, type Result } from './result.ts'

/** What a body may take until it is whole. */
export interface BodyBounds {
  readonly bytes: number
  /** Milliseconds from the call to the last byte, however steadily they come. */
  readonly ms: number
  /** Breaks the reading off when it aborts: then the body is `broken`. */
  readonly signal?: AbortSignal
}

/** Why a body is not had whole: it has too many bytes, takes too long, or its sender broke it off. */
export type BodyFault = 'too_large' | 'too_slow' | 'broken'

/** Room that is made before anything has come. */
const FIRST_BYTES = 4 * 1024

/**
 * Reads a body to its end, within `bounds`; one that is over them is not read further, and nobody
 * waits for its sender to notice. No body is an empty one. Does not look at what the bytes say.
 * Rejects only where somebody else reads the body already.
 */
export const readBody = async (
  body: ReadableStream<Uint8Array> | null,
  bounds: BodyBounds,
): Promise<Result<Uint8Array<ArrayBuffer>, BodyFault>> => {
  if (!body) return ok(new Uint8Array())
  const reader = body.getReader()
  const deadline = within(bounds.ms)
  const stop = (fault: BodyFault) => {
    reader.cancel().catch(ignore)
    return fail(fault)
  }
  const { signal } = bounds
  let held = new Uint8Array(Math.min(bounds.bytes, FIRST_BYTES))
  let length = 0
  signal?.addEventListener('abort', deadline.end)
  try {
    for (;;) {
      // Between two parts there is nobody for the signal to wake.
      const part = signal?.aborted ? undefined : await deadline.first(reader.read())
      if (!part) return stop(signal?.aborted ? 'broken' : 'too_slow')
      if (part.done) return ok(held.subarray(0, length))
      const needed = length + part.value.byteLength
      if (needed > bounds.bytes) return stop('too_large')
      if (needed > held.byteLength) held = grown(held, needed, bounds.bytes)
      held.set(part.value, length)
      length = needed
    }
  } catch {
    return fail('broken')
  } finally {
    deadline.clear()
    signal?.removeEventListener('abort', deadline.end)
  }
}

/** One timer for all parts: `first` brings the part it is given, or nothing once the time is up. */
const within = (ms: number) => {
  let expire = () => {}
  // Between two parts nothing but the reader's own steps run, so that it always finds one to end.
  const timer = setTimeout(() => expire(), ms)
  return {
    // Not a race with one promise, which would remember every part until the end.
    first: <Part>(part: Promise<Part>) =>
      new Promise<Part | undefined>((resolve, reject) => {
        expire = () => resolve(undefined)
        part.then(resolve, reject)
      }),
    /** As if the time were up. */
    end: () => expire(),
    clear: () => clearTimeout(timer),
  }
}

/**
 * The same bytes in a buffer with room for `needed`, and twice what there was, so that many small parts are
 * not copied for each; never more than `most`.
 */
export const grown = (held: Uint8Array, needed: number, most: number): Uint8Array<ArrayBuffer> => {
  const next = new Uint8Array(Math.min(most, Math.max(needed, 2 * held.byteLength)))
  next.set(held)
  return next
}

const ignore = () => {}
