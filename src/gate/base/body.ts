import { fail, ok, type Result } from './result.ts'
import type { Room } from './room.ts'

/** Bounds for reading a whole body. */
export interface BodyBounds {
  readonly bytes: number
  /** Milliseconds from the call to the last byte, even if bytes keep arriving. */
  readonly ms: number
  /** Stops the reading when it aborts; the result is then `broken`. */
  readonly signal?: AbortSignal
  /** Counts the buffered bytes. The caller opens it and leaves it. */
  readonly room?: Room
  /** From {@link contentLength}. With it, workerd reads a small body in one call, which is much cheaper. */
  readonly length?: number | undefined
  /** Leaves the rest of a body that is too large, or has no room, to another reader. */
  readonly leavesRest?: boolean
}

/** Why a body was not read whole: too many bytes, too slow, broken off by its sender or by `signal`, or no room. */
export type BodyFault = 'too_large' | 'too_slow' | 'broken' | 'no_room'

/** The Content-Length; `undefined` where it is absent or malformed. */
export function contentLength(headers: Pick<Headers, 'get'>): number | undefined {
  const length = headers.get('content-length')
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

/** Largest body that is read in one call, into a buffer that is allocated first. */
const AT_ONCE = 128 * 1024

/** Bytes of the first block and of the largest. */
const BLOCK = { first: 1024, most: 64 * 1024 }

/** Bytes of the block into which a body is read that is dropped. */
const DROPPED_BLOCK = 16 * 1024

/** Buffers a body in blocks that double in size. `room` counts the blocks, not the copy that `joined` makes. */
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
    /** Appends a part; `false` where the room is full. The caller checks `most`. */
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
    /** All bytes in one array. */
    joined(): Uint8Array<ArrayBuffer> {
      const last = blocks.at(-1)
      return joined(
        last ? blocks.with(-1, last.subarray(0, last.length - (capacity - length))) : [],
      )
    },
    /** Allocates the first block before the body arrives; `false` where the room is full. */
    begin: (): boolean => most === 0 || grow(),
  }
}

/** Concatenates chunks; a single one is not copied. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const [only] = chunks
  if (only && chunks.length === 1) return only as Uint8Array<ArrayBuffer>
  const all = new Uint8Array(chunks.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

/**
 * Reads a body to its end, within `bounds`. `null` reads as an empty body. On a fault it cancels the stream, unless
 * `leavesRest` says otherwise, and does not wait for that. Does not inspect the bytes. Rejects only if another reader has locked the stream.
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
    // A late part may still be read, so such a reader stays.
    const isLeft = bounds.leavesRest && (fault === 'too_large' || fault === 'no_room')
    if (isLeft) reader.releaseLock()
    else reader.cancel().catch(ignore)
    return fail(fault)
  }
  const held = createHold(most, room)
  signal?.addEventListener('abort', deadline.end)
  try {
    const hasRoom = atOnce ? !room || room.take(length + 1) : held.begin()
    if (!hasRoom) return stop('no_room')
    for (;;) {
      // An abort between two reads finds no pending read to end, so it is checked here.
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

/** Bounds for dropping a body; `room` counts the block that it is read into. */
type DropBounds = Required<Pick<BodyBounds, 'bytes' | 'ms' | 'room'>> & Pick<BodyBounds, 'length'>

/**
 * Reads a body and drops the bytes as they arrive: to its end, or until a bound. Reads nothing of a body that is said
 * to be longer, and nothing where the room is full. Leaves the room. Never rejects. The stream cannot be read afterwards.
 */
export async function dropBody(
  body: ReadableStream<Uint8Array>,
  { bytes, ms, room, length }: DropBounds,
): Promise<void> {
  if (bytes === 0 || (length ?? 0) > bytes || !room.take(DROPPED_BLOCK)) return
  const size = Math.min(bytes, (length ?? bytes) + 1, DROPPED_BLOCK)
  const deadline = within(ms)
  await dropParts(readerAtOnce(body, size - 1) ?? body.getReader(), bytes, deadline.first)
  deadline.clear()
  room.leave()
}

