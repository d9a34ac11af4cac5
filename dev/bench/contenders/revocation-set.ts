import {
  type Revocation,
  type RevocationSubject,
  revocationId,
  subjectHash,
  subjectKey,
} from '../../../src/gate/model/revocation.ts'
import { RevocationShard as Shard } from '../../../src/gate/revocation/object/object.ts'
import { ISSUER, REVOKED_TOKEN } from '../policy.ts'
import { pullAll, pullChanges, searchCopy } from './revocation-copy.ts'

/** Keys of the subjects that one request is looked up by. */
type Keys = readonly string[]

export interface SetEnv {
  readonly REVOCATIONS: DurableObjectNamespace<RevocationShard>
}

const SECOND = 1_000
const DAY = 24 * 60 * 60

const subjectOf = (value: string): RevocationSubject => ({ kind: 'token', issuer: ISSUER, value })

/** What revokes one token for a day. */
const entryOf = async (value: string): Promise<Revocation> => {
  const subject = subjectOf(value)
  const created = Math.floor(Date.now() / SECOND)
  return {
    ...subject,
    id: await revocationId(subject, 'block'),
    mode: 'block',
    expires: created + DAY,
    reason: 'reported by the owner of the agent',
    created,
    createdBy: 'bench',
  }
}

/** Odd, so that no two numbers have the same product modulo 2^32, and spread as real names are. */
const SPREAD = 0x9e3779b1

/** The `jti` of so many tokens, from a number on. */
const tokensFrom = (from: number, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => {
    const start = (Math.imul(from + i, SPREAD) >>> 0).toString(16).padStart(8, '0')
    return `${start}-8b1e-4a53-9c07-2f6d1e0b7a45`
  })

/** What makes an entry another one than the entry it is copied from. */
const OTHERWISE: Readonly<Record<string, string>> = {
  id: 'one.value ->> 0',
  subject: 'one.value ->> 1',
  value: 'one.value ->> 2',
  hash: 'unhex(one.value ->> 3)',
}

/** The set as it is, which can be filled fast, and takes the time of what it does. */
export class RevocationShard extends Shard {
  /**
   * Revokes so many tokens, as copies of an entry that the set's own code has written and at its
   * version, so that no more of the tables need be known here. To call that code for each would take
   * minutes.
   */
  async fill(from: number, count: number): Promise<void> {
    const { sql } = this.ctx.storage
    const { id } = await entryOf(REVOKED_TOKEN)
    if (from === 0) await this.add([await entryOf(REVOKED_TOKEN)])
    const [like] = sql.exec('SELECT * FROM entries WHERE id = ?', id).toArray()
    const columns = Object.keys(like ?? {}).filter((name) => name !== 'seq')
    const own = await Promise.all(tokensFrom(from, count).map(rowOf))
    this.ctx.storage.transactionSync(() => {
      sql.exec(
        `INSERT INTO entries (${columns})
          SELECT ${columns.map((name) => OTHERWISE[name] ?? `pattern.${name}`)}
          FROM entries AS pattern, json_each(?) AS one WHERE pattern.id = ? ORDER BY one.key`,
        JSON.stringify(own),
        id,
      )
    })
  }

  /** Lifts so many entries, and makes as many others. */
  async replace(lifted: number, made: number, count: number): Promise<void> {
    for (const value of tokensFrom(lifted, count)) {
      const { id } = await entryOf(value)
      if (!(await this.remove(id))) throw new Error(`${value} was not revoked`)
    }
    const entries = await Promise.all(tokensFrom(made, count).map(entryOf))
    const answer = await this.add(entries)
    if (!answer || 'full' in answer) throw new Error('the set is full')
  }

  /** Milliseconds of one lookup, on average over so many. */
  async time(all: readonly Keys[], found: number): Promise<number> {
    const begin = performance.now()
    for (const keys of all) {
      if ((await this.lookup(keys))?.entries.length !== found) throw new Error('the set is another')
    }
    return (performance.now() - begin) / all.length
  }

