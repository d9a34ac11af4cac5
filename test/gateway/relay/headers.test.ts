import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Facts } from '../../../src/gate/guard/guard.ts'
import type { ClaimHeader } from '../../../src/gate/model/claims.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import {
  identityHeaders,
  isHopByHop,
  stripInbound,
} from '../../../src/gate/relay/origin/headers.ts'
import { accessOf, agentOf, gateOf, ISSUER, NOW, policyOf, routeOf } from '../../kit/facts.ts'
import { passed } from '../../kit/forwarded.ts'
import { tries } from '../../kit/property.ts'

type Inbound = NonNullable<RequestInit['headers']>

const names = (
  inbound: Inbound,
  { gate = gateOf(), route = {} as Partial<Route> } = {},
): string[] => {
  const headers = new Headers(inbound)
  stripInbound(headers, policyOf([], { gate }), routeOf('GET /x', route))
  return [...headers.keys()]
}

/** Every character a header name may have beside letters and digits (RFC 9110 §5.6.2). */
const SEPARATORS = [..."!#$%&'*+-.^_`|~"]

describe('stripInbound', () => {
  it.each([
    'X-Agent-Id',
    'X-Agent-',
    'X-Agent-Assertion',
    'X-Agent-Anything-Else',
    'X-Original-URL',
    'X-Original-Method',
    'X-Rewrite-URL',
    'X-HTTP-Method',
    'X-HTTP-Method-Override',
    'X-HTTP-MethodOverride',
    'X-Method-Override',
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Uri',
    'X-Forwarded-Prefix',
    'X-Forwarded-User',
    'X-Forwarded-Client-Cert',
    'X-Real-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'CF-Access-Jwt-Assertion',
    'CF-Worker',
    'Client-Cert',
    'Client-Cert-Chain',
    'X-Client-Cert',
    'X-Client-Cert-Dn',
    'X-SSL-Client-Verify',
    'Remote-User',
    'X-Remote-User',
    'X-Remote-Groups',
    'X-Auth-Request-Email',
    'X-Request-Id',
    'Via',
    'Authorization',
    'Proxy-Authorization',
    'DPoP',
    'Connection',
    'Keep-Alive',
    'Proxy-Authenticate',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
  ])('removes %s in every spelling', (name) => {
    const spellings = SEPARATORS.map((one) => name.replaceAll('-', one))
    const cases = spellings.flatMap((one) => [one, one.toLowerCase(), one.toUpperCase()])
    for (const spelling of cases)
      expect(names({ [spelling]: 'x', accept: '*/*' })).toEqual(['accept'])
  })

  it.each([
    'accept',
    'agent-id',
    'x-agent',
    'x-agentid',
    'xx-agent-id',
    'x-forwarded',
    'content-type',
    'cookie',
    'cfx',
    'x-http',
    'te-x',
    'user-agent',
    'traceparent',
    'mcp-method',
  ])('leaves %s', (name) => {
    expect(names({ [name]: 'x' })).toEqual([name])
  })

  it.each([
    ['keep-alive, X-Trace', 'x-trace'],
    ['x_trace', 'x-trace'],
    ['X-TRACE,,close', 'x_trace'],
    [' , x.trace ', 'X~Trace'],
  ])('removes what Connection (%s) names', (connection, name) => {
    expect(names({ connection, [name]: 'x', accept: '*/*' })).toEqual(['accept'])
  })

  it.each<Partial<Route>>([
    {},
    { access: 'public' },
    { access: 'optional' },
    { mode: 'shadow' },
    { forwardToken: true },
  ])('removes what any rule sets, and what the policy names, in every spelling: %j', (route) => {
    const gate = gateOf({
      stripHeaders: new Set(['x-internal']),
      ownHeaders: new Set(['x-api-key', 'tenant']),
    })
    const inbound = {
      'x-api-key': '1',
      x_api_key: '2',
      TENANT: '3',
      'x.internal': '4',
      'x-internal-x': '5',
      'tenant-id': '6',
    }
    expect(names(inbound, { gate, route })).toEqual(['tenant-id', 'x-internal-x'])
  })

  it.each<Partial<Route>>([{}, { mode: 'shadow' }, { forwardToken: true }])(
    'removes credentials and subprotocols that the policy names: %j',
    (route) => {
      const named = ['authorization', 'dpop', 'sec-websocket-protocol']
      const gate = gateOf({ stripHeaders: new Set(named) })
      const inbound = Object.fromEntries([...named, 'accept'].map((name) => [name, 'x']))
      expect(names(inbound, { gate, route })).toEqual(['accept'])
    },
  )

  it('removes both its own prefix and the usual one', () => {
    const gate = gateOf({ identityPrefix: 'x-acme-bot-' })
    const inbound = {
      'x-acme-bot-id': '1',
      x_acme_bot_id: '2',
      'x-agent-id': '3',
      'x-acme-id': '4',
    }
    expect(names(inbound, { gate })).toEqual(['x-acme-id'])
  })

  it.each<[Partial<Route>, Record<string, string>, string[]]>([
    [{}, { authorization: 'Bearer t', dpop: 'p' }, []],
    [{ access: 'public' }, { authorization: 'Bearer t' }, []],
    [{ forwardToken: true }, { authorization: 'DPoP t', dpop: 'p' }, ['authorization']],
    [{ mode: 'shadow' }, { authorization: 'DPoP t', dpop: 'p' }, ['authorization', 'dpop']],
    [{ forwardToken: true, access: 'public' }, { authorization: 'Bearer t' }, ['authorization']],
    [{ forwardToken: true }, { 'proxy-authorization': 'x' }, []],
    [
      { forwardToken: true },
      { 'd.pop': 'x', Authorization: 'Bearer t' },
      ['authorization', 'd.pop'],
    ],
    [{ forwardToken: true }, { authorization: 'Bearer t', connection: 'authorization' }, []],
  ])('on a route with %j', (route, inbound, left) => {
    expect(names(inbound, { route })).toEqual(left)
  })
})

