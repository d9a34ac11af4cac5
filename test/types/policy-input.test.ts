import { expect, it } from 'vitest'
import { type PolicyInput, parsePolicy } from '../../src/index.ts'
import { ACME, CHAT, GATE } from '../gate/policy/support.ts'

/** What the compiler refuses; each line below is an error or the type check fails. */

const gate = { ...GATE, assertion: 'identity' } as const
const policy: PolicyInput = { GATE: gate, ISSUERS: { acme: ACME }, ROUTES: [CHAT] }
const firstMistake = (input: PolicyInput) => {
  const read = parsePolicy(input)
  return read.ok ? undefined : read.reason[0]
}

it('a policy in code is one of the tables of wrangler.toml', () => {
  expect(firstMistake({ ...policy, SCOPES: { 'chat:write': ['chat:read'] } })).toBeUndefined()
  const short = { ...CHAT, when: 'request.country in ["DE"]', revocation: 'strict' } as const
  const long = {
    ...CHAT,
    when: { condition: 'request.query.a == "b"', query: ['a'] },
    revocation: { consistency: 'strict' },
    claims: { tenant: 'acme', level: { min: 1 }, team: { pattern: 'a+' }, kind: ['x', 1, true] },
    scopes: { any: ['chat:read', 'chat:write'] },
  } as const
  expect(firstMistake({ ...policy, ROUTES: [short] })).toBeUndefined()
  expect(firstMistake({ ...policy, ROUTES: [long] })).toBeUndefined()
  const issuer = { ...ACME, agent_id: ['azp', 'sub'], admin: 'own', workflow_id: 'run' } as const
  expect(firstMistake({ ...policy, ISSUERS: { acme: issuer } })).toBeUndefined()
})

it('a key that is misspelt does not compile, and is a mistake when it is read', () => {
  const { origin, ...rest } = gate
  // @ts-expect-error: `orgin`
  const gateOf: PolicyInput['GATE'] = { ...rest, orgin: origin }
  // @ts-expect-error: `ROUTE`
  firstMistake({ GATE: gate, ROUTE: [CHAT] })
  // @ts-expect-error: a table in a table
  const issuers: PolicyInput['ISSUERS'] = { acme: { ...ACME, jwks_cache: { max_frsh: '1h' } } }
  const routes: PolicyInput['ROUTES'] = [
    // @ts-expect-error: a table in a list
    { ...CHAT, authorization_details: [{ type: 'a', action: ['read'] }] },
    // @ts-expect-error: what a name needs
    { ...CHAT, mcp: { tools: { a: { scopes: [], agent_type: ['x'] } } } },
  ]
  expect(firstMistake({ ...policy, GATE: gateOf })?.message).toContain('did you mean `origin`?')
  expect(firstMistake({ ...policy, ...(issuers && { ISSUERS: issuers }) })?.path).toBe(
    'ISSUERS.acme.jwks_cache.max_frsh',
  )
  expect(firstMistake({ ...policy, ROUTES: routes })?.path).toBe(
    'ROUTES[0].authorization_details[0].action',
  )
})

it('a value of another kind does not compile, and a bad one of the kind is a mistake when it is read', () => {
  // @ts-expect-error: no such word
  const word: PolicyInput = { ...policy, GATE: { ...gate, mode: 'shado' } }
  // @ts-expect-error: seconds are written as a duration
  const number: PolicyInput = { ...policy, GATE: { ...gate, timeout: 30 } }
  // @ts-expect-error: without what is required
  const absent: PolicyInput = { ...policy, ROUTES: [{ scopes: [] }] }
  expect([word, number, absent].map((one) => firstMistake(one)?.path)).toEqual([
    'GATE.mode',
    'GATE.timeout',
    'ROUTES[0].match',
  ])
  expect(firstMistake({ ...policy, GATE: { ...gate, timeout: '30 seconds' } })?.path).toBe(
    'GATE.timeout',
  )
})
