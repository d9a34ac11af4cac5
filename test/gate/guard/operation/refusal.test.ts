import { expect, it } from 'vitest'
import { isInBand, mcpRefusal, rpcCodeOf } from '../../../../src/gate/answer/mcp-refusal.ts'
import { type ProblemContext, problem } from '../../../../src/gate/answer/problem.ts'
import { answerRefusal } from '../../../../src/gate/answer/respond.ts'
import { ANSWERS, type Answer, answerRow, type Denial } from '../../../../src/gate/base/denial.ts'
import type {
  McpMessage,
  McpRefusals,
  McpRevision,
  McpRule,
} from '../../../../src/gate/model/mcp.ts'
import type { Route } from '../../../../src/gate/model/route.ts'
import { RESOURCE, requestTo, routeOf } from '../../../kit/facts.ts'
import { callOf, operationOf } from '../../../kit/mcp-facts.ts'

const MODES = ['auto', 'http', 'json-rpc'] as const

const denialOf = (answer: Answer, changes: Partial<Denial> = {}): Denial => ({
  code: 'a_code',
  answer,
  summary: 'It is so',
  hint: 'Do so',
  detail: { tool: 'detail-secret' },
  ...changes,
})

const route = (refusals: McpRefusals) => routeOf('POST /mcp', { mcp: { refusals } as McpRule })

const context = (
  messages: readonly McpMessage[] = [callOf('x', {}, 'id-7')],
  refusals: McpRefusals = 'auto',
): ProblemContext => ({
  requestId: 'request-1',
  method: 'POST',
  route: route(refusals),
  operation: operationOf(messages),
})

const refusal = (denial: Denial, given: ProblemContext) =>
  mcpRefusal(problem(denial, given), denial, given.route?.mcp as McpRule, given)

const ofCall = { params: { ofCall: true } } as const
const textOf = async (response: Response) => JSON.parse(await response.text())
const typeOf = (response: Response) => response.headers.get('content-type')

it.each(Object.keys(ANSWERS) as Answer[])(
  'keeps status and headers of a refusal of the connection in all modes (%s)',
  async (answer) => {
    const { status, error } = answerRow(answer)
    for (const refusals of MODES) {
      const denial = denialOf(answer)
      const given = context(undefined, refusals)
      const [plain, response] = [problem(denial, given), refusal(denial, given)]
      expect(response.status).toBe(status)
      const headers = { ...Object.fromEntries(plain.headers), 'content-type': 'application/json' }
      expect(Object.fromEntries(response.headers)).toEqual(headers)
      const told = { request_id: 'request-1', hint: 'Do so' }
      expect(await textOf(response)).toEqual({
        ...{ jsonrpc: '2.0', id: 'id-7' },
        error: {
          code: status >= 500 ? -32603 : -32003,
          message: 'It is so. Do so (a_code)',
          data: { code: 'a_code', ...(error && { error }), ...told },
        },
      })
    }
  },
)

it.each<[Answer, McpRefusals, number]>([
  ['forbidden', 'auto', 200],
  ['forbidden', 'http', 403],
  ['forbidden', 'json-rpc', 200],
  ['insufficientScope', 'auto', 403],
  ['insufficientScope', 'json-rpc', 200],
  ['stepUp', 'auto', 401],
  ['stepUp', 'json-rpc', 200],
])('answers the refusal of one call (%s, %s) with %i', async (answer, refusals, status) => {
  const denial = denialOf(answer, ofCall)
  const response = refusal(denial, context(undefined, refusals))
  expect(response.status).toBe(status)
  expect(response.headers.has('www-authenticate')).toBe(answerRow(answer).challenge === true)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('x-request-id')).toBe('request-1')
  expect(isInBand(denial, { refusals })).toBe(status === 200)
  expect(await textOf(response)).toMatchObject({ id: 'id-7', error: { data: { code: 'a_code' } } })
})

it.each<[McpRefusals, number]>([
  ['auto', 200],
  ['json-rpc', 200],
  ['http', 401],
])('answers a request that was forwarded (%s) with %i', (refusals, status) => {
  const denial = denialOf('invalidToken', { params: { wasForwarded: true } })
  expect(refusal(denial, context(undefined, refusals)).status).toBe(status)
})

