import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePolicy } from '../../../src/gate/policy/parse.ts'
import { readPolicy } from '../../../src/gate/policy/policy.ts'
import { type PolicyVars, readVars } from '../../../src/gate/policy/reading/vars.ts'
import { anyCharacter, isSoak, tries } from '../../kit/property.ts'
import { ACME, CHAT, ENV, GATE, ITEM } from './support.ts'

const WORDS = [
  ...'GATE ISSUERS ROUTES SCOPES resource origin issuer match scopes any claims jwks keys cors'.split(
    ' ',
  ),
  ...'inject delegation rate_limit single_use address_limit limit period binding actors when'.split(
    ' ',
  ),
  ...'condition mcp tools resources agent_types methods file:///a/* __proto__ constructor'.split(
    ' ',
  ),
  ...['toString', ''],
]
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.jsonValue(),
    fc.constantFrom(
      'GET /a/{id}',
      'https://a.example',
      'service:A',
      '5m',
      '$' + '{KEY}',
      'a:{id}',
      '*',
      'public',
      'token.a == 1',
      'arguments.a == 1',
      'a:{arguments.b}',
      'request.headers["x"] == ""',
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.constantFrom(...WORDS), tie('value')), { maxLength: 6 })
      .map((all) => Object.fromEntries(all)),
  ),
}))
const MCP = { match: 'GET,POST,DELETE /mcp', scopes: [], mcp: { tools: { a: ['b'] } } }
const GOOD = { GATE, ISSUERS: { acme: ACME }, ROUTES: [CHAT, ITEM, MCP], SCOPES: { a: ['b'] } }

/** More than a call takes as arguments. */
const MANY = isSoak() ? 1_000_000 : 150_000

describe('reading a policy never throws', () => {
  it('whatever the variables are', () => {
    fc.assert(
      fc.property(value, (vars) => {
        const read = parsePolicy(vars as PolicyVars, ENV)
        expect(read.ok || read.reason.length > 0).toBe(true)
      }),
      tries(60, 200),
    )
  })

  it('whatever one variable, table or key is', () => {
    const keysOf = (path: string, keys: string) =>
      keys.split(' ').map((key) => [...path.split('.'), key])
    const places = fc.constantFrom<readonly string[]>(
      ...Object.keys(GOOD).map((name) => [name]),
      ...[
        ['ISSUERS', 'acme'],
        ['ROUTES', '0'],
        ['ROUTES', '2', 'mcp', 'tools', 'a'],
      ],
      ...keysOf('ISSUERS.acme', 'jwks claims delegation agent_id typ'),
      ...keysOf('ROUTES.0', 'match scopes cors inject workflow delegation claims issuers when'),
      ...keysOf('ROUTES.0', 'revocation mcp'),
      ...keysOf('ROUTES.2.mcp', 'tools prompts resources methods revisions origins max_body'),
      ...keysOf('GATE', 'revocation hosts prefix lift origin'),
    )
    fc.assert(
      fc.property(places, value, (place, put) => {
        const vars = structuredClone(GOOD) as Record<string, unknown>
        const last = place.at(-1) ?? ''
        const holder = place
          .slice(0, -1)
          .reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, vars)
        Object.defineProperty(holder, last, { value: put, enumerable: true, configurable: true })
        parsePolicy(vars, ENV)
        readPolicy(vars, ENV)
      }),
      tries(30, 100),
    )
  })

  it('whatever a condition is', () => {
    const word = fc.constantFrom(
      ...`token agent request now . a "a" ' " [ ] ( ) { } 1 1.5 == && || ! ? : , + - in has`.split(
        ' ',
      ),
      ...'exists matches r" b" 0x 1e // true null __proto__ constructor'.split(' '),
      ...['\\\\', '\n', ' '],
    )
    const condition = fc.oneof(
      fc.string({ unit: anyCharacter, maxLength: 60 }),
      fc.array(word, { maxLength: 40 }).map((all) => all.join('')),
    )
    fc.assert(
      fc.property(condition, (when) => {
        parsePolicy({ ...GOOD, ROUTES: [{ ...CHAT, when }] }, ENV)
      }),
      tries(80, 300),
    )
  })

  it('whatever the names in an environment are', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.oneof(fc.constantFrom('ROUTES_1', 'GATE_', 'gate', 'var'), fc.string()),
          value,
        ),
        (env) => {
          readVars(env)
        },
      ),
      tries(30, 100),
    )
  })

  it.each([
    ['a great many rules', { ROUTES: Array(MANY).fill(CHAT) }],
    ['a great many broken scopes', { ROUTES: [{ ...CHAT, scopes: Array(MANY).fill(0) }] }],
    ['a name of a million characters', { ROUTES: [{ ...CHAT, ['s'.repeat(1_000_000)]: 1 }] }],
    [
      'deep nesting',
      {
        ROUTES: [
          { ...CHAT, claims: { a: JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`) } },
        ],
      },
    ],
    [
      'names of members',
      {
        ISSUERS: JSON.parse(
          '{"__proto__":{"issuer":"https://a.example"},"acme":{"__proto__":1,"issuer":"https://b.example"}}',
        ),
      },
    ],
  ])('%s', (_, change) => {
    const read = parsePolicy({ ...GOOD, ...change }, ENV)
    expect(read.ok).toBe(false)
    expect(!read.ok && read.reason[0]?.message.length).toBeLessThan(1_000)
  })

  it('reads a thousand rules in a moment', () => {
    const rules = Array.from({ length: 1_000 }, (_, i) => ({
      ...ITEM,
      match: `GET /v1/kind${i}/{id}`,
    }))
    expect(parsePolicy({ ...GOOD, ROUTES: rules }, ENV).ok).toBe(true)
  })
})
