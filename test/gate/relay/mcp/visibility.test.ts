import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Facts } from '../../../../src/gate/guard/guard.ts'
import { nameFault } from '../../../../src/gate/policy/keys/mcp-names.ts'
import { visibilityOf } from '../../../../src/gate/relay/mcp/lists.ts'
import { accessOf, addressOf, admissionFor, agentOf, clock, requestTo } from '../../../kit/facts.ts'
import { type McpFacts, mcpFacts } from '../../../kit/mcp-facts.ts'
import { tries } from '../../../kit/property.ts'

/** What is named with a scope may not be used. */
const sees = (resources: Readonly<Record<string, readonly string[]>>) => {
  return visibilityFor(mcpFacts({ resources, list: 'allowed' })).hasTemplate
}

const visibilityFor = ({ route, policy }: McpFacts, scopes: readonly string[] = []) => {
  const request = requestTo('https://api.example.com/mcp', { method: 'POST' })
  const facts = {
    ...{ route, policy, request, params: new Map(), admission: admissionFor() },
    access: accessOf({ scopes }),
    agent: agentOf({ type: 'worker' }),
    address: addressOf(request.url),
  }
  return visibilityOf(route.mcp, facts as unknown as Facts, clock.now)
}

const TOOLS = {
  free: [],
  write: ['write'],
  both: ['connect', 'write'],
  either: { any: ['x:{arguments.id}', 'write'] },
  template: ['x:{arguments.id}'],
  included: ['y:{arguments.id}'],
  typed: { scopes: ['write'], agent_types: ['orchestrator'] },
  own_type: { scopes: ['write'], agent_types: ['worker'] },
  never: { scopes: ['write'], when: 'agent.type == "orchestrator"' },
  sometimes: { scopes: ['write'], when: 'agent.type == "orchestrator" || arguments.a == 1' },
  always: { scopes: ['write'], when: 'agent.type == "worker"' },
  failing: { scopes: ['write'], when: 'token.missing == "x"' },
  held_never: { scopes: ['connect'], when: 'agent.type == "orchestrator"' },
}

describe('a list', () => {
  const seen = (mcp: object, ...scopes: readonly string[]) => {
    const facts = mcpFacts(
      { tools: TOOLS, ...mcp },
      { scopes: ['connect'] },
      { SCOPES: { 'y:all': ['y:*'] } },
    )
    const { has } = visibilityFor(facts, scopes)
    return Object.keys(TOOLS).filter((name) => has('tools', name))
  }
  const OBTAINABLE = ['free', 'write', 'both', 'either', 'own_type', 'sometimes', 'always']

  it('shows what a wider token could use, and nothing that scopes do not help', () => {
    expect(seen({}, 'connect')).toEqual([...OBTAINABLE, 'held_never'])
  })

  it('shows only what the token may use with "allowed"', () => {
    expect(seen({ list: 'allowed' }, 'connect')).toEqual(['free', 'held_never'])
  })

  it('counts the scopes that are offered, and what they include', () => {
    expect(seen({ offered_scopes: [] }, 'connect')).toEqual(['free', 'held_never'])
    expect(seen({ offered_scopes: ['y:all'] }, 'connect')).toEqual([
      'free',
      'included',
      'held_never',
    ])
  })

  it('counts those that the token has beside those that are offered', () => {
    expect(seen({ offered_scopes: ['write'] }, 'connect', 'x:7')).toEqual(
      expect.arrayContaining([...OBTAINABLE, 'template']),
    )
  })

  it('notifies only of resources that the token may use', () => {
    const { has, hears } = visibilityFor(mcpFacts({ resources: { 'x://a': ['a'] } }))
    expect([has('resources', 'x://a'), hears('x://a')]).toEqual([true, false])
  })
})

const DOCS = { 'file:///docs/*': [], 'file:///docs/secret*': ['admin'] }
const words = (text: string) => text.trim().split(/\s+/)

