import { LIMITS } from '../base/limits.ts'
import type { Clock, RevocationPage, RevocationStore, Revocations } from '../model/ports.ts'
import {
  fullness,
  hasExpired,
  ownerOf,
  type Revocation,
  renewed,
  type ShardStatus,
  subjectKey,
} from '../model/revocation.ts'

interface Held {
  readonly seq: number
  readonly entry: Revocation
}

/** The set has one shard, which is always up to date. */
const HERE: ShardStatus = Object.freeze({ total: 1, acknowledged: 1, pending: Object.freeze([]) })

/**
 * A revocation set in memory, for libraries with one instance and for tests. Other instances do not
 * see it, and it ends with the process.
 * @example
 * ```ts
 * import { createGuard, createMemoryRevocations, type Policy } from 'edgewarden'
 *
 * export function open(policy: Policy) {
 *   const revocations = createMemoryRevocations({ clock: { now: () => Date.now() } })
 *   return { guard: createGuard(policy, { revocations }), lift: (id: string) => revocations.remove(id) }
 * }
 * ```
 */
export function createMemoryRevocations({
  clock,
  capacity = LIMITS.revocations,
}: {
  readonly clock: Clock
  readonly capacity?: number
}): Revocations & RevocationStore {
  const byId = new Map<string, Held>()
  const idsBySubject = new Map<string, Set<string>>()
  /** By issuer: the number of entries its administrators have made. */
  const shares = new Map<string, number>()
  /** By name: the end of the time for which a security event is remembered. */
  const signals = new Map<string, number>()
  let made = 0

  const now = () => Math.floor(clock.now() / 1000)
  const live = (id: string): Held | undefined => {
    const held = byId.get(id)
    return held && !hasExpired(held.entry, now()) ? held : undefined
  }
  const count = ({ own, issuer }: Revocation, change: number): void => {
    if (own) shares.set(issuer, (shares.get(issuer) ?? 0) + change)
  }
  const drop = (id: string): void => {
    const entry = byId.get(id)?.entry
    if (!entry) return
    byId.delete(id)
    count(entry, -1)
    const ids = idsBySubject.get(subjectKey(entry))
    ids?.delete(id)
    if (ids?.size === 0) idsBySubject.delete(subjectKey(entry))
  }
  const put = (entry: Revocation): void => {
    const old = live(entry.id)
    if (old) {
      byId.set(entry.id, { seq: old.seq, entry: renewed(old.entry, entry) })
      return
    }
    drop(entry.id)
    made += 1
    byId.set(entry.id, { seq: made, entry })
    count(entry, 1)
    const key = subjectKey(entry)
    idsBySubject.set(key, (idsBySubject.get(key) ?? new Set()).add(entry.id))
  }
  const sweep = (): void => {
    for (const [id, { entry }] of byId) if (hasExpired(entry, now())) drop(id)
  }

  return {
    // The set is always current, so the terms do not matter.
    lookup(subjects) {
      return subjects
        .flatMap((subject) => [...(idsBySubject.get(subjectKey(subject)) ?? [])])
        .flatMap((id) => live(id)?.entry ?? [])
    },
    async add(entries) {
      const ids = new Set(entries.map(({ id }) => id))
      const owner = ownerOf(entries)
      const full = () => {
        const fresh = [...ids].filter((id) => !byId.has(id)).length
        const own = owner === undefined ? undefined : (shares.get(owner) ?? 0) + fresh
        return fresh > 0 ? fullness({ held: byId.size + fresh, own }, capacity) : undefined
      }
      if (full()) sweep()
      const what = full()
      if (what) return { full: what }
      for (const entry of entries) put(entry)
      return { added: [...ids].flatMap((id) => live(id)?.entry ?? []), shards: HERE }
    },
    async list({ limit, cursor = 0, ...filter }) {
      // In map order by `seq`: renewed entries keep their place, new ones go last.
      const rest = [...byId.values()].filter(
        ({ seq, entry }) =>
          seq > cursor &&
          !hasExpired(entry, now()) &&
          entry.kind === (filter.kind ?? entry.kind) &&
          entry.issuer === (filter.issuer ?? entry.issuer) &&
          entry.value === (filter.value ?? entry.value) &&
          (entry.own ?? false) === (filter.own ?? entry.own ?? false) &&
          [entry.createdBy, entry.renewedBy ?? entry.createdBy].every(
            (by) => by === (filter.createdBy ?? by),
          ),
      )
      const page = rest.slice(0, limit)
      const last = page.at(-1)
      return {
        revocations: page.map(({ entry }) => entry),
        ...(rest.length > limit && last && { cursor: last.seq }),
      } satisfies RevocationPage
    },
    status: async () => HERE,

    async get(id) {
      const held = live(id)
      return held && { revocation: held.entry, shards: HERE }
    },
    async remove(id, owner) {
      const entry = live(id)?.entry
      if (!entry || (owner !== undefined && ownerOf([entry]) !== owner)) return false
      drop(id)
      return true
    },
    async signal({ name, until, add, lift }) {
      for (const [one, end] of signals) if (end <= now()) signals.delete(one)
      if (signals.has(name)) return { changed: [] }
      if (signals.size >= LIMITS.signals) return { full: 'share' }
      const added = add && (await this.add([add]))
      if (added && 'full' in added) return added
      signals.set(name, until)
      const old = lift && live(lift.id)?.entry
      const isLifted = old && (old.at ?? 0) < lift.before
      if (isLifted) drop(lift.id)
      return { changed: [...(added?.added ?? []), ...(isLifted ? [old] : [])] }
    },
    async removePage(query) {
      const page = await this.list(query)
      for (const { id } of page.revocations) drop(id)
      return page
    },
  }
}
