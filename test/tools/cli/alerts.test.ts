import { describe, expect, it } from 'vitest'
import { agentsCommand } from '../../../src/command/operate/agents.ts'
import { alertsCommand } from '../../../src/command/operate/alerts.ts'
import { runHere } from './kit.ts'
import { recordingGate } from './recording-gate.ts'

const { origin: gate, requests, state } = await recordingGate()
const around = { env: { EDGEWARDEN_TOKEN: 'token.of.env' }, now: () => 1_790_000_000 }

const run = (given: readonly string[], options: object = {}) =>
  alertsCommand.run(given as never, { gate, ...options } as never, around as never)

const ALERT = {
  id: 17,
  at: '2026-11-29T02:14:05.000Z',
  agent: 'a7',
  agent_name: 'acme/a7',
  signal: 'new_use',
  usual: { known: { use: 4 } },
  seen: { use: ['x'] },
  requests: ['r-1', 'r-2'],
  quarantine: { id: 'x', until: '2026-11-29T02:29:05.000Z' },
}

describe('alerts', () => {
  it('lists those of which nobody has said anything, or all', async () => {
    state.answer = () => ({ status: 200, body: { alerts: [ALERT], cursor: '17' } })
    const { exitCode, out, err } = await run([])
    expect([exitCode, out.length]).toEqual([0, 1])
    expect(out[0]).toMatch(/^17 {2}2026-11-29 02:14:05 UTC.*acme\/a7 {2}new_use.*quarantined until/)
    expect(err).toEqual(['There are more, older ones.'])
    await run(['list'], { all: true, issuer: 'https://a.example' })
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /.edgewarden/alerts?open=true',
      'GET /.edgewarden/alerts?issuer=https%3A%2F%2Fa.example',
    ])
    state.answer = () => ({ status: 200, body: { alerts: [] } })
    expect(await run([])).toMatchObject({ exitCode: 0, out: ['There is no alert.'] })
  })

  it('shows one with the requests behind it', async () => {
    state.answer = () => ({ status: 200, body: { alert: ALERT } })
    const { out } = await run(['show', '17'])
    expect(out.slice(1)).toEqual(['  edgewarden why r-1', '  edgewarden why r-2'])
  })

  it('says to how many requests an agent is throttled', async () => {
    const throttled = { ...ALERT, quarantine: { ...ALERT.quarantine, throttle: 6 } }
    state.answer = () => ({ status: 200, body: { alerts: [throttled] } })
    expect((await run([])).out[0]).toContain(', throttled to 6 a minute until 2026-11-29')
  })

  it.each([
    [['new_use', 'odd_hour'], 'learning: new_use, odd_hour'],
    [[], 'all is learned'],
  ])('has beside it what is usual of an agent: %j', async (learning, text) => {
    const counts = { rules_and_tools: 4, scopes: 2, countries: 1, networks: 3 }
    const since = '2026-11-20T00:00:00.000Z'
    const watched = [
      { watch: 'all', since, requests: 9, requests_an_hour: 1.5, ...counts, learning },
    ]
    state.answer = () => ({ status: 200, body: { agent: { agent: 'a7', watched } } })
    const options = { gate, issuer: 'https://a.example', asId: true }
    const outcome = await agentsCommand.run(['show', 'a7'], options as never, around as never)
    const line =
      'all: 1.5 requests an hour since 2026-11-20; 4 rules and tools, 2 scopes; 1 countries'
    expect(outcome.out.join('\n')).toContain(`${line}, 3 networks; ${text}`)
  })

  it.each(['dismiss', 'release', 'suspend'])('says %s of one', async (verdict) => {
    const judged = { ...ALERT, verdict, judged_by: 'maria' }
    state.answer = () => ({ status: 200, body: { alert: judged } })
    const outcome = await run([verdict, '17'])
    expect(outcome).toMatchObject({ exitCode: 0, json: { alert: judged } })
    expect(outcome.out[0]).toContain(`${verdict} by maria`)
    expect(requests).toMatchObject([{ method: 'POST', url: `/.edgewarden/alerts/17/${verdict}` }])
  })

  it.each([[['show']], [['dismiss', 'x']], [['dismiss', '../1']], [['list', '17']]])(
    'asks nothing of a gate for %j',
    async (given) => {
      expect(await run(given)).toMatchObject({ exitCode: 2 })
      expect(requests).toEqual([])
    },
  )

  it('takes no other word', async () => {
    await expect(runHere(['alerts', 'delete', '17', '--gate', gate])).rejects.toThrow(
      'Allowed choices are list, show',
    )
    expect(requests).toEqual([])
  })

  it('tells what the gate refuses', async () => {
    const problem = {
      title: 'No such alert',
      status: 404,
      code: 'alert_unknown',
      type: 'about:blank',
      request_id: 'r',
      hint: 'H',
    }
    state.answer = () => ({
      status: 404,
      body: problem,
      headers: { 'content-type': 'application/problem+json' },
    })
    const outcome = await run(['show', '17'])
    expect(outcome.exitCode).not.toBe(0)
    expect(JSON.stringify(outcome)).toContain('alert_unknown')
  })
})
