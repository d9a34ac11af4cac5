import { LIMITS } from '../base/limits.ts'
import { within } from '../base/timeout.ts'
import { type Answers, readBy } from './answers.ts'
import { createBreaker } from './breaker.ts'
import type { Background } from './system.ts'

/**
 * The result of a call to an object; rejects after `ms` milliseconds. The call itself goes on and may still take
 * effect.
 */
export async function inTime<Value>(
  call: () => PromiseLike<Value> | Value,
  ms: number = LIMITS.revocationReadMs,
): Promise<Value> {
  return within(call(), ms, () => {
    throw new Error(`no answer within ${ms} ms`)
  })
}

/** Calls an object, and a second time if that fails. Get a new stub for each call: a failed stub may stay broken. */
export function retryOnce<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  return call().catch((error: unknown) => {
    // A retry does not help an overloaded object, nor a late one.
    if ((error as { readonly overloaded?: boolean }).overloaded) throw error
    return call()
  })
}

/** A Durable Object namespace, with the methods that the gate needs. */
export interface Objects<Stub> {
  getByName(name: string, options?: { readonly locationHint?: string }): Stub
  jurisdiction?(jurisdiction: string): Objects<Stub>
}

/** The settings for calls to objects of a namespace. */
export interface ObjectCalls<Stub> extends Partial<Pick<Background, 'waitUntil'>> {
  readonly binding: string
  readonly objects: Objects<Stub> | undefined
  readonly jurisdiction: string | undefined
  readonly answers: Answers<Stub>
  /** Milliseconds for one attempt, unless a call has others. */
  readonly timeout: number
}

/**
 * Calls an object by name, and a second time on failure, timeout or a malformed answer; then it rejects. A
 * {@link createBreaker} limits the wait, but not that of a call with a time of its own.
 */
export function createObjectCalls<Stub>({
  binding,
  objects: all,
  jurisdiction,
  answers,
  timeout,
  ...background
}: ObjectCalls<Stub>) {
  const breaker = createBreaker(background)
  const placed = () => (jurisdiction === undefined ? all : all?.jurisdiction?.(jurisdiction))
  return async <Answer>(
    name: string,
    call: (object: Stub) => PromiseLike<Answer>,
    ms?: number,
  ): Promise<Answer> => {
    const objects = placed()
    if (!objects) throw unbound(binding)
    const ask = async () => await call(readBy(answers, objects.getByName(name)))
    return retryOnce(() => (ms === undefined ? breaker.call(name, ask, timeout) : inTime(ask, ms)))
  }
}

/** The error for a missing binding. */
export function unbound(binding: string): Error {
  return new Error(`${binding} is not bound`)
}

/** Creates a function that does one piece of work after the other, also after one that failed. */
export function createQueue() {
  let last: Promise<unknown> = Promise.resolve()
  return <Value>(work: () => Promise<Value>): Promise<Value> => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }
}

/** Milliseconds of work before other tasks may run. */
const SLICE_MS = 20

/**
 * Creates a function to call between parts of long work: it lets other tasks run now and then. Objects that share a
 * thread would otherwise wait for all of the work.
 */
export function createYielder() {
  let since = Date.now()
  return async (): Promise<void> => {
    if (Date.now() - since < SLICE_MS) return
    await new Promise((done) => setTimeout(done, 0))
    since = Date.now()
  }
}
