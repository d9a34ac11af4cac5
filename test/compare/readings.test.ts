import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import { GATE, policy, type Vars } from '../gate/policy/support.ts'
import { tries } from '../kit/property.ts'
import { type Caller, combinations, explore, policyOrNone, widening } from './brute.ts'

const ACME = 'https://auth.acme.example'
const OWN = 'request.params.id == agent.id'

const vars = (...ROUTES: readonly object[]): Vars => ({
  ISSUERS: { acme: { issuer: ACME, audiences: ['urn:x'], agent_id: 'sub' } },
  GATE,
  ROUTES: ROUTES.map((one) => ({ scopes: [], origin: 'https://origin.example.com', ...one })),
})

const segments = ['alice', 'bob']
const requests = [
  '/a',
  ...segments.flatMap((one) =>
    segments.flatMap((other) => [
      `/a/${one}/${other}`,
      `/agents/${one}/${other}`,
      `/agents/${one}/notes/${other}`,
    ]),
  ),
].map((path) => ({ method: 'GET', host: 'api.example.com', path }))

const detail = (more: object): Partial<Caller> => ({
  more: { authorization_details: [{ type: 't', ...more }] },
})
const callers: readonly Caller[] = [
  {},
  detail({}),
  detail({ identifier: 'documents/alice' }),
  detail({ identifier: 'documents/bob' }),
  detail({ locations: ['https://api.example.com/a'] }),
  detail({ locations: ['https://api.example.com/b'] }),
].map((one) => ({ iss: ACME, aud: 'urn:x', scopes: [], ...one }))

const identified = (identifier: string) => ({ authorization_details: [{ type: 't', identifier }] })
const located = (resource: string, more: object = {}) => ({
  match: 'GET /a',
  resource: `https://api.example.com${resource}`,
  authorization_details: [{ type: 't', ...more }],
})

describe('the same text in another rule', () => {
  it.each<[string, string, Vars, Vars]>([
    [
      'a condition, with parameters that change places',
      'when',
      vars({ match: 'GET /a/{id}/{x}', when: OWN }),
      vars({ match: 'GET /a/{x}/{id}', when: OWN }),
    ],
    [
      'an identifier on the last part, where it was on the first',
      'authorization_details',
      vars({ match: 'GET /agents/{id}/*', ...identified('documents/{id}') }),
      vars(
        { match: 'GET /agents/{who}/notes/{id}', ...identified('documents/{id}') },
        { match: 'GET /agents/{id}/*', ...identified('documents/{id}') },
      ),
    ],
    [
      'details for another resource, which is where they may be used',
      'authorization_details',
      vars(located('/a')),
      vars(located('/b')),
    ],
  ])('is another: %s', async (_, key, one, other) => {
    for (const pair of [
      [one, other],
      [other, one],
    ] as const) {
      const [before, after] = pair.map((each) => policy(each)) as [never, never]
      // It does let through who was refused.
      expect(await widening(before, after, requests, callers)).toBeDefined()
      const found = await comparePolicies(before, after)
      const text = expect.stringMatching(
        new RegExp(`\`${key}\` is now .*, of other parts of the path`),
      )
      expect(found).toMatchObject({ ok: true, value: { widens: true } })
      expect(found.ok && found.value.changes.filter((each) => each.widens)).toMatchObject([
        { text },
      ])
    }
  })

  it.each<[string, Vars, Vars]>([
    [
      'a condition that reads no part, with parameters that change places',
      vars({ match: 'GET /a/{id}/{x}', when: 'request.method == "GET"' }),
      vars({ match: 'GET /a/{x}/{id}', when: 'request.method == "GET"' }),
    ],
    [
      'a rule for a part, which asks the same of the same part',
      vars({ match: 'GET /agents/{id}/*', when: OWN, ...identified('documents/{id}') }),
      vars(
        { match: 'GET /agents/{id}/notes/{x}', when: OWN, ...identified('documents/{id}') },
        { match: 'GET /agents/{id}/*', when: OWN, ...identified('documents/{id}') },
      ),
    ],
    [
      'details that name their locations, for another resource',
      vars(located('/a', { locations: ['https://api.example.com/a'] })),
      vars(located('/b', { locations: ['https://api.example.com/a'] })),
    ],
  ])('is the same: %s', async (_, one, other) => {
    for (const [before, after] of [
      [policy(one), policy(other)],
      [policy(other), policy(one)],
    ] as const) {
      expect(await widening(before, after, requests, callers)).toBeUndefined()
      const found = await comparePolicies(before, after)
      expect(found).toMatchObject({ ok: true })
      expect(JSON.stringify(found)).not.toMatch(/`(?:when|authorization_details)`/)
    }
  })
})

