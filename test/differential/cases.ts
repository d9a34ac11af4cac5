/** Cases: policies, tokens, requests and what happens between them, all from a seed and a number. */
import type { JsonObject } from '../reference/types.ts'
import { createDice, type Dice } from './dice.ts'
import { readVars } from './first.ts'
import { varsOf } from './policies.ts'
import { changeRequest, requestTo, requestToGate, send } from './requests.ts'
import {
  BEGIN,
  type Case,
  type Change,
  type RequestSpec,
  type Step,
  type TokenSpec,
  type Vars,
} from './shapes.ts'
import { changeToken, keysOfProfile, tokenFor } from './tokens.ts'

const STEPS = 60

/** The case of this number. */
export function makeCase(seed: number, number: number): Case {
  const dice = createDice(seed, number)
  const vars = validVars(dice)
  const policies = [vars]
  const keys = Object.fromEntries(
    Object.entries(vars.ISSUERS).map(([name, { profile }]) => [
      name,
      setOf(dice, profile as string),
    ]),
  )
  const made: Case = { policies, keys, tokens: {}, steps: [] }
  while (made.steps.length < STEPS) made.steps.push(stepOf(dice, made, vars))
  if (dice.chance(0.4)) {
    policies.push(changedVars(dice, vars))
    const step = made.steps[8 + dice.below(STEPS - 8)]
    if (step) step.before = { ...step.before, policy: 1 }
  }
  return made
}

function setOf(dice: Dice, profile: string): string[] {
  const keys = keysOfProfile(profile)
  const more = dice.some(
    ['a2', 'ed', 'rsa', 'ps', 'es384', 'plain', 'nameless', 'enc', 'svid'],
    0.25,
  )
  return [...new Set([...keys, ...more, ...(dice.chance(0.03) ? ['a1b'] : [])])]
}

/** A policy without mistakes: what has one is taken out. */
export function validVars(dice: Dice): Vars {
  for (;;) {
    const vars = repaired(varsOf(dice))
    if (vars) return vars
  }
}

/** What a mistake is about, as names and numbers: `ROUTES[3].scopes` is `ROUTES`, `3`, `scopes`. */
const stepsOf = (path: string): string[] =>
  [...path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    ([, quoted, index, name]) => quoted ?? index ?? name ?? '',
  )

/** Mistakes that were taken out, for a look at what the generator writes. */
export const taken = new Map<string, number>()

export function repaired(vars: Vars): Vars | undefined {
  for (let tries = 0; tries < 12; tries++) {
    const read = readVars(vars)
    if (read.ok) return vars
    if (read.reason.length === 0) return undefined
    for (const { path, message } of read.reason) {
      const name = `${path.replace(/\d+/g, 'N')}: ${message.slice(0, 90)}`
      taken.set(name, (taken.get(name) ?? 0) + 1)
    }
    // Each place once, and later rules first, so that the numbers of others stay.
    const places = new Map(
      read.reason.map(({ path }) => {
        const steps = stepsOf(path).slice(0, 3)
        return [steps.join(), steps]
      }),
    )
    const sorted = [...places.values()].sort(([, a], [, b]) => Number(b) - Number(a))
    if (!sorted.every((steps) => takeOut(vars, steps))) return undefined
  }
  return undefined
}

/** Takes out the key that a mistake is about; a whole rule or grant if it is needed there. */
function takeOut(vars: Vars, path: string[]): boolean {
  const [variable = '', at = '', key] = path
  if (variable === 'ROUTES' || variable === 'GRANTS') {
    const list = vars[variable] ?? []
    const table = list[Number(at)]
    if (!table) return false
    if (
      key === undefined ||
      ['match', 'scopes', 'issuer', 'claims'].includes(key) ||
      !(key in table)
    ) {
      list.splice(Number(at), 1)
    } else delete table[key]
    if (variable === 'ROUTES') return list.length > 0
    if (list.length === 0) delete vars.GRANTS
    return true
  }
  if (variable === 'ISSUERS') {
    const table = vars.ISSUERS[at]
    if (!table || key === undefined || !(key in table) || key === 'issuer') return false
    delete table[key]
    return true
  }
  if (variable === 'GATE') {
    if (!(at in vars.GATE) || at === 'resource' || at === 'origin') return false
    delete vars.GATE[at]
    return true
  }
  if (variable === 'SCOPES') {
    delete vars.SCOPES
    return true
  }
  return false
}

/** The policy with one more, one less or one other key. */
function changedVars(dice: Dice, vars: Vars): Vars {
  const changed = structuredClone(vars)
  const other = varsOf(dice)
  dice.pick<() => unknown>([
    () => changed.ROUTES.splice(dice.below(changed.ROUTES.length), 1),
    () => changed.ROUTES.unshift(...other.ROUTES.slice(0, 1)),
    () => Object.assign(changed.GATE, other.GATE),
    () => Object.assign(changed.ROUTES[0] as JsonObject, { scopes: ['admin:all'] }),
    () => Object.assign(changed.ISSUERS.acme as JsonObject, { required_claims: ['tenant'] }),
    () => Object.assign(changed, { SCOPES: { 'docs:write': ['docs:read'] } }),
    () => {},
  ])()
  return repaired(changed) ?? structuredClone(vars)
}

