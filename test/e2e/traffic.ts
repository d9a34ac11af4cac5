import { setTimeout as wait } from 'node:timers/promises'
import type { Gate } from '../kit/gate.ts'
import { askGate, outcome } from './setting.ts'

/** One answer, as its caller saw it. */
export interface Seen {
  readonly status: number
  /** Of a denial. */
  readonly code: string | undefined
  /** The Retry-After header. */
  readonly retryAfter: string | null
  /** When the request was sent, in milliseconds since the epoch. */
  readonly at: number
}

/** Callers who go on asking. */
export interface Traffic {
  /** What they have seen so far. */
  readonly seen: readonly Seen[]
  /** Lets each finish what it has begun. */
  end(): Promise<readonly Seen[]>
}

/** Milliseconds between an answer and its caller's next request. */
const PACE = 100

/** Asks once. */
export const askOnce = async (
  gate: Gate,
  token: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Seen> => {
  const at = Date.now()
  const response = await askGate(gate, '/v1/x', { token, headers })
  const retryAfter = response.headers.get('retry-after')
  return { ...(await outcome(response)), retryAfter, at }
}

/** Has several callers ask, each with one token after the other. */
export const startTraffic = (
  gate: Gate,
  callers: number,
  tokenOf: (turn: number) => string | Promise<string>,
): Traffic => {
  const seen: Seen[] = []
  let isOver = false
  const caller = async () => {
    for (let turn = 0; !isOver; turn++) {
      seen.push(await askOnce(gate, await tokenOf(turn)))
      await wait(PACE)
    }
  }
  const all = Promise.all(Array.from({ length: callers }, caller))
  return {
    seen,
    async end() {
      isOver = true
      await all
      return seen
    },
  }
}

/** What was answered, each kind once: `200`, or a status and a code. */
export const kindsOf = (seen: readonly Seen[]): readonly string[] =>
  [...new Set(seen.map(({ status, code }) => (code ? `${status} ${code}` : `${status}`)))].sort()
