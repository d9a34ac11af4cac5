import { contentLength } from '../../core/body.ts'
import type { Denial } from '../../core/denial.ts'
import type { Decision } from '../../core/guard.ts'
import { LIMITS } from '../../core/limits.ts'
import { type Ending, endingDenial, watch } from './stream-watch.ts'

/** A request on its way, which ends when its token does. */
export interface WatchedUpload {
  /** Why it was broken off. */
  ended(): Denial | undefined
  /** Ends the watch. */
  over(): void
}

const UNWATCHED: WatchedUpload = { ended: () => undefined, over: () => {} }

/**
 * Breaks a request off when its token has expired or is revoked while its body is on its way. Bodies that are
 * small by their Content-Length are let be, and requests that passed without a token or in shadow mode.
 */
export function watchUpload(
  { headers }: Request,
  decision: Decision,
  abort: AbortController,
): WatchedUpload {
  const length = contentLength(headers)
  if (length !== undefined && length <= LIMITS.smallBodyBytes) return UNWATCHED
  if (decision.outcome !== 'passed' || decision.known.route.mode === 'shadow') return UNWATCHED
  let ending: Ending | undefined
  const over = watch(decision.known, decision.ports, (how) => {
    ending = how
    abort.abort()
  })
  return { over, ended: () => ending && endingDenial(ending) }
}
