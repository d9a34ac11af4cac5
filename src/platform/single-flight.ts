import type { Clock } from '../core/model/ports.ts'

interface Flight {
  readonly promise: Promise<void>
  readonly startedAt: number
  readonly maxAgeMs: number
}

/** Work that is going on, by name; shared by the requests of an isolate. */
export type Flights = Map<string, Flight>

/** What a flight needs of the request that starts it. */
export interface FlightTerms {
  readonly clock: Clock
  readonly waitUntil: (promise: Promise<unknown>) => void
  /** Milliseconds after which a flight counts as lost and is started again. */
  readonly maxAgeMs: number
}

/** Whether that is what workerd says of a promise whose request is over. */
export function isOrphaned(error: unknown): boolean {
  return /has since ended|different request/.test(String(error))
}

/** Whether such work is going on and young enough to be waited for. */
export function isFlying(
  flights: Flights,
  name: string,
  { clock, maxAgeMs }: FlightTerms,
): boolean {
  const flight = flights.get(name)
  return flight !== undefined && clock.now() - flight.startedAt < maxAgeMs
}

/** Forgets flights of contexts that were torn down, which nobody else would; the oldest are first. */
const dropLost = (flights: Flights, now: number): void => {
  for (const [name, { startedAt, maxAgeMs }] of flights) {
    if (now - startedAt < maxAgeMs) return
    flights.delete(name)
  }
}

/** Flights one caller waits for to their very end: with work that hangs, patience must end too. */
const WAITS = 2

/**
 * Runs work once for all who ask for it at the same time, and waits for it no longer than two
 * flights last. A request that leaves takes no one with it: its work goes on under `waitUntil`, and where
 * the runtime ends it all the same, the next one waiting starts anew. `work` must leave plain data
 * behind, never a response or stream of its request.
 */
export async function share(
  flights: Flights,
  name: string,
  terms: FlightTerms,
  work: () => Promise<void>,
): Promise<void> {
  let waits = 0
  const drop = (flight: Flight) => {
    if (flights.get(name) === flight) flights.delete(name)
  }
  for (
    let flight = flights.get(name);
    flight && isFlying(flights, name, terms);
    flight = flights.get(name)
  ) {
    try {
      if ((await isOverInTime(flight, terms)) || ++waits === WAITS) return
    } catch (error) {
      if (!isOrphaned(error)) throw error
    }
    drop(flight)
  }
  const startedAt = terms.clock.now()
  dropLost(flights, startedAt)
  const flight: Flight = { promise: work(), startedAt, maxAgeMs: terms.maxAgeMs }
  flights.set(name, flight)
  // Part of what outlives the request: a `finally` of the request itself would not run for one that left.
  const clear = () => drop(flight)
  terms.waitUntil(flight.promise.then(clear, clear))
  await isOverInTime(flight, terms)
}

/**
 * Whether work ends before it is too old; rejects where the work does. A promise of a context that was
 * torn down may stay silent for ever, so a timer of our own runs.
 */
export async function isOverInTime(
  {
    promise,
    startedAt,
    maxAgeMs,
  }: Omit<Flight, 'promise'> & { readonly promise: Promise<unknown> },
  { clock }: { readonly clock: Clock },
): Promise<boolean> {
  // Node 20 has no `Promise.withResolvers`.
  let giveUp = () => {}
  const late = new Promise<boolean>((resolve) => {
    giveUp = () => resolve(false)
  })
  const timer = setTimeout(() => giveUp(), startedAt + maxAgeMs - clock.now())
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