describe('a template of URIs', () => {
  it.each([
    ...words(`file:///docs/../etc/{x} file:///docs/%2e%2e/etc/{x} file:///docs/Secret{x}
      file:///docs/..{/x} file:///docs/sec{x} file:///docs/{x} file:///docs/{+x} file:///docs/{#x}
      file:///docs/{?x} file:///docs/S{?x} file:///docs/%73ecret/{x} file:///docs//secret{x}
      file:///docs\\secret{x} file:///docs/%2Fsecret{x} file:///docs/secret file:///docs/secret/{x}
      file:///docs/a%7{x} file:///docs/a%25{x} file:///docs/a%{x} file:///docs/a%00{x}
      file:///docs/.{x} file:///docs/a{x}/../{y} file:///docs/a{x}/..{/y} file:///docs/a{x}/%2E%2E/b
      file:///docs/ſ{x} file:///docs{/x} file:///{x} FILE:///docs/a{x} {+x}`),
    '',
    'file:///docs/a b{x}',
  ])('%s is not told of where it could be what may not be used', (template) => {
    expect(sees(DOCS)(template)).toBe(false)
  })

  it.each(
    words(`file:///docs/a{x} file:///docs/public/{x} file:///docs/public{/x*} file:///docs/se-{x}
      file:///docs/public/{name}.{ext} file:///docs/public/{a}..{b} file:///docs/plan{?page,size}
      file:///docs/plan{#part} file:///docs/public/{+path} file:///docs/%20{x} file:///docs/v1.{x}`),
  )('%s is told of', (template) => {
    expect(sees(DOCS)(template)).toBe(true)
  })

  it.each<[Record<string, string[]>, string, boolean]>([
    // Nothing closer is barred.
    [{ 'file:///*': ['admin'], 'file:///docs/*': [] }, 'file:///docs/{x}', true],
    [{ '*': ['admin'], 'file:///docs/*': [] }, 'file:///docs/{x}', true],
    [{ 'file:///docs/*': [], 'file:///etc/*': ['admin'] }, 'file:///docs/{x}', true],
    [{ '*': [] }, '{+x}', true],
    [{ '*': [], 'file:///etc/*': ['admin'] }, '{+x}', false],
    [{ '*': [], 'file:///etc/*': ['admin'] }, 'db://{x}', true],
    // The longest pattern around it decides.
    [{ 'file:///*': [], 'file:///docs/*': ['admin'] }, 'file:///docs/{x}', false],
    [{ 'file:///*': [], 'file:///docs/*': ['admin'] }, 'file:///Docs/{x}', false],
    [{ 'file:///*': [], 'file:///docs/*': ['admin'] }, 'file:///{x}', false],
    [{ 'file:///*': [], 'file:///docs/*': ['admin'] }, 'file:///docu/{x}', true],
    // Other spellings of the same are as close.
    [{ 'file:///docs/*': [], 'file:///DOCS/*': ['admin'] }, 'file:///docs/{x}', false],
    // Whole names.
    [{ 'db://*': [], 'db://secret': ['admin'] }, 'db://{x}', false],
    [{ 'db://*': [], 'db://secret': ['admin'] }, 'db://Secret{?x}', false],
    [{ 'db://*': [], 'db://secret': ['admin'] }, 'db://secret?a={x}', false],
    [{ 'db://*': [], 'db://secret': ['admin'] }, 'db://secret/{x}', false],
    [{ 'db://*': [], 'db://secret/': ['admin'] }, 'db://secret{x}', false],
    [{ 'db://*': [], 'db://secret': ['admin'] }, 'db://secrets{x}', true],
    [{ 'db://*': [], 'db://secret': ['admin'] }, 'db://secret/a{x}', true],
    // Named itself.
    [{ ...DOCS, 'file:///docs/{x}': [] }, 'file:///docs/{x}', true],
    [{ 'file:///docs/*': [], 'file:///docs/{x}': ['admin'] }, 'file:///docs/{x}', false],
    [{ 'file:///docs/*': [], 'file:///docs/{x}': ['admin'] }, 'file:///docs/{y}', false],
    [{}, 'file:///docs/{x}', false],
  ])('by %j %s is told of: %s', (resources, template, expected) => {
    const tools = Object.keys(resources).length === 0
    expect(sees(tools ? { 'other://x': [] } : resources)(template)).toBe(expected)
  })
})

describe('what a template makes that is told of', () => {
  const step = fc.constantFrom('a', 'B', '/', '//', '.', '%2e', '%2F', '%', '%25', '41', '\\', '?')
  const text = fc.array(step, { maxLength: 4 }).map((parts) => parts.join(''))
  const names = fc.uniqueArray(
    fc
      .tuple(text, fc.boolean())
      .map(([one, isOpen]) => `x:${one}${isOpen ? '*' : ''}`)
      .filter((name) => nameFault('resources', name) === undefined),
    { minLength: 1, maxLength: 6 },
  )

  it('is never what may not be used, however it is read', () => {
    let told = 0
    fc.assert(
      fc.property(names, names, text, text, text, (open, barred, before, value, after) => {
        const resources = Object.fromEntries([
          ...barred.map((name) => [name, ['admin']]),
          ...open.map((name) => [name, []]),
        ])
        if (!sees(resources)(`x:${before}{v}${after}`)) return
        told++
        const { find } = mcpFacts({ resources }).route.mcp.names.resources
        const uri = `x:${before}${value}${after}`
        for (const one of [uri, uri.toLowerCase(), uri.replace(/[/\\]+/g, '/'), unescaped(uri)]) {
          expect(find(one)?.scopes.scopes ?? []).toEqual([])
        }
      }),
      tries(40, 150),
    )
    expect(told).toBeGreaterThan(1)
  })
})

const unescaped = (uri: string): string => {
  try {
    return decodeURIComponent(uri)
  } catch {
    return uri
  }
}
