/** The storage key of the version of what a Durable Object has stored. */
const SCHEMA = 'schema'

/**
 * Whether a Durable Object has stored data of this version; `false` where none is noted. Throws for data of another
 * version, newer or older, since it may be misread: then each call fails, and the gate refuses what depends on it.
 */
export function hasSchema({ kv }: DurableObjectStorage, version: number): boolean {
  const stored = kv.get<number>(SCHEMA)
  if (stored !== undefined && stored !== version) throw new Error(`data of schema ${stored}`)
  return stored !== undefined
}

/** Notes the version of what is stored from now on. Throws as {@link hasSchema}. */
export function noteSchema(storage: DurableObjectStorage, version: number): void {
  if (!hasSchema(storage, version)) storage.kv.put(SCHEMA, version)
}

/** Changes data of version `from` to `version`, both or nothing; nothing if the object has none of that version. */
export function migrateSchema(
  storage: DurableObjectStorage,
  from: number,
  version: number,
  change: () => void,
): void {
  if (storage.kv.get<number>(SCHEMA) !== from) return
  storage.transactionSync(() => {
    change()
    storage.kv.put(SCHEMA, version)
  })
}