/** A step: mostly a request that a rule matches, with a token that it accepts; often a step again. */
function stepOf(dice: Dice, made: Case, vars: Vars): Step {
  const before = dice.chance(0.15) ? changeOf(dice, made, vars) : undefined
  const last = made.steps.at(-1 - dice.below(3))
  if (last && dice.chance(0.4)) {
    const request = structuredClone(last.request)
    if (request.proof && dice.chance(0.7)) request.proof.claims.jti = `p${made.steps.length}`
    if (dice.chance(0.2)) changeRequest(dice, request)
    return { ...(before && { before }), request }
  }
  return { ...(before && { before }), request: aimed(dice, made, vars) }
}

function aimed(dice: Dice, made: Case, vars: Vars): RequestSpec {
  const isOwn = dice.chance(0.05)
  const rule = isOwn ? undefined : dice.pick(vars.ROUTES)
  const { request, params } = rule
    ? requestTo(dice, vars, rule)
    : { request: requestToGate(dice, vars), params: {} }
  if (rule?.access === 'public' ? dice.chance(0.3) : dice.chance(0.95)) {
    const { name, spec } = tokenOf(dice, made, vars, rule, params)
    send(dice, request, name, spec, rule)
  }
  if (dice.chance(0.2)) changeRequest(dice, request)
  if (dice.chance(0.06)) changeRequest(dice, request)
  return request
}

function tokenOf(
  dice: Dice,
  made: Case,
  vars: Vars,
  rule: JsonObject | undefined,
  params: Record<string, string>,
): { name: string; spec: TokenSpec } {
  const known = Object.entries(made.tokens)
  if (known.length > 0 && dice.chance(0.15)) {
    const [name, spec] = dice.pick(known)
    return { name, spec }
  }
  const accepted = (rule?.issuers as string[] | undefined) ?? Object.keys(vars.ISSUERS)
  const names = Object.keys(vars.ISSUERS)
  const issuer = dice.chance(0.95)
    ? dice.pick(accepted.filter((one) => names.includes(one)).concat(names.slice(0, 1)))
    : dice.pick(names)
  const spec = tokenFor(dice, vars, issuer, rule, params)
  if (dice.chance(0.3)) changeToken(dice, spec, vars)
  if (dice.chance(0.06)) changeToken(dice, spec, vars)
  const name = `t${known.length}`
  made.tokens[name] = spec
  return { name, spec }
}

function changeOf(dice: Dice, made: Case, vars: Vars): Change {
  const names = Object.keys(vars.ISSUERS)
  const name = dice.pick(names)
  const issuer = vars.ISSUERS[name]?.issuer as string
  const tokens = Object.values(made.tokens)
  const { claims } = tokens.length > 0 ? dice.pick(tokens) : { claims: {} as JsonObject }
  const agentIds = ['planner', 'agent-42', 'helper', 'alice', '123']
  return dice.pick<() => Change>([
    () => ({ wait: dice.pick([0.5, 1, 5, 20, 31, 61, 250]) }),
    () => ({ wait: dice.pick([0.001, 2, 10, 30]) }),
    () => {
      const kind = dice.pick([
        'token',
        'agent',
        'subject',
        'client',
        'workflow',
        'key',
        'issuer',
      ] as const)
      const value = {
        token: claims.jti ?? 'j1',
        agent: dice.pick(agentIds),
        subject: claims.sub ?? 'alice',
        client: claims.client_id ?? claims.azp ?? 'planner',
        workflow: dice.pick(['run-1', 'run-2', '7']),
        key: dice.pick(['k1', 'k2']),
        issuer: undefined,
      }[kind]
      const mode = dice.pick(['block', 'before'] as const)
      return {
        revoke: [
          {
            kind,
            issuer,
            ...(typeof value === 'string' && { value }),
            mode,
            ...(mode === 'before' && { at: BEGIN - dice.pick([0, 60, 65, 66, 200]) }),
            ...(dice.chance(0.3) && { expires: BEGIN + dice.pick([5, 30]) }),
          },
        ],
      }
    },
    () => ({ liftAll: true }),
    () => ({
      keys: {
        [name]: dice.pick([null, ['a1'], ['a2'], ['a1', 'a2', 'ed'], setOf(dice, 'rfc9068'), []]),
      },
    }),
    () => ({ keys: { [name]: keysOfProfile(vars.ISSUERS[name]?.profile as string) } }),
    () => ({
      agents: {
        [`${issuer} ${dice.pick([...agentIds, String(claims.sub ?? 'x')])}`]: dice.pick([
          null,
          { status: 'suspended' as const },
          { status: 'retired' as const },
          { status: 'approved' as const },
          { status: 'approved' as const, expires: BEGIN + dice.pick([-1, 10, 60]) },
          {
            status: 'approved' as const,
            checksums: [`sha256:${'a'.repeat(64)}`],
            registrations: ['reg_planner_1'],
          },
          { status: 'approved' as const, throttle: 2 },
          { status: 'discovered' as const, throttle: 1 },
        ]),
      },
    }),
    () => ({
      agents: Object.fromEntries(
        agentIds.map((id) => [`${issuer} ${id}`, { status: 'approved' as const }]),
      ),
    }),
    () => ({
      unavailable: dice.some(['revocations', 'limits', 'replays', 'signing'] as const, 0.4),
    }),
    () => ({ unavailable: [] }),
    () => ({ bindings: { RL: dice.pick(['allows', 'refuses', 'fails'] as const) } }),
  ])()
}
