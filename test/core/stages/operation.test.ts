import { describe, expect, it } from 'vitest'
import { operation } from '../../../src/gate/guard/stages/operation.ts'
import type { AssertionBinding } from '../../../src/gate/model/assertion.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import {
  agentOf,
  anyRoom,
  codeOf,
  gateOf,
  noSessions,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../../kit/facts.ts'

const PORTS = { sessions: noSessions }

const needs = (
  request: Request,
  { binding, maxBody = 64, route = {} }: Told & { readonly route?: Partial<Route> } = {},
) => ({
  request,
  agent: agentOf(),
  hold: () => anyRoom,
  route: routeOf('* /x', route),
  policy: policyOf([], {
    gate: gateOf(
      binding && {
        assertion: { binding, algorithm: 'ES256', maxBody, operatorKeys: [], withdrawn: [] },
      },
    ),
  }),
})

interface Told {
  readonly binding?: AssertionBinding
  readonly maxBody?: number
}

const post = (body: string, headers: Record<string, string> = {}) =>
  new Request(`${RESOURCE}/x`, { method: 'POST', body, headers })

it.each(['GET', 'POST', 'DELETE'])('is the method %s, whatever a header says', async (method) => {
  const headers = { 'x-http-method-override': 'PUT' }
  const request = requestTo(`${RESOURCE}/x`, { method, headers })
  expect(await operation.run(needs(request), PORTS)).toEqual({
    ok: true,
    value: { operation: { kind: 'http', method }, held: undefined },
  })
})

describe('a body is read', () => {
  it.each<[string, Told & { readonly route?: Partial<Route> }]>([
    ['where nothing is signed', {}],
    ['for an assertion of who calls', { binding: 'identity' }],
    ['for one of method and URL', { binding: 'request' }],
    ['in shadow mode', { binding: 'body', route: { mode: 'shadow' } }],
    ["at the gate's own endpoints", { binding: 'body', route: { endpoint: 'revocations' } }],
  ])('not %s', async (_, told) => {
    const request = post('hello')
    expect(await operation.run(needs(request, told), PORTS)).toMatchObject({
      value: { held: undefined },
    })
    expect(request.bodyUsed).toBe(false)
  })

  it('where the origin is told its digest', async () => {
    const outcome = await operation.run(needs(post('hello'), { binding: 'body' }), PORTS)
    expect(outcome).toMatchObject({
      ok: true,
      value: {
        operation: { kind: 'http', method: 'POST' },
        // printf hello | openssl dgst -sha256 -binary | basenc --base64url
        held: { digest: 'LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ' },
      },
    })
    if (outcome.ok && 'value' in outcome) {
      expect(new TextDecoder().decode(outcome.value.held?.bytes)).toBe('hello')
    }
  })

  it('of at most so many bytes', async () => {
    const asked = (maxBody: number) =>
      operation.run(needs(post('hello'), { binding: 'body', maxBody }), PORTS)
    expect(codeOf(await asked(5))).toBe('ok')
    expect(codeOf(await asked(4))).toBe('body_too_large')
  })

  it('and held against what the client says of it', async () => {
    const request = post('hello', { 'content-digest': `sha-256=:${'A'.repeat(43)}=:` })
    const outcome = await operation.run(needs(request, { binding: 'body' }), PORTS)
    expect(codeOf(outcome)).toBe('digest_mismatch')
  })
})

it('an explanation shows how long the body was, not what it says', () => {
  const request = post('')
  const found = operation.found?.({
    ...needs(request, { binding: 'body' }),
    operation: { kind: 'http', method: 'POST' },
    held: { bytes: new TextEncoder().encode('secret'), digest: 'digest' },
  })
  expect(found).toEqual({ kind: 'http', method: 'POST', body: 6 })
})
