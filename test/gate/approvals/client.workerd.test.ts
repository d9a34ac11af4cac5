import { abortAllDurableObjects, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { type ApprovalsOptions, createApprovals } from '../../../src/gate/approvals/client.ts'
import type { ApprovalStore } from '../../../src/gate/approvals/object/object.ts'
import type {
  ApprovalAsk,
  ApprovalDecision,
  ApprovalTerms,
} from '../../../src/gate/model/approval.ts'

const { APPROVALS } = env as unknown as {
  readonly APPROVALS: DurableObjectNamespace<ApprovalStore>
}

type Objects = NonNullable<ApprovalsOptions['objects']>
type Stub = ReturnType<Objects['getByName']>

const objects = APPROVALS as unknown as Objects
const store = () => APPROVALS.getByName('approvals')
const approvals = createApprovals({ objects })

const MOST = { agent: 100, issuer: 100, all: 100 }
const TERMS: ApprovalTerms = { within: 600_000, anHour: 100, aDay: 100, waiting: MOST }
const asking = (digest: string): ApprovalAsk => ({
  ...{ digest, alike: digest, policy: 'policy-a', issuer: 'https://one.test', agent: 'planner' },
  ...{ subjects: [], shown: '{}' },
})
const BY = { issuer: 'https://people.test', subject: 'bob' }
const GRANTED: ApprovalDecision = { state: 'granted', by: BY, digest: 'shown-a' }

const askedOf = async (digest: string) => {
  const asked = await approvals.ask(asking(digest), TERMS)
  if (!asked.ok) throw new Error(asked.reason)
  return asked.value
}

const hold = (changes: object = {}) => ({
  ...{ ms: 60_000, rooms: MOST, signal: new AbortController().signal },
  ...changes,
})

/** Until so many calls wait in the object. */
const waiting = (calls: number) =>
  expect.poll(() => runInDurableObject(store(), (one) => one.waitingCalls)).toBe(calls)

/** The real objects, of which each call is answered by `call`. */
const through = (call: (method: string, run: () => PromiseLike<unknown>) => unknown): Objects => ({
  getByName(name) {
    const stub = objects.getByName(name)
    return new Proxy(stub, {
      get:
        (_, method: keyof Stub & string) =>
        (...given: never[]) =>
          call(method, () => (stub[method] as (...all: never[]) => PromiseLike<unknown>)(...given)),
    })
  },
})

describe('a request that is held', () => {
  it('ends also where no object is bound', async () => {
    const approval = await askedOf('unbound')
    const held = await createApprovals({}).hold(approval, hold())
    expect(held).toEqual({ ok: true, value: approval })
  })

  it('goes on once a person agrees', async () => {
    const asked = await askedOf('agreed')
    const held = approvals.hold(asked, hold())
    await waiting(1)
    await store().decide(asked.id, GRANTED)
    expect(await held).toMatchObject({ ok: true, value: { id: asked.id, state: 'granted' } })
    expect(await approvals.take('agreed')).toMatchObject({ ok: true, value: { state: 'taken' } })
    expect(await approvals.take('agreed')).toMatchObject({ ok: false, reason: { state: 'taken' } })
    expect(await approvals.get(asked.id)).toMatchObject({ state: 'taken', decision: { by: BY } })
    expect(await approvals.get('unknown')).toBeUndefined()
  })

  it('waits on after the object was moved', async () => {
    const asked = await askedOf('moved')
    const held = approvals.hold(asked, hold())
    await waiting(1)
    await abortAllDurableObjects()
    await waiting(1)
    await store().decide(asked.id, GRANTED)
    expect(await held).toMatchObject({ ok: true, value: { state: 'granted' } })
  })

  it('ends with its time, and when the client has gone', async () => {
    const asked = await askedOf('over')
    expect(await approvals.hold(asked, hold({ ms: 0 }))).toEqual({ ok: true, value: asked })
    expect(await approvals.hold(asked, hold({ ms: 5 }))).toEqual({ ok: true, value: asked })
    const client = new AbortController()
    const held = approvals.hold(asked, hold({ signal: client.signal }))
    await waiting(1)
    client.abort()
    expect(await held).toEqual({ ok: true, value: asked })
    expect(await approvals.hold(asked, hold({ signal: client.signal }))).toMatchObject({ ok: true })
    await store().decide(asked.id, GRANTED)
  })

  it('calls the object four times at most, also if that fails', async () => {
    const asked = await askedOf('failing')
    let calls = 0
    const failing = createApprovals({
      objects: through(async () => {
        calls++
        throw new Error('the object is down')
      }),
    })
    expect(await failing.hold(asked, hold())).toEqual({ ok: true, value: asked })
    expect(calls).toBe(4)
  })

  it('is refused where too many wait', async () => {
    const asked = await askedOf('full')
    const rooms = { ...MOST, agent: 0 }
    expect(await approvals.hold(asked, hold({ rooms }))).toEqual({
      ok: false,
      reason: 'agent_full',
    })
  })
})

describe('an approval behind its object', () => {
  it('is taken by a request whose first answer was lost', async () => {
    const { id } = await askedOf('lost')
    await store().decide(id, GRANTED)
    let answers = 0
    const losing = createApprovals({
      objects: through(async (_, run) => {
        const answer = await run()
        if (++answers === 1) throw new Error('the answer was lost')
        return answer
      }),
    })
    expect(await losing.take('lost')).toMatchObject({ ok: true, value: { id } })
    expect(answers).toBe(2)
    expect(await approvals.take('lost')).toMatchObject({ ok: false })
  })

  it('is decided by a person whose first answer was lost', async () => {
    const { id } = await askedOf('undecided')
    let answers = 0
    const losing = createApprovals({
      objects: through(async (_, run) => {
        const answer = await run()
        if (++answers === 1) throw new Error('the answer was lost')
        return answer
      }),
    })
    expect(await losing.decide(id, GRANTED)).toMatchObject({ ok: true, value: { id } })
    expect(answers).toBe(2)
    const eve = { ...GRANTED, by: { ...BY, subject: 'eve' } }
    expect(await approvals.decide(id, eve)).toMatchObject({ ok: false, reason: { id } })
    expect(await approvals.decide('unknown', eve)).toEqual({ ok: false, reason: undefined })
  })

  it('is an error without an object, and where the object answers something else', async () => {
    await expect(createApprovals({}).take('any')).rejects.toThrow('APPROVALS is not bound')
    const answers = [undefined, true, { ok: true }, { ok: true, value: null }]
    const granted = { ...(await askedOf('garbled')), state: 'granted' }
    for (const answer of [...answers, { ok: true, value: granted }, { ok: 1, reason: null }]) {
      const garbled = createApprovals({ objects: through(() => Promise.resolve(answer)) })
      await expect(garbled.take('any')).rejects.toThrow('malformed answer')
    }
  })
})
