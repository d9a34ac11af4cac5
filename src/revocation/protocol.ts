import type { RevocationStore } from '../core/model/ports.ts'
import type { Revocation } from '../core/model/revocation.ts'

/** The shard where entries are written and listed. All others are replicas of it. */
export const PRIMARY = '0'

/** A state of the set. Versions of different epochs have nothing to do with each other. */
export interface Version {
  /**
   * Made once per life of the set. Empty where there is no set: the shard is new, was wiped, or has begun
   * to copy another.
   */
  readonly epoch: string
  readonly version: number
}

/** How far a shard's set has come. */
export interface Head extends Version {
  /** Changes after this version are kept. */
  readonly oldest: number
  /** From which version on the shard may answer; `null` for never. */
  readonly serving: number | null
}

/** Live entries, as of a state of the set. */
export interface Found extends Version {
  readonly entries: readonly Revocation[]
}

/** A page of the hashes of all live entries, 8 bytes each; a subject may be there twice. */
export interface HashPage extends Version {
  readonly hashes: Uint8Array
  /** Where the next page begins; absent on the last. */
  readonly after?: number
}

/**
 * What changed since a version. `added` has every hash of which an entry came, or left while another
 * stands; `removed` those of which none stands. They have no hash in common.
 */
export interface HashChanges extends Version {
  readonly added: Uint8Array
  readonly removed: Uint8Array
}

/** The changes are not kept any more: whoever asked has to copy the whole set. */
export interface Reset {
  readonly reset: true
}

/** A row of `entries` as SQLite gives it and as shards send it: what is absent is `null`. */
export type Row = {
  /** `null` for an entry that gets the next one. */
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
  /** 1 for an entry of an administrator of its issuer alone, else 0. */
  readonly own: number
  readonly renewed: number | null
  readonly renewed_by: string | null
  /** Of the change that made it so. */
  readonly version: number
  /** See `subjectHash`. */
  readonly hash: ArrayBuffer
}

/** A page of all entries, for a shard that begins anew. */
export interface RowPage extends Version {
  readonly rows: readonly Row[]
  /** Where the next page begins; absent on the last. */
  readonly after?: number
}

/** A removal. */
export interface Tombstone {
  readonly version: number
  readonly id: string
  readonly hash: ArrayBuffer
  readonly at: number
}

/** Changes of an epoch, in the order of their versions, that lead from one version to another. */
export interface RowChanges {
  readonly epoch: string
  /** A replica that has not reached this version cannot apply them. */
  readonly from: number
  readonly to: number
  /**
   * The last version there was. An entry that changed after `to` is sent as it is by then, not as it was
   * at `to`; so up to this version a replica may lack it.
   */
  readonly head: number
  readonly changes: readonly (Row | Tombstone)[]
}

/** What a replica says to changes. */
export type Replicated =
  /** How far it has come. */
  | { readonly version: number }
  /** It answers no reads, and needs no changes. */
  | { readonly out: true }
  /** It knows of other changes with the same versions. */
  | { readonly contradicted: true }

/** What shards ask of each other. */
export interface Peer {
  head(): PromiseLike<Head>
  copyPage(after: number): PromiseLike<RowPage>
  replicate(changes: RowChanges): PromiseLike<Replicated>
  /**
   * Of the primary: counts a replica among those that every change has to reach. The replica may answer
   * from the returned version on.
   */
  enrol(name: string, at: Version): PromiseLike<{ readonly version: number } | Reset>
  /** Of the registry: the names of all replicas that ever enrolled. */
  names(): PromiseLike<readonly string[]>
  note(name: string): PromiseLike<void>
}

/** What isolates ask of a shard; `undefined` from one that may not answer for the set. */
interface Reads {
  lookup(subjectKeys: readonly string[], primaryHint?: string): PromiseLike<Found | undefined>
  pullAll(after: number, primaryHint?: string): PromiseLike<HashPage | undefined>
  pullSince(
    epoch: string,
    version: number,
    primaryHint?: string,
  ): PromiseLike<HashChanges | Reset | undefined>
}

/** A shard as isolates call it. `primaryHint`: where the primary is to be made, should nobody have called it. */
export type Shard = Reads & {
  readonly [Name in keyof RevocationStore]: (
    ...given: Parameters<RevocationStore[Name]>
  ) => PromiseLike<Awaited<ReturnType<RevocationStore[Name]>>>
}
