import { expect, inject, it } from 'vitest'
import { CODES } from '../reference/codes.ts'
import { met } from './compare.ts'
import { NOT_DECIDING } from './coverage.ts'
import { run } from './run.ts'

const DECISIONS = 225_000

/** Codes that no case must bring about, each with the reason. They have their own tests. */
const ELSEWHERE: Record<string, string> = {
  agent_issuer_mismatch:
    'too rare by lot; both judge it in test/gate/guard/decisions-token.test.ts',
  algorithm_unsupported: 'only for a runtime that lacks an algorithm',
  body_incomplete: 'needs a body that breaks off on the way',
  body_timeout: 'needs a body that comes too slowly',
  bodies_full: 'needs many bodies at the same time',
  content_coding_unsupported: 'about the answer of the origin',
  decision_reach: 'about what an endpoint of the gate is asked for',
  origin_credential_refused: 'about the answer of the origin',
  origin_unreachable: 'needs an origin that does not answer',
  token_expired_during_request: 'needs time to pass while a body is read',
  unavailable: 'needs a fault of the gate itself',
}

it(`says the same as the second implementation ${DECISIONS} times, of each key and code`, async () => {
  const { seed } = inject('trying')
  const begin = process.cpuUsage()
  const { coverage, cases, disagreements } = await run({ seed, decisions: DECISIONS })
  const { user, system } = process.cpuUsage(begin)
  const { decisions, said } = coverage
  const list = (counts: Iterable<[string, number]>) =>
    [...counts]
      .sort(([, a], [, b]) => b - a)
      .map(([name, times]) => `${name} ${times}`)
      .join(', ')
  console.log(
    [
      `${decisions} decisions in ${cases} cases, ${Math.round((user + system) / 1e6)} s of processor time`,
      `codes: ${list(said)}`,
      `codes of one stage, of which either may be sent: ${list(met)}`,
      `keys that bear on no decision: ${Object.keys(NOT_DECIDING).join(', ')}`,
    ].join('\n'),
  )
  expect(disagreements).toEqual([])
  expect(coverage.missing(100)).toEqual([])
  const missing = Object.keys(CODES).filter((code) => !said.has(code) && !(code in ELSEWHERE))
  expect(missing).toEqual([])
})
