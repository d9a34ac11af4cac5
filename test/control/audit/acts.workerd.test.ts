import { abortAllDurableObjects, reset, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AuditLog } from '../../../src/control/audit/object.ts'
import type { Act } from '../../../src/gate/model/audit.ts'
import { eventually } from '../../kit/eventually.ts'
import { entriesOf, leader } from '../../kit/shards.workerd.ts'
import { loseAnswers } from './lost-answers.workerd.ts'

const { AUDIT_LOG } = env as unknown as {
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
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

/** What the audit has of this request's acts. Those of other files may still arrive. */
const stored = async (requestId: string) => {
  const { found } = await AUDIT_LOG.getByName('0').list({ filters: { kind: 'act' }, limit: 1_000 })
  return found.map(({ record }) => JSON.parse(record)).filter((act) => act.request_id === requestId)
}

describe('acts', () => {
  it('are there once after the object was killed before it carried them over', async () => {
    const [one] = await entriesOf('one')
    const append = vi.spyOn(AuditLog.prototype, 'append')
    append.mockRejectedValue(new Error('the audit is down'))
    // A kill is answered, whatever the audit does.
    expect(await leader().add([one], actOf('kill'))).toMatchObject({ added: [{ id: one.id }] })
    await eventually(() => expect(append).toHaveBeenCalled())
    await abortAllDurableObjects()
    expect(await stored('kill')).toEqual([])
    append.mockRestore()
    expect(await leader().lookup([])).toBeDefined()
    expect(await runDurableObjectAlarm(leader())).toBe(true)
    await eventually(async () => expect(await stored('kill')).toHaveLength(1))
    expect(await stored('kill')).toMatchObject([{ act: 'revoke', request_id: 'kill' }])
    expect((await leader().get(one.id))?.revocation.value).toBe('one')
  })

  it('are there once after the answer of the audit was lost, however late they are sent again', async () => {
    const [one] = await entriesOf('one')
    const lost = loseAnswers()
    const act = actOf('twice')
    await leader().add([one], act)
    await eventually(async () => expect(await stored('twice')).toHaveLength(1))
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
    expect(await stored('twice')).toMatchObject([{ act: 'revoke', request_id: 'twice' }])
  })
})
