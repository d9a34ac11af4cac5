import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import { compareShown } from '../../src/compare/shown.ts'
import type { JsonObject } from '../../src/gate/base/json.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import { parsePolicy } from '../../src/gate/policy/parse.ts'
import { showPolicy } from '../../src/gate/policy/show.ts'
import { BOUND, PLACES, type Place, withValue } from '../gate/policy/places.ts'
import { ACME, CHAT, GATE, ITEM, policy, type Vars } from '../gate/policy/support.ts'

/** A policy as the audit stores it. */
const shown = (one: Policy): JsonObject => JSON.parse(JSON.stringify(showPolicy(one)))

const linesOf = (before: Policy, after: Policy): readonly string[] => {
  const compared = compareShown(shown(before), shown(after))
  return (['gains', 'loses', 'changes'] as const).flatMap((side) =>
    compared[side].map(({ text }) => `${side}: ${text}`),
  )
}

const lines = (before: Vars, after: Vars) => linesOf(policy(before), policy(after))

const withKey = (place: Place, value: unknown): Policy | undefined => {
  const read = parsePolicy(withValue(place, value), BOUND)
  return read.ok ? read.value.policy : undefined
}

/** Keys that are shown, with a policy that lacks each and one that has its example. */
const CASES = PLACES.flatMap((place) => {
  const [without, having] = [withKey(place, undefined), withKey(place, place.example)]
  const isShown =
    without && having && JSON.stringify(shown(without)) !== JSON.stringify(shown(having))
  return isShown ? [{ name: `${place.table}.${place.key}`, without, having }] : []
})

describe('two policies as they are shown', () => {
  it('are the same if nothing differs', () => {
    expect(lines({}, {})).toEqual([])
  })

  it('have most keys', () => {
    expect(CASES.length).toBeGreaterThan(100)
  })

  it.each(CASES)('differ if $name does', ({ without, having }) => {
    expect(linesOf(without, having)).not.toEqual([])
    expect(linesOf(having, without)).not.toEqual([])
  })

  it.each([
    ['GATE', { GATE: { ...GATE, clock_tolerance: '60s', mode: 'shadow' } }],
    ['an assertion', { GATE: { ...GATE, assertion: { binding: 'request', withdrawn: [] } } }],
    ['an issuer', { ISSUERS: { acme: { ...ACME, max_lifetime: '5m', typ: ['jwt'] } } }],
    ['a rule', { ROUTES: [{ ...CHAT, max_lifetime: '5m', revocation: 'strict', timeout: '1s' }] }],
  ] as const)('have the words of diff for %s', async (_, change) => {
    const compared = await comparePolicies(policy(), policy(change))
    if (!compared.ok) throw new Error(compared.reason)
    const { gains, loses, changes } = compared.value
    const settings = [...gains, ...loses, ...changes].filter(({ text }) => text.includes('is now'))
    expect(settings).not.toEqual([])
    const found = compareShown(shown(policy()), shown(policy(change)))
    expect([...found.gains, ...found.loses, ...found.changes]).toEqual(
      expect.arrayContaining(settings),
    )
  })

  it('have rules that come, go, need other scopes, and move', () => {
    expect(lines({ ROUTES: [CHAT] }, { ROUTES: [CHAT, ITEM] })).toEqual([
      'changes: GET /v1/items/{id}: is new',
    ])
    expect(lines({ ROUTES: [CHAT, ITEM] }, { ROUTES: [ITEM] })).toEqual([
      'changes: POST /v1/chat: is removed',
    ])
    expect(lines({}, { ROUTES: [{ ...CHAT, scopes: ['chat:read'] }] })).toEqual([
      'changes: POST /v1/chat: `scopes` is now ["chat:read"] (was ["chat:write"])',
    ])
    expect(lines({ ROUTES: [CHAT, ITEM] }, { ROUTES: [ITEM, CHAT] })).toEqual([
      'changes: ROUTES: the rules are in another order',
    ])
  })

  it('have the same rule on two hosts, each by its host', () => {
    const hosts = ['api.example.com', 'b.example.com']
    const on = (scope: string) => ({
      GATE: { ...GATE, hosts },
      ROUTES: [
        { ...CHAT, host: 'api.example.com' },
        { ...CHAT, host: 'b.example.com', scopes: [scope] },
      ],
    })
    expect(lines(on('a'), on('b'))).toEqual([
      'changes: POST /v1/chat on b.example.com: `scopes` is now ["b"] (was ["a"])',
    ])
  })

  it('have issuers, scopes and grants', () => {
    const other = { issuer: 'https://auth.other.example', agent_prefix: 'o/' }
    const acme = { ...ACME, agent_prefix: 'acme/' }
    expect(lines({ ISSUERS: { acme } }, { ISSUERS: { acme, other } })).toContain(
      'changes: issuer other: is new',
    )
    expect(
      lines({ SCOPES: { 'chat:all': ['chat:write'] } }, { SCOPES: { 'chat:all': ['chat:*'] } }),
    ).toEqual([
      'gains: SCOPES: `chat:all` is now ["chat:*"] (was ["chat:write"])',
      'loses: SCOPES: `chat:all` is now ["chat:*"] (was ["chat:write"])',
    ])
    const granted = (...scopes: readonly string[]) => ({
      ISSUERS: { acme: { ...ACME, scopes_from: 'grants' } },
      GRANTS: scopes.map((scope) => ({ issuer: 'acme', claims: { team: scope }, scopes: [scope] })),
    })
    // Only what is new is said, wherever it is written.
    expect(lines(granted('chat:write'), granted('chat:read', 'chat:write'))).toEqual([
      'gains: issuer acme: `grants` is now [{"claims":{"team":"chat:read"},"scopes":["chat:read"]}] (was [])',
    ])
  })
})
