/** A map's value for a key. If there is none, makes one and stores it in the map. */
export function getOrMake<Key, Value>(
  map: Pick<Map<Key, Value>, 'get' | 'set'>,
  key: Key,
  make: () => Value,
): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

/** Makes a value once per object and keeps it as long as the object exists. `make` must not throw. */
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

/** Most entries, and most characters of a key. */
const TEXTS = { entries: 1_000, length: 512 }

/**
 * Caches values by text, for texts that repeat. Bounded: a full cache is emptied, so new texts from strangers cost
 * time, never correctness. Neither long texts nor `undefined` are cached.
 */
export function createTextMemo<Value>(length = TEXTS.length) {
  const made = new Map<string, Value>()
  return {
    get: (text: string): Value | undefined => made.get(text),
    keep(text: string, value: Value): Value {
      if (text.length > length) return value
      if (made.size >= TEXTS.entries) made.clear()
      // A slice keeps the whole text it was cut from: the header of a token would keep the token.
      made.set(` ${text}`.slice(1), value)
      return value
    },
  }
}
