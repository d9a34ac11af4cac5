import { describe, expect, it } from 'vitest'
import { createReplays, lookingOnly, type ReplaysOptions } from '../../../src/gate/replay/client.ts'

type Answer = boolean | 'fails' | 'hangs' | 'is overloaded'

const FAILURE = { status: 503, requestId: 'request-1' }

/** Objects that behave as they are told, call by call. */
const objectsOf = (...answers: readonly Answer[]) => {
  const calls: unknown[][] = []
  const answering =
    (object: string, call: string) =>
    async (...given: unknown[]): Promise<boolean> => {
      const answer = answers[calls.length]
      calls.push([object, call, ...given])
      if (answer === 'hangs') return new Promise<never>(() => {})
      if (answer === 'fails') throw new Error('broken')
      if (answer === 'is overloaded') throw Object.assign(new Error('busy'), { overloaded: true })
      return answer === true
    }
  const objects = {
    getByName: (object: string) => ({
      claim: answering(object, 'claim'),
      isClaimed: answering(object, 'isClaimed'),
      note: answering(object, 'note'),
      failureOf: async (...given: unknown[]) => {
        const isThere = await answering(object, 'failureOf')(...given)
        return isThere ? FAILURE : null
      },
    }),
  }
  return { objects, calls }
}

const replaysOf = (options: ReplaysOptions = {}) => createReplays({ timeout: 20, ...options })

describe('a use behind its object', () => {
  it.each([true, false])('is what the object says: %j', async (said) => {
    const { objects, calls } = objectsOf(said, said)
    const replays = replaysOf({ objects })
    expect(await replays.claim('Name', 9)).toBe(said)
    expect(await replays.isClaimed('Name')).toBe(said)
    expect(calls).toEqual([
      ['N', 'claim', 'Name', 9, expect.stringMatching(/^[0-9a-f-]{36}$/)],
      ['N', 'isClaimed', 'Name'],
    ])
  })

  it.each<[Answer]>([['fails'], ['hangs']])(
    'is asked for once more where the object %s, as the same claim',
    async (first) => {
      const { objects, calls } = objectsOf(first, true, true)
      const replays = replaysOf({ objects })
      expect(await replays.claim('name', 9)).toBe(true)
      await replays.claim('name', 9)
      const [one, again, other] = calls
      expect(again).toEqual(one)
      expect(other?.slice(0, -1)).toEqual(one?.slice(0, -1))
      expect(other).not.toEqual(one)
    },
  )

  it.each<[Answer, Answer, number]>([
    ['fails', 'fails', 2],
    ['hangs', 'hangs', 2],
    ['fails', 'hangs', 2],
    ['is overloaded', true, 1],
  ])('rejects where it %s, then %s', async (first, second, asked) => {
    for (const call of ['claim', 'isClaimed'] as const) {
      const { objects, calls } = objectsOf(first, second)
      await expect(replaysOf({ objects })[call]('name', 9)).rejects.toThrow()
      expect(calls).toHaveLength(asked)
    }
  })

  it('has a failure, which nobody waits for to be recorded', async () => {
    const { objects, calls } = objectsOf('fails', 'fails', true, false)
    const later: Promise<unknown>[] = []
    const replays = replaysOf({ objects, waitUntil: (work) => void later.push(work) })
    replays.note?.({ name: 'Name', expires: 9 }, FAILURE)
    await Promise.all(later)
    expect(calls).toEqual(Array(2).fill(['N', 'note', 'Name', 9, FAILURE]))
    expect(await replays.failureOf?.('Name')).toEqual(FAILURE)
    expect(await replays.failureOf?.('Name')).toBeUndefined()
  })

  it('is kept in the jurisdiction, or nowhere', async () => {
    const { objects, calls } = objectsOf(true)
    const elsewhere = objectsOf(true)
    const all = { ...elsewhere.objects, jurisdiction: (_: string) => objects }
    expect(await replaysOf({ objects: all, jurisdiction: 'eu' }).claim('name', 9)).toBe(true)
    expect(calls).toHaveLength(1)
    expect(elsewhere.calls).toHaveLength(0)
    for (const nowhere of [replaysOf({ objects, jurisdiction: 'eu' }), replaysOf()]) {
      await expect(nowhere.claim('name', 9)).rejects.toThrow('REPLAYS is not bound')
    }
  })

  it('is only looked for by an explanation', async () => {
    const { objects, calls } = objectsOf(true, false, true)
    const looking = lookingOnly(replaysOf({ objects }))
    expect(await looking.claim('name', 9)).toBe(false)
    expect(await looking.claim('name', 9)).toBe(true)
    expect(await looking.isClaimed('name')).toBe(true)
    expect(calls).toEqual(Array.from({ length: 3 }, () => ['n', 'isClaimed', 'name']))
  })
})
