import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { type ApprovalsOptions, createApprovals } from '../../../../src/gate/approvals/client.ts'
import type { ApprovalStore } from '../../../../src/gate/approvals/object/object.ts'
import { approvalTake } from '../../../../src/gate/guard/stages/approval.ts'

const { APPROVALS } = env as unknown as {
  readonly APPROVALS: DurableObjectNamespace<ApprovalStore>
}
const objects = APPROVALS as unknown as NonNullable<ApprovalsOptions['objects']>
const approvals = createApprovals({ objects })

const ROOMS = { agent: 9, issuer: 9, all: 9 }

it('a request whose client has gone takes no approval, and the next one does', async () => {
  const asked = await approvals.ask(
    {
      ...{
        digest: 'gone',
        alike: 'gone',
        policy: 'p',
        issuer: 'https://one.test',
        agent: 'planner',
      },
      ...{ subjects: [], shown: '{}' },
    },
    { within: 600_000, anHour: 9, aDay: 9, waiting: ROOMS },
  )
  if (!asked.ok) throw new Error(asked.reason)
  const { id } = asked.value
  const by = { issuer: 'https://people.test', subject: 'bob' }
  await APPROVALS.getByName('approvals').decide(id, { state: 'granted', by, digest: 'shown' })
  const take = (signal: AbortSignal) => {
    const request = new Request('https://api.example.com/', { signal })
    const facts = { granted: { approval: asked.value, digest: 'gone' }, request }
    type Facts = Parameters<typeof approvalTake.run>[0]
    return approvalTake.run(facts as unknown as Facts, { approvals })
  }
  expect(await take(AbortSignal.abort())).toMatchObject({ ok: false })
  expect(await approvals.get(id)).toMatchObject({ state: 'granted' })
  expect(await take(new AbortController().signal)).toMatchObject({
    value: { approved: { id, state: 'taken' } },
  })
})
