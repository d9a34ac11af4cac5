import { type BodyFault, createHold, readBody } from '../../core/body.ts'
import type { Denial } from '../../core/denial.ts'
import type { Facts, GuardPorts } from '../../core/guard.ts'
import { LIMITS } from '../../core/limits.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Room } from '../../core/room.ts'
import { bodyDenials, ownerOf } from '../../core/stages/body.ts'
import { forwardDenials } from '../../gateway/relay/forward.ts'
import {
  type Ending,
  endingDenial,
  type WatchPorts,
  watch,
} from '../../gateway/relay/stream-watch.ts'

/** What an answer is held with, beside what it is watched with. */
export type HoldPorts = WatchPorts & Pick<GuardPorts, 'bodies'>

/** What an answer is held with. */
export interface HoldTerms {
  /** Bytes of it, at most. */
  readonly bytes: number
  readonly ports: HoldPorts
  /** Aborts when nobody waits for it any more. */
  readonly signal?: AbortSignal | undefined
}

type Body = ReadableStream<Uint8Array>
type Faults<F extends BodyFault> = Readonly<Record<F, () => Denial>>

/** Milliseconds an answer has to be there whole; most are, and are not watched. */
const QUICK_MS = 5

const FAULTS: Faults<Exclude<BodyFault, 'too_large'>> = {
  too_slow: () => forwardDenials('origin_timeout'),
  broken: () => forwardDenials('origin_unreachable'),
  no_room: () => bodyDenials('bodies_full'),
}

/**
 * The whole body of an answer, for as long as its token stands, see {@link watch}: who waits for it is denied
 * when that is over, as when it takes longer than {@link LIMITS.mcpAnswerMs}, and with `tooLarge` when it is longer
 * than `bytes`. What is not had whole is cancelled.
 */
export function holdAnswer(
  body: Body,
  known: Facts,
  { tooLarge, ...terms }: HoldTerms & { readonly tooLarge: () => Denial },
): Promise<Result<Uint8Array<ArrayBuffer>, Denial>> {
  return whileStanding(known, terms, { ...FAULTS, too_large: tooLarge }, (bounds) =>
    readBody(body, bounds),
  )
}

/** What there is of an answer. */
export interface Begun {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** All of it, from its first byte on, where that is more. */
  readonly whole?: Body
}

/**
 * As {@link holdAnswer}, but what is longer than `bytes` or takes too long is not denied: what has come of it is
 * there, and the whole of it to go on. That is the caller's to read or to cancel. A body that is small by its
 * `length` is denied when it takes too long.
 */
export function holdBeginning(
  body: Body,
  known: Facts,
  {
    length = Number.POSITIVE_INFINITY,
    ...terms
  }: HoldTerms & { readonly length?: number | undefined },
): Promise<Result<Begun, Denial>> {
  return whileStanding(
    known,
    terms,
    { ...FAULTS, too_large: () => forwardDenials('origin_unreachable') },
    async (bounds) => {
      if (length > Math.min(terms.bytes, LIMITS.smallBodyBytes)) return beginningOf(body, bounds)
      const read = await readBody(body, { ...bounds, length })
      return read.ok ? ok({ bytes: read.value }) : read
    },
  )
}

interface Bounds {
  readonly bytes: number
  readonly ms: number
  readonly signal: AbortSignal
  readonly room: Room
}

const whileStanding = async <T, F extends BodyFault>(
  known: Facts,
  { bytes, ports, signal }: HoldTerms,
  faults: Faults<F>,
  read: (bounds: Bounds) => Promise<Result<T, F>>,
): Promise<Result<T, Denial>> => {
  const controller = new AbortController()
  const leave = () => controller.abort()
  const ms = Math.min(known.route.target.timeout ?? LIMITS.mcpAnswerMs, LIMITS.mcpAnswerMs)
  const room = ports.bodies.open(ownerOf(known.agent), ms + LIMITS.heldSlackMs)
  let ending: Ending | undefined
  let stop = () => {}
  const timer = setTimeout(() => {
    stop = watch(known, ports, (how) => {
      ending = how
      controller.abort()
    })
  }, QUICK_MS)
  if (signal?.aborted) leave()
  signal?.addEventListener('abort', leave)
  try {
    const held = await read({ bytes, ms, signal: controller.signal, room })
    if (held.ok) return held
    return fail(ending ? endingDenial(ending) : faults[held.reason]())
  } finally {
    clearTimeout(timer)
    stop()
    room.leave()
    signal?.removeEventListener('abort', leave)
  }
}

const beginningOf = async (
  body: Body,
  { bytes, ms, signal, room }: Bounds,
): Promise<Result<Begun, 'broken' | 'no_room'>> => {
  // What a script puts together again could not be cut in workerd while it waits; a twin of the body can.
  const [first, whole] = body.tee()
  const reader = first.getReader()
  const held = createHold(bytes, room)
  let isWhole = true
  const enough = () => {
    isWhole = false
    reader.cancel().catch(ignore)
  }
  const timer = setTimeout(enough, ms)
  signal.addEventListener('abort', enough)
  if (signal.aborted) enough()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      const part = value.subarray(0, bytes - held.length)
      if (!held.add(part)) {
        enough()
        whole.cancel().catch(ignore)
        return fail('no_room')
      }
      if (part.length < value.length) enough()
    }
    const begun = held.joined()
    if (!isWhole && !signal.aborted) return ok({ bytes: begun, whole })
    whole.cancel().catch(ignore)
    return signal.aborted ? fail('broken') : ok({ bytes: begun })
  } catch {
    return fail('broken')
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', enough)
  }
}

const ignore = () => {}
