import { createHold, readerAtOnce } from '../../core/body.ts'
import type { Denial } from '../../core/denial.ts'
import type { Facts, GuardPorts } from '../../core/guard.ts'
import { LIMITS } from '../../core/limits.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Room } from '../../core/room.ts'
import { bodyDenials, ownerOf } from '../../core/stages/body.ts'
import { forwardDenials } from '../../gateway/relay/forward.ts'
import { IS_NATIVE, pumped, resumed } from '../../gateway/relay/stream-pipe.ts'
import type { Started } from '../../gateway/relay/stream-start.ts'
import { endingDenial, type WatchPorts, watch } from '../../gateway/relay/stream-watch.ts'

/** What a body is buffered with, beside what it is watched with. */
export type BufferPorts = WatchPorts & Pick<GuardPorts, 'bodies'>

/** How much of a body is buffered, and for how long. */
export interface BufferTerms {
  /** Bytes of it, at most. */
  readonly bytes: number
  /** Of the whole body, where its Content-Length frames it. */
  readonly length?: number | undefined
  /** Whether a body that takes too long is denied; else what has come of it is its beginning. */
  readonly deniesSlow: boolean
  readonly ports: BufferPorts
  /** Aborts when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined
}

/** What of a body was read. */
export interface Buffered {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The body from its first byte on, where `bytes` is only its beginning: to be read or cancelled. */
  readonly whole?: Body
}

type Body = ReadableStream<Uint8Array>

/** Why the reading was broken off. */
interface Break {
  readonly isSlow: boolean
  readonly denial: Denial
}

/** Milliseconds a body has to be there whole before anything is watched; most are. */
const QUICK_MS = 5

/**
 * Reads a body to its end, or to more than `bytes`. That takes {@link LIMITS.mcpAnswerMs} at most, or the rule's
 * `timeout` if it is shorter. The reading is denied, and the body cancelled, when the token ends meanwhile (see
 * {@link watch}), when the body breaks off, when nobody waits for it, or when there is no room for it.
 */
export async function bufferBody(
  body: Body,
  known: Facts,
  terms: BufferTerms,
): Promise<Result<Buffered, Denial>> {
  const ms = Math.min(known.route.target.timeout ?? LIMITS.mcpAnswerMs, LIMITS.mcpAnswerMs)
  const room = terms.ports.bodies.open(ownerOf(known.agent), ms + LIMITS.heldSlackMs)
  const patience = beginPatience(known, ms, terms)
  try {
    const small = readAtOnce(body, terms, patience, room)
    return await (small ?? readParts(body, known, terms, patience, room))
  } catch {
    return fail(unreachable())
  } finally {
    patience.end()
    room.leave()
  }
}

const readParts = async (
  body: Body,
  known: Facts,
  { bytes: most, length, deniesSlow }: BufferTerms,
  patience: Patience,
  room: Room,
): Promise<Result<Buffered, Denial>> => {
  const reader = body.getReader()
  const held = createHold(most, room)
  const begun = (reading: ReturnType<typeof reader.read>, over?: Uint8Array) => {
    const bytes = held.joined()
    const started = { chunks: over ? [bytes, over] : [bytes], rest: { reader, reading } }
    return ok({ bytes, whole: wholeOf(body, known, started, length) })
  }
  for (;;) {
    const reading = reader.read()
    const read = await patience.first(reading)
    if ('isSlow' in read) {
      return read.isSlow && !deniesSlow ? begun(reading) : stopped(reader, read.denial)
    }
    if (read.done) return ok({ bytes: held.joined() })
    const part = read.value.subarray(0, most - held.length)
    if (!held.add(part)) return stopped(reader, bodyDenials('bodies_full'))
    const over = read.value.subarray(part.length)
    if (over.length > 0) return begun(reader.read(), over)
  }
}

/** Reads a body that is small by its length, and denied when it is slow, in one step; `undefined` for any other. */
const readAtOnce = (
  body: Body,
  { bytes: most, length, deniesSlow }: BufferTerms,
  patience: Patience,
  room: Room,
): Promise<Result<Buffered, Denial>> | undefined => {
  if (!deniesSlow || length === undefined || length > Math.min(most, LIMITS.smallBodyBytes)) return
  const reader = readerAtOnce(body, length)
  if (!reader) return
  if (!room.take(length + 1)) return Promise.resolve(stopped(reader, bodyDenials('bodies_full')))
  return patience.first(reader.read()).then((read) => {
    if ('isSlow' in read) return stopped(reader, read.denial)
    const { value: bytes = new Uint8Array() } = read
    return bytes.length > length ? stopped(reader, unreachable()) : ok({ bytes })
  })
}

const stopped = (reader: Pick<ReadableStreamDefaultReader, 'cancel'>, denial: Denial) => {
  reader.cancel().catch(ignore)
  return fail(denial)
}

/** One timer while the body is quick; all else is set up once it is not. */
const beginPatience = (known: Facts, ms: number, { ports, signal }: BufferTerms) => {
  const quick = Math.min(QUICK_MS, ms)
  let broken: Break | undefined
  let wake: (why: Break) => void = ignore
  let unwatch = ignore
  const breakOff = (denial: Denial, isSlow = false) => {
    broken ??= { denial, isSlow }
    wake(broken)
  }
  const leave = () => breakOff(unreachable())
  let timer = setTimeout(() => {
    timer = setTimeout(() => breakOff(forwardDenials('origin_timeout'), true), ms - quick)
    unwatch = watch(known, ports, (ending) => breakOff(endingDenial(ending)))
    if (signal?.aborted) leave()
    signal?.addEventListener('abort', leave)
  }, quick)
  return {
    /** What is read, or why nobody waits for it any longer. */
    first: <Part extends object>(reading: Promise<Part>) =>
      new Promise<Part | Break>((resolve, reject) => {
        if (broken) return resolve(broken)
        wake = resolve
        reading.then(resolve, reject)
      }),
    end() {
      clearTimeout(timer)
      unwatch()
      signal?.removeEventListener('abort', leave)
    },
  }
}

type Patience = ReturnType<typeof beginPatience>

const unreachable = () => forwardDenials('origin_unreachable')

/** A body of which the beginning was read. In workerd it moves without a script where none has to cut or mask it. */
const wholeOf = (
  body: Body,
  { route }: Facts,
  started: Required<Started>,
  length: number | undefined,
): Body => {
  if (!IS_NATIVE || route.onRevocation === 'end-all') return glued(started)
  return route.secrets.length > 0
    ? pumped(glued(started), length).readable
    : resumed(body, started, length).readable
}

const glued = ({ chunks, rest: { reader, reading } }: Required<Started>): Body => {
  const begun = chunks.filter(({ length }) => length > 0)
  let next: typeof reading | undefined = reading
  return new ReadableStream(
    {
      async pull(controller) {
        const chunk = begun.shift()
        if (chunk) return controller.enqueue(chunk)
        const { done, value } = await (next ?? reader.read())
        next = undefined
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

const ignore = () => {}
