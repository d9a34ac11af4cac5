import type { Clock } from '../core/model/ports.ts'

/** What a document is asked for with. No cookie, no credential, no cached answer. */
export interface DocumentInit {
  readonly headers: Readonly<Record<string, string>>
  readonly redirect: 'manual'
  readonly cache: 'no-store'
  readonly signal: AbortSignal
}

/** `fetch`, as far as keys need it. */
export type Fetch = (url: string, init: DocumentInit) => Promise<Response>

/** What work has that may go on after the answer of the request that began it. */
export interface Background {
  readonly clock: Clock
  /** Keeps work alive after the request's answer. */
  readonly waitUntil: (promise: Promise<unknown>) => void
  /** Takes one event: names, fixed words and the platform's errors, never a token or a key. */
  readonly log: (event: Record<string, unknown>) => void
}

/** What the runtime gives to whatever needs the world: time, network, chance, and a log. */
export const system: {
  readonly clock: Clock
  readonly fetch: Fetch
  readonly random: () => number
  readonly log: (event: Record<string, unknown>) => void
} = {
  clock: { now: () => Date.now() },
  fetch: (url, init) => fetch(url, init),
  random: () => Math.random(),
  log: (event) => console.error(JSON.stringify(event)),
}
