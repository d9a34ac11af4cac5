import type { Denial } from '../../core/denial.ts'
import type { Facts, GuardPorts } from '../../core/guard.ts'
import type { RevocationTerms } from '../../core/model/revocation.ts'
import { expiredDenials } from '../../revocation/checks/expired.ts'
import { revokedDenials } from '../../revocation/checks/revoked.ts'
import { checkStanding, type Standing } from '../../revocation/stage.ts'

/** Why a stream was cut. */
export interface Ending {
  readonly denial: Denial
  /** As the last event and the close reason of a WebSocket say it. */
  readonly code: string
  /** Of a WebSocket, of those that RFC 6455 §7.4.2 leaves to applications. */
  readonly closeCode: number
}

/** What whoever has not got an answer by then is told. */
export function endingDenial({ denial }: Ending): Denial {
  return denial
}

const endingOf = (denial: Denial): Ending => {
  const { code, answer } = denial
  if (code === EXPIRED) return { denial, code: 'token_expired', closeCode: 4408 }
  return { denial, code, closeCode: answer === 'unavailable' ? 4503 : 4401 }
}

const EXPIRED = 'token_expired_during_request'

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
 * Calls `cut` once, when the token has expired, when it stands no more by another check, or when that could
 * not be known for `max_staleness`; never after the function it gives was called, which ends the watch.
 * One timer at a time, in the context that it was called in.
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
  // What an answer tells may be as old as the terms allow.
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
    // An answer that is there at once may be one in the last moment.
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
  // The answer may have begun long after the request was decided.
  look(clock.now())
  return stop
}
