import { sha256Name } from '../../base/bytes.ts'
import { isObject, type JsonObject, own } from '../../base/json.ts'
import type { Issuer } from '../../model/issuer.ts'
import { publicKeys } from './set.ts'
import { KEY_TIMES } from './times.ts'

/** A KV namespace, as far as keys need it. */
export interface KvLike {
  get(key: string, options: { readonly type: 'json'; readonly cacheTtl?: number }): Promise<unknown>
  put(key: string, value: string, options: { readonly expirationTtl: number }): Promise<void>
}

/** An issuer's published keys and when they were asked for, in milliseconds. */
export interface KeyRecord {
  readonly keys: readonly JsonObject[]
  readonly fetchedAt: number
}

/** Part of every name: records of another format are never read. */
const FORMAT = 1

/** The KV name of an issuer's keys. Of fixed length; different for each place keys come from. */
export const recordName = async ({ issuer, keys, allowInsecureHttp }: Issuer): Promise<string> => {
  const place = keys.kind === 'uri' ? keys.uri : 'discovery'
  const parts = JSON.stringify([FORMAT, issuer, place, allowInsecureHttp])
  return `jwks:${FORMAT}:${await sha256Name(parts)}`
}

/**
 * Reads a record, checked like a fetched set. `undefined` where there is none, it is broken or past
 * its life at `now`. Rejects where KV does.
 */
export const readRecord = async (
  kv: KvLike,
  name: string,
  now: number,
): Promise<KeyRecord | undefined> => {
  const value = await kv.get(name, { type: 'json', cacheTtl: KEY_TIMES.kvCopySeconds })
  if (!isObject(value)) return undefined
  const keys = publicKeys(own(value, 'jwks'))
  const fetchedAt = own(value, 'fetchedAt')
  if (!keys || typeof fetchedAt !== 'number') return undefined
  const age = now - fetchedAt
  if (age >= KEY_TIMES.staleMs || age < -KEY_TIMES.skewMs) return undefined
  return { keys, fetchedAt: Math.min(fetchedAt, now) }
}

/** Writes a record, to be forgotten when its life is over. Rejects where KV does. */
export const writeRecord = (kv: KvLike, name: string, { keys, fetchedAt }: KeyRecord) =>
  kv.put(name, JSON.stringify({ jwks: { keys }, fetchedAt }), {
    expirationTtl: KEY_TIMES.staleMs / 1000,
  })

/** Whether KV should be told: the keys changed, or half the life of what it holds is gone. */
export const isWorthWriting = (record: KeyRecord, stored: KeyRecord | undefined): boolean =>
  !stored ||
  record.fetchedAt - stored.fetchedAt >= KEY_TIMES.staleMs / 2 ||
  JSON.stringify(record.keys) !== JSON.stringify(stored.keys)
