import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from '../command/kit.ts'
import { recordAt } from '../control/audit/record.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { type Receiver, startReceiver } from '../kit/receiver.ts'
import { askGate, type Setting, startSetting } from './setting.ts'

const OWN = '/.edgewarden'
const ROWS = 100

let receiver: Receiver
let setting: Setting

beforeAll(async () => {
  receiver = await startReceiver()
  setting = await startSetting({
    secrets: { ALERTS: JSON.stringify({ url: receiver.url, format: 'slack' }) },
    durableObjects: WITH_AUDIT,
    reaching: true,
    issuer: { admin: 'all' },
    routes: [
      { match: 'GET /v1/weak', scopes: ['none'] },
      { match: 'GET /v1/*', scopes: [] },
    ],
    more: { AUDIT: { rows_a_day: ROWS } },
  })
})
afterAll(() => Promise.all([setting.close(), receiver.close()]))

const admin = () => setting.token({ scope: 'edgewarden:audit:read edgewarden:revoke' })

const readLatest = async () => {
  const answer = await askGate(setting.gate, `${OWN}/decisions?limit=1`, {
    token: await admin(),
  })
  expect(answer.status).toBe(200)
  return (await answer.json()) as {
    decisions: readonly { [name: string]: unknown }[]
    dropped?: readonly { [name: string]: unknown }[]
  }
}

describe('an audit whose rows of the day are used up', () => {
  it('stops, says what is missing, and revocations go on', async () => {
    // A record of this length takes a row of its own: 44 of them take 88 rows.
    const known = Array.from({ length: 44 }, () =>
      recordAt(Date.now(), { agent: 'before', detail: { found: 'x'.repeat(262_200) } }),
    )
    const terms = { retention: 86_400, maxBytes: 1e9, maxRows: ROWS }
    await setting.gate.call('AUDIT_LOG', '0', 'append', { id: 'a', known, strangers: [], ...terms })

    // A flood: of an agent that is refused, which is handed over at once, and of strangers.
    const agent = await setting.token({ client_id: 'agent-flood' })
    const flood = () =>
      Promise.all([
        ...Array.from({ length: 10 }, () => setting.ask('/v1/weak', { token: agent })),
        ...Array.from({ length: 10 }, () => setting.ask('/v1/x')),
      ])
    const page = await eventually(async () => {
      const statuses = (await flood()).map(({ status }) => status)
      expect(statuses).toEqual([...Array(10).fill(403), ...Array(10).fill(401)])
      const read = await readLatest()
      const ofIssuers = { reason: 'rows_a_day', share: 'issuers' }
      expect(read.dropped).toContainEqual(expect.objectContaining(ofIssuers))
      return read
    })
    const gap = page.dropped?.find(({ share }) => share === 'issuers')
    const midnight = Math.floor(Date.now() / 86_400_000 + 1) * 86_400_000
    expect(gap).toMatchObject({ until: new Date(midnight).toISOString() })
    expect(gap?.records).toBeGreaterThan(0)
    for (let i = 0; i < 3; i++) await flood()
    await eventually(() => expect(setting.gate.output()).toContain('audit_stopped'))
    const stops = setting.gate.output().match(/\{"event":"audit_stopped".*/g) ?? []
    expect(stops.map((line) => JSON.parse(line))).toEqual([
      { event: 'audit_stopped', reason: 'rows_a_day', until: new Date(midnight).toISOString() },
    ])

    // Alerts are sent all the same.
    await eventually(() =>
      expect(receiver.received.map(({ body }) => body)).toContainEqual(
        expect.stringMatching(/problem: audit\\n.*found: at least \d+ records: rows_a_day/),
      ),
    )

    // The switch works, and what it did is kept by itself.
    const token = await setting.token({ client_id: 'agent-killed' })
    expect((await setting.ask('/v1/x', { token })).status).toBe(200)
    const revoked = await setting.ask(`${OWN}/revocations`, {
      method: 'POST',
      token: await admin(),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'agent', issuer: setting.issuer.issuer, value: 'agent-killed' }),
    })
    expect(revoked.status).toBe(200)
    const after = await setting.ask('/v1/x', { token })
    expect([after.status, (await after.json()) as object]).toMatchObject([
      401,
      { code: 'token_revoked' },
    ])
  })

  it('says so in the command', async () => {
    const token = await admin()
    const args = ['log', '--limit', '1', '--gate', setting.gate.url, '--token-env', 'TOKEN']
    const { stdout, stderr } = await runHere(args, { TOKEN: token })
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).toMatch(
      /^The audit stopped at .* UTC, because its rows of the day \(AUDIT\.rows_a_day\) were used up\. At least \d+ decisions are missing until .* 00:00:00 UTC\.$/m,
    )
  })
})
