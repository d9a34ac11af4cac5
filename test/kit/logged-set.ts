import { expect } from 'vitest'
import type { Clock } from '../../src/gate/model/ports.ts'
import {
  type Mode,
  type RevocationSubject,
  revocationId,
  subjectHash,
  subjectKey,
} from '../../src/gate/model/revocation.ts'
import { createMemoryRevocations } from '../../src/gate/revocation/memory.ts'
import type { SnapshotSource } from '../../src/gate/revocation/snapshot.ts'
import { agents } from './memory-shard.ts'

interface Terms {
  readonly at?: number
  readonly expires?: number
}

const subjectOf = (value: string) => agents(value)[0] as RevocationSubject

/** A set of real entries about agents and the log of its changes, in memory; it counts its lookups. */
export const createLoggedSet = ({ clock }: { readonly clock: Clock }) => {
  const set = createMemoryRevocations({ clock })
  const changes: { readonly id: string; readonly value: string; readonly gone: boolean }[] = []
  let epoch = 'epoch 1'
  let asked = 0
  let held: Promise<void> | undefined

  const hashesOf = async (values: Iterable<string>) => {
    const keys = [...new Set(values)].map((value) => subjectKey(subjectOf(value)))
    const hashes = await Promise.all(keys.map(subjectHash))
    return new Uint8Array(hashes.flatMap((hash) => [...hash]))
  }
  const source: SnapshotSource = {
    async pullAll() {
      const { revocations } = await set.list({ limit: 1_000 })
      const hashes = await hashesOf(revocations.map(({ value }) => value))
      return { epoch, version: changes.length, hashes }
    },
    async pullSince(known, since) {
      if (known !== epoch) return { reset: true }
      const version = changes.length
      const added: string[] = []
      const removed: string[] = []
      for (const { id, value, gone } of changes.slice(since)) {
        // As the shard's log has it: an entry that leaves while another one stands is told as a change.
        const stands = gone ? await set.lookup([subjectOf(value)]) : [await set.get(id)]
        if (stands[0]) added.push(value)
        else if (gone) removed.push(value)
      }
      return { epoch, version, added: await hashesOf(added), removed: await hashesOf(removed) }
    },
  }

  return {
    source,
    async ask(subjects: readonly RevocationSubject[]) {
      asked++
      // As it was when it was asked: an answer on its way does not change.
      const found = { epoch, version: changes.length, entries: await set.lookup(subjects) }
      await held
      return found
    },
    /** How often it was asked since this was called last. */
    asked() {
      const count = asked
      asked = 0
      return count
    },
    async revoke(value: string, mode: Mode = 'block', terms: Terms = {}) {
      const subject = subjectOf(value)
      const id = await revocationId(subject, mode)
      await set.add([{ ...subject, id, mode, created: 0, createdBy: 'ops', ...terms }])
      changes.push({ id, value, gone: false })
    },
    async lift(value: string, mode: Mode = 'block') {
      const id = await revocationId(subjectOf(value), mode)
      expect(await set.remove(id)).toBe(true)
      changes.push({ id, value, gone: true })
    },
    /** The same entries, of another epoch. */
    reset() {
      epoch = `${epoch}+`
    },
    /** Answers to what is asked from now on wait until the function it gives is called. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return () => {
        held = undefined
        resolve()
      }
    },
  }
}
