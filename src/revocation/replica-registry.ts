/** A list of names in an object's storage. It only grows. */
export function createRoster({ kv }: DurableObjectStorage) {
  const names = (): readonly string[] => kv.get<string[]>('names') ?? []
  return {
    names,
    add(name: string): void {
      if (!names().includes(name)) kv.put('names', [...names(), name])
    },
  }
}
