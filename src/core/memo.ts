/** Makes a value of an object once and keeps it as long as the object; `make` must not throw. */
export function perObject<Key extends object, Value>(
  make: (key: Key) => Value,
): (key: Key) => Value {
  const made = new WeakMap<Key, { readonly value: Value }>()
  return (key) => {
    const known = made.get(key)
    if (known) return known.value
    const value = make(key)
    made.set(key, { value })
    return value
  }
}

/** Texts that are remembered, and the characters of one at most. */
const TEXTS = { entries: 1_000, length: 512 }

/**
 * Remembers what was made of a text, for texts that come again and again. Bounded: a stranger who
 * sends ever new ones makes it forget and so makes it slow, never wrong. `undefined` is not kept.
 */
export function createTextMemo<Value>() {
  const made = new Map<string, Value>()
  return {
    get: (text: string): Value | undefined => made.get(text),
    keep(text: string, value: Value): Value {
      if (text.length > TEXTS.length) return value
      if (made.size >= TEXTS.entries) made.clear()
      made.set(text, value)
      return value
    },
  }
}
