import { describe, expect, it } from 'vitest'
import type { RevocationPlacement } from '../../../src/gate/model/revocation.ts'
import type { Objects } from '../../../src/gate/platform/calls.ts'
import { createShards } from '../../../src/gate/revocation/client.ts'
import type { Shard } from '../../../src/gate/revocation/protocol.ts'

type Behaviour = (name: string) => Promise<string | undefined>

/** Shards that say what a test wants, and who was reached, with which hint. */
const start = (says: Behaviour, placement: Partial<RevocationPlacement> = {}) => {
  const reached: (readonly [name: string, hint?: string | undefined])[] = []
  const jurisdictions: string[] = []
  const clock = { at: 1_000_000, now: () => clock.at }
  const namespace: Objects<Shard> = {
    getByName(name, options) {
      reached.push(options ? [name, options.locationHint] : [name])
      return {} as Shard
    },
    jurisdiction(one) {
      jurisdictions.push(one)
      return namespace
    },
  }
  const reach = createShards(namespace, { shards: 4, locations: [], ...placement }, { clock })
  const hints = new Set<string | undefined>()
  const call = (_: Shard, primaryHint: string | undefined) => {
    hints.add(primaryHint)
    return says(reached.at(-1)?.[0] ?? '')
  }
  return {
    clock,
    hints,
    jurisdictions,
    read: (text: string) => reach.read(text, call),
    pull: (text: string) => reach.pull(text, call),
    /** Who was reached since this was asked last. */
    reached: () => reached.splice(0),
  }
}

const names = (reached: readonly (readonly [string, (string | undefined)?])[]) =>
  reached.map(([name]) => name)
/** A text of every shard, by its name. */
const texts = async (): Promise<Readonly<Record<string, string>>> => {
  const found: Record<string, string> = {}
  const { read, reached } = start(async () => 'said')
  for (let i = 0; Object.keys(found).length < 4; i++) {
    await read(`text ${i}`)
    found[names(reached())[0] ?? ''] = `text ${i}`
  }
  return found
}

describe('a read', () => {
  it('goes to one shard for a text, always, and to each for some', async () => {
    const { read, reached } = start(async (name) => name)
    const counts = new Map<string, number>()
    for (let i = 0; i < 4_000; i++) {
      const name = await read(`token ${i}`)
      expect(await read(`token ${i}`)).toBe(name)
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    expect([...counts.keys()].sort()).toEqual(['0', '1', '2', '3'])
    for (const count of counts.values()) expect(count).toBeGreaterThan(900)
    expect(reached()).toHaveLength(8_000)
  })

  it.each([
    ['does not answer for the set', async () => undefined, 1_000],
    ['fails', () => Promise.reject(new Error('down')), 10_000],
  ])('of a replica that %s is one of the leader, for a while at once', async (_, fault, rest) => {
    const { '2': text = '' } = await texts()
    const { read, reached, clock } = start((name) =>
      name === '2' ? fault() : Promise.resolve('said'),
    )
    expect(await read(text)).toBe('said')
    expect(names(reached())).toEqual(['2', '0'])
    clock.at += rest - 1
    expect(await read(text)).toBe('said')
    expect(names(reached())).toEqual(['0'])
    clock.at += 1
    await read(text)
    expect(names(reached())).toEqual(['2', '0'])
  })

  it('is tried twice and no more, and a pull once at each', async () => {
    const { '0': leaders = '', '3': replicas = '' } = await texts()
    const { read, pull, reached } = start((name) => Promise.reject(new Error(`down ${name}`)))
    await expect(read(leaders)).rejects.toThrow('down 0')
    expect(names(reached())).toEqual(['0', '0'])
    await expect(read(replicas)).rejects.toThrow('down 0')
    expect(names(reached())).toEqual(['3', '0'])
    await expect(pull(leaders)).rejects.toThrow('down 0')
    expect(names(reached())).toEqual(['0'])
  })
})

describe('where shards are made', () => {
  it('is hinted at in turn', async () => {
    const { read, reached, hints } = start(async () => 'said', { locations: ['weur', 'enam'] })
    for (const text of Object.values(await texts())) await read(text)
    expect(Object.fromEntries(reached())).toEqual({ 0: 'weur', 1: 'enam', 2: 'weur', 3: 'enam' })
    // A replica may be the first to call the leader.
    expect(hints).toEqual(new Set(['weur']))
  })

  it('is within the jurisdiction, and nowhere where there are none', async () => {
    const within = start(async () => 'said', { jurisdiction: 'eu' })
    await within.read('text')
    expect(within.jurisdictions).toEqual(['eu'])
    const lacking = createShards(
      { getByName: () => ({}) as Shard },
      { shards: 1, locations: [], jurisdiction: 'eu' },
      { clock: { now: () => 0 } },
    )
    await expect(lacking.read('text', async () => 'said')).rejects.toThrow('no jurisdictions')
  })
})
