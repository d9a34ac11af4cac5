import { LIMITS } from '../core/limits.ts'

/**
 * What a call to an object gives; rejects when that takes longer than `ms` milliseconds. The call itself
 * goes on: what it does may be done all the same.
 */
export async function inTime<Value>(
  call: () => PromiseLike<Value> | Value,
  ms: number = LIMITS.revocationReadMs,
): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  try {
    return await Promise.race([call(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Milliseconds that work goes on before others have their turn. */
const BREATH_MS = 20

/**
 * To be called between the parts of long work: lets others have their turn now and then. Where all objects
 * share a thread, they would wait for all of it.
 */
export function createYielder() {
  let since = Date.now()
  return async (): Promise<void> => {
    if (Date.now() - since < BREATH_MS) return
    await new Promise((done) => setTimeout(done, 0))
    since = Date.now()
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
