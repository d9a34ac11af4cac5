import { describe, expect, it } from 'vitest'
import { originHeaders } from '../../../src/gate/relay/origin-headers.ts'
import { addressOf, admissionFor, policyOf, routeOf } from '../../kit/facts.ts'
import { passed } from '../../kit/forwarded.ts'

interface Asked {
  readonly inbound?: readonly (readonly [name: string, value: string])[]
  readonly grant?: readonly string[]
  readonly session?: string
  readonly clientIp?: string
}

/** What an origin is told of an allowed request under a rule. */
const told = (
  route: object,
  { inbound = [], grant = ['docs:read'], session, clientIp }: Asked = {},
) => {
  const policy = policyOf()
  const rule = routeOf('* /*', route)
  const operation = { kind: 'mcp', messages: [], isBatch: false, ...(session && { session }) }
  const known = { policy, route: rule, admission: admissionFor(), grant, operation } as object
  const headers = new Headers([['authorization', 'Bearer t'], ...inbound.map(([...pair]) => pair)])
  return [
    ...originHeaders({ method: 'GET', headers }, undefined, {
      policy,
      route: rule,
      address: addressOf('https://api.example.com/x'),
      decision: passed(known),
      requestId: 'request-1',
      clientIp,
    }),
  ]
}

describe('what an origin is told', () => {
  it('has the address of the caller from the configured source, and from nowhere else', () => {
    const inbound = [['x-forwarded-for', '192.0.2.9']] as const
    const addresses = (asked: Asked) =>
      told({}, asked).flatMap(([name, value]) => (name === 'x-forwarded-for' ? [value] : []))
    expect(addresses({ inbound, clientIp: '192.0.2.1' })).toEqual(['192.0.2.1'])
    expect(addresses({ inbound })).toEqual([])
  })

  it('has each line of Set-Cookie, which is no list', () => {
    const lines = [
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=1'],
    ] as const
    expect(told({}, { inbound: lines }).filter(([name]) => name === 'set-cookie')).toEqual(lines)
  })

  it('has no session of an MCP server that a rule injects', () => {
    const names = told({ mcp: {}, inject: [['mcp-session-id', 'own']] }).map(([name]) => name)
    expect(names).not.toContain('mcp-session-id')
  })

  it('has the scopes and the session of its own operation', () => {
    const inbound = [['mcp-session-id', 'sealed']] as const
    const about = (more: Asked) =>
      told({ mcp: {} }, { inbound, ...more }).filter(([name]) =>
        ['mcp-session-id', 'x-agent-grant'].includes(name),
      )
    expect(about({ grant: ['docs:read', 'tools:call'], session: 'one' })).toEqual([
      ['mcp-session-id', 'one'],
      ['x-agent-grant', 'docs:read tools:call'],
    ])
    expect(about({ grant: [], session: 'two' })).toEqual([['mcp-session-id', 'two']])
  })
})
