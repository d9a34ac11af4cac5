import { type BodyFault, readBody } from '../../base/body.ts'
import type { Denial } from '../../base/denial.ts'
import { LIMITS } from '../../base/limits.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Facts } from '../../guard.ts'
import { forwardDenials } from '../forward.ts'
import { type Ending, endingDenial, type WatchPorts, watch } from '../stream-watch.ts'

/** What an answer is held with. */
export interface HoldTerms {
  /** Bytes of it, at most. */
  readonly bytes: number
  /** What it is when it has more. */
  readonly tooLarge: () => Denial
  readonly ports: WatchPorts
  /** Aborts when nobody waits for it any more. */
  readonly signal?: AbortSignal | undefined
}

/** Milliseconds an answer has to be there whole; most are, and are not watched. */
const QUICK_MS = 5

const FAULTS: Readonly<Record<Exclude<BodyFault, 'too_large'>, () => Denial>> = {
  too_slow: () => forwardDenials('origin_timeout'),
  broken: () => forwardDenials('origin_unreachable'),
}

/**
 * The whole body of an answer, for as long as its token stands, see {@link watch}: who waits for it is denied
 * when that is over, as when it takes longer than {@link LIMITS.mcpAnswerMs}. What is not had whole is cancelled.
 */
export const holdAnswer = async (
  body: ReadableStream<Uint8Array>,
  known: Facts,
  { bytes, tooLarge, ports, signal }: HoldTerms,
): Promise<Result<Uint8Array<ArrayBuffer>, Denial>> => {
  const controller = new AbortController()
  const leave = () => controller.abort()
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
    const ms = Math.min(known.route.target.timeout, LIMITS.mcpAnswerMs)
    const held = await readBody(body, { bytes, ms, signal: controller.signal })
    if (held.ok) return ok(held.value)
    if (ending) return fail(endingDenial(ending))
    return fail(held.reason === 'too_large' ? tooLarge() : FAULTS[held.reason]())
  } finally {
    clearTimeout(timer)
    stop()
    signal?.removeEventListener('abort', leave)
  }
}
