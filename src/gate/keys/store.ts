import { sha256Name } from '../base/bytes.ts'
import { isObject, type JsonObject, ownText } from '../base/json.ts'
import type { Issuer } from '../model/issuer.ts'
import { publicKeys } from '../model/key-set.ts'
import { KEY_TIMES } from './times.ts'

/** A KV namespace, with the methods that keys need. */
export interface KvLike {
  get(key: string, options: { readonly type: 'json'; readonly cacheTtl?: number }): Promise<unknown>
  put(key: string, value: string, options: { readonly expirationTtl: number }): Promise<void>
}

/** The settings that identify an issuer's keys. */
export type KeyPlace = Pick<Issuer, 'name' | 'issuer' | 'keys' | 'allowInsecureHttp'>

/** A change of an issuer's published set: names of added and removed keys. */
export interface Rotation {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** An issuer's published keys, as the key service fetched them. */
export interface KeyRecord {
  readonly keys: readonly JsonObject[]
  /** When they were last fetched, in milliseconds. */
  readonly fetchedAt: number
  /** Seconds for which the issuer allows them to be cached, if it does. */
  readonly maxAge?: number
  /** Newest first. */
  readonly rotations: readonly Rotation[]
}

/** Part of every name, so that records of another format are never read. */
const FORMAT = 2

/**
 * The name of an issuer's keys in KV, and of its key service. The name has a fixed length, and differs for each source
 * of keys.
 */
export async function recordName({ issuer, keys, allowInsecureHttp }: KeyPlace): Promise<string> {
  const place = keys.kind === 'uri' ? keys.uri : 'discovery'
  const parts = JSON.stringify([FORMAT, issuer, place, allowInsecureHttp])
  return `jwks:${FORMAT}:${await sha256Name(parts)}`
}

/**
 * Reads a record and checks it like a fetched set. `undefined` where it is absent, malformed or expired at `now`.
 * Rejects if KV does.
 */
export async function readRecord(
  kv: KvLike,
  name: string,
  now: number,
): Promise<KeyRecord | undefined> {
  const value = await kv.get(name, { type: 'json', cacheTtl: KEY_TIMES.kvCopySeconds })
  if (!isObject(value)) return undefined
  const { jwks, fetchedAt, maxAge, rotations } = value
  const keys = publicKeys(jwks)
  if (!keys?.length || typeof fetchedAt !== 'number') return undefined
  const age = now - fetchedAt
  if (age >= KEY_TIMES.kvLifeMs || age < -KEY_TIMES.skewMs) return undefined
  return {
    keys,
    fetchedAt: Math.min(fetchedAt, now),
    ...(typeof maxAge === 'number' && { maxAge }),
    rotations: Array.isArray(rotations) ? rotations.filter(isRotation) : [],
  }
}

const isRotation = (value: unknown): value is Rotation =>
  isObject(value) &&
  Number.isFinite(value.at) &&
  [value.added, value.removed].every(
    (names) => Array.isArray(names) && names.every((name) => typeof name === 'string'),
  )

/** Writes a record with an expiration. Rejects if KV does. */
export function writeRecord(kv: KvLike, name: string, { keys, ...rest }: KeyRecord) {
  return kv.put(name, JSON.stringify({ jwks: { keys }, ...rest }), {
    expirationTtl: KEY_TIMES.kvLifeMs / 1000,
  })
}

/**
 * The rotations of a set, newest first, after it became `keys`. Adds one if a key was added, removed or changed.
 * Without `keys` the set is unchanged. The first set counts as a rotation.
 */
export function rotated(
  before: KeyRecord | undefined,
  keys: readonly JsonObject[] | undefined,
  at: number,
): readonly Rotation[] {
  const rotations = before?.rotations ?? []
  if (!keys) return rotations
  const old = byText(before?.keys ?? [])
  const now = byText(keys)
  const names = (some: typeof old, others: typeof old) =>
    [...some].filter(([text]) => !others.has(text)).map(([, key]) => nameOf(key))
  const added = names(now, old)
  const removed = names(old, now)
  if (before && added.length + removed.length === 0) return rotations
  return [{ at, added, removed }, ...rotations].slice(0, KEY_TIMES.rotations)
}

/** Keys by their JSON with sorted members, since servers differ in their order. */
const byText = (keys: readonly JsonObject[]) =>
  new Map(keys.map((key) => [JSON.stringify(Object.entries(key).sort()), key]))

const nameOf = (key: JsonObject): string => ownText(key, 'kid')?.slice(0, 64) ?? '(no kid)'
