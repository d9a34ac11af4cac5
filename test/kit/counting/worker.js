// The gate, which counts what it calls: objects, KV, fetches, and rows of the objects' storage.

// By an alias. It comes second, so that it finds the clock and `fetch` of the first.
import * as gate from './built-worker.js'
import { calls, forward, storages, stretch, through, ways } from './state.js'

const PLACE = '/.counting/'

/** An object whose calls are counted by name. */
const counted = (target, binding, nameOf) =>
  new Proxy(target, {
    get: (_, method) =>
      typeof target[method] === 'function'
        ? (...given) => through(binding, nameOf(method), () => target[method](...given))
        : target[method],
  })

const countedObjects = (namespace, binding, by) => ({
  // Its absence would make the policy invalid.
  get: (...given) => namespace.get(...given),
  idFromName: (...given) => namespace.idFromName(...given),
  getByName: (...given) =>
    counted(namespace.getByName(...given), binding, (method) => `${by}${binding}.${method}`),
  jurisdiction: (...given) => countedObjects(namespace.jurisdiction(...given), binding, by),
})

const BINDINGS = {
  DurableObjectNamespace: countedObjects,
  KvNamespace: (kv, binding, by) => counted(kv, binding, (method) => `${by}KV.${method}`),
}

/** By who calls: the Worker, or an object. */
const environments = new Map()

/** The same for each request of an isolate, as the gate knows its environment again. */
const countedEnv = (env, by = '') => {
  const known = environments.get(by) ?? new WeakMap()
  environments.set(by, known)
  if (known.has(env)) return known.get(env)
  const made = Object.fromEntries(
    Object.entries(env).map(([name, value]) => {
      const wrap = BINDINGS[value?.constructor?.name]
      return [name, wrap ? wrap(value, name, by) : value]
    }),
  )
  known.set(env, made)
  return made
}

/** Counts rows as they are billed: those of cursors, one for a value, and one for an alarm that is set. */
const countRows = (storage, name) => {
  const rows = storages.get(name) ?? { cursors: [], read: 0, written: 0 }
  storages.set(name, rows)
  const replace = (target, method, after) => {
    const real = target[method].bind(target)
    target[method] = (...given) => after(real(...given))
  }
  replace(storage.sql, 'exec', (cursor) => {
    rows.cursors.push(cursor)
    return cursor
  })
  const plus = (member) => (result) => {
    rows[member]++
    return result
  }
  replace(storage.kv, 'get', plus('read'))
  replace(storage.kv, 'put', plus('written'))
  replace(storage.kv, 'delete', plus('written'))
  replace(storage, 'setAlarm', plus('written'))
}

const rowsNow = (rows) => {
  for (const cursor of rows.cursors.splice(0)) {
    rows.read += cursor.rowsRead
    rows.written += cursor.rowsWritten
  }
  return { read: rows.read, written: rows.written }
}

const countedClass = (Real, name) =>
  class extends Real {
    constructor(ctx, env) {
      countRows(ctx.storage, name)
      super(ctx, countedEnv(env, `${name}: `))
    }
  }

const COMMANDS = {
  counts: () => ({
    calls: Object.fromEntries(calls),
    rows: Object.fromEntries([...storages].map(([name, rows]) => [name, rowsNow(rows)])),
  }),
  reset() {
    calls.clear()
    for (const rows of storages.values()) {
      rowsNow(rows)
      Object.assign(rows, { read: 0, written: 0 })
    }
  },
  forward: ({ ms }) => forward(ms),
  stretch: ({ times }) => stretch(times),
  behave({ binding, way }) {
    if (way === undefined) ways.delete(binding)
    else ways.set(binding, way)
  },
}

export default {
  ...gate.default,
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url)
    if (!pathname.startsWith(PLACE)) return gate.default.fetch(request, countedEnv(env), context)
    const given = request.method === 'POST' ? await request.json() : {}
    return Response.json(COMMANDS[pathname.slice(PLACE.length)](given) ?? {})
  },
}

export const AgentRegistry = countedClass(gate.AgentRegistry, 'AgentRegistry')
export const ApprovalStore = countedClass(gate.ApprovalStore, 'ApprovalStore')
export const AssertionKeyService = countedClass(gate.AssertionKeyService, 'AssertionKeyService')
export const AuditLog = countedClass(gate.AuditLog, 'AuditLog')
export const KeyService = countedClass(gate.KeyService, 'KeyService')
export const RateLimiter = countedClass(gate.RateLimiter, 'RateLimiter')
export const ReplayShard = countedClass(gate.ReplayShard, 'ReplayShard')
export const RevocationShard = countedClass(gate.RevocationShard, 'RevocationShard')
