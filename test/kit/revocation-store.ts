import { expect, it, vi } from 'vitest'
import type { RevocationStore, Revocations } from '../../src/gate/model/ports.ts'
import {
  type Revocation,
  type RevocationSubject,
  revocationId,
} from '../../src/gate/model/revocation.ts'

/** Seconds: a moment after every real one, so that no alarm of the platform rings by itself. */
export const T = Date.UTC(2040) / 1000
export const ACME = 'https://auth.acme.example'
export const OTHER = 'https://auth.other.example'

/** When and by whom entries of these tests are made again. */
const RENEWED = { renewed: T, renewedBy: `${ACME} ops` }

/** Of a set in one place. */
const ALONE = { total: 1, acknowledged: 1, pending: [] }

/** Moves the clock of everything that reads `Date`. */
export const setNow = (seconds: number): void => {
  vi.useFakeTimers({ toFake: ['Date'], now: seconds * 1000 })
}

export const entryOf = async (
  parts: Partial<Revocation> & { readonly value: string },
): Promise<Revocation> => {
  const subject: RevocationSubject = { kind: 'token', issuer: ACME, ...parts }
  const mode = parts.mode ?? 'block'
  return {
    mode,
    created: T,
    createdBy: `${ACME} ops`,
    ...parts,
    ...subject,
    id: await revocationId(subject, mode, parts.own && 'own'),
  }
}

