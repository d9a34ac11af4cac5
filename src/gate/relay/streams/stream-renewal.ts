import { LIMITS } from '../../base/limits.ts'
import { type NewToken, type Renew, renewalDenials } from '../../guard/checks/renewal.ts'
import type { Facts } from '../../guard/guard.ts'
import type { Clock } from '../../model/ports.ts'
import { RENEWAL } from '../../model/subprotocols.ts'

/** Characters of a message that are read: more are no token. */
const MOST = RENEWAL.length + LIMITS.tokenLength + LIMITS.proofLength + 16

/**
 * Reads a message with a new token: {@link RENEWAL}, a space and the token; for a bound token another space and a proof.
 * `undefined` for any other message. Header values have printable characters only, so others become `?`.
 * @example newTokenIn('edgewarden.renew.v1 a.b.c') // { token: 'a.b.c' }
 */
export function newTokenIn(message: string): NewToken | undefined {
  if (!message.startsWith(`${RENEWAL} `)) return undefined
  const words = message.slice(RENEWAL.length + 1, MOST).replace(/[^ -~]/g, '?')
  const space = words.indexOf(' ')
  if (space < 0) return { token: words }
  return { token: words.slice(0, space), proof: words.slice(space + 1) }
}

/** New tokens that a WebSocket may send in a span of so many milliseconds: each costs as much as a request. */
const IN_A_SPAN = 10
const SPAN_MS = 60_000

/** The side of an open WebSocket that gets new tokens. */
export interface Renewal {
  /** Takes a message with a new token; false for any other message. */
  take(message: string): boolean
  /** Tells the client that it may send new tokens, and when its own expires. */
  begin(facts: Facts): void
}

/**
 * Renews tokens, one at a time. `tell` sends a message of the gate: {@link RENEWAL}, a space and JSON with `expires` in
 * seconds since the epoch, or the body of a refusal. `use` gets the facts of a new token; a refused one changes nothing.
 * Of the messages beyond {@link IN_A_SPAN} only the first is answered, so an agent that sends many fills no memory.
 */
export function renewing(
  renew: Renew<Facts>,
  tell: (message: string) => void,
  use: (facts: Facts) => void,
  clock: Clock,
): Renewal {
  let isBusy = false
  let begun = 0
  let count = 0
  const say = (what: string) => tell(`${RENEWAL} ${what}`)
  const begin = ({ access }: Facts) => say(JSON.stringify({ expires: access.expires }))
  const take = async (sent: NewToken) => {
    isBusy = true
    try {
      const renewed = await renew(sent)
      if ('refused' in renewed) return say(renewed.refused)
      use(renewed.facts)
      begin(renewed.facts)
    } catch {
      say(JSON.stringify({ code: 'unavailable' }))
    } finally {
      isBusy = false
    }
  }
  return {
    begin,
    take(message) {
      const sent = newTokenIn(message)
      if (!sent) return false
      const now = clock.now()
      // Also after the clock was set back: the count must not last until it has caught up.
      if (Math.abs(now - begun) >= SPAN_MS) {
        begun = now
        count = 0
      }
      count += 1
      if (count > IN_A_SPAN + 1) return true
      if (isBusy || count > IN_A_SPAN) {
        const { code, summary, hint } = renewalDenials('renewal_busy')
        say(JSON.stringify({ title: summary, code, hint }))
      } else void take(sent)
      return true
    },
  }
}
