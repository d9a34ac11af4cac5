import { describe, expect, it } from 'vitest'
import { useCondition } from '../../../src/gate/guard/stages/condition.ts'
import type { McpNamed } from '../../../src/gate/model/mcp.ts'
import {
  accessOf,
  addressOf,
  admissionFor,
  agentOf,
  clock,
  codeOf,
  RESOURCE,
  requestTo,
} from '../../kit/facts.ts'
import { mcpFacts } from '../../kit/mcp-facts.ts'
import type { Members } from '../../kit/signing.ts'

const pay = { scopes: [], when: 'arguments.amount < 100.0 && token.tenant == "blue"' }
const TOOLS = {
  pay,
  'near_*': { scopes: [], when: 'request.country == "DE"' },
  odd: { scopes: [], when: 'arguments.list.all(one, one == "x")' },
  free: [],
}
const plain = mcpFacts({ tools: TOOLS })

const calls = (...names: readonly (readonly [string, Members?])[]): readonly McpNamed[] =>
  names.map(([name, given = {}]) => ({ kind: 'tools', name, arguments: given }))

const needs = (all: readonly McpNamed[], { route } = plain, country = 'DE') => ({
  route,
  params: new Map<string, string>(),
  address: addressOf(`${RESOURCE}/mcp`),
  request: requestTo(`${RESOURCE}/mcp`, { method: 'POST' }),
  access: accessOf({ claims: { tenant: 'blue', secret: 'hush' } }),
  agent: agentOf(),
  admission: admissionFor(),
  connection: { country },
  uses: all.map((named) => {
    const use = route.mcp.names.tools.find(named.name)
    if (!use) throw new Error(`${named.name} is not named`)
    return { use, named, message: { id: 1, method: 'tools/call', use: named } }
  }),
})
const run = async (...given: Parameters<typeof needs>) =>
  useCondition.run(needs(...given), { clock })

describe('the conditions of what is used', () => {
  it('ask nothing, not even the time, where there are none', () => {
    const asked = {
      now: () => {
        throw new Error('asked')
      },
    }
    const outcome = useCondition.run(needs(calls(['free'])), { clock: asked })
    expect(outcome).toEqual({ ok: true, value: { evaluatedUses: undefined } })
  })

  it.each<[string, readonly McpNamed[], string]>([
    ['ok', calls(['pay', { amount: 99.5 }]), 'DE'],
    ['ok', calls(['near_x'], ['free']), 'DE'],
    ['condition_failed', calls(['near_x']), 'AT'],
    ['condition_failed', calls(['pay', { amount: 100 }]), 'DE'],
    ['condition_error', calls(['pay']), 'DE'],
    ['condition_error', calls(['pay', { amount: '5' }]), 'DE'],
    ['condition_error', calls(['pay', { amount: null }]), 'DE'],
    ['condition_error', calls(['pay', { amount: [5] }]), 'DE'],
    ['condition_error', calls(['pay', Object.create({ amount: 5 })]), 'DE'],
    ['ok', calls(['odd', { list: ['x'] }]), 'DE'],
    ['condition_error', calls(['odd', { list: 'x' }]), 'DE'],
    ['condition_error', calls(['odd', { list: Array(5_000).fill('x') }]), 'DE'],
    // Each call is judged by its own arguments.
    ['condition_failed', calls(['pay', { amount: 5 }], ['pay', { amount: 500 }]), 'DE'],
    ['condition_failed', calls(['pay', { amount: 500 }], ['pay', { amount: 5 }]), 'DE'],
    ['ok', calls(['pay', { amount: 5 }], ['pay', { amount: 6 }]), 'DE'],
  ])('%s for %j', async (code, all, country) => {
    expect(codeOf((await run(all, plain, country)) as never)).toBe(code)
  })

  it('name tool and operand, and nothing of the arguments', async () => {
    const given = { amount: 500, note: 'hush' }
    const outcome = await run(calls(['free'], ['pay', given]))
    expect(outcome).toMatchObject({
      reason: {
        code: 'condition_failed',
        detail: { tool: 'pay', operand: 'arguments.amount < 100.0' },
        params: { ofCall: true },
      },
    })
    expect(JSON.stringify((outcome as { reason: unknown }).reason)).not.toMatch(/hush|500/)
    const broken = await run(calls(['pay', { amount: 'hush' }]))
    expect(broken).toMatchObject({
      reason: { code: 'condition_error', detail: { tool: 'pay' }, params: { ofCall: true } },
    })
    expect(JSON.stringify((broken as { reason: unknown }).reason)).not.toContain('hush')
  })

  it('are shown to whoever traces, as far as they were judged', async () => {
    const given = needs(calls(['pay', { amount: 500 }], ['near_x']))
    const outcome = useCondition.run(given, { clock }) as { value: object }
    const shown = useCondition.missed?.({ ...given, ...outcome.value } as never) as {
      operands: readonly { source: string }[]
    }
    expect(shown.operands.map(({ source }) => source)).toEqual([
      'arguments.amount < 100.0',
      'token.tenant == "blue"',
    ])
  })
})