/** What every keeper of a revocation set does, whatever it is made of. */
export const itKeepsRevocations = (open: () => Revocations & RevocationStore): void => {
  const named = (entries: readonly Revocation[]) => entries.map(({ value }) => value).sort()

  it('finds an entry by each of its parts together, and by nothing less', async () => {
    const set = open()
    const entry = await entryOf({ value: 'one', expires: T + 10, reason: 'stolen' })
    expect(await set.add([entry])).toEqual({ added: [entry], shards: ALONE })
    const { kind, issuer, value } = entry
    expect(await set.lookup([{ kind, issuer, value }])).toEqual([entry])
    expect(
      await set.lookup([
        { kind: 'agent', issuer, value },
        { kind, issuer: OTHER, value },
        { kind, issuer, value: 'ONE' },
      ]),
    ).toEqual([])
    expect(await set.lookup([])).toEqual([])
    expect(await set.get(entry.id)).toEqual({ revocation: entry, shards: ALONE })
    expect(await set.get('nothing')).toBeUndefined()
  })

  it('answers for more subjects than a statement has parameters', async () => {
    const set = open()
    const entry = await entryOf({ value: 'v249', mode: 'before', at: T })
    await set.add([entry, await entryOf({ value: 'v249' })])
    const subjects = Array.from({ length: 250 }, (_, index) => ({
      kind: 'token' as const,
      issuer: ACME,
      value: `v${index}`,
    }))
    expect((await set.lookup(subjects)).map(({ mode }) => mode).sort()).toEqual(['before', 'block'])
  })

  it('renews an entry and keeps its origin', async () => {
    const set = open()
    const first = await entryOf({ value: 'one', expires: T + 10, reason: 'a' })
    await set.add([first])
    const { expires: _, ...forever } = first
    const again = { ...forever, reason: 'b', created: T + 5, createdBy: 'someone else' }
    const kept = { ...forever, reason: 'b', renewed: T + 5, renewedBy: 'someone else' }
    expect(await set.add([again])).toEqual({ added: [kept], shards: ALONE })
    expect((await set.list({ limit: 10 })).revocations).toEqual([kept])
  })

  it('renews an entry for as long as the one or the other asks', async () => {
    const set = open()
    const first = await entryOf({ value: 'one', reason: 'a' })
    await set.add([first])
    const again = { ...first, expires: T + 2, created: T + 5, createdBy: 'someone else' }
    const { reason: _, ...silent } = again
    const kept = { ...first, renewed: T + 5, renewedBy: 'someone else' }
    expect(await set.add([silent])).toEqual({ added: [kept], shards: ALONE })
    setNow(T + 3)
    expect(await set.lookup([first])).toEqual([kept])
  })

  it.each<[string, Partial<Revocation>, Partial<Revocation>, Partial<Revocation>]>([
    [
      'a later at wins',
      { at: T, expires: T + 50 },
      { at: T + 9, expires: T + 20 },
      { at: T + 9, expires: T + 50 },
    ],
    [
      'an earlier at does not',
      { at: T, expires: T + 50 },
      { at: T - 9, expires: T + 20 },
      { at: T, expires: T + 50 },
    ],
    [
      'an earlier at may stay longer',
      { at: T, expires: T + 50 },
      { at: T - 9, expires: T + 90 },
      { at: T, expires: T + 90 },
    ],
    ['an earlier at may stay for good', { at: T, expires: T + 50 }, { at: T - 9 }, { at: T }],
    ['for good stays for good', { at: T }, { at: T - 9, expires: T + 20 }, { at: T }],
  ])('before: %s', async (_, first, second, expected) => {
    const set = open()
    const base = await entryOf({ value: 'one', mode: 'before' })
    await set.add([{ ...base, ...first }])
    const stored = { ...base, ...expected, ...RENEWED }
    expect(await set.add([{ ...base, ...second }])).toEqual({ added: [stored], shards: ALONE })
    expect(await set.lookup([base])).toEqual([stored])
  })

  it('takes one entry that is named twice in a call once', async () => {
    const set = open()
    const base = await entryOf({ value: 'one', mode: 'before' })
    expect(
      await set.add([
        { ...base, at: T },
        { ...base, at: T - 5 },
      ]),
    ).toEqual({
      added: [{ ...base, at: T, ...RENEWED }],
      shards: ALONE,
    })
  })

  it('lets an entry go when it expires, and makes it anew', async () => {
    const set = open()
    const entry = await entryOf({ value: 'one', mode: 'before', at: T + 3, expires: T + 10 })
    const gone = await entryOf({ value: 'gone', expires: T + 10 })
    await set.add([entry, gone])
    setNow(T + 9)
    expect(await set.lookup([entry])).toEqual([entry])
    setNow(T + 10)
    expect(await set.lookup([entry])).toEqual([])
    expect(await set.get(entry.id)).toBeUndefined()
    expect(await set.list({ limit: 10 })).toEqual({ revocations: [] })
    expect(await set.remove(gone.id)).toBe(false)
    const again = { ...entry, at: T, expires: T + 30, created: T + 10, createdBy: 'later' }
    const between = await entryOf({ value: 'two' })
    await set.add([between])
    expect(await set.add([again])).toEqual({ added: [again], shards: ALONE })
    expect((await set.list({ limit: 10 })).revocations).toEqual([between, again])
  })

  it('removes an entry once', async () => {
    const set = open()
    const entry = await entryOf({ value: 'one' })
    await set.add([entry])
    expect(await set.remove(entry.id)).toBe(true)
    expect(await set.remove(entry.id)).toBe(false)
    expect(await set.lookup([entry])).toEqual([])
  })

  it('keeps what administrators of one issuer make apart from what those of all make', async () => {
    const set = open()
    const all = await entryOf({ value: 'one' })
    const own = await entryOf({ value: 'one', own: true, expires: T + 10 })
    expect(own.id).not.toBe(all.id)
    await set.add([all])
    await set.add([own])
    expect(await set.lookup([all])).toEqual([all, own])
    expect(await set.remove(all.id, ACME)).toBe(false)
    expect(await set.remove(own.id, OTHER)).toBe(false)
    expect(await set.remove(own.id, ACME)).toBe(true)
    expect(await set.lookup([own])).toEqual([all])
  })

  it('removes what a list has, page by page', async () => {
    const set = open()
    const [by, again] = [{ createdBy: 'a' }, { createdBy: 'a', reason: 'again' }]
    const made = await Promise.all(
      ['a', 'b', 'c', 'd'].map((value) =>
        entryOf({ value, ...(value !== 'a' && { own: true as const }), ...by }),
      ),
    )
    const [first, second, third, fourth] = made as [Revocation, Revocation, Revocation, Revocation]
    await set.add([first])
    await set.add([second, third, fourth])
    // Made again by somebody else, who would miss it; and by the same one.
    await set.add([{ ...third, createdBy: 'b' }])
    await set.add([{ ...fourth, ...again }])
    const mine = { createdBy: 'a', limit: 1 }
    expect(named((await set.list({ ...mine, limit: 9 })).revocations)).toEqual(['a', 'b', 'd'])
    expect(await set.removePage({ ...mine, own: true, issuer: OTHER })).toEqual({ revocations: [] })
    const page = await set.removePage({ ...mine, own: true })
    expect(named(page.revocations)).toEqual(['b'])
    const next = await set.removePage({ ...mine, own: true, cursor: page.cursor ?? 0 })
    expect([named(next.revocations), next.cursor]).toEqual([['d'], undefined])
    expect((await set.list({ limit: 9, own: false })).revocations).toEqual([first])
    expect(named((await set.list({ limit: 9 })).revocations)).toEqual(['a', 'c'])
  })

  it('lists by every filter', async () => {
    const set = open()
    await set.add([
      await entryOf({ value: 'a' }),
      await entryOf({ value: 'a', kind: 'agent' }),
      await entryOf({ value: 'a', issuer: OTHER }),
      await entryOf({ value: 'b' }),
    ])
    const count = async (filter: object) =>
      (await set.list({ limit: 10, ...filter })).revocations.length
    expect(await count({})).toBe(4)
    expect(await count({ kind: 'token' })).toBe(3)
    expect(await count({ issuer: ACME })).toBe(3)
    expect(await count({ value: 'a' })).toBe(3)
    expect(await count({ issuer: ACME, value: 'a' })).toBe(2)
    expect(await count({ kind: 'token', issuer: ACME, value: 'a' })).toBe(1)
    expect(await count({ kind: 'key' })).toBe(0)
  })

  it('pages through a set that changes meanwhile without a repeat or a gap', async () => {
    const set = open()
    const entries = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((value) => entryOf({ value })))
    await set.add(entries)
    const first = await set.list({ limit: 2 })
    expect(named(first.revocations)).toEqual(['a', 'b'])
    await set.remove(entries[1]?.id ?? '')
    await set.add([await entryOf({ value: 'a', reason: 'renewed' }), await entryOf({ value: 'f' })])
    const second = await set.list({ limit: 2, cursor: first.cursor ?? 0 })
    expect(named(second.revocations)).toEqual(['c', 'd'])
    const third = await set.list({ limit: 2, cursor: second.cursor ?? 0 })
    expect(named(third.revocations)).toEqual(['e', 'f'])
    expect(third.cursor).toBeUndefined()
  })
}

