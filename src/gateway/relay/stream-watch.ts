import type { Denial } from '../../core/denial.ts'
import type { Facts, GuardPorts } from '../../core/guard.ts'
import type { Revocation, RevocationTerms } from '../../core/model/revocation.ts'
import { revocationDenial, revokedDenials } from '../../revocation/stage.ts'

/** Why a stream was cut. */
export type Ending = 'token_expired' | 'token_revoked' | 'revocations_unavailable'

const CODES = {
  token_expired: 'token_expired_during_request',
  token_revoked: 'token_revoked',
  revocations_unavailable: 'revocations_unavailable',
} as const satisfies Record<Ending, string>

/** What whoever has not got an answer by then is told. */
export function endingDenial(ending: Ending): Denial {
  return revokedDenials(CODES[ending])
}

/** What an open stream asks again. */
export type WatchPorts = Pick<GuardPorts, 'clock' | 'revocations'>

/**
 * Parts of `max_staleness`: how old the copy of the set may be that a look judges by, and how long it
 * is to the next look. What they leave is for timers that are late.
 */
const COPY = 3 / 5
const PERIOD = 1 / 4
/** How long it is to the next look after one that failed. */
const RETRY = 1 / 10
/** The part of a pause by which streams that began together drift apart. */
const JITTER = 1 / 5

/**
 * Calls `cut` once, when the token has expired, when anything about it is revoked, or when that could
 * not be known for `max_staleness`; never after the function it gives was called, which ends the watch.
 * One timer at a time, in the context that it was called in.
 */
export function watch(
  { policy, route, access, subjects }: Facts,
  { clock, revocations }: WatchPorts,
  cut: (ending: Ending) => void,
): () => void {
  const { revocation } = route.revocation.consistency === 'bounded' ? route : policy.gate
  const { maxStaleness } = revocation
  const copy = maxStaleness * COPY
  const terms: RevocationTerms = { consistency: 'bounded', maxStaleness: copy }
  const expires = (access.expires + policy.gate.clockTolerance) * 1000
  let timer: ReturnType<typeof setTimeout> | undefined
  let isOver = false
  // What an answer tells may be as old as the terms allow.
  let known = clock.now() - copy

  const stop = () => {
    isOver = true
    if (timer !== undefined) clearTimeout(timer)
  }
  const end = (ending: Ending) => {
    if (isOver) return
    stop()
    cut(ending)
  }
  const look = (asked: number) => {
    const judge = (entries: readonly Revocation[]) => {
      const denial = revocationDenial({ policy, access }, entries, clock.now())
      known = Math.max(known, asked - copy)
      if (denial) end(denial.code === 'token_revoked' ? 'token_revoked' : 'token_expired')
      else arm(PERIOD)
    }
    const retry = () => arm(RETRY)
    try {
      const entries = revocations.lookup(subjects, terms)
      if ('then' in entries) Promise.resolve(entries).then(judge).catch(retry)
      else judge(entries)
    } catch {
      retry()
    }
  }
  const wake = () => {
    const now = clock.now()
    if (now >= expires) return end('token_expired')
    arm(PERIOD)
    // An answer that is there at once may be one in the last moment.
    look(now)
    if (now >= known + maxStaleness) end('revocations_unavailable')
  }
  const arm = (part: number) => {
    if (isOver) return
    if (timer !== undefined) clearTimeout(timer)
    const now = clock.now()
    const pause = maxStaleness * part * (1 - JITTER * Math.random())
    timer = setTimeout(
      wake,
      Math.max(0, Math.min(pause, expires - now, known + maxStaleness - now)),
    )
  }
  arm(PERIOD)
  // The answer may have begun long after the request was decided.
  look(clock.now())
  return stop
}
