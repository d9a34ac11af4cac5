import { createHold, readerAtOnce } from '../../base/body.ts'
import type { Denial } from '../../base/denial.ts'
import { LIMITS } from '../../base/limits.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Room } from '../../base/room.ts'
import type { Facts, GuardPorts } from '../../guard/guard.ts'
import { bodyDenials, ownerOf } from '../../guard/operation/body.ts'
import { forwardDenials } from '../origin/send.ts'
import { IS_NATIVE, pumped, resumed, type Started } from '../streams/stream-pipe.ts'
import { endingDenial, type WatchPorts, watch } from '../streams/stream-watch.ts'

/** The bounds of buffering a body. */
export interface BufferTerms {
  /** Most bytes to buffer. */
  readonly bytes: number
  /** Length of the whole body, where Content-Length frames it. */
  readonly length?: number | undefined
  readonly ports: WatchPorts & Pick<GuardPorts, 'bodies'>
  /** Called when reading goes on after the token has expired. */
  readonly onLate?: (() => void) | undefined
  /** Aborts when the caller disconnects. */
  readonly signal?: AbortSignal | undefined
}

export interface Buffered {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The body from its first byte on, if `bytes` is only its beginning. Read or cancel it. */
  readonly whole?: Body
}

type Body = ReadableStream<Uint8Array>

interface Break {
  readonly denial: Denial
}

/** Milliseconds before the token is watched; most bodies are whole by then. */
const QUICK_MS = 5

/**
 * Reads a body to its end, or to more than `bytes`. It takes at most {@link LIMITS.mcpAnswerMs}, or the rule's
 * `timeout` if that is shorter. Denies, and cancels the body, when the token ends (see {@link watch}), the body breaks
 * off, the caller disconnects, or the room is full.
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
    return await read(body, known, terms, patience, room)
  } catch {
    return fail(unreachable())
  } finally {
    patience.end()
    room.leave()
  }
}

/** How many bytes are read in one call if the length is not known, and one byte more: most answers are shorter. */
const FIRST_BYTES = 4_096

const read = async (
  body: Body,
  known: Facts,
  { bytes: most, length }: BufferTerms,
  patience: Patience,
  room: Room,
): Promise<Result<Buffered, Denial>> => {
  const least = Math.min(length ?? FIRST_BYTES, most)
  const atOnce = least <= LIMITS.smallBodyBytes ? readerAtOnce(body, least) : undefined
  let next: ReturnType<NonNullable<typeof atOnce>['read']> | undefined
  if (atOnce) {
    if (!room.take(least + 1)) return stopped(atOnce, bodyDenials('bodies_full'))
    next = atOnce.read()
    const first = await patience.first(next)
    if ('denial' in first) return stopped(atOnce, first.denial)
    const { value: bytes = new Uint8Array() } = first
    if (bytes.length <= least) return ok({ bytes })
    atOnce.releaseLock()
  }
  const reader = body.getReader()
  const held = createHold(most, room)
  for (; ; next = undefined) {
    const part = await patience.first(next ?? reader.read())
    if ('denial' in part) return stopped(reader, part.denial)
    if (part.done) return ok({ bytes: held.joined() })
    const fitting = part.value.subarray(0, most - held.length)
    if (!held.add(fitting)) return stopped(reader, bodyDenials('bodies_full'))
    const over = part.value.subarray(fitting.length)
    if (over.length === 0) continue
    const reading = reader.read()
    // The next read gets the error. Until then it must not end a Node process as an unhandled rejection.
    reading.catch(ignore)
    const bytes = held.joined()
    const started = { chunks: [bytes, over], rest: { reader, reading } }
    return ok({ bytes, whole: wholeOf(body, known, started, length) })
  }
}

const stopped = (reader: Pick<ReadableStreamDefaultReader, 'cancel'>, denial: Denial) => {
  reader.cancel().catch(ignore)
  return fail(denial)
}

/** One timer for a quick body. The watch and the listeners are set up only after {@link QUICK_MS}. */
const beginPatience = (known: Facts, ms: number, { ports, signal, onLate }: BufferTerms) => {
  const quick = Math.min(QUICK_MS, ms)
  let broken: Break | undefined
  let wake: (why: Break) => void = ignore
  let unwatch = ignore
  const breakOff = (denial: Denial) => {
    broken ??= { denial }
    wake(broken)
  }
  const leave = () => breakOff(unreachable())
  let timer = setTimeout(() => {
    timer = setTimeout(() => breakOff(forwardDenials('origin_timeout')), ms - quick)
    unwatch = watch(known, ports, (ending) => breakOff(endingDenial(ending, known)), {
      mayFinish: () => true,
      onLate,
    })
    if (signal?.aborted) leave()
    signal?.addEventListener('abort', leave)
  }, quick)
  return {
    /** Resolves with the part that is read, or with the reason to stop. */
    first: <Part extends object>(reading: Promise<Part>) =>
      new Promise<Part | Break>((resolve, reject) => {
        reading.then(resolve, reject)
        if (broken) resolve(broken)
        wake = resolve
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

/** A body whose beginning was read. In workerd it moves natively, unless a script must end or mask it. */
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
