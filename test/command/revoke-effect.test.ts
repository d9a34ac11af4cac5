import { describe, expect, it } from 'vitest'
import { type RevokeOptions, revoke } from '../../src/command/operate/revoke.ts'
import {
  ENTRY,
  JSON_TYPE,
  made,
  policyWith,
  type Recorded,
  type Reply,
  recordingGate,
} from './recording-gate.ts'

const { origin: gate, requests, state } = await recordingGate()

const NOW = 1_790_000_000
const AGENT: RevokeOptions = { gate, kind: 'agent', issuer: ENTRY.issuer, value: 'a7', asId: true }
const REVOKED = `Revoked agent "a7" of ${ENTRY.issuer}, until lifted, id ${ENTRY.id}`
const LOCATION = `/.edgewarden/revocations/${ENTRY.id}`

const strict = { consistency: 'strict', max_staleness: '5s' }
const bounded = (max_staleness: string) => ({ consistency: 'bounded', max_staleness })

/** A clock that moves by what is slept, and by what a call of the gate takes. */
const startTimer = () => {
  const timer = { at: 5_000, slept: [] as number[], told: [] as string[] }
  return {
    timer,
    around: { env: { EDGEWARDEN_TOKEN: 'token' }, now: () => NOW + (timer.at - 5_000) / 1000 },
    waiting: {
      elapsed: () => timer.at,
      sleep: async (ms: number) => {
        timer.slept.push(ms)
        timer.at += ms
      },
      tell: (line: string) => void timer.told.push(line),
    },
  }
}

/** Revokes at a gate that takes `ms` for each call. */
const run = async (
  options: Partial<RevokeOptions>,
  answer: (seen: Recorded) => Reply,
  ms: { readonly post: number; readonly get: number } = { post: 104, get: 40 },
) => {
  const { timer, around, waiting } = startTimer()
  state.answer = (seen) => {
    timer.at += seen.method === 'POST' ? ms.post : ms.get
    return answer(seen)
  }
  return { outcome: await revoke({ ...AGENT, ...options }, around, waiting), timer }
}

const gateWith = (policy: Reply) => (seen: Recorded) =>
  seen.url === '/.edgewarden/policy' ? policy : made

const held = (acknowledged: number, total = 4) => ({ shards: { total, acknowledged } })

/** Answers 202, then what is asked at its Location: these, one after the other. */
const slowGate = (policy: Reply, ...later: readonly Reply[]) => {
  const left = [...later]
  return (seen: Recorded): Reply => {
    if (seen.url === '/.edgewarden/policy') return policy
    if (seen.method === 'POST') {
      const headers = { ...JSON_TYPE, location: LOCATION }
      return { status: 202, headers, body: { revocations: [ENTRY], ...held(1) } }
    }
    return (left.length > 1 ? left.shift() : left[0]) ?? made
  }
}

const told = (acknowledged: number): Reply => ({
  status: 200,
  body: { revocation: ENTRY, ...held(acknowledged) },
})
const refused = (status: number, code: string): Reply => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: { title: 'No', code },
})

describe('the bound', () => {
  it.each<[string, Reply, number]>([
    ['of GATE', policyWith(bounded('5s')), 5_000],
    ['in parts of a second', policyWith(bounded('1500ms')), 1_500],
    [
      'the longest of all rules',
      policyWith(bounded('5s'), { revocation: bounded('90s') }, { revocation: strict }),
      90_000,
    ],
    [
      'of a bounded rule in a strict gate',
      policyWith(strict, { revocation: bounded('2s') }),
      2_000,
    ],
    [
      'of GATE beside rules that are strict',
      policyWith(bounded('3s'), { revocation: strict }),
      3_000,
    ],
    ['of no rule that reads no token', policyWith(bounded('3s'), { access: 'public' }), 3_000],
    ['none', policyWith(strict, { revocation: strict }, {}, { access: 'public' }), 0],
    // Strict rules have a word about open streams only.
    ['none of what a strict rule says', policyWith({ ...strict, max_staleness: '1m' }), 0],
  ])('is that %s', async (_, policy, bound) => {
    const { outcome, timer } = await run({ wait: true }, gateWith(policy))
    expect(outcome.exitCode).toBe(0)
    expect(outcome.json).toEqual({
      ...Object(made.body),
      effect: { shards_ms: 104, bound_ms: bound, total_ms: 104 + bound },
    })
    // What it took to read the policy counts as waited.
    expect(timer.slept).toEqual(bound === 0 ? [] : [bound - 40])
    expect(requests.map(({ url }) => url)).toEqual([
      '/.edgewarden/revocations',
      '/.edgewarden/policy',
    ])
  })

  it.each<[string, Reply, string]>([
    ['of another sort', policyWith({ consistency: 'eventual' }), 'terms that are not known'],
    ['that is missing', policyWith({ consistency: 'bounded' }), 'terms that are not known'],
    ['that is a number', policyWith({ consistency: 'bounded', max_staleness: 5 }), 'not known'],
    ['without end', policyWith(bounded('99999999d')), 'not known'],
    ['of a rule of another sort', policyWith(strict, { revocation: 'strict' }), 'not known'],
    ['in no policy', { status: 200, body: {} }, 'not known'],
    [
      'in a policy without rules',
      { status: 200, body: { gate: { revocation: strict } } },
      'not known',
    ],
    ['that the token may not read', refused(403, 'scope_missing'), 'lacks scope edgewarden:read'],
    [
      'of a gate that no longer takes the token',
      refused(401, 'token_revoked'),
      '(token_revoked, 401)',
    ],
    ['of a gate that is gone', { status: 502, body: '<html>', headers: {} }, 'answered 502'],
  ])('is not made up: %s', async (_, policy, why) => {
    for (const wait of [false, true]) {
      const { outcome, timer } = await run({ wait }, gateWith(policy))
      // It is revoked; whether it is in effect everywhere, nobody can tell who asked for that.
      expect(outcome.exitCode).toBe(wait ? 2 : 0)
      expect(outcome.out).toEqual([REVOKED])
      expect(outcome.err[0]).toContain('Every shard has it after 0.1 s')
      expect(outcome.err[0]).toContain(why)
      expect(outcome.json).toMatchObject({
        revocations: [ENTRY],
        effect: { shards_ms: 104, unknown: expect.stringContaining(why) },
      })
      expect(timer.slept).toEqual([])
    }
  })
})

