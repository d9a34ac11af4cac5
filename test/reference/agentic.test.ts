import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { checkAgentic, checkExpectations, hashOfIds } from './agentic.ts'
import type { JsonObject } from './types.ts'

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'))

interface Token {
  name: string
  header: JsonObject
  payload: JsonObject
  code: string
}
const TOKENS: Token[] = read('issuers/agentic-jwt.json').tokens
const CODES = [
  'key_id_missing',
  'intent_malformed',
  'executed_by_mismatch',
  'delegation_chain_malformed',
  'step_sequence_malformed',
  'agent_proof_malformed',
  'agent_checksum_malformed',
  'scope_empty',
  'confirmation_malformed',
]

test.each(TOKENS)('a token $name', ({ header, payload, code }) => {
  expect(checkAgentic(header, payload, [])).toBe(CODES.includes(code) ? code : undefined)
})

test.each(read('agentic-jwt/hashes.json').chains as { ids: string[]; hash: string }[])(
  'the hash of $ids is $hash',
  ({ ids, hash }) => {
    expect(hashOfIds(ids)).toBe(hash)
  },
)

test('what a rule expects', () => {
  const claims = {
    sub: 'patcher',
    intent: {
      workflow_step: 'step_3_patch',
      delegation_chain: 'e2b0bb2db17839e8',
      step_sequence_hash: 'bed72404ae7c18e8',
    },
  }
  const chain = ['supervisor', 'planner', 'patcher']
  const steps = ['step_1_analyze', 'step_2_plan', 'step_3_patch']
  const rule = { steps, delegation_chains: [chain], step_sequences: [steps] }
  expect(checkExpectations(rule, claims, [])).toBeUndefined()
  expect(checkExpectations(rule, undefined, [])).toBe('step_not_allowed')
  expect(checkExpectations({ steps: ['step_1_analyze'] }, claims, [])).toBe('step_not_allowed')
  expect(checkExpectations({ delegation_chains: ['0'.repeat(16)] }, claims, [])).toBe(
    'delegation_chain_mismatch',
  )
  expect(checkExpectations(rule, { ...claims, sub: 'other' }, [])).toBe('delegation_chain_mismatch')
  expect(checkExpectations({ step_sequences: [['x', 'step_3_patch']] }, claims, [])).toBe(
    'step_sequence_mismatch',
  )
  const repeated = { ...claims, intent: { delegation_chain: '3eb52dc8d585382a' } }
  expect(
    checkExpectations({ delegation_chains: [chain] }, repeated, ['repeated-agent']),
  ).toBeUndefined()
  expect(checkExpectations({ delegation_chains: [chain] }, repeated, [])).toBe(
    'delegation_chain_mismatch',
  )
})
