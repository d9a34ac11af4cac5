import { LIMITS } from '../core/limits.ts'

/**
 * What a call to an object gives; rejects when that takes longer than `ms` milliseconds. The call itself
 * goes on: what it does may be done all the same.
 */
export async function inTime<Value>(
  call: () => PromiseLike<Value> | Value,
  ms: number = LIMITS.revocationReadMs,
): Promise<Value> {
  return within(call(), ms, () => {
    throw new Error(`no answer within ${ms} ms`)
  })
}

/** What a promise gives, or after `ms` milliseconds what `late` gives. Leaves no timer behind. */
export async function within<Value, Late>(
  promise: PromiseLike<Value> | Value,
  ms: number,
  late: () => Late,
): Promise<Value | Late> {
  // Node 20 has no `Promise.withResolvers`.
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const timer = setTimeout(end, ms)
  try {
    return await Promise.race([promise, ended.then(late)])
  } finally {
    clearTimeout(timer)
  }
}

/** Calls an object, and once more where that fails, with a stub of its own: one that has failed may fail for good. */
export function retryOnce<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  return call().catch((error: unknown) => {
    // One that has too much to do gains nothing by being asked again.
    if ((error as { readonly overloaded?: boolean }).overloaded) throw error
    return call()
  })
}

/** A Durable Object namespace, as far as the gate needs it. */
export interface Objects<Stub> {
  getByName(name: string, options?: { readonly locationHint?: string }): Stub
  jurisdiction?(jurisdiction: string): Objects<Stub>
}

/** How objects of a namespace are called. */
export interface ObjectCalls<Stub> {
  /** Name of the binding. */
  readonly binding: string
  readonly objects: Objects<Stub> | undefined
  readonly jurisdiction: string | undefined
  /** Milliseconds one try may take. */
  readonly timeout: number
}

/** Calls an object by its name, and once more where that fails or takes too long; then it rejects. */
export function createObjectCalls<Stub>({
  binding,
  objects: all,
  jurisdiction,
  timeout,
}: ObjectCalls<Stub>) {
  const placed = () => (jurisdiction === undefined ? all : all?.jurisdiction?.(jurisdiction))
  return async <Answer>(
    name: string,
    call: (object: Stub) => PromiseLike<Answer>,
  ): Promise<Answer> => {
    const objects = placed()
    if (!objects) throw unbound(binding)
    return retryOnce(() => inTime(async () => await call(objects.getByName(name)), timeout))
  }
}

/** The error of a call for which there is no binding. */
export function unbound(binding: string): Error {
  return new Error(`${binding} is not bound`)
}

/** Milliseconds that work goes on before others have their turn. */
const SLICE_MS = 20

/**
 * To be called between the parts of long work: lets others have their turn now and then. Where all objects
 * share a thread, they would wait for all of it.
 */
export function createYielder() {
  let since = Date.now()
  return async (): Promise<void> => {
    if (Date.now() - since < SLICE_MS) return
    await new Promise((done) => setTimeout(done, 0))
    since = Date.now()
  }
}
