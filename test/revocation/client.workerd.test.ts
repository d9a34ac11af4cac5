import { abortAllDurableObjects, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import type { RevocationShard } from '../../src/gate/revocation/object/object.ts'
import { BOUNDED, isolateOf } from '../kit/revocation-isolate.ts'
import { entryOf } from '../kit/revocation-store.ts'

it('a copy of the set is that of the real object, by its changes and after it was wiped', async () => {
  const { REVOCATIONS } = env as unknown as {
    REVOCATIONS: DurableObjectNamespace<RevocationShard>
  }
  const { revocations, events, advance, settle } = isolateOf(REVOCATIONS)
  const entries = await Promise.all(['one', 'two'].map((value) => entryOf({ value })))
  const subjects = entries.map(({ kind, issuer, value }) => [{ kind, issuer, value }])
  const seen = async () => {
    advance(BOUNDED.maxStaleness / 2)
    await revocations.lookup([], BOUNDED)
    await settle()
    const answers = await Promise.all(subjects.map((one) => revocations.lookup(one, BOUNDED)))
    // The second time there is nothing to wait for.
    expect(subjects.map((one) => revocations.lookup(one, BOUNDED))).toEqual(answers)
    return answers.flat().map(({ value }) => value)
  }
  expect(await seen()).toEqual([])
  await revocations.add(entries)
  expect(await seen()).toEqual(['one', 'two'])
  for (const { id } of entries.slice(1)) await revocations.remove(id)
  expect(await seen()).toEqual(['one'])
  await runInDurableObject(REVOCATIONS.getByName('0'), async (_, { storage }) => {
    await storage.deleteAlarm()
    await storage.deleteAll()
  })
  await abortAllDurableObjects()
  await revocations.add(entries.slice(1))
  expect(await seen()).toEqual(['two'])
  expect(events).toEqual([])
})
