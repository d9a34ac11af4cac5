import { describe, expect, it } from 'vitest'
import type { Issuer } from '../../../src/gate/model/issuer.ts'
import { codeOf, ISSUER } from '../../kit/facts.ts'
import { LONGEST, OTHER, type Rules, run } from './delegating.ts'

/** Actors from the outside in, as nested `act` claims. */
const acts = (...[sub, ...inner]: unknown[]): object =>
  sub === undefined ? {} : { act: { sub, ...acts(...inner) } }

const chainOf = (...subs: unknown[]) => ({ agent_id: 'planner', ...acts(...subs) })

describe('the chain of actors', () => {
  it.each<[string, object, Rules?]>([
    ['ok', chainOf()],
    ['ok', chainOf('a')],
    ['ok', chainOf('a', 'b', 'c')],
    ['delegation_too_deep', chainOf('a', 'b', 'c', 'd')],
    ['delegation_too_deep', chainOf('a'), { issuer: { maxDepth: 0 } }],
    ['delegation_too_deep', chainOf('a', 'b'), { route: { maxDepth: 1 } }],
    ['delegation_too_deep', chainOf('a', 'b', 'c', 'd'), { route: { maxDepth: 9 } }],
    ['delegation_malformed', { agent_id: 'p', act: null }],
    ['delegation_malformed', { agent_id: 'p', act: 'a' }],
    ['delegation_malformed', { agent_id: 'p', act: [] }],
    ['delegation_malformed', { agent_id: 'p', act: [{ sub: 'a' }] }],
    ['delegation_malformed', { agent_id: 'p', act: {} }],
    ['delegation_malformed', { agent_id: 'p', act: { iss: ISSUER } }],
    ['delegation_malformed', { agent_id: 'p', act: { sub: 'a', iss: null } }],
    ['delegation_malformed', { agent_id: 'p', act: { sub: 'a', iss: '' } }],
    ['delegation_malformed', { agent_id: 'p', act: { sub: 'a', act: null } }],
    ['delegation_malformed', chainOf('')],
    ['delegation_malformed', chainOf(1)],
    ['delegation_malformed', chainOf('a\n')],
    ['delegation_malformed', chainOf('a', '')],
    ['ok', chainOf('a', LONGEST)],
    ['delegation_malformed', chainOf('a', `${LONGEST}x`)],
    ['actor_issuer_unknown', { agent_id: 'p', act: { sub: 'a', iss: LONGEST } }],
    ['delegation_malformed', { agent_id: 'p', act: { sub: 'a', iss: `${LONGEST}x` } }],
    ['delegation_malformed', chainOf('a', 'b', 'c', 'd', 5)],
    ['actor_missing', chainOf(), { issuer: { requireActor: true } }],
    ['actor_missing', chainOf(), { route: { requireActor: true } }],
    ['ok', chainOf('a'), { route: { requireActor: true } }],
    ['ok', { agent_id: 'p', act: { sub: 'a', iss: ISSUER } }],
    ['actor_issuer_unknown', { agent_id: 'p', act: { sub: 'a', iss: OTHER } }],
    ['actor_issuer_unknown', { agent_id: 'p', act: { sub: 'a', act: { sub: 'b', iss: OTHER } } }],
    [
      'ok',
      { agent_id: 'p', act: { sub: 'a', iss: OTHER } },
      { issuer: { issuers: new Set([OTHER]) } },
    ],
    [
      'actor_issuer_unknown',
      { agent_id: 'p', act: { sub: 'a', iss: OTHER } },
      { issuer: { issuers: new Set([OTHER]) }, route: {} },
    ],
    ['ok', chainOf('a'), { route: { actors: [{ sub: 'a' }] } }],
    ['ok', chainOf(), { route: { actors: [{ sub: 'a' }] } }],
    ['actor_not_allowed', chainOf('b'), { route: { actors: [{ sub: 'a' }] } }],
    ['actor_not_allowed', chainOf('a'), { route: { actors: [] } }],
    ['actor_not_allowed', chainOf('A'), { issuer: { actors: [{ sub: 'a' }] } }],
    // An allowed actor further in is history and opens nothing.
    ['actor_not_allowed', chainOf('b', 'a'), { route: { actors: [{ sub: 'a' }] } }],
    ['actor_not_allowed', chainOf('a'), { route: { actors: [{ sub: 'a', issuer: OTHER }] } }],
    [
      'actor_not_allowed',
      { agent_id: 'p', act: { sub: 'a', iss: OTHER } },
      { issuer: { issuers: new Set([OTHER]), actors: [{ sub: 'a' }] } },
    ],
    [
      'ok',
      { agent_id: 'p', act: { sub: 'a', iss: OTHER } },
      { issuer: { issuers: new Set([OTHER]), actors: [{ sub: 'a', issuer: OTHER }] } },
    ],
    ['ok', chainOf(), { route: { subjects: [{ sub: 'alice' }] } }],
    ['ok', chainOf(), { route: { subjects: [{ sub: 'alice', issuer: ISSUER }] } }],
    ['subject_not_allowed', chainOf(), { route: { subjects: [{ sub: 'alice', issuer: OTHER }] } }],
    ['subject_not_allowed', chainOf(), { route: { subjects: [{ sub: 'bob' }] } }],
    ['subject_not_allowed', chainOf('bob'), { issuer: { subjects: [{ sub: 'bob' }] } }],
  ])('%s for %j under %j', async (code, claims, rules) => {
    expect(codeOf(await run(claims, rules))).toBe(code)
  })

  it('is kept from the outside in, each actor within its issuer', async () => {
    const claims = {
      agent_id: 'p',
      act: { sub: 'planner', act: { sub: 'supervisor', iss: OTHER } },
    }
    expect(await run(claims, { issuer: { issuers: new Set([OTHER]) } })).toMatchObject({
      value: {
        agent: {
          actors: [
            { sub: 'planner', issuer: ISSUER },
            { sub: 'supervisor', issuer: OTHER },
          ],
        },
      },
    })
  })

  it('is told where it is the reason', async () => {
    const claims = { agent_id: 'p', act: { sub: 'planner' } }
    const rules = { issuer: { actors: [{ sub: 'other' }] } }
    expect(await run(claims, rules)).toMatchObject({
      reason: {
        code: 'actor_not_allowed',
        detail: { depth: 1, actors: [{ sub: 'planner', issuer: ISSUER }] },
      },
    })
  })

  it('is not inherited', async () => {
    expect(codeOf(await run('{"agent_id":"p","__proto__":{"act":null}}'))).toBe('ok')
  })
})