  /** Bytes in storage. */
  stored(): number {
    return this.ctx.storage.sql.databaseSize
  }
}

const rowOf = async (value: string) => {
  const key = subjectKey(subjectOf(value))
  const hash = [...(await subjectHash(key))].map((byte) => byte.toString(16).padStart(2, '0'))
  return [await revocationId(subjectOf(value), 'block'), key, value, hash.join('')]
}

/** All that a token can be revoked by. */
const keysOf = (token: string): Keys =>
  [
    subjectOf(token),
    { kind: 'agent', issuer: ISSUER, value: `agent of ${token}` } as const,
    { kind: 'subject', issuer: ISSUER, value: `subject of ${token}` } as const,
    { kind: 'client', issuer: ISSUER, value: `client of ${token}` } as const,
    { kind: 'key', issuer: ISSUER, value: `key of ${token}` } as const,
    { kind: 'issuer', issuer: ISSUER, value: '' } as const,
  ].map(subjectKey)

type Shards = SetEnv['REVOCATIONS']
type Task = (
  set: DurableObjectStub<RevocationShard>,
  numbers: readonly number[],
  shards: Shards,
) => unknown

/** Lookups of one kind that are timed at once. */
const LOOKUPS = 500
/** The number of a token that is never revoked. */
const GOOD = 2 ** 30

/** Lookups of tokens while those with the numbers `from` to `to` are revoked. */
const strict: Task = async (set, [from = 0, to = 0]) => {
  const step = Math.floor((to - from) / LOOKUPS)
  const revoked = Array.from({ length: LOOKUPS }, (_, i) => tokensFrom(from + i * step, 1))
  const good = tokensFrom(GOOD, LOOKUPS).map(keysOf)
  const miss = await set.time(good, 0)
  const hit = await set.time(revoked.flat().map(keysOf), 1)
  const begin = performance.now()
  for (const keys of good) await set.lookup(keys)
  return { miss, hit, call: (performance.now() - begin) / LOOKUPS }
}

/** Reads so many shards until each has copied the set, and so answers. */
const enrol: Task = async (_set, [count = 0], shards) => {
  for (let shard = 0; shard < count; shard++) {
    while (!(await shards.getByName(String(shard)).lookup([]))) await scheduler.wait(10)
  }
}

/** Revokes so many tokens, one call for each. Throws where one does not get into the set. */
const revoke: Task = async (set, [from = 0, count = 0]) => {
  for (const token of tokensFrom(from, count)) {
    const answer = await set.add([await entryOf(token)])
    if (!answer || 'full' in answer) throw new Error('the set is full')
  }
}

/** Asks one shard so many times for what has changed since now, as an isolate does that has a copy. */
const pulls: Task = async (_set, [shard = 0, count = 0], shards) => {
  const one = shards.getByName(String(shard))
  const { epoch, version } = await one.head()
  for (let i = 0; i < count; i++) {
    const changes = await one.pullSince(epoch, version)
    if (!changes || 'reset' in changes) throw new Error('the shard does not serve')
  }
}

const TASKS: Readonly<Record<string, Task>> = {
  fill: (set, [from = 0, count = 0]) => set.fill(from, count),
  replace: (set, [lifted = 0, made = 0, count = 0]) => set.replace(lifted, made, count),
  stored: (set) => set.stored(),
  all: (set) => pullAll(() => set),
  changes: (set) => pullChanges(() => set),
  search: () => searchCopy(),
  strict,
  enrol,
  revoke,
  pulls,
}

/** Does one task, `/NAME?n=1&n=2`, and answers what came of it. */
export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    const task = TASKS[pathname.slice(1)]
    if (!task) return new Response(`no task ${pathname}`, { status: 404 })
    const numbers = searchParams.getAll('n').map(Number)
    const result = await task(env.REVOCATIONS.getByName('0'), numbers, env.REVOCATIONS)
    return Response.json(result ?? null)
  },
} satisfies ExportedHandler<SetEnv>
