import { fail, type Result } from './result.ts'

/** The result of a promise or, after `ms` milliseconds, of `late`. Leaves no timer. */
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

/**
 * The result of work that fetches. After `ms` milliseconds the signal aborts. Any rejection is `timeout` or
 * `unreachable`. Never rejects.
 */
export async function fetchedWithin<Value, Fault>(
  ms: number,
  work: (signal: AbortSignal) => Promise<Result<Value, Fault>>,
): Promise<Result<Value, Fault | 'timeout' | 'unreachable'>> {
  // Not `AbortSignal.timeout`: its timer would keep a finished Durable Object awake.
  const controller = new AbortController()
  const { signal } = controller
  const timer = setTimeout(() => controller.abort(), ms)
  try {
    return await work(signal)
  } catch {
    return fail(signal.aborted ? 'timeout' : 'unreachable')
  } finally {
    clearTimeout(timer)
  }
}
