import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OTHER, run } from '../core/stages/delegating.ts'
import { codeOf, ISSUER } from '../kit/facts.ts'
import { anyCharacter, rare, tries } from '../kit/property.ts'

/** Names that two readers could take for one another. */
const NAMES = ['a', 'b', 'A', 'a:b', 'a/b', 'a%2Fb', '%2F', '%', '__proto__', 'ü', 'u\u0308']
const name = fc.constantFrom('a', 'a', 'a', ...NAMES, ISSUER)

/** Mostly this, and now and then something else. */
const mostly = <Value>(arbitrary: fc.Arbitrary<Value>) =>
  fc.oneof(
    { weight: 30, arbitrary },
    { weight: 1, arbitrary: fc.constantFrom('', 'a\0', '\ud800', ' a', null) },
    { weight: 1, arbitrary: fc.string({ unit: anyCharacter, maxLength: 6 }) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  )
const text = mostly(name)
const actor: fc.Arbitrary<object> = fc.letrec<{ act: object }>((tie) => ({
  act: fc.record(
    {
      sub: text,
      iss: mostly(fc.constantFrom(ISSUER, ISSUER, OTHER)),
      sub_profile: text,
      cnf: text,
      act: mostly(tie('act')),
    },
    { requiredKeys: ['sub'] },
  ),
})).act
const claims = fc.record(
  {
    agent_id: text,
    client_id: name,
    agent_type: text,
    sub_profile: text,
    workflow_id: mostly(fc.constantFrom('w', 'w', 'w', 'W')),
    intent: fc.record({ workflow_id: mostly(fc.constantFrom('w', 'w', 'w', 'x')) }),
    act: mostly(actor),
    may_act: mostly(actor),
    parent: text,
  },
  { requiredKeys: ['agent_id'] },
)
const rules = fc.record({
  issuer: fc.record(
    {
      maxDepth: fc.nat(10),
      requireActor: fc.boolean(),
      mayAct: fc.constantFrom('if_present' as const, 'required' as const),
      issuers: fc.constantFrom(new Set<string>(), new Set([OTHER])),
      actors: fc.constantFrom([{ sub: 'a' }], [{ sub: 'a', issuer: OTHER }]),
    },
    { requiredKeys: [] },
  ),
  entry: fc.record(
    {
      actorIssuer: fc.boolean(),
      entityProfiles: fc.boolean(),
      parentScope: fc.constant(['parent']),
      agentId: fc.constantFrom([['act', 'sub'], ['agent_id']], [['agent_id']]),
    },
    { requiredKeys: [] },
  ),
})

describe('any token', () => {
  it('is judged without an error, and who passes is of its own issuer', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(claims, rules, async (claims, { issuer, entry }) => {
        const json = JSON.stringify(claims).replace('{', '{"__proto__":{"act":null},')
        const outcome = await run(json, { issuer, entry, scopes: ['a'] })
        const code = codeOf(outcome)
        seen.set(code, (seen.get(code) ?? 0) + 1)
        const agent = outcome.value?.agent
        if (!outcome.ok || !agent) return
        const [current] = agent.actors
        expect(agent.issuer).toBe(ISSUER)
        expect(agent.actors.length).toBeLessThanOrEqual(issuer.maxDepth ?? 3)
        if (issuer.requireActor) expect(current).toBeDefined()
        if (current && issuer.actors) {
          expect([current]).toEqual(issuer.actors.map((one) => ({ issuer: ISSUER, ...one })))
        }
        for (const one of agent.actors) {
          expect([ISSUER, ...(issuer.issuers ?? [])]).toContain(one.issuer)
        }
        const byActor = current && entry.agentId && entry.agentId.length > 1
        if (byActor) expect(current).toEqual({ sub: agent.id, issuer: ISSUER })
      }),
      tries(600),
    )
    expect(seen.get('ok')).toBeGreaterThan(6)
    expect([...seen.keys()]).toEqual(
      expect.arrayContaining([
        'delegation_malformed',
        'delegation_too_deep',
        'delegation_scope_exceeded',
        'actor_issuer_unknown',
        'actor_missing',
        'may_act_mismatch',
        'agent_id_malformed',
        'workflow_conflict',
        ...rare('agent_issuer_mismatch'),
      ]),
    )
  })

  it('has no scope that its parent has not, whatever they are', async () => {
    const name = fc.constantFrom(
      ...['a', 'a:b', 'a/b', 'a%2Fb', '%', '%25', ':', '/', '__proto__', 'constructor', 'toString'],
      ...['docs:all', 'docs:write', 'docs:read', 'edgewarden:read', 'see', 'A', 'a:', '*'],
    )
    const token = fc.oneof(name, fc.stringMatching(/^[!#-[\]-~]{1,6}$/))
    const covered = (scope: string, held: readonly string[]) =>
      held.includes(scope) ||
      (scope === 'docs:write' && held.includes('docs:all')) ||
      (scope === 'docs:read' && held.some((one) => one === 'docs:all' || one === 'docs:write'))
    const seen = { ok: 0, delegation_scope_exceeded: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(token, { maxLength: 4 }),
        fc.uniqueArray(token, { maxLength: 5 }),
        fc.boolean(),
        async (scopes, held, asText) => {
          const own = scopes.filter((scope) => !scope.startsWith('edgewarden:'))
          const parent = asText ? held.join(' ') : held
          const code = codeOf(
            await run(
              { agent_id: 'p', parent },
              { scopes: own, entry: { parentScope: ['parent'] } },
            ),
          )
          const narrow = own.every((scope) => covered(scope, held))
          expect(code).toBe(narrow ? 'ok' : 'delegation_scope_exceeded')
          seen[code as keyof typeof seen]++
        },
      ),
      tries(100),
    )
    expect(seen.ok).toBeGreaterThan(8)
    expect(seen.delegation_scope_exceeded).toBeGreaterThan(25)
  })
})