/** How a keeper that holds three entries behaves when they do not fit. */
export const itIsBounded = (open: () => Revocations & RevocationStore): void => {
  it('takes all of a call or nothing, renews when full, and makes room of what expired', async () => {
    const set = open()
    const [a, b, c, d] = await Promise.all([
      entryOf({ value: 'a', expires: T + 10 }),
      entryOf({ value: 'b' }),
      entryOf({ value: 'c' }),
      entryOf({ value: 'd' }),
    ])
    await set.add([a, b])
    expect(await set.add([{ ...b, reason: 'renewed' }, c, d])).toEqual({ full: 'set' })
    expect((await set.list({ limit: 10 })).revocations).toEqual([a, b])
    expect(await set.add([c])).toEqual({ added: [c], shards: ALONE })
    expect(await set.add([d])).toEqual({ full: 'set' })
    expect(await set.add([{ ...b, reason: 'renewed' }])).toEqual({
      added: [{ ...b, reason: 'renewed', ...RENEWED }],
      shards: ALONE,
    })
    setNow(T + 10)
    expect(await set.add([d])).toEqual({ added: [d], shards: ALONE })
    expect(await set.add([await entryOf({ value: 'a' })])).toEqual({ full: 'set' })
  })
}

/** How a keeper that holds 20 entries, two of each issuer's own administrators, shares its room. */
export const itIsShared = (open: () => Revocations & RevocationStore): void => {
  const many = (values: readonly string[], parts: Partial<Revocation> = {}) =>
    Promise.all(values.map((value) => entryOf({ value, ...parts })))
  const mine = (values: readonly string[], parts: Partial<Revocation> = {}) =>
    many(values, { own: true, ...parts })
  const numbers = (count: number, prefix: string) =>
    Array.from({ length: count }, (_, index) => `${prefix}${index}`)

  it('gives administrators of one issuer a tenth, and what they lift or let expire back', async () => {
    const set = open()
    const SHARE = { full: 'share' }
    expect(await set.add(await mine(['a', 'b', 'c']))).toEqual(SHARE)
    expect(await set.list({ limit: 9 })).toEqual({ revocations: [] })
    expect(await set.add(await mine(['a', 'b'], { expires: T + 10 }))).toMatchObject({
      added: [{}, {}],
    })
    expect(await set.add(await mine(['c']))).toEqual(SHARE)
    // Renewed; another issuer's; one of all.
    expect(await set.add(await mine(['a']))).toMatchObject({ added: [{}] })
    expect(await set.add(await mine(['a', 'b'], { issuer: OTHER }))).toMatchObject({
      added: [{}, {}],
    })
    expect(await set.add(await many(['a', 'b', 'c']))).toMatchObject({ added: [{}, {}, {}] })
    await set.remove((await entryOf({ value: 'a', own: true })).id)
    expect(await set.add(await mine(['c']))).toMatchObject({ added: [{}] })
    expect(await set.add(await mine(['d']))).toEqual(SHARE)
    setNow(T + 10)
    expect(await set.add(await mine(['d']))).toMatchObject({ added: [{}] })
    expect(await set.add(await mine(['b']))).toEqual(SHARE)
    await set.removePage({ limit: 9, own: true, issuer: ACME })
    expect(await set.add(await mine(['d', 'e']))).toMatchObject({ added: [{}, {}] })
    expect(await set.add(await mine(['f']))).toEqual(SHARE)
  })

  it('keeps the last tenth for administrators of every issuer', async () => {
    const set = open()
    await set.add(await mine(['a']))
    await set.add(await many(numbers(17, 'x')))
    expect(await set.add(await mine(['b']))).toEqual({ full: 'set' })
    expect(await set.add(await mine(['a'], { reason: 'again' }))).toMatchObject({ added: [{}] })
    expect(await set.add(await many(['y', 'z']))).toMatchObject({ added: [{}, {}] })
    expect(await set.add(await mine(['a']))).toMatchObject({ added: [{}] })
    expect(await set.add(await many(['more']))).toEqual({ full: 'set' })
  })
}
