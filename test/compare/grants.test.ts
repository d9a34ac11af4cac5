import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import { GATE, policy } from '../gate/policy/support.ts'
import { tries } from '../kit/property.ts'
import { type Asked, type Caller, explore, widening } from './brute.ts'

const CI = 'https://ci.example'
const ROUTES = [
  { match: 'GET /x', scopes: ['x'] },
  { match: 'GET /y', scopes: { any: ['y', 'z'] } },
  { match: 'GET /pods', scopes: [], agent_types: ['pod'] },
]
/** Takes who does not have a scope. */
const FEW = { match: 'GET /few', scopes: [], when: '!("x" in agent.scopes)' }

interface Written {
  readonly from: string
  readonly grants: readonly object[]
  readonly scopes?: object
  /** Whether tokens may have no scope that their parent lacks. */
  readonly isChild?: boolean
  readonly routes?: readonly object[]
}

const policyOf = ({ from, grants, scopes = {}, isChild = false, routes = ROUTES }: Written) =>
  policy({
    GATE,
    ISSUERS: {
      ci: {
        issuer: CI,
        scopes_from: from,
        ...(isChild && { delegation: { parent_scope: 'had' } }),
      },
    },
    GRANTS: from === 'token' ? [] : grants.map((one) => ({ issuer: 'ci', ...one })),
    SCOPES: scopes,
    ROUTES: routes,
  })

const diff = async (before: Written, after: Written) => {
  const found = await comparePolicies(policyOf(before), policyOf(after))
  if (!found.ok) throw new Error(found.reason)
  return found.value
}

const READ = { claims: { repo: '1' }, scopes: ['x'] }
const lines = async (before: Written, after: Written) => {
  const { widens, gains, loses, changes } = await diff(before, after)
  const texts = (some: typeof gains) => some.map(({ text }) => text)
  return { widens, gains: texts(gains), loses: texts(loses), changes: texts(changes) }
}

describe('grants of two policies', () => {
  it('that say the same in another order are no change', async () => {
    const grants = ['1', '2'].map((repo) => ({ claims: { repo }, scopes: ['x', 'y'] }))
    const turned = grants.toReversed().map((one) => ({ ...one, scopes: ['y', 'x'] }))
    const found = await diff({ from: 'grants', grants }, { from: 'grants', grants: turned })
    expect(found).toEqual({ widens: false, gains: [], loses: [], changes: [] })
  })

  it('tell which rules a further grant opens', async () => {
    const found = await lines({ from: 'grants', grants: [] }, { from: 'grants', grants: [READ] })
    expect(found.widens).toBe(true)
    expect(found.gains).toContain('tokens of ci with `x` may now call GET /x (was: nobody)')
  })

  it.each<[string, Written['grants'][number]]>([
    ['fits more tokens', { ...READ, claims: {} }],
    ['fits another value too', { ...READ, claims: { repo: ['1', '2'] } }],
    ['has a pattern', { ...READ, claims: { repo: { pattern: '1' } } }],
    ['gives another scope', { ...READ, scopes: ['y'] }],
    ['gives a type', { ...READ, agent_type: 'pod' }],
    ['gives an id', { ...READ, agent_id: 'x' }],
    ['reads one claim by a path that is written twice', { ...READ, claims: { '/repo': '2' } }],
  ])('widen where a grant %s', async (_name, grant) => {
    const found = await diff(
      { from: 'grants', grants: [READ] },
      { from: 'grants', grants: [grant] },
    )
    expect(found.widens).toBe(true)
  })

  it('narrow where a grant asks for more, and are then no gain', async () => {
    const grants = [{ ...READ, claims: { repo: '1', ref: 'main' } }]
    const found = await lines({ from: 'grants', grants: [READ] }, { from: 'grants', grants })
    expect(found).toMatchObject({
      widens: false,
      gains: [],
      loses: [expect.stringContaining('`grants`')],
    })
  })

  it('tell only the grants that are others', async () => {
    const other = { claims: { ref: 'main' }, scopes: ['y'] }
    const grants = [READ, { ...other, claims: { ref: ['main', 'dev'] } }]
    const found = await lines({ from: 'grants', grants: [READ, other] }, { from: 'grants', grants })
    expect(found.gains).toEqual([
      'issuer ci: `grants` is now [{"claims":{"ref":["main","dev"]},"scopes":["y"]}] (was [{"claims":{"ref":"main"},"scopes":["y"]}])',
    ])
  })

  it('widen where one is gone with which another was in conflict', async () => {
    const grants = [
      { claims: {}, scopes: [], agent_type: 'pod' },
      { claims: {}, scopes: [], agent_type: 'ci' },
    ]
    expect(
      (await diff({ from: 'grants', grants }, { from: 'grants', grants: grants.slice(0, 1) }))
        .widens,
    ).toBe(true)
  })

  it.each<[string, Partial<Written>]>([
    ['a condition reads scopes', { routes: [...ROUTES, FEW] }],
    ['a token may not have more than its parent', { isChild: true }],
    [
      'a condition on a tool reads scopes',
      {
        routes: [
          { match: 'POST /mcp', scopes: [], mcp: { tools: { x: { scopes: [], when: FEW.when } } } },
        ],
      },
    ],
  ])('widen where a scope is gone and %s', async (_name, more) => {
    const before = { from: 'both', grants: [READ], ...more }
    expect((await diff(before, { ...before, grants: [] })).widens).toBe(true)
    expect((await diff(before, { ...before, from: 'token' })).widens).toBe(true)
    expect((await diff(before, before)).widens).toBe(false)
  })

  it.each([
    ['token', 'both', true],
    ['grants', 'both', true],
    ['token', 'grants', true],
    ['grants', 'token', true],
    ['both', 'token', false],
  ])('scopes_from = %s, then %s', async (before, after, widens) => {
    expect((await diff({ from: before, grants: [] }, { from: after, grants: [] })).widens).toBe(
      widens,
    )
  })
})

