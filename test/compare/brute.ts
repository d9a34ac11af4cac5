import fc from 'fast-check'
import { expect } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import { perObject } from '../../src/gate/base/memo.ts'
import { agent, workflow } from '../../src/gate/guard/stages/agent.ts'
import { authorizationDetails } from '../../src/gate/guard/stages/authorization-details.ts'
import { claims } from '../../src/gate/guard/stages/claims.ts'
import { condition } from '../../src/gate/guard/stages/condition.ts'
import { delegation } from '../../src/gate/guard/stages/delegation.ts'
import { issuer } from '../../src/gate/guard/stages/issuer.ts'
import { type Routed, route } from '../../src/gate/guard/stages/route.ts'
import { scope } from '../../src/gate/guard/stages/scope.ts'
import type { Issuer } from '../../src/gate/model/issuer.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import type { VerifiedToken } from '../../src/gate/model/token.ts'
import { parsePolicy } from '../../src/gate/policy/parse.ts'
import { ENV, GATE, type Vars } from '../gate/policy/support.ts'
import { admissionFor, clock, credentialOf, NOW } from '../kit/facts.ts'

/** Requests and callers, one by one, through the stages themselves: what a comparison is held against. */

export const ACME = 'https://auth.acme.example'
export const BETA = 'https://auth.beta.example'
export const ISSUERS = {
  acme: { issuer: ACME, agent_prefix: 'acme/' },
  beta: { issuer: BETA, agent_prefix: 'beta/' },
}
export const HOSTS = ['api.example.com', 'b.example.com']

export interface Asked {
  readonly method: string
  readonly host: string
  readonly path: string
  /** The header `x-run`. */
  readonly run?: string
}

/** A token as it would be verified; `undefined` is a caller without one. */
export interface Caller {
  readonly iss: string
  readonly scopes: readonly string[]
  readonly type?: string
  readonly workflow?: string
  /** Seconds. */
  readonly life?: number
  readonly aud?: string
  readonly actors?: readonly string[]
  readonly more?: object
}

const claimsOf = (caller: Caller): Record<string, unknown> => ({
  iss: caller.iss,
  aud: caller.aud ?? 'https://api.example.com',
  sub: 'alice',
  client_id: 'app',
  jti: 'token-1',
  scope: caller.scopes.join(' '),
  iat: NOW - 10,
  exp: NOW - 10 + (caller.life ?? 60),
  ...(caller.type !== undefined && { agent_type: caller.type }),
  ...(caller.workflow !== undefined && { workflow_id: caller.workflow }),
  ...(caller.actors && { act: actOf(caller.actors) }),
  ...caller.more,
})

const actOf = ([sub, ...rest]: readonly string[]): object | undefined =>
  sub === undefined ? undefined : { sub, ...(rest.length > 0 && { act: actOf(rest) }) }

/** The rule a request meets, and what of the request counts afterwards. */
const meeting = async (policy: Policy, { method, host, path, run }: Asked) => {
  const headers = new Headers(run === undefined ? {} : { 'x-run': run })
  const request = { method, url: `https://${host}${path}`, headers }
  const outcome = await route.run({ request, policy }, undefined)
  return outcome.ok && outcome.value.route && !outcome.value.route.endpoint
    ? { ...(outcome.value as Routed), request }
    : undefined
}

/** Policies are compared in both directions: each request is put to each once. */
const metBy = perObject((policy: Policy) => perObject((asked: Asked) => meeting(policy, asked)))

/** One token for all rules: what is read of it is read once. */
const tokenOf = perObject((caller: Caller) =>
  perObject(
    (entry: Issuer) =>
      ({ claims: claimsOf(caller), issuer: entry, key: {} }) as unknown as VerifiedToken,
  ),
)

const credentialFor = perObject(({ iss }: Caller) => credentialOf({ claimedIssuer: iss }))

type Met = NonNullable<Awaited<ReturnType<typeof meeting>>>

const judge = async (policy: Policy, met: Met, caller: Caller | undefined): Promise<boolean> => {
  const { access } = met.route
  if (access === 'public') return true
  if (!caller) return access === 'optional'
  const credential = credentialFor(caller)
  const known = await issuer.run({ policy, route: met.route, credential }, undefined)
  if (!known.ok) return false
  const entry = policy.issuers.get(caller.iss)
  if (!entry) return false
  const token = tokenOf(caller)(entry)
  const facts = { policy, route: met.route, issuer: entry, token }
  const read = await claims.run(facts, { clock })
  if (!read.ok || !read.value.access) return false
  const { access: good } = read.value
  const who = await delegation.run({ ...facts, access: good } as never, undefined)
  if (!who.ok) return false
  const { agent: identity } = who.value as { agent: never }
  for (const one of [agent, workflow]) {
    if (!(await one.run({ ...met, agent: identity }, undefined)).ok) return false
  }
  const all = { ...met, policy, access: good, agent: identity, admission: admissionFor() }
  if (!(await scope.run(all, undefined)).ok) return false
  return (
    (await authorizationDetails.run(all, undefined)).ok && (await condition.run(all, { clock })).ok
  )
}

