import { describe, expect, it } from 'vitest'
import { problem } from '../../../src/gate/answer/problem.ts'
import { ANSWERS, type Answer, answerRow, type Denial } from '../../../src/gate/base/denial.ts'
import { routeOf } from '../../kit/facts.ts'

const denialOf = (answer: Answer, changes: Partial<Denial> = {}): Denial => ({
  code: 'a_code',
  answer,
  summary: 'It is so',
  hint: 'Do so',
  detail: { aud: 'detail-secret', nested: { key: 'detail-secret' } },
  ...changes,
})

const answers = Object.keys(ANSWERS) as Answer[]
const context = { requestId: 'request-1', method: 'GET', route: routeOf('GET /x') }

describe('problem', () => {
  it.each(answers)('answers %s with its row and nothing of the detail', async (answer) => {
    const row = answerRow(answer)
    const response = problem(denialOf(answer), context)
    const text = await response.text()
    expect(response.status).toBe(row.status)
    expect(JSON.parse(text)).toEqual({
      type: 'https://edgewarden.dev/denials#a_code',
      title: 'It is so',
      status: row.status,
      code: 'a_code',
      error: {
        message: 'It is so. Do so (a_code)',
        type: expect.stringMatching(/^[a-z_]+_error$/),
        code: 'a_code',
        param: null,
      },
      request_id: 'request-1',
      hint: 'Do so',
    })
    const headers = Object.fromEntries(response.headers)
    expect(headers).toMatchObject({
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-request-id': 'request-1',
    })
    expect('www-authenticate' in headers).toBe(row.challenge === true)
    expect(headers['retry-after']).toBe(row.retryAfter && String(row.retryAfter))
    expect(text + JSON.stringify(headers)).not.toContain('detail-secret')
  })

  it.each<[Answer, string]>([
    ['invalidToken', 'authentication_error'],
    ['insufficientScope', 'permission_error'],
    ['notFound', 'not_found_error'],
    ['tooMany', 'rate_limit_error'],
    ['badRequest', 'invalid_request_error'],
    ['unavailable', 'api_error'],
  ])('gives %s the type %s', async (answer, type) => {
    const response = problem(denialOf(answer), context)
    expect(await response.json()).toMatchObject({ error: { type } })
  })

  it.each<[Denial['params'], string]>([
    [
      { requiredScopes: ['a', 'b', 'c'], missingScopes: ['b', 'c'] },
      'It is so: b, c. Do so (a_code)',
    ],
    [{ anyOf: ['a', 'b'] }, 'It is so: a or b. Do so (a_code)'],
    [{}, 'It is so. Do so (a_code)'],
  ])('names in its message the scopes of %j', async (params, message) => {
    const response = problem(denialOf('insufficientScope', { params: params ?? {} }), context)
    expect(await response.json()).toMatchObject({ error: { message } })
  })
})
