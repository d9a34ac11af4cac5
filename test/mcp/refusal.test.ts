import { describe, expect, it } from 'vitest'
import { isInBand, mcpRefusal, rpcCodeOf } from '../../src/gate/answer/mcp-refusal.ts'
import { type ProblemContext, problem } from '../../src/gate/answer/problem.ts'
import { answerRefusal, respond } from '../../src/gate/answer/respond.ts'
import { ANSWERS, type Answer, answerRow, type Denial } from '../../src/gate/base/denial.ts'
import type { Decision } from '../../src/gate/guard/guard.ts'
import type { McpMessage, McpRefusals, McpRevision, McpRule } from '../../src/gate/model/mcp.ts'
import type { Route } from '../../src/gate/model/route.ts'
import { RESOURCE, requestTo, routeOf } from '../kit/facts.ts'
import { callOf, operationOf } from '../kit/mcp-facts.ts'

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
const answers = Object.keys(ANSWERS) as Answer[]
const textOf = async (response: Response) => JSON.parse(await response.text())

describe('a refusal', () => {
  it.each(answers)(
    'of the connection (%s) keeps its status and headers in all modes',
    async (answer) => {
      for (const refusals of ['auto', 'http', 'json-rpc'] as const) {
        const denial = denialOf(answer)
        const given = context(undefined, refusals)
        const [plain, response] = [problem(denial, given), refusal(denial, given)]
        expect(response.status).toBe(answerRow(answer).status)
        expect(Object.fromEntries(response.headers)).toEqual({
          ...Object.fromEntries(plain.headers),
          'content-type': 'application/json',
        })
        const { error } = answerRow(answer)
        expect(await textOf(response)).toEqual({
          jsonrpc: '2.0',
          id: 'id-7',
          error: {
            code: answerRow(answer).status >= 500 ? -32603 : -32003,
            message: 'It is so. Do so (a_code)',
            data: {
              code: 'a_code',
              ...(error && { error }),
              request_id: 'request-1',
              hint: 'Do so',
            },
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
    ['insufficientScope', 'http', 403],
    ['insufficientScope', 'json-rpc', 200],
    ['stepUp', 'auto', 401],
    ['stepUp', 'json-rpc', 200],
  ])('of one call (%s, %s) is %i', async (answer, refusals, status) => {
    const denial = denialOf(answer, ofCall)
    const response = refusal(denial, context(undefined, refusals))
    expect(response.status).toBe(status)
    expect(response.headers.has('www-authenticate')).toBe(answerRow(answer).challenge === true)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('x-request-id')).toBe('request-1')
    expect(isInBand(denial, { refusals })).toBe(status === 200)
    expect(await textOf(response)).toMatchObject({
      id: 'id-7',
      error: { data: { code: 'a_code' } },
    })
  })

  it.each<[McpRefusals, number]>([
    ['auto', 200],
    ['json-rpc', 200],
    ['http', 401],
  ])('of a request that was forwarded (%s) is %i', (refusals, status) => {
    const denial = denialOf('invalidToken', { params: { wasForwarded: true } })
    expect(refusal(denial, context(undefined, refusals)).status).toBe(status)
  })

  it.each<[McpRefusals, McpRevision, number]>([
    ['auto', '2026-07-28', 404],
    ['http', '2026-07-28', 404],
    ['json-rpc', '2026-07-28', 200],
    ['auto', '2025-11-25', 200],
  ])('of a method (%s, %s) is %i', async (refusals, revision, status) => {
    const operation = operationOf([{ id: 7, method: 'logging/setLevel' }], { revision })
    const denial = { ...denialOf('forbidden', ofCall), code: 'mcp_method_not_allowed' }
    const response = refusal(denial, { ...context(undefined, refusals), operation })
    expect(response.status).toBe(status)
    expect(await textOf(response)).toMatchObject({ id: 7, error: { code: -32601 } })
  })

  it.each<[string, readonly McpMessage[]]>([
    ['a notification', [{ method: 'notifications/x.y' }]],
    ['an answer', [{ id: 4 }]],
    ['a batch', [callOf('x', {}, 1), callOf('y', {}, 2)]],
    ['nothing', []],
  ])('of %s is a problem document with its HTTP status', async (_, messages) => {
    for (const refusals of ['auto', 'http', 'json-rpc'] as const) {
      const response = refusal(denialOf('forbidden', ofCall), context(messages, refusals))
      expect(response.status).toBe(403)
      expect(response.headers.get('content-type')).toBe('application/problem+json')
      expect(await textOf(response)).toMatchObject({ status: 403, code: 'a_code' })
    }
  })

  it('of a batch of one is one of HTTP, too', async () => {
    const operation = operationOf([callOf('x')], { isBatch: true })
    const response = refusal(denialOf('forbidden', ofCall), { ...context(), operation })
    expect(response.status).toBe(403)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  })

  it('is a problem document before a message is known, and on any other route', async () => {
    const { operation: _, ...early } = context()
    const http = { ...context(), operation: { kind: 'http', method: 'POST' } as const }
    const denial = denialOf('forbidden', ofCall)
    const elsewhere = (route?: Route) =>
      answerRefusal(requestTo(RESOURCE, { method: 'POST' }), denial, {
        known: { ...(route && { route }), operation: operationOf([callOf('x')]) },
      })
    for (const response of [
      ...[early, http].map((given) => refusal(denial, given)),
      elsewhere(),
      elsewhere(routeOf('POST /x')),
    ]) {
      expect(response.status).toBe(403)
      expect(response.headers.get('content-type')).toBe('application/problem+json')
    }
  })

  it('answers ids as they came', async () => {
    for (const id of [0, -1, 7, '', '7', 'é"\\']) {
      const response = refusal(denialOf('forbidden', ofCall), context([callOf('x', {}, id)]))
      expect(await textOf(response)).toMatchObject({ id })
    }
  })

  it.each<[string, Answer, number]>([
    ['message_malformed', 'badRequest', -32700],
    ['message_invalid', 'badRequest', -32600],
    ['batch_not_allowed', 'badRequest', -32600],
    ['revision_unsupported', 'badRequest', -32022],
    ['mcp_method_not_allowed', 'forbidden', -32601],
  ])('of what is no message (%s) has no id', async (code, answer, rpc) => {
    const { operation: _, ...early } = context()
    const response = refusal(denialOf(answer, { code }), early)
    expect(response.status).toBe(answerRow(answer).status)
    expect(await textOf(response)).toMatchObject({ id: null, error: { code: rpc } })
    const get = refusal(denialOf(answer, { code }), { ...early, method: 'GET' })
    expect(get.headers.get('content-type')).toBe('application/problem+json')
  })

  it.each<[string, Answer, number]>([
    ['params_invalid', 'badRequest', -32602],
    ['params_ambiguous', 'badRequest', -32602],
    ['task_unknown', 'badRequest', -32602],
    ['arguments_ambiguous', 'badRequest', -32602],
    ['scope_value_invalid', 'forbidden', -32602],
    ['header_mismatch', 'badRequest', -32020],
    ['tool_not_allowed', 'forbidden', -32003],
    ['origin_unreachable', 'badOrigin', -32603],
    ['toString', 'forbidden', -32003],
  ])('%s is %s: %i', (code, answer, rpc) => {
    expect(rpcCodeOf({ code, answer })).toBe(rpc)
  })

  it('tells scopes and revisions, and nothing of the detail', async () => {
    const params = {
      requiredScopes: ['a', 'b'],
      supported: ['2025-11-25'],
      requested: '2099-01-01',
    }
    const response = refusal(denialOf('forbidden', { params }), context())
    const text = await response.text()
    expect(text).not.toContain('detail-secret')
    expect(JSON.parse(text).error.data).toEqual({
      code: 'a_code',
      required_scopes: ['a', 'b'],
      supported: ['2025-11-25'],
      requested: '2099-01-01',
      request_id: 'request-1',
      hint: 'Do so',
    })
    const any = refusal(denialOf('forbidden', { params: { anyOf: ['c'] } }), context())
    expect(await textOf(any)).toMatchObject({ error: { data: { any_of: ['c'] } } })
  })
})

it('is what respond answers', async () => {
  const request = requestTo(`${RESOURCE}/mcp`, { method: 'POST', body: '{}' })
  const decision = {
    outcome: 'denied',
    known: { route: route('auto'), operation: operationOf([callOf('x')]) },
    denial: denialOf('forbidden', ofCall),
    waits: {},
  } as unknown as Decision
  const response = respond(request, decision)
  expect(response?.status).toBe(200)
  expect(await response?.json()).toMatchObject({ id: 1, error: { data: { code: 'a_code' } } })
})
