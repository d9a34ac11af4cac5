import type { WorkerService } from './workerd-config.ts'

/**
 * A KV namespace for workerd, which has no store of its own: the protocol that its KV binding speaks over
 * HTTP, on a SQLite Durable Object, with the limits that Cloudflare puts on keys and lifetimes. Each
 * namespace is kept in a folder of its own; what has expired is removed with the next write.
 */
export function kvService(name: string): WorkerService {
  return {
    name,
    modules: { kv: { text: KV_WORKER } },
    compatibilityDate: '2026-01-01',
    bindings: [{ name: 'STORE', durableObjectNamespace: 'KvNamespace' }],
    classes: { KvNamespace: name },
  }
}

/** Runs inside workerd, beside the gate. */
const KV_WORKER = `import { DurableObject } from 'cloudflare:workers'

export class KvNamespace extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env)
    this.exec(
      'CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB, metadata TEXT, expires REAL)',
    )
  }

  exec(query, ...values) {
    return this.ctx.storage.sql.exec(query, ...values)
  }

  read(key) {
    return this.rows('key = ?', key)[0]
  }

  write(...row) {
    this.exec('DELETE FROM entries WHERE expires <= ?', Date.now() / 1000)
    this.exec('INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)', ...row)
  }

  remove(key) {
    this.exec('DELETE FROM entries WHERE key = ?', key)
  }

  list(prefix, after, limit) {
    const where = 'key > ? AND substr(key, 1, length(?)) = ? ORDER BY key'
    const found = this.rows(where, after, prefix, prefix)
    return { page: found.slice(0, limit), more: found.length > limit }
  }

  rows(where, ...values) {
    const query = 'SELECT * FROM entries WHERE (expires IS NULL OR expires > ?) AND ' + where
    return this.exec(query, Date.now() / 1000, ...values).toArray()
  }
}

// The binding's error shows the status line and nothing of the body.
const refuse = (message) => new Response(null, { status: 400, statusText: message })

const METHODS = {
  async GET(store, key, query) {
    if (key === '') return list(store, query)
    const entry = await store.read(key)
    if (entry === undefined) return new Response(null, { status: 404 })
    const headers = entry.metadata === null ? {} : { 'CF-KV-Metadata': entry.metadata }
    return new Response(entry.value, { headers })
  },

  async PUT(store, key, query, metadata, value) {
    const ttl = query.get('expiration_ttl')
    const at = query.get('expiration')
    const now = Date.now() / 1000
    const expires = ttl !== null ? now + Number(ttl) : at !== null ? Number(at) : null
    if (new TextEncoder().encode(key).length > 512) return refuse('the key is over 512 bytes')
    if (metadata !== null && metadata.length > 1024) return refuse('metadata is over 1024 bytes')
    if (ttl !== null && !(Number(ttl) >= 60)) return refuse('expiration_ttl is under 60')
    if (at !== null && !(Number(at) >= now + 60)) return refuse('expiration is within 60 seconds')
    await store.write(key, value, metadata, expires)
    return new Response(null)
  },

  async DELETE(store, key) {
    await store.remove(key)
    return new Response(null)
  },
}

async function list(store, query) {
  const limit = Number(query.get('key_count_limit') ?? 1000)
  const { page, more } = await store.list(query.get('prefix') ?? '', query.get('cursor') ?? '', limit)
  const keys = page.map(({ key, metadata, expires }) => ({
    name: key,
    ...(expires === null ? {} : { expiration: Math.floor(expires) }),
    ...(metadata === null ? {} : { metadata: JSON.parse(metadata) }),
  }))
  return Response.json({ keys, list_complete: !more, ...(more ? { cursor: page.at(-1).key } : {}) })
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    // Even a refusal reads the body: the caller's put() never settles while some of it is unread.
    const value = await request.arrayBuffer()
    const method = METHODS[request.method]
    if (method === undefined) return new Response('method not allowed', { status: 405 })
    const metadata = request.headers.get('CF-KV-Metadata')
    const key = decodeURIComponent(pathname.slice(1))
    return method(env.STORE.getByName('entries'), key, searchParams, metadata, value)
  },
}
`
