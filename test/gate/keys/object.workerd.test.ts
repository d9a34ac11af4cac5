import {
  abortAllDurableObjects,
  createScheduledController,
  runInDurableObject,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Question } from '../../../src/gate/keys/key-service.ts'
import { createKeyServiceClient, refreshAhead } from '../../../src/gate/keys/key-service-client.ts'
import type { KeyService } from '../../../src/gate/keys/object.ts'
import type { KeyPlace } from '../../../src/gate/keys/store.ts'
import { DEFAULT_KEY_TIMES } from '../../../src/gate/policy/keys/keys.ts'
import worker from '../../../src/worker.ts'
import { KEY_HOST } from '../../kit/key-host.ts'

interface Bindings {
  readonly KEY_SERVICE: DurableObjectNamespace<KeyService>
  readonly REVOCATIONS: DurableObjectNamespace
}
const { KEY_SERVICE, REVOCATIONS } = env as unknown as Bindings

const keyOf = (kid: string) => ({ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid })
const A = keyOf('a')
const B = keyOf('b')

/** A key set of this test alone, outside of workerd. */
const startSet = (path: string) => {
  const uri = `${KEY_HOST}/${path}`
  const want = async (wanted: string, body?: string) => {
    const init = { method: 'POST', headers: { 'x-ask': wanted }, ...(body && { body }) }
    return (await fetch(uri, init)).text()
  }
  const place: KeyPlace = {
    name: 'acme',
    issuer: KEY_HOST,
    keys: { kind: 'uri', uri },
    allowInsecureHttp: false,
  }
  return {
    place,
    publish: (...keys: unknown[]) => want('put', JSON.stringify({ keys })),
    hold: () => want('hold'),
    release: () => want('release'),
    asked: async () => Number(await want('count')),
    question: (over: Partial<Question> = {}): Question => ({
      place,
      times: DEFAULT_KEY_TIMES,
      why: 'newer',
      ...over,
    }),
  }
}
const service = createKeyServiceClient(KEY_SERVICE)

let logged: string[]
beforeEach(() => {
  logged = []
  vi.spyOn(console, 'error').mockImplementation((line) => void logged.push(line))
})
afterEach(() => void vi.restoreAllMocks())

describe('the service of an issuer', () => {
  it('asks once for two hundred who ask at once', async () => {
    const set = startSet('herd')
    await set.publish(A)
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => service.ask(set.question())),
    )
    for (const { record } of answers) expect(record?.keys).toEqual([A])
    expect(await set.asked()).toBe(1)
  })

  it('knows what it knew when it is started again', async () => {
    const set = startSet('evicted')
    await set.publish(A)
    const before = await service.ask(set.question())
    await abortAllDurableObjects()
    await set.publish(B)
    expect(await service.ask(set.question())).toEqual(before)
    expect(await set.asked()).toBe(1)
  })

  it('waits a failure out, also when it is started again', async () => {
    const set = startSet('down')
    const before = await service.ask(set.question())
    expect(before).toEqual({ failure: expect.objectContaining({ error: 'status 503' }) })
    await abortAllDurableObjects()
    expect(await service.ask(set.question())).toEqual(before)
    expect(await set.asked()).toBe(1)
  })

  it('answers the others where the one that asked first goes away', async () => {
    const set = startSet('left')
    await set.publish(A)
    await set.hold()
    const leaver = REVOCATIONS.getByName('one that leaves')
    await runInDurableObject(leaver, () => {
      service.ask(set.question()).catch(() => {})
    })
    await expect.poll(set.asked).toBe(1)
    const others = Array.from({ length: 20 }, () => service.ask(set.question()))
    await runInDurableObject(leaver, (_, state) => state.abort('left')).catch(() => {})
    await set.release()
    for (const { record } of await Promise.all(others)) expect(record?.keys).toEqual([A])
    expect(await set.asked()).toBe(1)
  })

  it('keeps each place apart', async () => {
    const [one, other] = [startSet('one'), startSet('other')]
    await Promise.all([one.publish(A), other.publish(B)])
    expect((await service.ask(one.question())).record?.keys).toEqual([A])
    expect((await service.ask(other.question())).record?.keys).toEqual([B])
    // What came for an entry that allows http is not for one that does not.
    const place = { ...one.place, allowInsecureHttp: true }
    expect(await service.ask(one.question({ place, why: 'look' }))).toEqual({})
  })
})

describe('a service that does not answer', () => {
  const failing = (times: number) => {
    let calls = 0
    const getByName = () => ({
      ask: () =>
        ++calls > times ? Promise.resolve({}) : Promise.reject(new Error('Network lost')),
    })
    return { calls: () => calls, service: createKeyServiceClient({ getByName } as never) }
  }

  it('is not asked for ever', async () => {
    const { service, calls } = failing(9)
    await expect(service.ask(startSet('lost').question())).rejects.toThrow('Network lost')
    expect(calls()).toBe(2)
  })
})

describe('ahead of time', () => {
  it('all issuers are asked, whatever becomes of one, and inline keys are nobody to ask', async () => {
    const set = startSet('ahead')
    await set.publish(A)
    const entry = { ...set.place, keyTimes: DEFAULT_KEY_TIMES }
    const issuers = new Map([
      ['broken', { ...entry, name: 'broken', issuer: 'https://broken.example' }],
      ['acme', entry],
      ['inline', { ...entry, name: 'inline', keys: { kind: 'inline', keys: [] } }],
    ])
    const asked: string[] = []
    const events: unknown[] = []
    const asking = {
      ask: (question: Question) => {
        asked.push(`${question.place.name} ${question.why}`)
        if (question.place.name === 'broken') throw new Error('no service')
        return service.ask(question)
      },
    }
    await refreshAhead({ issuers } as never, asking, (event) => void events.push(event))
    expect(asked).toEqual(['broken ahead', 'acme ahead'])
    expect(events).toEqual([
      { event: 'keys_ask_failed', issuer: 'broken', error: 'Error: no service' },
    ])
    expect(await set.asked()).toBe(1)
  })

  it('is when the cron trigger runs', async () => {
    const set = startSet('scheduled')
    await set.publish(A)
    const uri = `${KEY_HOST}/scheduled`
    const changed = {
      ...env,
      ISSUERS: { acme: { issuer: KEY_HOST, jwks_uri: uri } },
    }
    await worker.scheduled(createScheduledController(), changed as never)
    expect(await set.asked()).toBe(1)
    expect((await service.ask(set.question({ why: 'look' }))).record?.keys).toEqual([A])
  })
})
