import { within } from './timeout.ts'

interface Flight<Value> {
  /** A running number, to compare a flight's start with a caller's arrival. */
  readonly number: number
  readonly promise: Promise<Value>
  readonly startedAt: number
  readonly maxAgeMs: number
}

/** Work in progress by name, shared by the requests of an isolate. */
export type InFlight<Value = void> = Map<string, Flight<Value>>

/** The settings for shared work, by the request that starts it. */
export interface FlightTerms {
  readonly clock: { now(): number }
  /** Keeps work alive after the request's answer. */
  readonly waitUntil: (promise: Promise<unknown>) => void
  /** Milliseconds after which work counts as lost and may start again. */
  readonly maxAgeMs: number
  /**
   * Waits for earlier work, but does not use its result: a caller gets only work that started after its call.
   * Simultaneous callers cause at most two runs. The work then needs a deadline of its own.
   */
  readonly fresh?: boolean
}

/** Most runs of others that a caller waits for, so that hanging work cannot block it forever. */
const WAITS = 2

let begun = 0

/**
 * Runs work once for all simultaneous callers. A caller waits for at most two runs and then gets `undefined`. The work
 * goes on under `waitUntil` if its request ends. If the runtime stops it anyway, the next caller starts it again.
 * `work` must return plain data, never a response or stream of its request.
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
  // In `waitUntil`, since a `finally` of the request would not run after its caller disconnects.
  const clear = () => drop(flight)
  waitUntil(flight.promise.then(clear, clear))
  return fresh ? flight.promise : (await outcomeOf(flight, clock))?.value
}

/** Whether work of this name is in progress and not lost. */
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
  clock: FlightTerms['clock'],
): Flight<Value> | undefined => {
  const flight = flights.get(name)
  return flight && clock.now() - flight.startedAt < flight.maxAgeMs ? flight : undefined
}

/**
 * The result of work; `undefined` once it is lost. A timer limits the wait: the promise of a request that has ended may
 * never settle.
 */
const outcomeOf = <Value>(
  { promise, startedAt, maxAgeMs }: Flight<Value>,
  clock: FlightTerms['clock'],
) =>
  within(
    promise.then((value) => ({ value })),
    startedAt + maxAgeMs - clock.now(),
    () => undefined,
  )

/** Whether workerd threw an error because a promise belongs to a request that has ended. */
const isOrphaned = (error: unknown): boolean =>
  /has since ended|different request/.test(String(error))

/** Removes lost work, oldest first; its own contexts cannot do that any more. */
const dropLost = (flights: InFlight<unknown>, now: number): void => {
  for (const [name, { startedAt, maxAgeMs }] of flights) {
    if (now - startedAt < maxAgeMs) return
    flights.delete(name)
  }
}