describe('text that could have been made up', () => {
  it.each<[string, object, object]>([
    ['an identifier', identified('documents/{id}'), identified('documents/any2')],
    ['a scope', { scopes: ['x:{id}'] }, { scopes: ['x:any2'] }],
    [
      'a scope of a tool',
      { mcp: { tools: { t: ['x:{id}'] } } },
      { mcp: { tools: { t: ['x:any2'] } } },
    ],
  ])('is no parameter: %s', async (_, one, other) => {
    const [made, written] = [one, other].map((keys) =>
      policy(vars({ match: 'GET,POST,DELETE /mcp/{id}', audiences: ['urn:x'], ...keys })),
    )
    if (!made || !written) throw new Error('no policies')
    for (const [before, after] of [
      [made, written],
      [written, made],
    ] as const) {
      const found = await comparePolicies(before, after)
      expect(found).toMatchObject({ ok: true, value: { widens: true } })
      expect(JSON.stringify(found)).not.toContain('cannot be part of a scope')
    }
  })
})

it('tells a part of the path from an earlier one with text behind it', async () => {
  const path = `/${[...'abcdefghi'].map((name) => `{${name}}`).join('/')}/{j}`
  const [one, other] = ['{a}0', '{j}'].map((identifier) =>
    policy(vars({ match: `GET ${path}`, ...identified(identifier) })),
  )
  if (!one || !other) throw new Error('no policies')
  expect(await comparePolicies(one, other)).toMatchObject({ ok: true, value: { widens: true } })
})

describe('against every request and caller of a small world', () => {
  const READS = [
    { when: 'request.params.p == token.run' },
    { authorization_details: [{ type: 't', identifier: 'd/{p}' }] },
  ]
  const paths = ['/{p}/{q}', '/{q}/{p}', '/a/{p}', '/{p}/a', '/{q}/{p}:go', '/{p}:go/{q}', '/{p}/*']
  const matches = fc.uniqueArray(fc.constantFrom(...paths), { minLength: 1, maxLength: 3 })
  const SEGMENTS = ['a', 'b', 'a:go', 'b:go']
  const all = combinations([SEGMENTS, SEGMENTS]).map((two) => ({
    ...{ method: 'GET', host: 'api.example.com' },
    path: `/${two.join('/')}`,
  }))
  const readers = SEGMENTS.map((run) => ({
    ...{ iss: ACME, aud: 'urn:x', scopes: [] },
    more: { run, authorization_details: [{ type: 't', identifier: `d/${run}` }] },
  }))
  const pair = fc.tuple(matches, matches, fc.constantFrom(...READS)).map(
    ([one, other, reads]) =>
      [
        { paths: one, reads },
        { paths: other, reads },
      ] as const,
  )
  const policyOf = ({ paths, reads }: { readonly paths: readonly string[]; reads: object }) =>
    policyOrNone(vars(...paths.map((path) => ({ match: `GET ${path}`, ...reads }))))
  const isWider = async (before: Policy, after: Policy) =>
    (await widening(before, after, all, readers)) !== undefined

  it('finds every widening', async () => {
    await explore({ pair, policyOf, isWider }, tries(15))
  })
})

describe('a resource that is another', () => {
  const served = (change: object) =>
    vars({ match: 'GET /a', resource: 'https://api.example.com', ...change })

  it('is told', async () => {
    const found = await comparePolicies(
      policy(served({})),
      policy(served({ resource: 'https://api.example.com/b' })),
    )
    const text = expect.stringContaining('`resource` is now https://api.example.com/b')
    expect(found).toMatchObject({
      ok: true,
      value: { widens: false, gains: [], loses: [], changes: [{ text }] },
    })
  })

  it('lets more pass where it is not of https', async () => {
    const plain = served({ resource: 'http://127.0.0.1:8787' })
    const wide = await comparePolicies(policy(served({})), policy(plain))
    const text = expect.stringContaining('`resource` is now http:')
    expect(wide).toMatchObject({ ok: true, value: { widens: true } })
    expect(wide.ok && wide.value.gains).toContainEqual(expect.objectContaining({ text }))
    const back = await comparePolicies(policy(plain), policy(served({})))
    expect(back).toMatchObject({ ok: true, value: { widens: false } })
  })

  it('is said where assertions are for it by another spelling alone', async () => {
    const [one, other] = ['https://origin.example.com', 'https://origin.example.com/'].map(
      (origin) => policy(served({ origin })),
    )
    if (!one || !other) throw new Error('no policies')
    const text =
      'GET /a: `origin` is now https://origin.example.com/ (was https://origin.example.com)'
    expect(await comparePolicies(one, other)).toMatchObject({
      ok: true,
      value: { widens: false, gains: [], loses: [], changes: [{ text }] },
    })
  })

  it('is where a service is asked', async () => {
    const [one, other] = ['https://api.example.com', 'https://admin.example.com'].map((resource) =>
      policy(served({ origin: 'service:API', resource })),
    )
    if (!one || !other) throw new Error('no policies')
    const text = expect.stringContaining('`origin` is now service:API, under another host')
    const found = await comparePolicies(one, other)
    expect(found).toMatchObject({ ok: true, value: { widens: true } })
    expect(found.ok && found.value.changes).toContainEqual(expect.objectContaining({ text }))
  })
})