describe('isHopByHop', () => {
  it.each([
    ['connection', true],
    ['keep-alive', true],
    ['proxy-connection', true],
    ['te', true],
    ['trailer', true],
    ['transfer-encoding', true],
    ['upgrade', true],
    ['x-trace', true],
    ['x_other', true],
    ['content-type', false],
    ['proxy-authenticate', false],
  ])('%s: %j', (name, expected) => {
    const named = new Set(['close', 'x-trace', 'x-other'])
    expect(isHopByHop(name, named)).toBe(expected)
    expect(isHopByHop(name, new Set())).toBe(expected && !name.startsWith('x'))
  })
})

describe('identityHeaders', () => {
  const factsOf = (facts: Partial<Facts>) => {
    const routeGrant = facts.grant ?? ['docs:read']
    return passed({ grant: routeGrant, routeGrant, ...facts }).known as Facts
  }
  const headersOf = (facts: Partial<Facts> = {}) =>
    Object.fromEntries(
      identityHeaders(factsOf(facts)).map(([name, value]) => [name.replace('x-agent-', ''), value]),
    )

  it('says all there is to say', () => {
    expect(
      headersOf({
        agent: agentOf({ name: 'acme/planner', type: 'crawler', workflowId: 'w 1' }),
        access: accessOf({ scopes: ['a', 'b%c'], expires: NOW + 0.9 }),
        grant: ['a', 'b%c'],
      }),
    ).toEqual({
      id: 'acme/planner',
      issuer: ISSUER,
      subject: 'alice',
      'client-id': 'app',
      type: 'crawler',
      'workflow-id': 'w%201',
      scope: 'a b%25c',
      grant: 'a b%25c',
      'token-id': 'token-1',
      'token-expires': String(NOW),
      possession: 'bearer',
    })
  })

  it('has no header for what the token does not say', () => {
    const { subject, clientId, ...agent } = agentOf()
    const { id, ...access } = accessOf({ scopes: [] })
    expect(Object.keys(headersOf({ agent, access, grant: [] }))).toEqual([
      'id',
      'issuer',
      'token-expires',
      'possession',
    ])
  })

  it.each([
    [[{ sub: 'a', issuer: ISSUER }], 'a'],
    [
      [
        { sub: 'a', issuer: ISSUER },
        { sub: 'b', issuer: 'https://o.example' },
      ],
      'a,https://o.example;b',
    ],
    [[{ sub: 'a,b', issuer: ISSUER }], 'a%2Cb'],
    [[{ sub: 'https://o.example;b', issuer: ISSUER }], 'https://o.example%3Bb'],
  ])('writes the chain %j as %s', (actors, value) => {
    expect(headersOf({ agent: agentOf({ actors }) }).delegation).toBe(value)
  })

  it('gives two chains two values, and every value is safe in a header', () => {
    const word = fc.string({
      unit: fc.constantFrom('a', ';', ',', '%', ' ', 'ä'),
      minLength: 1,
      maxLength: 3,
    })
    const chain = fc.array(fc.record({ sub: word, issuer: fc.oneof(fc.constant(ISSUER), word) }), {
      minLength: 1,
      maxLength: 2,
    })
    const written = (actors: readonly { sub: string; issuer: string }[]) =>
      headersOf({ agent: agentOf({ actors }) }).delegation ?? ''
    fc.assert(
      fc.property(chain, chain, (a, b) => {
        expect(written(a)).toMatch(/^[\x21-\x7e]+$/)
        expect(written(a) === written(b)).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
      tries(100),
    )
  })

  it('has the prefix of the policy', () => {
    const policy = policyOf([], { gate: gateOf({ identityPrefix: 'x-acme-' }) })
    const names = identityHeaders(factsOf({ policy })).map(([name]) => name)
    expect(names.filter((name) => !name.startsWith('x-acme-'))).toEqual([])
    expect(names).toContain('x-acme-grant')
  })

  describe('of claims', () => {
    const header = (name: string, ...path: readonly string[]): ClaimHeader => ({
      header: name,
      path,
    })
    const told = (
      claims: Record<string, unknown>,
      { gate = [], route = [] }: Record<string, readonly ClaimHeader[]>,
    ) =>
      identityHeaders(
        factsOf({
          access: accessOf({ claims: claims as ReturnType<typeof accessOf>['claims'] }),
          policy: policyOf([], { gate: gateOf({ identityHeaders: gate }) }),
          route: routeOf('GET /x', { forwardClaims: route }),
        }),
      ).filter(([name]) => !name.startsWith('x-agent-'))

    it("are those of the gate, then the rule's", () => {
      const gate = [header('X-Forwarded-User', 'sub')]
      const route = [header('X-Tenant', 'org', 'id'), header('X-Groups', 'groups')]
      const claims = { sub: 'Zoë', org: { id: 7 }, groups: ['a b', 'c'] }
      expect(told(claims, { gate, route })).toEqual([
        ['X-Forwarded-User', 'Zo%C3%AB'],
        ['X-Tenant', '7'],
        ['X-Groups', 'a%20b,c'],
      ])
    })

    it('are none for what the token does not say', () => {
      const gate = [header('X-User', 'sub')]
      expect(told({}, { gate, route: [header('X-Org', 'org')] })).toEqual([])
    })
  })
})
