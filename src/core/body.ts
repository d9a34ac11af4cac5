import { fail, ok, type Result } from './result.ts'
import type { Room } from './room.ts'

/** What a body may take until it is whole. */
export interface BodyBounds {
  readonly bytes: number
  /** Milliseconds from the call to the last byte, however steadily they come. */
  readonly ms: number
  /** Breaks the reading off when it aborts: then the body is `broken`. */
  readonly signal?: AbortSignal
  /** What is held is taken from it, and left to whoever opened it. */
  readonly room?: Room
  /** As {@link contentLength} says: workerd reads few bytes at once, at a fraction of the cost. */
  readonly length?: number | undefined
}

/** Why a body is not had whole: it has too many bytes, takes too long, its sender broke it off, or there is no room. */
export type BodyFault = 'too_large' | 'too_slow' | 'broken' | 'no_room'

/** Content-Length, where it is one. */
export function contentLength(headers: Headers): number | undefined {
  const length = headers.get('content-length')
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

/** Bytes of a body that is read at once, into a buffer that is made before it is there. */
const AT_ONCE = 128 * 1024

/** Bytes of a block, the first and the largest. */
const BLOCK = { first: 1024, most: 64 * 1024 }

/**
 * Holds a body as it comes, in blocks, so that neither many small parts nor few large ones take more than what
 * is counted: as much as there is at most, and one copy more while it is joined. The first block is made at once.
 */
export function createHold(most: number, room?: Room) {
  const blocks: Uint8Array<ArrayBuffer>[] = []
  let [length, capacity] = [0, 0]
  const grow = (): boolean => {
    const size = Math.min(Math.max(BLOCK.first, capacity), BLOCK.most, most - capacity)
    if (room && !room.take(size)) return false
    blocks.push(new Uint8Array(size))
    capacity += size
    return true
  }
  return {
    get length() {
      return length
    },
    /** Whether there is room for it; of a part that is beyond `most` the caller knows. */
    add(part: Uint8Array): boolean {
      for (let at = 0; at < part.length; ) {
        if (length === capacity && !grow()) return false
        const block = blocks.at(-1) as Uint8Array
        const used = block.length - (capacity - length)
        const piece = part.subarray(at, at + block.length - used)
        block.set(piece, used)
        at += piece.length
        length += piece.length
      }
      return true
    },
    /** All of it in one. */
    joined(): Uint8Array<ArrayBuffer> {
      const [only] = blocks
      if (only && blocks.length === 1) return only.subarray(0, length)
      const all = new Uint8Array(length)
      let at = 0
      for (const block of blocks) {
        all.set(block.subarray(0, length - at), at)
        at += block.length
      }
      return all
    },
    /** For a body that has not begun to come. */
    begin: (): boolean => most === 0 || grow(),
  }
}

/**
 * Reads a body to its end, within `bounds`; one that is over them is not read further, and nobody
 * waits for its sender to notice. No body is an empty one. Does not look at what the bytes say.
 * Rejects only where somebody else reads the body already.
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  bounds: BodyBounds,
): Promise<Result<Uint8Array<ArrayBuffer>, BodyFault>> {
  if (!body) return ok(new Uint8Array())
  const { bytes: most, ms, signal, room, length = Number.POSITIVE_INFINITY } = bounds
  const atOnce = length <= Math.min(most, AT_ONCE) ? readerAtOnce(body, length) : undefined
  const reader = atOnce ?? body.getReader()
  const deadline = within(ms)
  const stop = (fault: BodyFault) => {
    reader.cancel().catch(ignore)
    return fail(fault)
  }
  const held = createHold(most, room)
  signal?.addEventListener('abort', deadline.end)
  try {
    const hasRoom = atOnce ? !room || room.take(length + 1) : held.begin()
    if (!hasRoom) return stop('no_room')
    for (;;) {
      // Between two parts there is nobody for the signal to wake.
      const part = signal?.aborted ? undefined : await deadline.first(reader.read())
      if (!part) return stop(signal?.aborted ? 'broken' : 'too_slow')
      if (part.done) return ok(held.joined())
      const { value } = part
      if (atOnce && held.length === 0 && value.byteLength <= length) {
        return ok(value as Uint8Array<ArrayBuffer>)
      }
      if (held.length + value.byteLength > most) return stop('too_large')
      if (!held.add(value)) return stop('no_room')
    }
  } catch {
    return fail('broken')
  } finally {
    deadline.clear()
    signal?.removeEventListener('abort', deadline.end)
  }
}

/** What workerd has beside the standard: less than `least` bytes are all that are left. */
interface BytesReader extends Pick<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, 'cancel'> {
  readAtLeast(
    least: number,
    view: Uint8Array<ArrayBuffer>,
  ): ReturnType<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>['read']>
}

/**
 * Reads one byte more than a body should have, since over a binding its length is only what a Worker wrote: where
 * there are fewer, that is all of it. `undefined` for a runtime, or a body of a script's making, that has no such
 * reader.
 */
export function readerAtOnce(body: ReadableStream<Uint8Array>, length: number) {
  if (!('FixedLengthStream' in globalThis)) return undefined
  let reader: BytesReader
  try {
    reader = body.getReader({ mode: 'byob' }) as unknown as BytesReader
  } catch {
    return undefined
  }
  const least = length + 1
  return {
    read: () => reader.readAtLeast(least, new Uint8Array(least)),
    cancel: () => reader.cancel(),
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
export function grown(held: Uint8Array, needed: number, most: number): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(Math.min(most, Math.max(needed, 2 * held.byteLength)))
  next.set(held)
  return next
}

const ignore = () => {}

const JSON_TYPE = /^application\/json[\t ]*(?:;[\t ]*charset=(?:utf-8|"utf-8")[\t ]*)?$/i

/**
 * Whether a body is said to be JSON in UTF-8 and in no coding: the one type, with no other parameter
 * (RFC 8259 §11), once, and no Content-Encoding of any kind. Does not look at the body.
 */
export function isPlainJson(headers: Pick<Headers, 'get' | 'has'>): boolean {
  return JSON_TYPE.test(headers.get('content-type') ?? '') && !headers.has('content-encoding')
}