describe('revoke --wait', () => {
  it('ends when the bound has passed, and says how long it took', async () => {
    const { outcome, timer } = await run({ wait: true }, gateWith(policyWith(bounded('5s'))))
    expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    expect(outcome.out).toEqual([
      REVOKED,
      'In effect everywhere after 5.1 s (shards 0.1 s, bound 5.0 s)',
    ])
    expect(timer.at).toBe(5_000 + 104 + 5_000)
    expect(timer.told).toEqual(['Every shard has it; waiting for the bound of 5.0 s.'])
  })

  it('asks until every shard has it, and counts the bound from then on', async () => {
    const busy: Reply = { status: 503, body: '', headers: {} }
    const answer = slowGate(policyWith(bounded('5s')), told(2), busy, told(3), told(4))
    const { outcome, timer } = await run({ wait: true }, answer)
    const shards = 104 + 4 * (500 + 40)
    expect(outcome).toMatchObject({
      exitCode: 0,
      json: { effect: { shards_ms: shards, bound_ms: 5_000, total_ms: shards + 5_000 } },
    })
    expect(outcome.out[1]).toBe('In effect everywhere after 7.3 s (shards 2.3 s, bound 5.0 s)')
    expect(requests.map(({ url }) => url)).toEqual([
      '/.edgewarden/revocations',
      ...[LOCATION, LOCATION, LOCATION, LOCATION],
      '/.edgewarden/policy',
    ])
    expect(new Set(requests.map(({ authorization }) => authorization))).toEqual(
      new Set(['Bearer token']),
    )
    expect(timer.told[0]).toBe('Not every shard has it yet (1 of 4): asking until they have.')
  })

  it('does not take 200 for all while the shards are fewer', async () => {
    const few = { status: 200, body: { revocations: [ENTRY], ...held(3) } }
    const { outcome } = await run({ wait: true }, () => few)
    expect(outcome.exitCode).toBe(2)
    expect(outcome.out[0]).toMatch(/^Pending agent "a7"/)
  })

  it.each<[string, Reply, string]>([
    ['a shard never does', told(3), '(3 of 4): given up after 300.0 s; ask /.edgewarden/'],
    ['it answers 202 for good', { ...told(4), status: 202 }, 'given up'],
    ['it does not say', { status: 200, body: {} }, '(1 of 4): given up'],
    ['no shard counts', { status: 200, body: held(0, 0) }, '(1 of 4): given up'],
    ['the entry was lifted', refused(404, 'revocation_unknown'), '(revocation_unknown, 404)'],
  ])('cannot tell where %s', async (_, reply, message) => {
    // A gate that takes its time is asked a few dozen times until that is given up.
    const slow = { post: 104, get: 9_500 }
    const { outcome, timer } = await run({ wait: true }, slowGate(policyWith(strict), reply), slow)
    expect(outcome).toMatchObject({ exitCode: 2, json: { pending: true, location: LOCATION } })
    expect(outcome.err[0]).toContain(message)
    expect(timer.at).toBeLessThan(400_000)
    expect(requests.some(({ url }) => url === '/.edgewarden/policy')).toBe(false)
  })

  it.each(['https://other.example/x', '//other.example/x', 'http://[', 'javascript:0'])(
    'sends the token nowhere else: %s',
    async (location) => {
      const slow = { post: 104, get: 200_000 }
      const answer = () => ({
        status: 202,
        headers: { ...JSON_TYPE, location },
        body: { revocations: [ENTRY], ...held(1) },
      })
      const { outcome } = await run({ wait: true }, answer, slow)
      expect(outcome.exitCode).toBe(2)
      expect(outcome.err[0]).toContain('(1 of 4): given up')
      expect(requests.slice(1).map(({ url }) => url)).toEqual([LOCATION, LOCATION])
    },
  )
})

describe('revoke without --wait', () => {
  it('says from when on it is in effect everywhere', async () => {
    const { outcome, timer } = await run({}, gateWith(policyWith(bounded('5s'))))
    // 104 ms for the shards and five seconds, in whole seconds.
    expect(outcome).toMatchObject({
      exitCode: 0,
      json: { effect: { shards_ms: 104, bound_ms: 5_000, at: NOW + 6 } },
      out: [REVOKED, 'In effect everywhere from 2026-09-21 14:13:26 UTC on (bound 5.0 s)'],
      err: [],
    })
    expect([timer.slept, timer.told]).toEqual([[], []])
  })
})
