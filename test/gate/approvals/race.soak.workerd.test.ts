import { abortAllDurableObjects } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import type { ApprovalStore } from '../../../src/gate/approvals/object/object.ts'
import type { ApprovalTerms } from '../../../src/gate/model/approval.ts'

const { APPROVALS } = env as unknown as {
  readonly APPROVALS: DurableObjectNamespace<ApprovalStore>
}

const MANY = 100_000
const TERMS: ApprovalTerms = {
  within: 3_600_000,
  anHour: MANY,
  aDay: MANY,
  waiting: { agent: MANY, issuer: MANY, all: MANY },
}

/** How often a call was cut off. */
let interrupted = 0

/** Calls the object until it answers: it is killed again and again. */
const answered = async <Answer>(call: (store: ApprovalStore) => Promise<Answer> | Answer) => {
  for (;;) {
    try {
      const store = APPROVALS.getByName('race') as unknown as ApprovalStore
      return await call(store)
    } catch (error) {
      if (!/abort/i.test(String(error))) throw error
      interrupted++
    }
  }
}

it('lets each of 200 granted calls through once, of 50 copies, while the object is killed', async () => {
  const digests = Array.from({ length: 200 }, (_, i) => `call-${i}`)
  const by = { issuer: 'https://people.test', subject: 'bob' }
  for (const digest of digests) {
    const ask = {
      digest,
      alike: digest,
      policy: 'a',
      issuer: 'b',
      agent: 'c',
      subjects: [],
      shown: '{}',
    }
    const asked = await answered((store) => store.ask(ask, TERMS))
    if (!asked.ok) throw new Error(asked.reason)
    const { id } = asked.value
    await answered((store) => store.decide(id, { state: 'granted', by, digest: 'shown' }))
  }
  // The last two are never taken by the race.
  const raced = digests.slice(0, -2)
  const through = new Map<string, number>()
  const copies = raced.flatMap((digest) =>
    Array.from({ length: 50 }, (_, i) => [digest, i] as const),
  )
  copies.sort(() => Math.random() - 0.5)
  for (let at = 0; at < copies.length; at += 100) {
    const calls = copies.slice(at, at + 100).map(([digest, i]) => async () => {
      const taken = await answered((store) => store.take(digest, `${digest} ${i}`))
      if (taken.ok) through.set(digest, (through.get(digest) ?? 0) + 1)
    })
    calls.splice(Math.floor(Math.random() * 100), 0, abortAllDurableObjects)
    await Promise.all(calls.map((call) => call()))
  }
  expect(interrupted).toBeGreaterThan(50)
  expect([...through.keys()].sort()).toEqual([...raced].sort())
  expect(new Set(through.values())).toEqual(new Set([1]))
  for (const digest of digests.slice(-2)) {
    expect(await answered((store) => store.take(digest, 'a'))).toMatchObject({ ok: true })
    expect(await answered((store) => store.take(digest, 'b'))).toMatchObject({ ok: false })
  }
})
