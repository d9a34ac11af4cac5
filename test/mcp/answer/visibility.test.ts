import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AccessToken, Actor, AgentIdentity } from '../../../src/core/model/token.ts'
import { visibilityOf } from '../../../src/mcp/answer/lists.ts'
import { nameFault } from '../../../src/mcp/options/names.ts'
import { mcpFacts } from '../../kit/mcp-facts.ts'
import { tries } from '../../kit/property.ts'

/** What is named with a scope may not be used. */
const sees = (resources: Readonly<Record<string, readonly string[]>>) => {
  const { route, policy } = mcpFacts({ resources })
  const access = { scopes: [] as readonly string[] } as AccessToken
  const agent = { actors: [] as readonly Actor[] } as AgentIdentity
  return visibilityOf(route.mcp, { access, agent, params: new Map(), policy }).hasTemplate
}

const DOCS = { 'file:///docs/*': [], 'file:///docs/secret*': ['admin'] }

describe('a template of URIs', () => {
  it.each([
    'file:///docs/../etc/{x}',
    'file:///docs/%2e%2e/etc/{x}',
    'file:///docs/Secret{x}',
    'file:///docs/..{/x}',
    'file:///docs/sec{x}',
    'file:///docs/{x}',
    'file:///docs/{+x}',
    'file:///docs/{#x}',
    'file:///docs/{?x}',
    'file:///docs/S{?x}',
    'file:///docs/%73ecret/{x}',
    'file:///docs//secret{x}',
    'file:///docs\\secret{x}',
    'file:///docs/%2Fsecret{x}',
    'file:///docs/secret',
    'file:///docs/secret/{x}',
    'file:///docs/a%7{x}',
    'file:///docs/a%25{x}',
    'file:///docs/a%{x}',
    'file:///docs/a%00{x}',
    'file:///docs/.{x}',
    'file:///docs/a{x}/../{y}',
    'file:///docs/a{x}/..{/y}',
    'file:///docs/a{x}/%2E%2E/b',
    'file:///docs/ſ{x}',
    'file:///docs/a b{x}',
    'file:///docs{/x}',
    'file:///{x}',
    'FILE:///docs/a{x}',
    '{+x}',
    '',
  ])('%s is not told of where it could be what may not be used', (template) => {
    expect(sees(DOCS)(template)).toBe(false)
  })

  it.each([
    'file:///docs/a{x}',
    'file:///docs/public/{x}',
    'file:///docs/public{/x}',
    'file:///docs/public{/x*}',
    'file:///docs/public/{name}.{ext}',
    'file:///docs/public/{a}..{b}',
    'file:///docs/plan{?page,size}',
    'file:///docs/plan{#part}',
    'file:///docs/public/{+path}',
    'file:///docs/se-{x}',
    'file:///docs/%20{x}',
    'file:///docs/v1.{x}',
    'file:///docs/plan',
  ])('%s is', (template) => {
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
