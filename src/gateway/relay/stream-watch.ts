import type { Denial } from '../../core/denial.ts'
import type { Facts, GuardPorts } from '../../core/guard.ts'
import type { RevocationTerms } from '../../core/model/revocation.ts'
import { expiredDenials } from '../../revocation/checks/expired.ts'
import { revokedDenials } from '../../revocation/checks/revoked.ts'
import { checkStanding, type Standing } from '../../revocation/stage.ts'

/** The reason a stream was cut. */
export interface Ending {
  readonly denial: Denial
  /** The code in the last event, or the WebSocket's close reason. */
  readonly code: string
  /** The WebSocket's close code, from the private range (RFC 6455 §7.4.2). */
  readonly closeCode: number
}

/** The denial if the answer has not begun yet. */
export function endingDenial({ denial }: Ending): Denial {
  return denial
}

/** The denial to tell in a stream, with the code of streams. */
export function toldDenial({ denial, code }: Ending): Denial {
  return { ...denial, code }
}

const endingOf = (denial: Denial): Ending => {
  const { code, answer } = denial
  if (code === EXPIRED) return { denial, code: 'token_expired', closeCode: 4408 }
  return { denial, code, closeCode: answer === 'unavailable' ? 4503 : 4401 }
}

const EXPIRED = 'token_expired_during_request'

/** The ports a stream's watch uses. */
export type WatchPorts = Pick<GuardPorts, 'clock' | 'revocations'>

/**
 * Parts of `max_staleness`: the age limit of the copy of the set, and the pause between checks. The
 * remainder is slack for late timers.
 */
const COPY = 3 / 5
const PERIOD = 1 / 4
/** The pause after a failed check. */
const RETRY = 1 / 10
/** The random part of a pause, so that streams do not check all at once. */
const JITTER = 1 / 5

/**
 * Checks an open stream's token on a timer. Calls `cut` once: when the token expires or is revoked,
 * or when its status was unknown for `max_staleness`. The returned function ends the watch.
 */
export function watch(facts: Facts, ports: WatchPorts, cut: (ending: Ending) => void): () => void {
  const { policy, route, access } = facts
  const { clock } = ports
  const { revocation } = route.revocation.consistency === 'bounded' ? route : policy.gate
  const { maxStaleness } = revocation
  const copy = maxStaleness * COPY
  const terms: RevocationTerms = { consistency: 'bounded', maxStaleness: copy }
  const expires = (access.expires + policy.gate.clockTolerance) * 1000
  let timer: ReturnType<typeof setTimeout> | undefined
  let isOver = false
  // An answer may be as old as `copy`.
  let known = clock.now() - copy
  let unknown: Denial = revokedDenials('revocations_unavailable')

  const stop = () => {
    isOver = true
    if (timer !== undefined) clearTimeout(timer)
  }
  const end = (denial: Denial) => {
    if (isOver) return
    stop()
    cut(endingOf(denial))
  }
  const look = (asked: number) => {
    const judge = (standing: Standing) => {
      if (!standing.ok && standing.reason.answer === 'unavailable') {
        unknown = standing.reason
        return arm(RETRY)
      }
      known = Math.max(known, asked - copy)
      if (standing.ok) arm(PERIOD)
      else end(standing.reason)
    }
    const retry = () => arm(RETRY)
    try {
      const standing = checkStanding(facts, ports, terms)
      if (standing instanceof Promise) standing.then(judge).catch(retry)
      else judge(standing)
    } catch {
      retry()
    }
  }
  const wake = () => {
    const now = clock.now()
    if (now >= expires) return end(expiredDenials(EXPIRED))
    arm(PERIOD)
    // A check may succeed at the last moment.
    look(now)
    if (now >= known + maxStaleness) end(unknown)
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
  // The answer may begin long after the decision.
  look(clock.now())
  return stop
}
