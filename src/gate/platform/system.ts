import type { Clock } from '../model/ports.ts'

/** The options for fetching a document. No cookie, no credential, no cached response. */
export interface DocumentInit {
  readonly headers: Readonly<Record<string, string>>
  readonly redirect: 'manual'
  readonly cache: 'no-store'
  readonly signal: AbortSignal
}

/** `fetch`, with the parameters that keys need. */
export type Fetch = (url: string, init: DocumentInit) => Promise<Response>

/** The cron trigger by which `serve` announces the end of the process: records that wait are stored. */
export const STOP = 'edgewarden-stop'

/** The dependencies of work that may outlast the request that started it. */
export interface Background {
  readonly clock: Clock
  /** Keeps work alive after the request's answer. */
  readonly waitUntil: (promise: Promise<unknown>) => void
  /** Logs one event: names, fixed words and platform errors, never a token or a key. */
  readonly log: (event: Record<string, unknown>) => void
}

/** The runtime's clock, network, random numbers and log. */
export const system: Pick<Background, 'clock' | 'log'> & {
  readonly fetch: Fetch
  readonly random: () => number
} = {
  clock: { now: () => Date.now() },
  fetch: (url, init) => fetch(url, init),
  random: () => Math.random(),
  log: (event) => console.error(JSON.stringify(event)),
}