const requests: readonly Asked[] = ['/x', '/y', '/pods', '/few'].map((path) => ({
  method: 'GET',
  host: 'api.example.com',
  path,
}))
const callers: readonly Caller[] = [undefined, '1', '2', '3'].flatMap((repo) =>
  [undefined, 'main', 'dev'].flatMap((ref) =>
    [[], ['x'], ['z']].flatMap((scopes) =>
      [undefined, 'pod'].map((type) => ({
        iss: CI,
        scopes,
        ...(type !== undefined && { type }),
        more: { ...(repo !== undefined && { repo }), ...(ref !== undefined && { ref }) },
      })),
    ),
  ),
)

const value = (...values: readonly string[]) =>
  fc.oneof(
    fc.constantFrom<unknown>(...values),
    fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 }),
    fc.constantFrom<unknown>({ pattern: `${values[0]}|${values[1]}` }, { pattern: '.*' }),
  )
const maybe = <Value>(one: fc.Arbitrary<Value>) => fc.option(one, { nil: undefined, freq: 2 })
const grant = fc
  .record({
    claims: fc.record({ repo: maybe(value('1', '2')), ref: maybe(value('main', 'dev')) }),
    scopes: fc.uniqueArray(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 2 }),
    agent_type: fc.constantFrom(undefined, undefined, undefined, 'pod', 'ci'),
    agent_id: fc.constantFrom(undefined, undefined, undefined, 'x:{repo}', 'y'),
  })
  .map((one) => JSON.parse(JSON.stringify(one)) as object)
const written = fc.record({
  from: fc.constantFrom('token', 'grants', 'both'),
  grants: fc.array(grant, { minLength: 1, maxLength: 3 }),
  scopes: fc.constantFrom<object>({}, { x: ['y'] }, { z: ['x'] }),
  isChild: fc.constantFrom(false, false, true),
  routes: fc.constantFrom<readonly object[]>(ROUTES, ROUTES, [...ROUTES, FEW]),
})

/** Two policies that are most often alike but for one grant or one key of it. */
const pair = fc
  .record({ one: written, other: written, how: fc.nat(6), at: fc.nat(2) })
  .map(({ one, other, how, at }): readonly [Written, Written] => {
    const grants = [...one.grants]
    const i = at % grants.length
    const [first = {}] = other.grants
    if (how === 0) return [one, other]
    if (how === 1) return [one, { ...one, from: other.from }]
    if (how === 2) grants.splice(i, 1)
    if (how === 3) grants.push(first)
    if (how === 4) grants[i] = { ...grants[i], claims: (first as { claims?: object }).claims }
    if (how === 5) grants[i] = { ...grants[i], scopes: (first as { scopes?: object }).scopes }
    if (how === 6) grants[i] = { ...first, ...grants[i] }
    return [one, { ...one, grants }]
  })

it('no change of grants is called harmless by which somebody passes who did not', async () => {
  const isWider = async (before: Policy, after: Policy) =>
    (await widening(before, after, requests, callers)) !== undefined
  await explore({ pair, policyOf, isWider }, tries(40))
})
