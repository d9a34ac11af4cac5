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
