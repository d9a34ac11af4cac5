import { describe, expect, it } from 'vitest'
import { CHAT, GATE, ITEM, mistakes, policy, rule } from './support.ts'

const KEY = '$' + '{KEY}'
const gate = (identity_headers: unknown) => ({ GATE: { ...GATE, identity_headers } })
const route = (forward_claims: unknown, more: object = {}) => ({
  ROUTES: [{ ...CHAT, forward_claims, ...more }],
})

describe('claims in headers', () => {
  it('are read for the gate and for a rule', () => {
    const read = policy({
      ...gate({ 'X-Forwarded-User': 'sub', 'X-Org': '/org/id' }),
      ROUTES: [{ ...CHAT, forward_claims: { 'X-Tenant': 'https://acme.example/tenant' } }, ITEM],
    })
    expect(read.gate.identityHeaders).toEqual([
      { header: 'X-Forwarded-User', path: ['sub'] },
      { header: 'X-Org', path: ['org', 'id'] },
    ])
    expect(read.routes.map(({ forwardClaims }) => forwardClaims)).toEqual([
      [{ header: 'X-Tenant', path: ['https://acme.example/tenant'] }],
      [],
    ])
  })

  it('are removed from every request by every name that any rule sets', () => {
    const read = policy({
      ...gate({ 'X-Forwarded-User': 'sub' }),
      ROUTES: [
        { ...CHAT, forward_claims: { X_Tenant: 'tenant' } },
        { ...ITEM, inject: { 'X-Api-Key': KEY } },
      ],
    })
    expect(read.gate.ownHeaders).toEqual(new Set(['x-forwarded-user', 'x-tenant', 'x-api-key']))
  })

  const MISTAKES: readonly (readonly [string, object, string, RegExp])[] = [
    ['no table', 'X-User', '', /must be a table/],
    ['a header that is no name', { 'X User': 'sub' }, '["X User"]', /not a header name/],
    ['a header of the connection', { Connection: 'sub' }, '.Connection', /no claim can be/],
    ['a header the gate sets', { 'X-Forwarded-For': 'sub' }, '.X-Forwarded-For', /no claim can be/],
    ['the same in another spelling', { x_request_id: 'sub' }, '.x_request_id', /no claim can be/],
    ['a session of MCP', { 'Mcp-Session-Id': 'sub' }, '.Mcp-Session-Id', /header of MCP/],
    ['a header of MCP', { mcp_method: 'sub' }, '.mcp_method', /header of MCP/],
    ['a credential', { Authorization: 'sub' }, '.Authorization', /no claim can be/],
    ['cookies', { Cookie: 'sub' }, '.Cookie', /no claim can be/],
    ['an identity header', { 'X-Agent-Id': 'sub' }, '.X-Agent-Id', /identity header/],
    ['one header twice', { 'X-User': 'sub', x_user: 'jti' }, '.x_user', /set twice/],
    ['no path', { 'X-User': '' }, '.X-User', /./],
    ['a number', { 'X-User': 7 }, '.X-User', /must be a claim path/],
  ].map(
    ([name, ...rest]) => [name, ...rest] as unknown as readonly [string, object, string, RegExp],
  )

  it.each(MISTAKES)('are mistakes: %s', (_, table, at, says) => {
    const both = [
      [gate(table), `GATE.identity_headers${at}`],
      [route(table), `ROUTES[0].forward_claims${at}`],
    ] as const
    for (const [vars, path] of both) {
      const found = mistakes(vars).filter((line) => line.startsWith(`${path}: `))
      expect(found).toHaveLength(1)
      expect(found[0]).toMatch(says)
    }
  })

  it('take no name that the gate was given for identities', () => {
    const given = { 'X-Gate-Type': 'sub', 'X-Gated': 'sub' }
    const vars = { ...gate(given), ...route({ x_gate_assertion: 'sub' }) }
    const found = mistakes({
      GATE: { ...vars.GATE, identity_prefix: 'x-gate-' },
      ROUTES: vars.ROUTES,
    })
    expect(found).toEqual([
      'GATE.identity_headers.X-Gate-Type: is an identity header, whose value is not configured',
      'ROUTES[0].forward_claims.x_gate_assertion: is an identity header, whose value is not configured',
    ])
  })

  it('are set by one table only', () => {
    expect(
      mistakes({
        ...gate({ 'X-User': 'sub', 'X-Key': 'jti' }),
        ...route({ x_user: 'sub', 'X-Key2': 'jti' }, { inject: { 'X-Key': KEY, x_key2: KEY } }),
      }),
    ).toEqual([
      'ROUTES[0].forward_claims.x_user: is set by GATE.identity_headers or inject already',
      'ROUTES[0].forward_claims.X-Key2: is set by GATE.identity_headers or inject already',
      'ROUTES[0].inject.x-key: is set by GATE.identity_headers already',
    ])
  })

  it('are none of a public rule', () => {
    const open = { match: 'GET /open', access: 'public', forward_claims: { 'X-User': 'sub' } }
    expect(mistakes({ ROUTES: [open] })).toEqual([
      expect.stringMatching(/^ROUTES\[0\]\.forward_claims: .*no effect/),
    ])
  })
})

describe('headers that an answer loses', () => {
  const removed = (names: unknown) => ({ ROUTES: [{ ...CHAT, remove_response_headers: names }] })

  it('are names in lower case', () => {
    const { removedFromAnswers } = rule(removed(['Server', 'x-powered-by']))
    expect(removedFromAnswers).toEqual(['server', 'x-powered-by'])
  })

  it.each(['Cache-Control', 'vary', 'Content-Length', 'Transfer-Encoding', 'X-Request-Id'])(
    'are not %s',
    (name) => {
      expect(mistakes(removed([name]))).toEqual([
        expect.stringMatching(/^ROUTES\[0\]\.remove_response_headers\[0\]: .*must stay/),
      ])
    },
  )

  it('are names', () => {
    expect(mistakes(removed(['a b']))).toEqual([expect.stringMatching(/not a header name/)])
    expect(mistakes(removed('server'))).toEqual([expect.stringMatching(/list/)])
  })
})

describe('origin_via', () => {
  const via = { GATE: { ...GATE, origin_via: 'MTLS' } }

  it("is for GATE's origin, and for that of a rule which names it", () => {
    const read = policy({
      ...via,
      ROUTES: [
        CHAT,
        { ...ITEM, match: 'GET /a', origin: 'https://o.example' },
        { ...ITEM, match: 'GET /b', origin: 'https://o.example', origin_via: 'VPC' },
        { ...ITEM, match: 'GET /c', origin_via: 'VPC' },
      ],
    })
    expect(read.routes.map(({ target }) => target.via)).toEqual(['MTLS', undefined, 'VPC', 'VPC'])
  })

  it.each<[string, object, RegExp]>([
    ['a binding that is not there', { origin_via: 'MISSING' }, /needs the binding `MISSING`/],
    ['no name', { origin_via: 'a b' }, /name of a binding/],
    [
      'beside a service binding',
      { origin: 'service:API', origin_via: 'MTLS' },
      /already names a binding/,
    ],
  ])('is a mistake: %s', (_, change, says) => {
    for (const vars of [{ GATE: { ...GATE, ...change } }, { ROUTES: [{ ...CHAT, ...change }] }]) {
      expect(mistakes(vars)).toEqual([expect.stringMatching(/\.origin_via: /)])
      expect(mistakes(vars)[0]).toMatch(says)
    }
  })
})
