import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SentHeaders } from '../../../src/gate/base/request.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import { originHeaders } from '../../../src/gate/relay/origin-headers.ts'
import { addressOf, admissionFor, policyOf, routeOf } from '../../kit/facts.ts'
import { passed } from '../../kit/forwarded.ts'
import { tries } from '../../kit/property.ts'

const GATE = 'https://api.example.com'

interface Asked {
  readonly inbound: readonly (readonly [name: string, value: string])[]
  readonly method?: string
  readonly url?: string
  readonly clientIp?: string | undefined
  readonly grant?: readonly string[]
  readonly session?: string
}

/** Tells an origin of requests that fall under one rule, with an admission that is remembered or is not. */
const teller = (route: Partial<Route>, remembered: boolean) => {
  const policy = policyOf()
  // One token, whose header an admission is found by.
  const admission = Object.assign(admissionFor(), remembered && { counted: () => {} })
  return ({ inbound, method = 'GET', url = `${GATE}/x`, clientIp, ...more }: Asked) => {
    const { grant = ['docs:read'], session } = more
    const rule = routeOf('* /*', route)
    const operation = { kind: 'mcp', messages: [], isBatch: false, ...(session && { session }) }
    const known = { policy, route: rule, admission, grant, operation } as object
    const sent = new Headers([['authorization', 'Bearer t'], ...inbound.map(([...pair]) => pair)])
    const { headers, giveBack } = originHeaders(
      // As the gate does; the library is given a request.
      { method, headers: remembered ? new SentHeaders(sent) : sent },
      undefined,
      {
        policy,
        route: rule,
        address: addressOf(url),
        decision: passed(known),
        requestId: 'request-1',
        clientIp,
      },
    )
    const told = [...headers]
    giveBack?.()
    return told
  }
}

const NAMES = [
  'accept',
  'accept-charset',
  'range',
  'content-type',
  'cookie',
  'traceparent',
  'x-custom',
  'connection',
  'upgrade',
  'host',
  'via',
  'cache-control',
  'x-agent-id',
  'x-agent-grant',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-request-id',
  'mcp-session-id',
  'accept-encoding',
  'x-injected',
]
/** What the gate itself may say under one of these names, and what it never says. */
const VALUES = [
  'a',
  'b',
  'a, b',
  'close, x-custom',
  'keep-alive',
  'websocket',
  'é',
  '',
  '1.1 edgewarden',
  'no-cache, no-store',
  'docs:read',
  'acme/agent-1',
  'api.example.com',
  'identity',
  'secret',
]

const around = fc.record({
  method: fc.constantFrom('GET', 'GET', 'POST'),
  url: fc.constantFrom(`${GATE}/x`, `${GATE}/x`, 'http://api.example.com/x', 'https://b.example/x'),
  clientIp: fc.constantFrom(undefined, '192.0.2.1', '192.0.2.2'),
  grant: fc.constantFrom(['docs:read'], ['docs:read', 'tools:call'], []),
  session: fc.constantFrom('', 'session-1', 'session-2'),
})
const value = fc.constantFrom(...VALUES)

/** Requests with the same names, a few values of which change; and then others. */
const series: fc.Arbitrary<readonly Asked[]> = fc
  .uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 })
  .chain((names) => {
    const alike = fc.record({ values: fc.tuple(...names.map(() => value)), around })
    return fc.array(alike, { minLength: 2, maxLength: 4 }).map((all) =>
      all.map(({ values, around }) => ({
        inbound: names.map((name, i) => [name, values[i] ?? ''] as const),
        ...around,
      })),
    )
  })

const inject = [['x-injected', 'secret']] as const
const RULES: readonly Partial<Route>[] = [
  {},
  { forwardToken: true },
  { access: 'optional', inject },
  { inject, secrets: ['secret'] } as object,
  { mcp: {} } as object,
]

describe('what an origin is told after an earlier request of the same admission', () => {
  it.each(RULES.map((rule, i) => [i, rule] as const))(
    'is what it is told first (rule %i)',
    (_, rule) => {
      fc.assert(
        fc.property(series, series, (some, others) => {
          const again = teller(rule, true)
          for (const one of [...some, ...others, ...some]) {
            expect(again(one)).toEqual(teller(rule, false)(one))
          }
        }),
        tries(60, 300),
      )
    },
  )

  it.each<[string, readonly (readonly [string, string])[]]>([
    ['a changed value', [['accept', 'b']]],
    [
      'what the gate says itself',
      [
        ['accept', 'a'],
        ['x-agent-grant', 'admin'],
      ],
    ],
    [
      'a name that ends at the gate',
      [
        ['accept', 'a'],
        ['connection', 'accept'],
      ],
    ],
  ])('is not what an earlier one sent: %s', (_, inbound) => {
    const again = teller({}, true)
    again({ inbound: [['accept', 'a']] })
    again({
      inbound: [
        ['accept', 'a'],
        ['x-agent-grant', 'docs:read'],
      ],
    })
    again({
      inbound: [
        ['accept', 'a'],
        ['connection', 'keep-alive'],
      ],
    })
    expect(again({ inbound })).toEqual(teller({}, false)({ inbound }))
  })

  it('is what was told before, where two requests take turns', () => {
    const one: Asked = { inbound: [['accept', 'a']], clientIp: '192.0.2.1' }
    const two: Asked = { inbound: [['accept', 'b']] }
    const again = teller({}, true)
    for (const asked of [one, one, one, two, one, two, two, one]) {
      expect(again(asked)).toEqual(teller({}, false)(asked))
    }
  })

  it('has each line of Set-Cookie, which is no list', () => {
    const again = teller({}, true)
    const lines = (...values: readonly string[]) => ({
      inbound: values.map((value) => ['set-cookie', value] as const),
    })
    const two = lines('a=1', 'b=1')
    for (const one of [two, two, lines('a=1, b=1'), two, lines('a=2', 'b=1')]) {
      expect(again(one)).toEqual(teller({}, false)(one))
    }
  })

  it('has no session of an MCP server that a rule injects', () => {
    const again = teller({ mcp: {}, inject: [['mcp-session-id', 'own']] } as object, true)
    for (let i = 0; i < 3; i++) {
      expect(again({ inbound: [] }).map(([name]) => name)).not.toContain('mcp-session-id')
    }
  })

  it('has the scopes and the session of its own operation', () => {
    const again = teller({ mcp: {} } as object, true)
    const inbound = [['mcp-session-id', 'sealed']] as const
    const told = (more: Partial<Asked>) =>
      again({ inbound, ...more }).filter(([name]) =>
        ['mcp-session-id', 'x-agent-grant'].includes(name),
      )
    expect(told({ grant: ['docs:read', 'tools:call'], session: 'one' })).toEqual([
      ['mcp-session-id', 'one'],
      ['x-agent-grant', 'docs:read tools:call'],
    ])
    expect(told({ grant: ['docs:read'] })).toEqual([['x-agent-grant', 'docs:read']])
    expect(told({ grant: [], session: 'two' })).toEqual([['mcp-session-id', 'two']])
  })
})
