/** Work in parts. Each `yield` marks a place where other work may run. */
export type Parts<Result> = Generator<undefined, Result, undefined>

/** Does all parts at once. */
export function whole<Result>(parts: Parts<Result>): Result {
  let part = parts.next()
  while (!part.done) part = parts.next()
  return part.value
}

/** Does the parts one after the other, and waits by `between` before each but the first. */
export async function spread<Result>(
  parts: Parts<Result>,
  between: () => Promise<void> | undefined,
): Promise<Result> {
  let part = parts.next()
  while (!part.done) {
    await between()
    part = parts.next()
  }
  return part.value
}
