import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HonoAgentOptions, honoAgent } from '../../packages/origin/src/hono.ts'
import { requireScope } from '../../packages/origin/src/index.ts'
import type { Members } from '../kit/signing.ts'
import { digestOf, openGate, requestWith, type TestGate, URL_ } from './support.ts'

let gate: TestGate
beforeAll(async () => {
  gate = await openGate()
})
afterAll(() => gate.close())

/** An app behind the middleware, what it saw, and what it left to go on. */
const app = (options: Partial<HonoAgentOptions> = {}) => {
  const seen: string[] = []
  const behind: Promise<unknown>[] = []
  const hono = new Hono()
    .use(honoAgent({ ...gate.options, ...options }))
    .on(['GET', 'POST'], '/v1/documents/:id', async (c) => {
      const agent = c.get('agent')
      seen.push(`${agent.id} ${await c.req.text()}`)
      return c.json({ by: agent.id })
    })
    .delete('/v1/documents/:id', (c) => {
      requireScope(c.get('agent'), 'docs:delete')
      return c.body(null, 204)
    })
  const executionCtx = {
    waitUntil: (promise: Promise<unknown>) => void behind.push(promise),
    passThroughOnException() {},
    props: {},
  }
  const ask = async (claims: Members | undefined, init: RequestInit = {}) => {
    const request = requestWith(claims && (await gate.assertion(claims)), init)
    const response = await hono.fetch(request, {}, executionCtx)
    const text = await response.text()
    const { code } = (text === '' ? {} : JSON.parse(text)) as { readonly code?: string }
    return { status: response.status, type: response.headers.get('content-type'), code }
  }
  return { ask, seen, behind, hono }
}

describe('a handler', () => {
  it('knows who calls, and reads the body that was checked', async () => {
    const { ask, seen } = app()
    const body = 'a note'
    const claims = { htm: 'POST', htu: URL_, bdh: digestOf(body) }
    expect((await ask(claims, { method: 'POST', body })).status).toBe(200)
    expect((await ask({})).status).toBe(200)
    expect(seen).toEqual(['agent-1 a note', 'agent-1 '])
  })

  it('knows a HEAD by its own name', async () => {
    const { ask } = app()
    expect((await ask({ htm: 'HEAD', htu: URL_ }, { method: 'HEAD' })).status).toBe(200)
    expect((await ask({ htm: 'GET', htu: URL_ }, { method: 'HEAD' })).status).toBe(401)
  })

  it.each<[string, Members | undefined, RequestInit, string]>([
    ['no assertion', undefined, {}, 'assertion_missing'],
    ['the plain headers', undefined, { headers: { 'x-agent-id': 'a' } }, 'assertion_missing'],
    ['one for another route', { route: 'GET /v2' }, {}, 'route_mismatch'],
    [
      'another body',
      { htm: 'POST', htu: URL_, bdh: digestOf('a') },
      { method: 'POST', body: 'b' },
      'body_mismatch',
    ],
  ])('is not reached with %s', async (_, claims, init, code) => {
    const { ask, seen } = app()
    const answer = await ask(claims, init)
    expect(answer).toEqual({ status: 401, type: 'application/problem+json', code })
    expect(seen).toEqual([])
  })

  it('answers what lacks a scope with problem details', async () => {
    const { ask } = app()
    const claims = { route: 'DELETE /v1/documents/{id}' }
    const init = { method: 'DELETE' }
    expect(await ask(claims, init)).toMatchObject({ status: 403, code: 'scope_missing' })
    expect((await ask({ ...claims, scope: 'docs:delete' }, init)).status).toBe(204)
  })

  it('may be given another answer to refuse with', async () => {
    const { ask } = app({ refuse: (error, c) => c.json({ code: `my_${error.code}` }, 404) })
    expect(await ask(undefined)).toMatchObject({ status: 404, code: 'my_assertion_missing' })
  })
})

it('renews keys after the answer, where there is something to wait on', async () => {
  const { ask, behind, hono } = app()
  await ask({})
  expect(behind).toHaveLength(1)
  await Promise.all(behind)
  const response = await hono.request(requestWith(await gate.assertion()))
  expect(response.status).toBe(200)
})
