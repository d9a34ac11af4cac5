import type { RevocationStore } from '../model/ports.ts'
import type { Revocation } from '../model/revocation.ts'

/** The shard that writes and lists entries. All other shards are its replicas. */
export const PRIMARY = '0'

/** The object that stores only the names of all replicas ever enrolled. */
export const REGISTRY = 'replica-registry'

/** A version of the set. Versions compare only within an epoch. */
export interface Version {
  /**
   * Created once, when the set begins. Empty while the shard has no set: it is new, was wiped,
   * or is copying from another shard.
   */
  readonly epoch: string
  readonly version: number
}

/** The state of a shard's set. */
export interface Head extends Version {
  /** Changes after this version are available. */
  readonly oldest: number
  /** The version from which the shard may answer; `null` for never. */
  readonly serving: number | null
}

/** Live entries, at a version of the set. */
export interface Found extends Version {
  readonly entries: readonly Revocation[]
}

/** A page of the hashes of all live entries, 8 bytes each, with possible duplicates. */
export interface HashPage extends Version {
  readonly hashes: Uint8Array
  /** The cursor of the next page; absent on the last. */
  readonly after?: number
}

/**
 * The changes since a version. `added`: hashes of new entries, and of removed ones that another
 * entry shares. `removed`: hashes without a live entry. No hash is in both.
 */
export interface HashChanges extends Version {
  readonly added: Uint8Array
  readonly removed: Uint8Array
}

/** The changes are no longer available: a full copy is needed. */
export interface Reset {
  readonly reset: true
}

/** A row of `entries`, in SQLite and between shards; absent values are `null`. */
export type Row = {
  /** `null` for a new entry. */
  readonly seq: number | null
  readonly id: string
  readonly subject: string
  readonly kind: string
  readonly issuer: string
  readonly value: string
  readonly mode: string
  readonly at: number | null
  readonly expires: number | null
  readonly reason: string | null
  readonly created: number
  readonly created_by: string
  /** 1 for an entry of an administrator limited to its issuer, else 0. */
  readonly own: number
  readonly renewed: number | null
  readonly renewed_by: string | null
  /** The version of its last change. */
  readonly version: number
  /** See `subjectHash`. */
  readonly hash: ArrayBuffer
}

/** A page of all entries, for another shard's copy. */
export interface RowPage extends Version {
  readonly rows: readonly Row[]
  /** The cursor of the next page; absent on the last. */
  readonly after?: number
}

/** A removed entry. */
export interface Tombstone {
  readonly version: number
  readonly id: string
  readonly hash: ArrayBuffer
  readonly at: number
}

/** Changes of one epoch between two versions, in order. */
export interface RowChanges {
  readonly epoch: string
  /** A replica below this version cannot apply them. */
  readonly from: number
  readonly to: number
  /**
   * The latest version. An entry changed after `to` is missing here, since only its latest state is
   * sent. So a replica is complete only at this version.
   */
  readonly head: number
  readonly changes: readonly (Row | Tombstone)[]
}

/** A replica's answer to changes. */
export type Replicated =
  /** The version it has reached. */
  | { readonly version: number }
  /** It does not serve reads, and needs no changes. */
  | { readonly out: true }
  /** It has other changes with the same versions. */
  | { readonly contradicted: true }

/** The calls between shards. */
export interface Peer {
  head(): PromiseLike<Head>
  copyPage(after: number): PromiseLike<RowPage>
  replicate(changes: RowChanges): PromiseLike<Replicated>
  /**
   * In the primary: enrols a replica, which then gets every change. It may answer from the returned
   * version on.
   */
  enrol(name: string, at: Version): PromiseLike<{ readonly version: number } | Reset>
  /** In the registry: the names of all replicas ever enrolled. */
  names(): PromiseLike<readonly string[]>
  note(name: string): PromiseLike<void>
}

/** The reads of isolates; `undefined` from a shard that is not ready. */
interface Reads {
  lookup(subjectKeys: readonly string[], primaryHint?: string): PromiseLike<Found | undefined>
  pullAll(after: number, primaryHint?: string): PromiseLike<HashPage | undefined>
  pullSince(
    epoch: string,
    version: number,
    primaryHint?: string,
  ): PromiseLike<HashChanges | Reset | undefined>
}

/** A shard for isolates. `primaryHint`: the location hint for the primary, if it does not exist. */
export type Shard = Reads & {
  readonly [Name in keyof RevocationStore]: (
    ...given: Parameters<RevocationStore[Name]>
  ) => PromiseLike<Awaited<ReturnType<RevocationStore[Name]>>>
}
