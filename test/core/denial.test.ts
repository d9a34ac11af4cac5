import { describe, expect, it } from 'vitest'
import { ANSWERS, type Answer, answerRow, denials, joined } from '../../src/gate/base/denial.ts'

const deny = denials({
  one: ['forbidden', 'It may not', 'Ask'],
  two: ['invalidToken', 'It is broken', 'Renew'],
})

describe('denials', () => {
  it('gives the declared row, and only what was handed over', () => {
    expect(deny('one')).toEqual({
      code: 'one',
      answer: 'forbidden',
      summary: 'It may not',
      hint: 'Ask',
    })
    expect(deny('two', { aud: 'x' }, { requiredScopes: ['a'] })).toEqual({
      code: 'two',
      answer: 'invalidToken',
      summary: 'It is broken',
      hint: 'Renew',
      detail: { aud: 'x' },
      params: { requiredScopes: ['a'] },
    })
  })

  it('shows its rows', () => {
    expect(Object.keys(deny.rows)).toEqual(['one', 'two'])
  })

  it('takes declared codes only', () => {
    // @ts-expect-error: not declared
    expect(() => deny('three')).toThrow()
  })
})

it('are joined to one table, in order', () => {
  const more = denials({ three: ['notFound', 'It is not there', 'Look elsewhere'] })
  expect(Object.entries(joined(deny, more).rows)).toEqual([
    ...Object.entries(deny.rows),
    ...Object.entries(more.rows),
  ])
})

describe('the answers', () => {
  const answers = Object.keys(ANSWERS) as Answer[]

  it.each(answers)('%s is an error, with a challenge for every error of RFC 6750', (answer) => {
    const { status, challenge, error } = answerRow(answer)
    expect(status).toBeGreaterThanOrEqual(400)
    if (error !== undefined) expect(challenge).toBe(true)
    if (status === 401) expect(challenge).toBe(true)
  })

  it('says when to try again exactly where waiting helps', () => {
    expect(answers.filter((one) => answerRow(one).retryAfter)).toEqual(['unavailable', 'full'])
  })

  it('names no error where no credential was sent (RFC 6750 §3.1)', () => {
    expect(answerRow('unauthenticated')).toEqual({ status: 401, challenge: true })
  })
})
