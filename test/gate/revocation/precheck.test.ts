import { expect, it, vi } from 'vitest'
import { ok } from '../../../src/gate/base/result.ts'
import type { Asking } from '../../../src/gate/guard/operation/operation-types.ts'
import { holding, revocationPrecheck } from '../../../src/gate/guard/stages/precheck.ts'
import type { RateLimit } from '../../../src/gate/model/limit.ts'
import {
  type Revocation,
  type RevocationTerms,
  revocableSubjects,
} from '../../../src/gate/model/revocation.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import {
  accessOf,
  agentOf,
  anyRoom,
  clock,
  codeOf,
  gateOf,
  ISSUER,
  NOW,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../../kit/facts.ts'
import { mcpFacts } from '../../kit/mcp-facts.ts'

const EXACT: RateLimit = { kind: 'exact', per: 'agent', quotas: { daily: 3 } }
const BOUND: RateLimit = { kind: 'approximate', per: 'agent', binding: 'RL' }
const STRICT: RevocationTerms = { consistency: 'strict', maxStaleness: 5_000 }
const ENTRY: Revocation = {
  id: 'entry-1',
  kind: 'token',
  issuer: ISSUER,
  value: 'token-1',
  mode: 'block',
  created: NOW - 10,
  createdBy: 'admin',
}

/** A set that says this to who takes a copy for it, and that to who asks it. */
const portsOf = (copy: readonly Revocation[] = [], set = copy) => ({
  clock,
  revocations: {
    lookup: vi.fn((_: unknown, { consistency }: RevocationTerms): readonly Revocation[] =>
      consistency === 'strict' ? set : copy,
    ),
  },
})

const needsOf = (route: Partial<Route>) => ({
  route: routeOf('GET /x', { revocation: STRICT, ...route }),
  policy: policyOf([], {
    gate: gateOf({ revocation: { consistency: 'strict', maxStaleness: 3_000 } }),
  }),
  agent: agentOf(),
  access: accessOf(),
  intent: {},
  subjects: revocableSubjects(accessOf(), agentOf()),
})

const run = (
  route: Partial<Route>,
  ports: Parameters<typeof revocationPrecheck.run>[1] = portsOf(),
) => revocationPrecheck.run(needsOf(route), ports)

it.each<Partial<Route>>([{}, { rateLimit: BOUND }])('looks at nothing before %j', (route) => {
  const ports = portsOf([ENTRY])
  expect(run(route, ports)).toEqual(ok({}))
  expect(ports.revocations.lookup).not.toHaveBeenCalled()
})

it.each<[Partial<Route>, number]>([
  [{ rateLimit: EXACT }, 3_000],
  [{ rateLimit: EXACT, mode: 'shadow' }, 3_000],
  [{ singleUse: true }, 3_000],
  [{ rateLimit: EXACT, revocation: { consistency: 'bounded', maxStaleness: 7_000 } }, 7_000],
])('looks within a bound before %j, and waits for nobody', async (route, maxStaleness) => {
  const ports = portsOf()
  expect(run(route, ports)).toEqual(ok({}))
  expect(ports.revocations.lookup).toHaveBeenCalledExactlyOnceWith(
    expect.arrayContaining([{ kind: 'token', issuer: ISSUER, value: 'token-1' }]),
    { consistency: 'bounded', maxStaleness },
  )
  expect(codeOf(await run(route, portsOf([ENTRY])))).toBe('token_revoked')
})

it.each<[string, Partial<Route>, object]>([
  ['token_revoked', {}, { cnf: { jkt: 'x' } }],
  ['ok', { replay: 'window' }, { cnf: { jkt: 'x' } }],
  ['ok', {}, {}],
])('is %s before a proof may be used up: %j, with the claims %j', async (code, route, claims) => {
  const needs = { ...needsOf(route), access: accessOf({ claims: { ...claims } }) }
  expect(codeOf(await revocationPrecheck.run(needs, portsOf([ENTRY])))).toBe(code)
})

it('refuses where the set cannot be asked', async () => {
  const lookup = () => Promise.reject(new Error('unreachable'))
  const deaf = { ...portsOf(), revocations: { lookup } }
  expect(codeOf(await run({ singleUse: true }, deaf))).toBe('revocations_unavailable')
})

it('asks the set anew before a strict rule refuses', async () => {
  const lifted = portsOf([ENTRY], [])
  expect(codeOf(await run({ singleUse: true }, lifted))).toBe('ok')
  expect(lifted.revocations.lookup.mock.lastCall?.[1]).toEqual(STRICT)
  const terms = { consistency: 'bounded', maxStaleness: 3_000 } as const
  const bounded = portsOf([ENTRY], [])
  expect(codeOf(await run({ singleUse: true, revocation: terms }, bounded))).toBe('token_revoked')
  expect(bounded.revocations.lookup).toHaveBeenCalledOnce()
})

it('looks in the same way before a body is read, and only then', async () => {
  const { mcp } = mcpFacts({ tools: { echo: [] } }).route
  const request = requestTo(`${RESOURCE}/x`)
  const hold = (route: Partial<Route>, ports = portsOf(), asked: Asking['request'] = request) =>
    holding.run({ ...needsOf(route), request: asked, hold: () => anyRoom }, ports)
  const unasked = portsOf([ENTRY])
  expect(hold({}, unasked)).toEqual(ok({}))
  // Of an explanation there is only a head.
  const { url, method, headers } = request
  expect(hold({ mcp }, unasked, { url, method, headers })).toEqual(ok({}))
  expect(unasked.revocations.lookup).not.toHaveBeenCalled()
  expect(codeOf(await hold({ mcp }, portsOf([ENTRY])))).toBe('token_revoked')
  const lifted = portsOf([ENTRY], [])
  expect(codeOf(await hold({ mcp }, lifted))).toBe('ok')
  expect(lifted.revocations.lookup.mock.calls.map(([, terms]) => terms)).toEqual([
    { consistency: 'bounded', maxStaleness: 3_000 },
    STRICT,
  ])
})
