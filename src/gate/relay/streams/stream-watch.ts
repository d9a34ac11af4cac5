import type { Denial } from '../../base/denial.ts'
import { expiredDenials } from '../../guard/checks/expired.ts'
import { revokedDenials } from '../../guard/checks/revoked.ts'
import type { Facts, GuardPorts } from '../../guard/guard.ts'
import { checkStanding, type Standing } from '../../guard/stages/revocation.ts'
import type { RevocationTerms } from '../../model/revocation.ts'

/** The reason a stream was cut. */
export interface Ending {
  readonly denial: Denial
  /** The code in the last event, or the WebSocket's close reason. */
  readonly code: string
  /** The WebSocket's close code, from the private range (RFC 6455 §7.4.2). */
  readonly closeCode: number
}

/** The denial of an answer that has not begun. `wasForwarded`: a client must not repeat the request with a new token. */
export function endingDenial(
  { denial, closeCode }: Ending,
  { operation }: Pick<Facts, 'operation'>,
): Denial {
  const messages = operation.kind === 'mcp' ? operation.messages : []
  const isCall = messages.some(({ use }) => use?.kind === 'tools')
  if (closeCode !== REVOKED && !(isCall && denial.code === EXPIRED)) return denial
  return { ...denial, params: { ...denial.params, wasForwarded: true } }
}

const endingOf = (denial: Denial): Ending => {
  const { code, answer } = denial
  if (code === EXPIRED) return { denial, code: 'token_expired', closeCode: 4408 }
  return { denial, code, closeCode: answer === 'unavailable' ? 4503 : REVOKED }
}

const EXPIRED = 'token_expired_during_request'
const REVOKED = 4401

/** What a watch knows about the answer, beside the token. */
export interface Watched {
  /**
   * Whether the answer may go on so many milliseconds after expiry; by default it ends. Asked at expiry, and from time to
   * time after it.
   */
  readonly mayFinish?: (since: number) => boolean
  /** Called when it goes on. */
  readonly onLate?: (() => void) | undefined
  /** Whether the token was checked just now. */
  readonly isChecked?: boolean
}

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
 * Checks the token of an open stream, or of a pending answer, on a timer. Calls `cut` once: when the token is revoked, or
 * when its status was unknown for `max_staleness`. Also when the token expires; an answer that may finish gets
 * `finish_within` more. The returned function ends the watch.
 */
export function watch(
  facts: Facts,
  ports: WatchPorts,
  cut: (ending: Ending) => void,
  { mayFinish = () => false, onLate, isChecked }: Watched = {},
): () => void {
  const { policy, route, access } = facts
  const { clock } = ports
  const { revocation } = route.revocation.consistency === 'bounded' ? route : policy.gate
  const { maxStaleness } = revocation
  const copy = maxStaleness * COPY
  const terms: RevocationTerms = { consistency: 'bounded', maxStaleness: copy }
  const { clockTolerance } = policy.gate
  const expires = (access.expires + clockTolerance) * 1000
  const last = (access.expires + Math.max(clockTolerance, route.finishWithin)) * 1000
  let deadline = expires
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
      // Expiry has a timer of its own.
      if (standing.ok || standing.reason.code === EXPIRED) arm(PERIOD)
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
    if (now >= expires) {
      if (now >= last || !mayFinish(now - expires)) return end(expiredDenials(EXPIRED))
      if (deadline === expires) onLate?.()
      deadline = last
    }
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
      Math.max(0, Math.min(pause, deadline - now, known + maxStaleness - now)),
    )
  }
  arm(PERIOD)
  // The answer may begin long after the decision.
  if (!isChecked) look(clock.now())
  return stop
}
