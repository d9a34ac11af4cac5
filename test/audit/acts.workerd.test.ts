import { abortAllDurableObjects, reset, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AuditLog } from '../../src/control/audit/object.ts'
import type { AssertionKeyService } from '../../src/gate/assertion/object.ts'
import type { Act } from '../../src/gate/model/audit.ts'
import { eventually } from '../kit/eventually.ts'
import { entriesOf, leader } from '../kit/shards.workerd.ts'
import { loseAnswers } from './lost-answers.workerd.ts'

const { AUDIT_LOG, ASSERTION_KEY_SERVICE } = env as unknown as {
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
  readonly ASSERTION_KEY_SERVICE: DurableObjectNamespace<AssertionKeyService>
}

afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

const TERMS = { retention: 86_400, maxBytes: 1e9, maxRows: Number.POSITIVE_INFINITY }

const actOf = (request_id: string): Act => {
  const id = crypto.randomUUID()
  const record = { v: 1, kind: 'act', id, time: new Date().toISOString(), request_id }
  return { ...TERMS, id, record: JSON.stringify({ ...record, agent: 'ops' }) }
}

/** What the audit has of acts, the latest first. */
const stored = async () => {
  const { found } = await AUDIT_LOG.getByName('0').list({ filters: { kind: 'act' }, limit: 1_000 })
  return found.map(({ record }) => JSON.parse(record))
}

describe('acts', () => {
  it('are carried over with what they changed', async () => {
    const [one, two] = await entriesOf('one', 'two')
    await leader().add([one, two], actOf('made'))
    await leader().remove(one.id, undefined, actOf('lifted'))
    await leader().remove(one.id, undefined, actOf('lifted again'))
    await leader().removePage({ limit: 10 }, actOf('lifted all'))
    await eventually(async () => expect(await stored()).toHaveLength(3))
    const acts = await stored()
    const told = ['made', 'lifted', 'lifted all'].map((id) =>
      acts.find(({ request_id }) => request_id === id),
    )
    const { kind, issuer } = one
    const [first, second] = [one, two].map(({ id, value }) => ({ id, kind, issuer, value }))
    expect(told).toMatchObject([
      { act: 'revoke', agent: 'ops', entries: [first, second] },
      { act: 'lift', agent: 'ops', entries: [first] },
      { act: 'lift', agent: 'ops', entries: [second] },
    ])
  })

  it('are there once after the object was killed before it carried them over', async () => {
    const [one] = await entriesOf('one')
    const append = vi.spyOn(AuditLog.prototype, 'append')
    append.mockRejectedValue(new Error('the audit is down'))
    // A kill is answered, whatever the audit does.
    expect(await leader().add([one], actOf('kill'))).toMatchObject({ added: [{ id: one.id }] })
    await eventually(() => expect(append).toHaveBeenCalled())
    await abortAllDurableObjects()
    expect(await stored()).toEqual([])
    append.mockRestore()
    expect(await leader().lookup([])).toBeDefined()
    expect(await runDurableObjectAlarm(leader())).toBe(true)
    await eventually(async () => expect(await stored()).toHaveLength(1))
    expect(await stored()).toMatchObject([{ act: 'revoke', request_id: 'kill' }])
    expect((await leader().get(one.id))?.revocation.value).toBe('one')
  })

  it('are there once after the answer of the audit was lost, however late they are sent again', async () => {
    const [one] = await entriesOf('one')
    const lost = loseAnswers()
    const act = actOf('twice')
    await leader().add([one], act)
    await eventually(async () => expect(await stored()).toHaveLength(1))
    lost.mockRestore()
    await abortAllDurableObjects()
    await runDurableObjectAlarm(leader())
    // The audit has long forgotten the batch, but not the act.
    const { id, record, ...terms } = act
    await AUDIT_LOG.getByName('0').append({
      ...terms,
      id: `${id}-again`,
      known: [],
      strangers: [],
      acts: [record],
    })
    expect(await stored()).toMatchObject([{ act: 'revoke', request_id: 'twice' }])
  })

  it('say which keys of assertions came', async () => {
    const service = ASSERTION_KEY_SERVICE.getByName('rotating')
    const { signer } = await service.keys({ algorithm: 'ES256', operatorKeys: [] }, TERMS)
    await service.keys({ algorithm: 'ES256', operatorKeys: [] }, TERMS)
    await eventually(async () => expect(await stored()).toHaveLength(1))
    const withdrawn = [signer.kid]
    const next = await service.keys({ algorithm: 'ES256', operatorKeys: [], withdrawn }, TERMS)
    await eventually(async () => expect(await stored()).toHaveLength(2))
    const acts = await stored()
    expect(acts.every(({ act }) => act === 'rotate')).toBe(true)
    const keys = acts.map((act) => act.keys)
    expect(keys).toContainEqual({ added: [signer.kid], removed: [] })
    expect(keys).toContainEqual({ added: [next.signer.kid], removed: [signer.kid] })
  })
})
