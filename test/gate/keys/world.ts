import { afterEach, beforeEach } from 'vitest'
import type { Issuer } from '../../../src/gate/model/issuer.ts'
import { issuerOf, MemoryKv, publicJwk, startServer, startWorld } from './support.ts'

/** A server with one key set, and a world whose isolates ask for it; another for each test. */
export let server: Awaited<ReturnType<typeof startServer>>
export let kv: MemoryKv
export let world: ReturnType<typeof startWorld>
export let isolate: ReturnType<typeof world.isolate>
export let issuer: Issuer

export const A = await publicJwk('ES256', { kid: 'a' })
export const B = await publicJwk('ES256', { kid: 'b' })
export const HERE = '192.0.2.1'
export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

let headers: Record<string, string> = {}
export const publish = (...keys: unknown[]) => server.json('/jwks', { keys }, headers)
export const asked = () => server.requests.filter((path) => path === '/jwks').length
export const find = (kid: string, caller = HERE) => isolate.find(issuer, kid, caller)

/** Begins each test of a file in such a world; `cacheControl` is what the issuer says of its keys. */
export const useWorld = (cacheControl?: string): void => {
  headers = cacheControl === undefined ? {} : { 'cache-control': cacheControl }
  beforeEach(async () => {
    server = await startServer()
    issuer = issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/jwks` } })
    kv = new MemoryKv()
    world = startWorld({ kv })
    isolate = world.isolate()
    publish(A)
  })
  afterEach(() => server.close())
}