const NOBODY = {}
/** Each policy meets many others: it judges each caller once. */
const judgements = perObject((policy: Policy) =>
  perObject((met: Met) =>
    perObject((caller: Caller | typeof NOBODY) =>
      judge(policy, met, caller === NOBODY ? undefined : (caller as Caller)),
    ),
  ),
)
const judged = (policy: Policy, met: Met, caller: Caller | undefined): Promise<boolean> =>
  judgements(policy)(met)(caller ?? NOBODY)

/** A request and a caller that pass under the one policy and not under the other. */
export const widening = async (
  before: Policy,
  after: Policy,
  requests: readonly Asked[],
  callers: readonly (Caller | undefined)[],
): Promise<{ readonly request: Asked; readonly caller: Caller | undefined } | undefined> => {
  const seen = new Set<string>()
  const ids = new Map<object, number>()
  const idOf = (met: Met | undefined) => {
    if (!met) return 'none'
    if (!ids.has(met.route)) ids.set(met.route, ids.size)
    return [ids.get(met.route), [...met.params], met.namedWorkflow]
  }
  for (const request of requests) {
    const [old, now] = [await metBy(before)(request), await metBy(after)(request)]
    const key = JSON.stringify([idOf(old), idOf(now)])
    if (!now || seen.has(key)) continue
    seen.add(key)
    const mayGoOn = now.route.mode === 'shadow' && old?.route.mode !== 'shadow'
    for (const caller of [undefined, ...callers]) {
      // Whoever does not pass now is not asked about before, unless all go on now.
      if (!mayGoOn && !(await judged(after, now, caller))) continue
      if (!old || !(await judged(before, old, caller))) return { request, caller }
    }
  }
  return undefined
}

/** Pairs of policies, and who passes under the one and not under the other. */
interface World<Written> {
  readonly pair: fc.Arbitrary<readonly [Written, Written]>
  /** None where what is written is a mistake. */
  readonly policyOf: (written: Written) => Policy | undefined
  readonly isWider: (before: Policy, after: Policy) => Promise<boolean>
  /** Whether nothing else may be called wider. */
  readonly isExact?: boolean
}

/** Holds `comparePolicies` against a small world: what lets more pass is always told. Counts both. */
export const explore = async <Written>(
  { pair, policyOf, isWider, isExact = false }: World<Written>,
  runs: fc.Parameters<[readonly [Written, Written]]>,
) => {
  const seen = { wider: 0, harmless: 0 }
  await fc.assert(
    fc.asyncProperty(pair, async (written) => {
      const [before, after] = written.map(policyOf)
      fc.pre(before !== undefined && after !== undefined)
      if (!before || !after) return
      const found = await comparePolicies(before, after)
      const real = await isWider(before, after)
      const widens = !found.ok || found.value.widens
      if (real || isExact) expect({ widens, written }).toEqual({ widens: real, written })
      if (real) seen.wider++
      else if (!widens) seen.harmless++
    }),
    runs,
  )
  expect(seen.wider).toBeGreaterThan(0)
  expect(seen.harmless).toBeGreaterThan(0)
}

/** A policy, unless what is written is a mistake. */
export const policyOrNone = (vars: Vars): Policy | undefined => {
  const read = parsePolicy({ GATE, ...vars }, ENV)
  return read.ok ? read.value.policy : undefined
}

/** Every combination of one of each. */
export const combinations = <Item>(lists: readonly (readonly Item[])[]): readonly Item[][] =>
  lists.reduce<readonly Item[][]>(
    (all, list) => all.flatMap((one) => list.map((item) => [...one, item])),
    [[]],
  )

/** Every set of some of them, of at most `most`. */
export const subsets = <Item>(
  items: readonly Item[],
  most = items.length,
): readonly (readonly Item[])[] => {
  const all: (readonly Item[])[] = [[]]
  for (const item of items) {
    for (const one of [...all]) if (one.length < most) all.push([...one, item])
  }
  return all
}