describe('a chain whose actors must name their issuer', () => {
  const entry = { actorIssuer: true }
  const own = (sub: string, more: object = {}) => ({ sub, iss: ISSUER, ...more })

  it.each<[string, object, Rules?]>([
    ['ok', {}],
    ['ok', { act: own('a') }],
    ['ok', { act: own('a', { act: own('b') }) }],
    ['ok', { act: own('a', { cnf: { jkt: 'x' } }) }],
    ['delegation_malformed', { act: { sub: 'a' } }],
    ['delegation_malformed', { act: own('a', { act: { sub: 'b' } }) }],
    ['delegation_malformed', { act: own('a', { iss: undefined }) }],
    ['delegation_malformed', { act: own('a', { iss: '' }) }],
    ['ok', { act: own('a'), may_act: { sub: 'a' } }, { issuer: { mayAct: 'required' } }],
  ])('%s for %j', async (code, claims, rules) => {
    expect(codeOf(await run({ agent_id: 'p', ...claims }, { ...rules, entry }))).toBe(code)
  })
})

describe('may_act', () => {
  const held = (may_act: unknown, act: object | undefined = { sub: 'a' }) => ({
    agent_id: 'p',
    ...(act && { act }),
    ...(may_act !== undefined && { may_act }),
  })
  const looked = { issuer: { mayAct: 'if_present' } } as const
  const required = { issuer: { mayAct: 'required' } } as const
  const counting = { issuer: { mayAct: 'if_present', issuers: new Set([OTHER]) } } as const

  it.each<[string, object, Rules?]>([
    ['ok', held({ sub: 'b' })],
    ['ok', held('nonsense')],
    ['ok', held({ sub: 'a' }), looked],
    ['ok', held(undefined), looked],
    ['ok', { agent_id: 'p' }, required],
    ['ok', { agent_id: 'p', may_act: { sub: 'b' } }, required],
    ['ok', held({ sub: 'a', iss: ISSUER }), looked],
    ['ok', held({ sub: 'a', client_id: 'other' }), looked],
    ['may_act_mismatch', held({ sub: 'b' }), looked],
    ['may_act_mismatch', held({ sub: 'A' }), looked],
    ['may_act_mismatch', held({ sub: 'a', iss: OTHER }), looked],
    ['may_act_mismatch', held({ sub: 'a' }, { sub: 'a', iss: OTHER }), counting],
    ['ok', held({ sub: 'a', iss: OTHER }, { sub: 'a', iss: OTHER }), counting],
    // An actor further in was allowed by an earlier token.
    ['may_act_mismatch', held({ sub: 'b' }, { sub: 'a', act: { sub: 'b' } }), looked],
    ['ok', held({ sub: 'a' }, { sub: 'a', act: { sub: 'b' } }), required],
    ['may_act_mismatch', held(undefined), required],
    ['may_act_mismatch', held({ sub: 'a', may_act: { sub: 'a' } }, { sub: 'b' }), required],
    ['delegation_malformed', held(null), looked],
    ['delegation_malformed', held('a'), looked],
    ['delegation_malformed', held(true), looked],
    ['delegation_malformed', held(['a']), looked],
    ['delegation_malformed', held({}), looked],
    ['delegation_malformed', held({ iss: ISSUER }), looked],
    ['delegation_malformed', held({ sub: '' }), looked],
    ['delegation_malformed', held({ sub: 'a', iss: null }), looked],
    ['delegation_malformed', held({ sub: 'a', iss: 7 }), looked],
    ['delegation_malformed', { agent_id: 'p', may_act: null }, looked],
    ['may_act_mismatch', held(undefined), { ...looked, route: { mayAct: 'required' } }],
    // A route only tightens.
    ['may_act_mismatch', held(undefined), { ...required, route: { mayAct: 'if_present' } }],
    ['may_act_mismatch', held({ sub: 'b' }), { route: { mayAct: 'if_present' } }],
  ])('%s for %j under %j', async (code, claims, rules) => {
    expect(codeOf(await run(claims, rules))).toBe(code)
  })

  it('is not inherited', async () => {
    const text = '{"agent_id":"p","act":{"sub":"a"},"__proto__":{"may_act":{"sub":"a"}}}'
    expect(codeOf(await run(text, required))).toBe('may_act_mismatch')
    expect(codeOf(await run(text, looked))).toBe('ok')
  })
})

