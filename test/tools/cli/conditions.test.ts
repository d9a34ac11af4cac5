import { describe, expect, it } from 'vitest'
import { explainSetting } from './explain-kit.ts'

const { ask, token } = await explainSetting()
const jwt = await token({ amount: 50 })

describe('explaining a condition by a file', () => {
  it('shows each operand below its step', async () => {
    const outcome = await ask('GET', '/when', { token: jwt, connection: '{"country":"FR"}' })
    expect(outcome.exitCode).toBe(1)
    const at = outcome.out.findIndex((line) => line.startsWith('✗ condition'))
    expect(outcome.out[at]).toMatch(/code=condition_failed +operand="request[.]country in/)
    expect(outcome.out[at]).not.toContain('operands')
    expect(outcome.out.slice(at + 1, at + 4)).toEqual([
      '    has(token.amount) → true',
      '    token.amount < 100 → true   (token.amount → 50)',
      '    request.country in ["DE"] → false   (request.country → "FR")',
    ])
  })

  it('allows from where it holds', async () => {
    const outcome = await ask('GET', '/when', { token: jwt, connection: '{"country":"DE"}' })
    expect(outcome.exitCode).toBe(0)
    expect(outcome.out.join('\n')).toContain('    has(token.amount) → true')
  })

  it('says what is not known', async () => {
    const outcome = await ask('GET', '/when', { token: jwt })
    expect(outcome.exitCode).toBe(1)
    expect(outcome.out.join('\n')).toContain(
      '    request.country in ["DE"] → error: No such key: country   (request.country → error: No such key: country)',
    )
  })

  it.each([
    ['DE', '--connection must be JSON, such as \'{"country":"DE"}\''],
    ['{"country":7}', '--connection: country: must be a string'],
    ['{"land":"DE"}', /--connection: land: unknown key `land`/],
  ])('takes no connection like %s', async (connection, message) => {
    const outcome = await ask('GET', '/when', { token: jwt, connection })
    expect(outcome.exitCode).toBe(2)
    expect(outcome.err.join('\n')).toMatch(message)
  })
})
