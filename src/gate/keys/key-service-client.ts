import * as v from 'valibot'
import { getOrMake } from '../base/memo.ts'
import type { Policy } from '../model/policy.ts'
import { AMOUNT, maybe, OBJECT, readBy, TEXTS, TIME } from '../platform/answers.ts'
import { retryOnce } from '../platform/calls.ts'
import {
  createKeyService,
  type KeyAnswer,
  type KeyService,
  type KeyServiceOptions,
  type Question,
} from './key-service.ts'
import { recordName } from './store.ts'

/** A Durable Object namespace of `KeyService`, with the methods that keys need. */
export interface KeyServiceNamespace {
  getByName(name: string): { ask(question: Question): PromiseLike<KeyAnswer> }
}

const ROTATION = v.object({ at: TIME, added: TEXTS, removed: TEXTS })
const RECORD = v.object({
  keys: v.array(OBJECT),
  fetchedAt: TIME,
  maxAge: maybe(AMOUNT),
  rotations: v.array(ROTATION),
})
const FAILURE = v.object({ error: v.string(), at: TIME, retryAt: TIME })
const ANSWERS = {
  ask: v.object({ record: maybe(RECORD), failure: maybe(FAILURE), pause: maybe(AMOUNT) }),
}

/** A client of the key service: one Durable Object for each source of keys. */
export function createKeyServiceClient(namespace: KeyServiceNamespace): KeyService {
  return {
    async ask(question) {
      const name = await recordName(question.place)
      return retryOnce(async () => await readBy(ANSWERS, namespace.getByName(name)).ask(question))
    },
  }
}

/** A key service in the memory of this process, for each source of keys. */
export function createMemoryKeyServices(options: Omit<KeyServiceOptions, 'state'>): KeyService {
  const services = new Map<string, KeyService>()
  return {
    async ask(question) {
      const name = await recordName(question.place)
      return getOrMake(services, name, () => createKeyService(options)).ask(question)
    },
  }
}

/** Renews the keys of all issuers ahead of time, so that no request waits for them. Never rejects. */
export async function refreshAhead(
  policy: Policy,
  service: KeyService,
  log: (event: Record<string, unknown>) => void,
): Promise<void> {
  const fetched = [...policy.issuers.values()].filter(({ keys }) => keys.kind !== 'inline')
  await Promise.all(
    fetched.map(async ({ name, issuer, keys, allowInsecureHttp, keyTimes: times }) => {
      try {
        const place = { name, issuer, keys, allowInsecureHttp }
        await service.ask({ place, times, why: 'ahead' })
      } catch (error) {
        log({ event: 'keys_ask_failed', issuer: name, error: String(error) })
      }
    }),
  )
}