describe('scopes of the parent token', () => {
  const parentScope = ['parent', 'scope']
  const of = (scope?: unknown) => ({ agent_id: 'p', parent: { scope } })

  it.each<[string, readonly string[], unknown, Partial<Issuer>?]>([
    ['ok', ['docs:read'], undefined],
    ['ok', ['docs:read'], 'docs:read'],
    ['ok', ['docs:read'], ['docs:read', 'x']],
    ['ok', ['docs:read', 'x'], 'x docs:read'],
    ['ok', [], ''],
    ['ok', [], []],
    ['ok', ['docs:read'], 'docs:write'],
    ['ok', ['docs:read', 'docs:write'], 'docs:all'],
    ['delegation_scope_exceeded', ['docs:write'], 'docs:read'],
    ['delegation_scope_exceeded', ['docs:read', 'x'], 'docs:read'],
    ['delegation_scope_exceeded', ['docs:read'], ''],
    ['delegation_scope_exceeded', ['docs:read'], []],
    ['delegation_scope_exceeded', ['docs:read'], 'docs:rea docs:read2 DOCS:READ'],
    ['delegation_scope_exceeded', ['docs:delete'], 'docs:all'],
    ['delegation_scope_exceeded', ['constructor'], 'x'],
    ['delegation_malformed', [], null],
    ['delegation_malformed', [], 7],
    ['delegation_malformed', [], 'a  b'],
    ['delegation_malformed', [], ['a b']],
    ['delegation_malformed', [], { scope: 'a' }],
    ['delegation_malformed', [], [['a']]],
    // What counts as absent in a token counts as absent in its parent.
    ['delegation_scope_exceeded', ['see'], 'edgewarden:read'],
    ['ok', ['see'], 'edgewarden:read', { admin: 'own' }],
    ['delegation_scope_exceeded', ['edgewarden:revoke'], 'edgewarden:read', { admin: 'all' }],
    ['ok', ['edgewarden:revoke'], 'edgewarden:revoke', { admin: 'all' }],
  ])('%s for %j made from %j', async (code, scopes, parent, entry = {}) => {
    expect(codeOf(await run(of(parent), { scopes, entry: { parentScope, ...entry } }))).toBe(code)
  })

  it('are not looked at where no claim is named', async () => {
    expect(codeOf(await run(of(''), { scopes: ['docs:read'] }))).toBe('ok')
  })

  it('that are missing are told to the operator', async () => {
    const outcome = await run(of('x'), { scopes: ['x', 'y'], entry: { parentScope } })
    expect(outcome).toMatchObject({ reason: { detail: { scopes: ['y'] } } })
  })
})
