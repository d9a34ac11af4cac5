/** The gate's KV namespace, seen from a test. */
export interface Kv {
  /** The value, or `undefined`. */
  get(key: string): Promise<string | undefined>
  put(key: string, value: string): Promise<void>
  delete(key: string): Promise<void>
  /** Every entry that has not expired; `expiration` in seconds since the epoch. */
  list(): Promise<readonly KvEntry[]>
  /** From now on the gate's calls are answered with this status; without one they work again. */
  fail(status?: number): Promise<void>
}

/** An entry without its value. */
export interface KvEntry {
  readonly name: string
  readonly expiration?: number
  readonly metadata?: unknown
}

/** Speaks to the KV Worker over its own socket. */
export function kvAt(port: number): Kv {
  const call = async (method: string, path: string, body?: string) => {
    const init = body === undefined ? { method } : { method, body }
    const response = await fetch(`http://127.0.0.1:${port}/${path}`, init)
    if (!response.ok && response.status !== 404) throw new Error(`KV answered ${response.status}`)
    return response
  }
  const name = encodeURIComponent
  const done = async (call: Promise<Response>) => {
    await (await call).arrayBuffer()
  }
  return {
    async get(key) {
      const response = await call('GET', name(key))
      const value = await response.text()
      return response.ok ? value : undefined
    },
    put: (key, value) => done(call('PUT', name(key), value)),
    delete: (key) => done(call('DELETE', name(key))),
    async list() {
      const { keys } = (await (await call('GET', '')).json()) as { keys: KvEntry[] }
      return keys
    },
    fail: (status) => done(call('PATCH', `?fault=${status ?? ''}`)),
  }
}
