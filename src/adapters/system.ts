import type { Clock } from '../model/ports.ts'
import type { Fetch } from './keys/document.ts'

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
