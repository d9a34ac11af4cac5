import { LIMITS } from '../../base/limits.ts'

/**
 * What a call to an object gives; rejects when that takes longer than `ms` milliseconds. The call itself
 * goes on: what it does may be done all the same.
 */
export const inTime = async <Value>(
  call: () => PromiseLike<Value> | Value,
  ms: number = LIMITS.revocationReadMs,
): Promise<Value> => {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const error = new Error(`no answer within ${ms} ms`)
  const timer = setTimeout(reject, ms, error)
  try {
    return await Promise.race([call(), late])
  } finally {
    clearTimeout(timer)
  }
}
