import { describe, expect, it } from 'vitest'
import { recordOf } from '../../../src/gate/app/record.ts'
import { denials } from '../../../src/gate/base/denial.ts'
import type { Decision } from '../../../src/gate/guard/guard.ts'
import type { McpMessage } from '../../../src/gate/model/mcp.ts'
import { accessOf, agentOf, credentialOf, ISSUER, issuerOf, routeOf } from '../../kit/facts.ts'
import { callOf, operationOf } from '../../kit/mcp-facts.ts'

const deny = denials({
  refused: ['forbidden', 'It is refused', 'Do not ask'],
  broken: ['badOrigin', 'The origin is broken', 'Wait'],
})

type Mode = 'enforce' | 'shadow'

const known = (mode: Mode) => ({ route: routeOf('GET /x', { mode }) })
const decisionOf = (outcome: Decision['outcome'], mode: Mode = 'enforce', more: object = {}) =>
  ({
    outcome,
    known: { ...known(mode), ...more },
    waits: {},
    ...(outcome === 'denied' && { denial: deny('refused') }),
  }) as unknown as Decision

const ALLOWED = decisionOf('passed')

const lineOf = (...given: Parameters<typeof recordOf>) => JSON.parse(recordOf(...given))

describe('recordOf', () => {
  const context = { id: 'id', time: 0, requestId: 'request-1' }
  const row = (decision: Decision, denial?: 'broken') =>
    lineOf(decision, { ...context, denial: denial && deny(denial) })

  it.each<[string, Decision, 'broken' | undefined, object]>([
    ['allowed', ALLOWED, undefined, { decision: 'allowed', mode: 'enforce' }],
    ['denied', decisionOf('denied'), undefined, { decision: 'denied', code: 'refused' }],
    [
      'denied, but let through',
      decisionOf('denied', 'shadow'),
      undefined,
      { decision: 'allowed', code: 'refused', would_deny: true, mode: 'shadow' },
    ],
    [
      'let through to a broken origin',
      decisionOf('denied', 'shadow'),
      'broken',
      { decision: 'denied', code: 'broken', would_deny: true, mode: 'shadow' },
    ],
    [
      'allowed in shadow mode',
      decisionOf('passed', 'shadow'),
      undefined,
      { decision: 'allowed', mode: 'shadow' },
    ],
    ['allowed to a broken origin', ALLOWED, 'broken', { decision: 'denied', code: 'broken' }],
  ])('%s', (_name, decision, denial, expected) => {
    const { decision: said, code, would_deny, mode } = row(decision, denial)
    expect({ decision: said, code, would_deny, mode }).toEqual({ mode: 'enforce', ...expected })
  })

  it.each<Mode>(['enforce', 'shadow'])('claims nothing unverified in mode %s', (mode) => {
    const credential = credentialOf({ claimedIssuer: 'i'.repeat(500), kid: 'k'.repeat(500) })
    const line = row(decisionOf('denied', mode, { credential, issuer: issuerOf() }))
    expect(line).toMatchObject({ claimed_issuer: 'i'.repeat(128), claimed_kid: 'k'.repeat(128) })
    for (const name of ['issuer', 'kid', 'agent', 'client', 'jti', 'subject', 'workflow']) {
      expect(line[name]).toBeUndefined()
    }
    const token = { issuer: issuerOf(), key: { kid: 'key-1' } }
    const verified = { token, access: accessOf(), agent: agentOf({ workflowId: 'run-1' }) }
    const named = row(decisionOf('denied', mode, { credential, issuer: issuerOf(), ...verified }))
    expect(named).toMatchObject({
      issuer: ISSUER,
      kid: 'key-1',
      agent: 'planner',
      client: 'app',
      jti: 'token-1',
      subject: 'alice',
      workflow: 'run-1',
    })
    expect(named).not.toHaveProperty('claimed_issuer')
    expect(named).not.toHaveProperty('claimed_kid')
  })
})

describe('what was asked of an MCP server', () => {
  const written = (operation: object) =>
    lineOf(decisionOf('passed', 'enforce', { operation }), { id: 'i', time: 0, requestId: 'r' }).mcp
  const call = (name: string): McpMessage => ({
    ...callOf(name, { secret: 'hush' }),
    params: { secret: 'hush' },
  })

  it.each<[object, unknown]>([
    [{ kind: 'http', method: 'POST' }, undefined],
    [
      operationOf([call('x'.repeat(300)), { method: 'y'.repeat(300) }]),
      {
        batch: [{ method: 'tools/call', name: 'x'.repeat(128) }, { method: 'y'.repeat(128) }],
        revision: '2025-11-25',
      },
    ],
    [
      operationOf([
        {
          id: 1,
          method: 'resources/read',
          use: { kind: 'resources', name: 'https://h.example/x?sig=hush#hush', arguments: {} },
        },
      ]),
      { method: 'resources/read', name: 'https://h.example/x', revision: '2025-11-25' },
    ],
    [operationOf([], { method: 'GET' }), { revision: '2025-11-25' }],
    [{ kind: 'mcp', method: 'POST', messages: [{ id: 4 }] }, undefined],
  ])('%j is written as %j', (operation, expected) => {
    const mcp = written(operation)
    expect(mcp).toEqual(expected)
    expect(JSON.stringify(mcp) ?? '').not.toContain('hush')
  })

  it('has a bound, and counts what it leaves out', () => {
    const more = Array.from({ length: 256 }, (_, i) => ({
      ...{ kind: 'resources', name: `a:${i}${'x'.repeat(120)}`, arguments: {} },
    })) as unknown as McpMessage[]
    const long = more.map((_, i) => call(`${i}${'x'.repeat(120)}`))
    const subscription = { id: 1, method: 'subscriptions/listen', more } as unknown as McpMessage
    type Bounded = { more: unknown[]; more_left_out: number; batch: unknown[]; left_out: number }
    const one = written(operationOf([subscription])) as Bounded
    const many = written(operationOf([...long, call('0')])) as Bounded
    expect(one.more.length + one.more_left_out).toBe(256)
    expect(many.batch.length + many.left_out).toBe(257)
    // A short name that comes last has room.
    expect(many.batch.at(-1)).toEqual({ method: 'tools/call', name: '0' })
    for (const mcp of [one, many]) expect(JSON.stringify(mcp).length).toBeLessThan(3_200)
  })
})
