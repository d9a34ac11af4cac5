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

/** What was answered, each kind once: `200`, or a status and a code. */
export const kindsOf = (seen: readonly Seen[]): readonly string[] =>
  [...new Set(seen.map(({ status, code }) => (code ? `${status} ${code}` : `${status}`)))].sort()
