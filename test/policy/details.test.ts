import { describe, expect, it } from 'vitest'
import type { AuthenticationRule } from '../../src/gate/model/route.ts'
import { showPolicy } from '../../src/gate/policy/show.ts'
import { CHAT, ITEM, mistakes, policy, rule } from './support.ts'

const item = (changes: object) => ({ ROUTES: [{ ...ITEM, ...changes }] })
const detail = (...entries: readonly unknown[]) => item({ authorization_details: entries })

const FULL = {
  type: 'document',
  actions: ['read', 'list'],
  locations: ['https://api.example.com'],
  datatypes: ['pdf'],
  identifier: 'urn:documents:{id}',
  privileges: ['reader'],
}

describe('authorization_details', () => {
  it('are read, with the parameters of their identifiers', () => {
    const { authorizationDetails } = rule(detail(FULL, { type: 'tool' }), '/v1/items/7', 'GET')
    expect(authorizationDetails).toEqual([
      {
        ...FULL,
        identifier: { source: FULL.identifier, parts: ['urn:documents:', 'id', ''] },
      },
      { type: 'tool' },
    ])
    expect(Object.isFrozen(authorizationDetails)).toBe(true)
  })

  it('are shown as they are written', () => {
    const vars = detail(FULL, { type: 'tool', identifier: 'any text, ü "too"' })
    const [shown] = showPolicy(policy(vars)).routes
    expect(shown?.authorization_details).toEqual([
      FULL,
      { type: 'tool', identifier: 'any text, ü "too"' },
    ])
    expect(showPolicy(policy()).routes[0]).not.toHaveProperty('authorization_details')
  })

  it('name their types in the metadata of the resource, each once', () => {
    const other = { ...CHAT, resource: 'https://api.example.com/chat' }
    const ROUTES = [
      { ...ITEM, authorization_details: [FULL, { type: 'tool' }] },
      { ...ITEM, match: 'PUT /v1/items/{id}', authorization_details: [{ type: 'tool' }] },
      { ...other, authorization_details: [{ type: 'chat' }] },
    ]
    const { resources } = policy({ ROUTES })
    expect([...resources.values()].map(({ detailTypes }) => detailTypes)).toEqual([
      ['document', 'tool'],
      ['chat'],
    ])
    expect(policy().resources.get('https://api.example.com')?.detailTypes).toEqual([])
  })

  const at = 'ROUTES[0].authorization_details'
  it.each([
    ['no list', item({ authorization_details: FULL }), `${at}: must be a list`],
    ['an empty list', detail(), `${at}: must not be an empty list`],
    ['no table', detail('document'), `${at}[0]: must be a table`],
    ['no type', detail({ actions: ['read'] }), `${at}[0].type: is required`],
    ['an empty type', detail({ type: '' }), `${at}[0].type: must be non-empty text`],
    ['an unknown key', detail({ type: 'a', action: ['r'] }), `${at}[0].action: unknown key`],
    ['an action alone', detail({ type: 'a', actions: 'r' }), `${at}[0].actions: must be a list`],
    ['no action', detail({ type: 'a', actions: [] }), `${at}[0].actions: must not be an empty`],
    ['a number', detail({ type: 'a', locations: [7] }), `${at}[0].locations[0]: must be a string`],
    [
      'a parameter the path has not',
      detail(FULL, { type: 'a', identifier: 'x:{ids}' }),
      `${at}[1].identifier: \`x:{ids}\`: unknown path parameter \`ids\`; did you mean \`id\`?`,
    ],
    [
      'a broken hole',
      detail({ type: 'a', identifier: '{id' }),
      `${at}[0].identifier: \`{id\`: a path`,
    ],
    [
      'two parameters side by side',
      {
        ROUTES: [
          {
            match: 'GET /a/{x}/{y}',
            scopes: [],
            authorization_details: [{ type: 'a', identifier: '{x}-{y}' }],
          },
        ],
      },
      `${at}[0].identifier: \`{x}-{y}\`: put a character like :`,
    ],
    ['an empty identifier', detail({ type: 'a', identifier: '' }), `${at}[0].identifier: must be`],
  ])('mistake: %s', (_, vars, says) => {
    const lines = mistakes(vars)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(says)
  })

  it('hide no mistake of one another', () => {
    const wrong = { type: 'a', identifier: 'x:{nope}' }
    const lines = mistakes(detail({ type: 'a', foo: 1 }, wrong, 7, { ...wrong, bar: 1 }))
    expect(lines.map((line) => line.split(/(?<=`)[.:] |\n|\. /)[0]).toSorted()).toEqual([
      `${at}[0].foo: unknown key \`foo\``,
      `${at}[1].identifier: \`x:{nope}\``,
      `${at}[2]: must be a table`,
      `${at}[3].bar: unknown key \`bar\``,
      `${at}[3].identifier: \`x:{nope}\``,
    ])
  })
})

describe('acr_values and max_age', () => {
  interface Written {
    readonly acr_values?: readonly string[]
    readonly max_age?: string
  }

  it.each<[Written, AuthenticationRule | undefined]>([
    [{ acr_values: ['urn:x:mfa', 'phr'] }, { acrValues: ['urn:x:mfa', 'phr'] }],
    [{ max_age: '5m' }, { maxAge: 300 }],
    [
      { acr_values: ['phr'], max_age: '1s' },
      { acrValues: ['phr'], maxAge: 1 },
    ],
    [{}, undefined],
  ])('%j is read, and shown', (written, expected) => {
    const vars = item(written)
    expect(rule(vars, '/v1/items/7', 'GET').authentication).toEqual(expected)
    const { acr_values: values, max_age: age } = showPolicy(policy(vars)).routes[0] ?? {}
    expect({ acr_values: values, max_age: age }).toEqual({
      acr_values: written.acr_values,
      max_age: expected?.maxAge && `${expected.maxAge}s`,
    })
  })

  const bad = 'ROUTES[0].acr_values[0]: '
  it.each([
    [{ acr_values: ['a b'] }, `${bad}\`a b\` cannot be sent in a challenge`],
    [{ acr_values: ['a"b'] }, `${bad}\`a\\"b\` cannot be sent`],
    [{ acr_values: ['a\\b'] }, `${bad}\`a\\\\b\` cannot be sent`],
    [{ acr_values: ['ü'] }, `${bad}\`ü\` cannot be sent`],
    [{ acr_values: ['a\u0000'] }, `${bad}\`a\\u0000\` cannot be sent`],
    [{ acr_values: [''] }, `${bad}\`\` cannot be sent`],
    [{ acr_values: [] }, 'ROUTES[0].acr_values: must not be an empty list'],
    [{ acr_values: 'phr' }, 'ROUTES[0].acr_values: must be a list'],
    [{ max_age: '0s' }, 'ROUTES[0].max_age: '],
    [{ max_age: '1500ms' }, 'ROUTES[0].max_age: must be whole seconds'],
    [{ max_age: 300 }, 'ROUTES[0].max_age: is a number without a unit: write "300s"'],
  ])('mistake: %j', (written, says) => {
    const lines = mistakes(item(written))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(says)
  })
})

it.each([
  ['authorization_details', [{ type: 'a' }]],
  ['acr_values', ['phr']],
  ['max_age', '5m'],
])('%s has no place on a public rule', (key, value) => {
  const ROUTES = [{ match: 'GET /open', access: 'public', [key]: value }]
  expect(mistakes({ ROUTES })).toEqual([
    `ROUTES[0].${key}: has no effect on a public rule, which reads no token; remove it`,
  ])
})