it.each<[McpRefusals, McpRevision, number]>([
  ['auto', '2026-07-28', 404],
  ['http', '2026-07-28', 404],
  ['json-rpc', '2026-07-28', 200],
  ['auto', '2025-11-25', 200],
])('answers an unknown method (%s, %s) with %i', async (refusals, revision, status) => {
  const operation = operationOf([{ id: 7, method: 'logging/setLevel' }], { revision })
  const denial = { ...denialOf('forbidden', ofCall), code: 'mcp_method_not_allowed' }
  const response = refusal(denial, { ...context(undefined, refusals), operation })
  expect(response.status).toBe(status)
  expect(await textOf(response)).toMatchObject({ id: 7, error: { code: -32601 } })
})

const { operation: _, ...early } = context()
const elsewhere = (given?: Route) =>
  answerRefusal(requestTo(RESOURCE, { method: 'POST' }), denialOf('forbidden', ofCall), {
    known: { ...(given && { route: given }), operation: operationOf([callOf('x')]) },
  })
const of = (...messages: readonly McpMessage[]) =>
  MODES.map((mode) => refusal(denialOf('forbidden', ofCall), context(messages, mode)))

it.each<[string, Response[]]>([
  ['a notification', of({ method: 'notifications/x.y' })],
  ['an answer', of({ id: 4 })],
  ['a batch', of(callOf('x', {}, 1), callOf('y', {}, 2))],
  [
    'a batch of one',
    [
      refusal(denialOf('forbidden', ofCall), {
        ...context(),
        operation: operationOf([callOf('x')], { isBatch: true }),
      }),
    ],
  ],
  ['a request that was not read', [refusal(denialOf('forbidden', ofCall), early)]],
  ['a request to no rule or another', [elsewhere(), elsewhere(routeOf('POST /x'))]],
])('refuses %s with a problem document and its HTTP status', async (_, responses) => {
  for (const response of responses) {
    expect([response.status, typeOf(response)]).toEqual([403, 'application/problem+json'])
    expect(await textOf(response)).toMatchObject({ status: 403, code: 'a_code' })
  }
})

it('answers ids as they came', async () => {
  for (const id of [0, -1, '', '7', 'é"\\']) {
    const response = refusal(denialOf('forbidden', ofCall), context([callOf('x', {}, id)]))
    expect(await textOf(response)).toMatchObject({ id })
  }
})

it.each<[string, number]>([
  ['message_malformed', -32700],
  ['message_invalid', -32600],
  ['batch_not_allowed', -32600],
  ['revision_unsupported', -32022],
])('answers %s without an id, in JSON-RPC to a POST alone', async (code, rpc) => {
  const response = refusal(denialOf('badRequest', { code }), early)
  expect(response.status).toBe(400)
  expect(await textOf(response)).toMatchObject({ id: null, error: { code: rpc } })
  const get = refusal(denialOf('badRequest', { code }), { ...early, method: 'GET' })
  expect(typeOf(get)).toBe('application/problem+json')
})

it.each<[string, Answer, number]>([
  ['params_ambiguous', 'badRequest', -32602],
  ['arguments_ambiguous', 'badRequest', -32602],
  ['scope_value_invalid', 'forbidden', -32602],
  ['header_mismatch', 'badRequest', -32020],
  ['origin_unreachable', 'badOrigin', -32603],
  ['toString', 'forbidden', -32003],
])('gives %s (%s) the code %i', (code, answer, rpc) => {
  expect(rpcCodeOf({ code, answer })).toBe(rpc)
})

it('tells scopes and revisions, and nothing of the detail', async () => {
  const revisions = { supported: ['2025-11-25'], requested: '2099-01-01' }
  const params = { requiredScopes: ['a', 'b'], anyOf: ['c'], ...revisions }
  const text = await refusal(denialOf('forbidden', { params }), context()).text()
  expect(text).not.toContain('detail-secret')
  expect(JSON.parse(text).error.data).toEqual({
    code: 'a_code',
    required_scopes: ['a', 'b'],
    any_of: ['c'],
    ...revisions,
    request_id: 'request-1',
    hint: 'Do so',
  })
})
