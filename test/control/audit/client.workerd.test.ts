import { reset } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, it, vi } from 'vitest'
import { createAuditReads } from '../../../src/control/audit/client.ts'
import type { AuditLog } from '../../../src/control/audit/object.ts'
import { createSender } from '../../../src/gate/outbox/sender.ts'
import { loseAnswers } from './lost-answers.workerd.ts'
import { recordAt } from './record.ts'

const { AUDIT_LOG } = env as unknown as {
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
}

afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

it('a record is stored once, though the answer to its batch was lost and it is sent again', async () => {
  const log = vi.fn()
  const rule = {
    ...{ retention: 86_400, maxBytes: 1e9, maxRows: Number.POSITIVE_INFINITY, shards: 1 },
    ...{ addresses: false, pathValues: new Set<string>(), claims: [] },
  }
  const audit = createSender({
    objects: AUDIT_LOG,
    rule,
    issuers: 1,
    policyText: () => '{}',
    problems: () => ({}),
    clock: { now: Date.now },
    waitUntil: () => {},
    log,
  })
  const lost = loseAnswers()
  // Requests of other files may still store records of `agent-1`. The audit adds the policy.
  const agent = 'sent-again'
  const recordOf = (request_id: string) =>
    recordAt(Date.now(), { request_id, agent, policy: undefined })
  audit.take(recordOf('first'), 'known')
  await audit.flush()
  expect(log).toHaveBeenCalledWith(expect.objectContaining({ event: 'audit_not_stored' }))
  lost.mockRestore()
  audit.take(recordOf('second'), 'known')
  await audit.flush()
  const { decisions } = await createAuditReads({ objects: AUDIT_LOG, rule, waitUntil() {} }).list({
    filters: { agent },
    limit: 10,
  })
  expect(decisions.map((one) => JSON.parse(one).request_id).sort()).toEqual(['first', 'second'])
})
