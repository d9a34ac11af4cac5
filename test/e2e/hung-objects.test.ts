import { expect, it, onTestFinished } from 'vitest'
import { KEY_TIMES } from '../../src/gate/keys/times.ts'
import type { Gate } from '../kit/gate.ts'
import type { Members } from '../kit/signing.ts'
import { PATIENCE } from '../kit/wait.ts'
import {
  ALLOWED,
  clocked,
  forward,
  hang,
  MALFORMED,
  makeHasty,
  makeImpatient,
  makePatient,
  UNAVAILABLE,
} from './keys-setting.ts'
import { askGate, outcome, startSetting, until } from './setting.ts'

interface Case {
  readonly what: string
  readonly method: string
  readonly code: string
  readonly gate?: Members
  /** Whether requests pass first: every one asks. */
  readonly isAskedAlways?: true
}

const CASES: readonly Case[] = [
  { what: 'a key service', method: 'ask', code: 'keys_unavailable' },
  {
    what: 'the keeper of assertion keys',
    method: 'keys',
    code: 'assertion_unavailable',
    gate: { assertion: 'identity' },
  },
  {
    what: 'the revocation set, all shards of it,',
    method: 'lookup',
    code: 'revocations_unavailable',
    isAskedAlways: true,
  },
]

it.each(CASES)(
  '$what that hangs is waited for once, then shortly, until it answers',
  async ({ method, code, gate: own = {}, isAskedAlways }) => {
    const setting = await startSetting({
      ...(await clocked(MALFORMED)),
      gate: own,
      beside: [{ gate: own }],
    })
    onTestFinished(() => setting.close())
    const { gate } = setting
    const [beside] = gate.beside as [Gate]
    const use = async (at: Gate) => {
      const token = await setting.issuer.mint({ exp: Math.floor(Date.now() / 1000) + 300 })
      return outcome(await askGate(at, '/v1/x', { token }))
    }
    if (isAskedAlways) expect([await use(gate), await use(beside)]).toEqual([ALLOWED, ALLOWED])

    await hang(gate, method)
    const refused = { status: 503, code }
    await makeHasty(gate)
    expect(await use(gate)).toEqual(refused)
    await makeImpatient(gate)
    // Past the pause after a failure, in which nothing is asked.
    await forward(gate, KEY_TIMES.longestFailureMs)

    // The gate beside has not asked yet. So it waits longer, though its request is the first.
    const first = use(beside)
    const later = Promise.all([use(gate), use(gate), use(gate)])
    const sooner = await Promise.race([first.then(() => 'the first'), later])
    expect(sooner).toEqual([refused, refused, refused])

    await hang(gate)
    expect(await first).toEqual(ALLOWED)
    await until(
      () => use(gate),
      ({ status }) => status === 200,
      PATIENCE,
    )
    expect(await use(gate)).toEqual(ALLOWED)
  },
)

it('a key id that a key service does not look up is unavailable, and not remembered as unknown', async () => {
  const setting = await startSetting(await clocked(MALFORMED))
  onTestFinished(() => setting.close())
  const { gate, issuer } = setting
  const use = async (header: Members = {}) =>
    outcome(await askGate(gate, '/v1/x', { token: await issuer.mint({}, header) }))
  expect(await use()).toEqual(ALLOWED)
  await forward(gate, 30_000)
  await hang(gate, 'ask')
  await makeHasty(gate)
  expect(await use({ kid: 'new' })).toEqual(UNAVAILABLE)
  // Each question that ends too soon would take one of the few that a caller may cause about unknown keys.
  await makePatient(gate)
  await hang(gate)
  expect(await use()).toEqual(ALLOWED)
  await until(
    () => use({ kid: 'new' }),
    ({ status }) => status === 401,
    PATIENCE,
  )
  await issuer.rotate()
  await forward(gate, 30_000)
  expect(await use()).toEqual(ALLOWED)
})
