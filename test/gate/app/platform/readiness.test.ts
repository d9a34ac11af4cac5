import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createReadiness } from '../../../../src/gate/app/platform/readiness.ts'
import { createKeyCache } from '../../../../src/gate/keys/cache.ts'
import type { KeyAnswer, Question } from '../../../../src/gate/keys/key-service.ts'
import type { KeySourceOptions } from '../../../../src/gate/keys/source.ts'
import type { SigningKeys } from '../../../../src/gate/model/ports.ts'
import { issuerOf, NOW, policyOf } from '../../../kit/facts.ts'
import { createKey } from '../../../kit/signing.ts'

const { jwk } = await createKey('ES256')
const status = async () => ({ total: 1, acknowledged: 1, pending: [] })
const revocations = { lookup: async () => [], status }
const HOUR = 3_600_000

const clock = { at: 0, now: () => clock.at }
let questions: Question[]
let answer: KeyAnswer | Error
let keys: KeySourceOptions
beforeEach(() => {
  clock.at = NOW * 1000
  questions = []
  answer = {}
  keys = {
    cache: createKeyCache(clock),
    service: {
      async ask(question) {
        questions.push(question)
        if (answer instanceof Error) throw answer
        return answer
      },
    },
    clock,
    waitUntil: () => {},
    log: () => {},
  }
})

const recordOf = (age: number) => ({
  keys: [jwk as never],
  fetchedAt: clock.at - age,
  rotations: [{ at: clock.at - age, added: ['key-1'], removed: [] }],
})
const failure = { error: 'status 500', at: NOW * 1000, retryAt: NOW * 1000 + 5_000 }
const issuer = issuerOf()
/** Keys to sign with, which are there. */
const SIGNING: SigningKeys = { signing: () => undefined, published: () => [] }

const ready = (readiness = createReadiness(clock), of = issuer) =>
  readiness(policyOf([], { issuers: [of] }), keys, revocations, SIGNING)

describe('an isolate that has just started', () => {
  it.each<[string, () => KeyAnswer | Error, boolean, object]>([
    ['knows nothing', () => ({}), true, { state: 'unknown', keys: 0 }],
    ['has old keys', () => ({ record: recordOf(HOUR) }), true, { state: 'stale', keys: 1 }],
    [
      'has keys that nobody can renew',
      () => ({ record: recordOf(HOUR), failure }),
      true,
      {
        state: 'stale',
        keys: 1,
        error: 'status 500',
        rotations: [{ at: NOW - 3_600, added: ['key-1'], removed: [] }],
      },
    ],
    [
      'has keys whose life is over',
      () => ({ record: recordOf(24 * HOUR), failure }),
      false,
      { state: 'failed', keys: 0, error: 'status 500' },
    ],
    ['cannot be reached', () => new Error('no service'), true, { state: 'unknown', keys: 0 }],
  ])('learns that its service %s', async (_, answerOf, isReady, status) => {
    answer = answerOf()
    expect(await ready()).toMatchObject({
      keys: isReady,
      revocations: true,
      issuers: [{ issuer: issuer.issuer, ...status }],
    })
    expect(questions.map(({ why }) => why)).toEqual(['look'])
  })
})

it('gives one answer for five seconds', async () => {
  const readiness = createReadiness(clock)
  const policy = policyOf([], { issuers: [issuer] })
  const first = await readiness(policy, keys, revocations, SIGNING)
  answer = { record: recordOf(0) }
  clock.at += 4_999
  expect(await readiness(policy, keys, revocations, SIGNING)).toBe(first)
  clock.at += 1
  expect((await readiness(policy, keys, revocations, SIGNING)).issuers).toMatchObject([
    { state: 'held' },
  ])
})

describe('where nobody answers', () => {
  const silent = () => new Promise<never>(() => {})
  const lost: SigningKeys = { ...SIGNING, published: silent }
  const policy = policyOf([], { issuers: [issuer] })
  const asked = vi.fn(silent)
  /** Both clocks go on. */
  const pass = (ms: number) => {
    clock.at += ms
    return vi.advanceTimersByTimeAsync(ms)
  }
  beforeEach(() => {
    vi.useFakeTimers()
    asked.mockClear()
    keys = { ...keys, service: { ask: silent } }
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('waits for all parts at once, and no longer than four seconds', async () => {
    const told = vi.fn()
    const readiness = createReadiness(clock)
    void readiness(policy, keys, { lookup: asked, status }, lost).then(told)
    await pass(3_999)
    expect(told).not.toHaveBeenCalled()
    await pass(1)
    const answer = { keys: false, revocations: false, issuers: [{ state: 'unknown' }] }
    expect(told).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ keys: false }))
    expect(told.mock.calls).toMatchObject([[answer]])
  })

  it('asks once for all who wait, and gives the answer for five seconds from then on', async () => {
    const readiness = createReadiness(clock)
    const ask = () => readiness(policy, keys, { lookup: asked, status }, SIGNING)
    const first = ask()
    await pass(2_000)
    const waiting = [ask(), ask()]
    await pass(2_000)
    const answer = await first
    expect(answer).toMatchObject({ keys: true, revocations: false })
    for (const one of await Promise.all(waiting)) expect(one).toBe(answer)
    await pass(4_999)
    expect(await ask()).toBe(answer)
    expect(asked).toHaveBeenCalledTimes(1)
    await pass(1)
    void ask()
    await pass(0)
    expect(asked).toHaveBeenCalledTimes(2)
  })
})