/** A reader that may take a block for the next part. */
export interface PartReader {
  read(block?: Uint8Array<ArrayBuffer>): ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>
  cancel(): Promise<void>
}

type Part = Awaited<ReturnType<PartReader['read']>>

/**
 * Reads and drops the parts of a body, to its end or `bytes` of them, or until `first` gives up on one, and cancels the
 * rest. Never rejects.
 */
export async function dropParts(
  reader: PartReader,
  bytes: number,
  first: (part: Promise<Part>) => Promise<Part | undefined> = (part) => part,
): Promise<void> {
  try {
    let block: Uint8Array<ArrayBuffer> | undefined
    for (let left = bytes; left > 0; ) {
      const part = await first(reader.read(block))
      if (!part || part.done) break
      left -= part.value.byteLength
      // The reader takes the block and gives it back.
      block = new Uint8Array(part.value.buffer as ArrayBuffer)
    }
  } catch {
    // The sender has gone.
  }
  reader.cancel().catch(ignore)
}

/** A reader of workerd: `readAtLeast` gives fewer than `least` bytes only at the end of the stream. */
interface BytesReader
  extends Pick<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, 'cancel' | 'releaseLock'> {
  readAtLeast(
    least: number,
    view: Uint8Array<ArrayBuffer>,
  ): ReturnType<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>['read']>
}

/**
 * Reads a body of at most this length in one call. It requests one byte more: a shorter result is the whole body, and
 * after another one the body goes on. With a smaller `least` a part has at least that many bytes, except the last.
 * `undefined` where the runtime or the stream has no such reader.
 */
export function readerAtOnce(body: ReadableStream<Uint8Array>, length: number, least = length + 1) {
  if (!('FixedLengthStream' in globalThis)) return undefined
  let reader: BytesReader
  try {
    reader = body.getReader({ mode: 'byob' }) as unknown as BytesReader
  } catch {
    return undefined
  }
  return {
    /** `block`: of `length + 1` bytes. */
    read: (block = new Uint8Array(length + 1)) => reader.readAtLeast(least, block),
    cancel: () => reader.cancel(),
    releaseLock: () => reader.releaseLock(),
  }
}

/** Resolves with a promise, or after so many milliseconds. Rejects as the promise does. */
export async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  const deadline = within(ms)
  await deadline.first(promise).finally(deadline.clear)
}

/** One timer for all parts: `first` resolves with the part, or with `undefined` once the time is up. */
const within = (ms: number) => {
  let expire = () => {}
  // Only microtasks run between two parts, so a read is pending whenever the timer fires.
  const timer = setTimeout(() => expire(), ms)
  return {
    // No race with one long-lived promise: that would retain every part until the end.
    first: <Part>(part: Promise<Part>) =>
      new Promise<Part | undefined>((resolve, reject) => {
        expire = () => resolve(undefined)
        part.then(resolve, reject)
      }),
    /** Ends the pending read, as if the time were up. */
    end: () => expire(),
    clear: () => clearTimeout(timer),
  }
}

/**
 * A copy of bytes with room for `needed` and for twice the old size, at most for `most`. So bytes are rarely copied.
 */
export function grown(held: Uint8Array, needed: number, most: number): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(Math.min(most, Math.max(needed, 2 * held.byteLength)))
  next.set(held)
  return next
}

const ignore = () => {}

const JSON_TYPE = /^application\/json[\t ]*(?:;[\t ]*charset=(?:utf-8|"utf-8")[\t ]*)?$/i

/** Whether headers declare JSON in UTF-8 without other parameters (RFC 8259 §11), and without Content-Encoding. */
export function isPlainJson(headers: Pick<Headers, 'get' | 'has'>): boolean {
  return JSON_TYPE.test(headers.get('content-type') ?? '') && !headers.has('content-encoding')
}
