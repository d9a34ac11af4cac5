import type { Clock } from '../core/model/ports.ts'
import { within } from './calls.ts'
import type { Background } from './system.ts'

interface Flight<Value> {
  /** Flights are counted, to see which began after a caller came. */
  readonly number: number
  readonly promise: Promise<Value>
  readonly startedAt: number
  readonly maxAgeMs: number
}

/** Work that is going on, by name; shared by the requests of an isolate. */
export type InFlight<Value = void> = Map<string, Flight<Value>>

/** What work needs of the request that starts it. */
export interface FlightTerms extends Pick<Background, 'clock' | 'waitUntil'> {
  /** Milliseconds after which work counts as lost and is started again. */
  readonly maxAgeMs: number
  /**
   * Work that began before the call is waited for, and not shared: what a caller gets was asked for after it
   * came. However many come at once, work is done twice. It must have a deadline of its own then.
   */
  readonly fresh?: boolean
}

/** Work of one caller that others wait for at most: with work that hangs, patience must end too. */
const WAITS = 2

let begun = 0

/**
 * Runs work once for all who ask for it at the same time, and waits for it no longer than two runs last;
 * `undefined` after that. A request that leaves takes no one with it: its work goes on under `waitUntil`, and
 * where the runtime ends it all the same, the next one waiting starts anew. `work` must leave plain data
 * behind, never a response or stream of its request.
 */
export async function share<Value>(
  flights: InFlight<Value>,
  name: string,
  terms: FlightTerms,
  work: () => Promise<Value>,
): Promise<Value | undefined> {
  const { clock, waitUntil, maxAgeMs, fresh = false } = terms
  const before = fresh ? begun : 0
  const drop = (flight: Flight<Value>) => {
    if (flights.get(name) === flight) flights.delete(name)
  }
  let waits = 0
  for (let other = going(flights, name, clock); other; other = going(flights, name, clock)) {
    const isShared = other.number > before
    try {
      const done = await outcomeOf(other, clock)
      if (isShared && (done || ++waits === WAITS)) return done?.value
    } catch (error) {
      if (isShared && !isOrphaned(error)) throw error
    }
    drop(other)
  }
  const startedAt = clock.now()
  dropLost(flights, startedAt)
  const flight = { number: ++begun, promise: work(), startedAt, maxAgeMs }
  flights.set(name, flight)
  // Part of what outlives the request: a `finally` of the request itself would not run for one that left.
  const clear = () => drop(flight)
  waitUntil(flight.promise.then(clear, clear))
  return fresh ? flight.promise : (await outcomeOf(flight, clock))?.value
}

/** Whether such work is going on and young enough to be waited for. */
export function isInFlight(
  flights: InFlight<unknown>,
  name: string,
  { clock }: Pick<FlightTerms, 'clock'>,
): boolean {
  return going(flights, name, clock) !== undefined
}

const going = <Value>(
  flights: InFlight<Value>,
  name: string,
  clock: Clock,
): Flight<Value> | undefined => {
  const flight = flights.get(name)
  return flight && clock.now() - flight.startedAt < flight.maxAgeMs ? flight : undefined
}

/**
 * What work gave, unless it is too old before; rejects where the work does. A promise of a context that was
 * torn down may stay silent for ever, so a timer of our own runs.
 */
const outcomeOf = <Value>({ promise, startedAt, maxAgeMs }: Flight<Value>, clock: Clock) =>
  within(
    promise.then((value) => ({ value })),
    startedAt + maxAgeMs - clock.now(),
    () => undefined,
  )

/** Whether that is what workerd says of a promise whose request is over. */
const isOrphaned = (error: unknown): boolean =>
  /has since ended|different request/.test(String(error))

/** Forgets work of contexts that were torn down, which nobody else would; the oldest is first. */
const dropLost = (flights: InFlight<unknown>, now: number): void => {
  for (const [name, { startedAt, maxAgeMs }] of flights) {
    if (now - startedAt < maxAgeMs) return
    flights.delete(name)
  }
}
