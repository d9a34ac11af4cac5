import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Facts } from '../../../src/gate/guard/guard.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import { identityHeaders, stripInbound } from '../../../src/gate/relay/origin/headers.ts'
import { agentOf, gateOf, ISSUER, policyOf, routeOf } from '../../kit/facts.ts'
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

describe('stripInbound', () => {
  it.each([
    'agent-id',
    'x-agent',
    'x-agentid',
    'xx-agent-id',
    'content-type',
    'cfx',
    'x-http',
    'te-x',
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

describe('identityHeaders', () => {
  const factsOf = (facts: Partial<Facts>) => {
    const routeGrant = facts.grant ?? ['docs:read']
    return passed({ grant: routeGrant, routeGrant, ...facts }).known as Facts
  }
  const headersOf = (facts: Partial<Facts> = {}) =>
    Object.fromEntries(
      identityHeaders(factsOf(facts)).map(([name, value]) => [name.replace('x-agent-', ''), value]),
    )

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
})
