import { evictDurableObject, reset, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LIMITS } from '../../src/core/limits.ts'
import { type Revocation, subjectKey } from '../../src/core/model/revocation.ts'
import { LOG } from '../../src/revocation/log.ts'
import { answering, createCopy, hashesOfAll } from '../kit/revocation-copy.ts'
import { entryOf, setNow, T } from '../kit/revocation-store.ts'
import { leader as shard } from '../kit/shards.workerd.ts'

const pulled = answering(shard)

/** The tables as their first version was, which had neither versions nor hashes. */
const FIRST = `
  DROP TABLE entries; DROP TABLE tombstones; DROP TABLE log; DROP TABLE replicas; DROP TABLE shares;
  UPDATE meta SET value = 1 WHERE name = 'schema';
  CREATE TABLE entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, subject TEXT NOT NULL,
    kind TEXT NOT NULL, issuer TEXT NOT NULL, value TEXT NOT NULL, mode TEXT NOT NULL, at INTEGER,
    expires INTEGER, reason TEXT, created INTEGER NOT NULL, created_by TEXT NOT NULL
  );
  CREATE INDEX entries_by_subject ON entries (subject);
  CREATE INDEX entries_by_issuer ON entries (issuer);
  CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL;`

/** An object whose tables the first version wrote, about to be started by this one. */
const old = async (entries: readonly Revocation[]): Promise<void> => {
  await shard().holds()
  await runInDurableObject(shard(), (_, { storage: { sql } }) => {
    sql.exec(FIRST)
    for (const entry of entries) {
      sql.exec(
        `INSERT INTO entries
          (id, subject, kind, issuer, value, mode, at, expires, reason, created, created_by)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        entry.id,
        subjectKey(entry),
        entry.kind,
        entry.issuer,
        entry.value,
        entry.mode,
        entry.at ?? null,
        entry.expires ?? null,
        entry.reason ?? null,
        entry.created,
        entry.createdBy,
      )
    }
  })
  await evictDurableObject(shard())
}

const { revocations } = LIMITS
const bounds = { ...LOG }
let entries: [Revocation, Revocation, Revocation, Revocation, Revocation]
beforeEach(async () => {
  setNow(T)
  Object.assign(LOG, { hashed: 2 })
  entries = [
    await entryOf({ value: 'plain' }),
    await entryOf({ value: 'full', mode: 'before', at: T - 5, expires: T + 50, reason: 'why' }),
    await entryOf({ value: 'both', kind: 'agent', mode: 'before', at: T }),
    await entryOf({ value: 'both', kind: 'agent' }),
    await entryOf({ value: 'brief', expires: T + 10 }),
  ]
})
afterEach(async () => {
  Object.assign(LOG, bounds)
  Object.assign(LIMITS, { revocations })
  vi.useRealTimers()
  await reset()
})

const expectCopy = async (copy: ReturnType<typeof createCopy>, of: readonly Revocation[]) =>
  expect(copy.hashes()).toEqual(await hashesOfAll(of))

it('keeps every entry, and tells all of them at the first pull', async () => {
  await old(entries)
  expect(await shard().list({ limit: 10 })).toEqual({ revocations: entries })
  expect((await shard().lookup(entries.map(subjectKey)))?.entries).toHaveLength(5)
  const copy = createCopy(pulled)
  await copy.pull()
  await expectCopy(copy, entries)
  expect(await shard().list({ limit: 10 })).toEqual({ revocations: entries })
})

it('takes changes before and while the old entries are hashed', async () => {
  await old(entries)
  const [plain, full, before, block] = entries
  const late = await entryOf({ value: 'late' })
  await shard().add([{ ...full, reason: 'renewed' }, late])
  expect(await shard().remove(plain.id)).toBe(true)
  setNow(T + 10)
  const copy = createCopy(pulled)
  // Both pulls wait for one run, which a lift overtakes.
  const [page] = await Promise.all([pulled.pullAll(), copy.pull(), shard().remove(before.id)])
  expect(page.hashes.length % 8).toBe(0)
  expect(await copy.follow()).toBe(true)
  await expectCopy(copy, [full, late, block])
  await shard().remove(block.id)
  expect(await copy.follow()).toBe(true)
  await expectCopy(copy, [full, late])
})

it('counts what is there', async () => {
  Object.assign(LIMITS, { revocations: 5 })
  await old(entries)
  const late = await entryOf({ value: 'late' })
  expect(await shard().add([late])).toEqual({ full: 'set' })
  await shard().remove(entries[0].id)
  expect(await shard().add([late])).toMatchObject({ added: [late] })
  expect(await shard().add(entries.slice(0, 1))).toEqual({ full: 'set' })
})

it('goes on where it was stopped', async () => {
  await old(entries)
  await runInDurableObject(shard(), async (object, { storage }) => {
    object.holds()
    const { transactionSync } = storage
    let rounds = 0
    const stopped = vi.spyOn(storage, 'transactionSync').mockImplementation((run) => {
      if (++rounds > 1) throw new Error('stopped')
      return transactionSync.call(storage, run) as never
    })
    await expect(object.pullAll()).rejects.toThrow('stopped')
    stopped.mockRestore()
    const left = storage.sql.exec('SELECT seq FROM entries WHERE hash IS NULL').toArray()
    expect(left).toHaveLength(3)
  })
  const copy = createCopy(pulled)
  await copy.pull()
  await expectCopy(copy, entries)
})
