/** Cases: policies, tokens, requests and what happens between them, all from a seed and a number. */
import type { AgentStanding, JsonObject } from '../reference/types.ts'
import { decisions, isAsking, nearly, otherToken, personOf, whatElse } from './asking.ts'
import { createDice, type Dice } from './dice.ts'
import { readVars } from './first.ts'
import { thumbprintOf } from './material.ts'
import { moveRequest } from './near-requests.ts'
import { moveToken } from './near-tokens.ts'
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
import { TOPICS, type Topic } from './topics.ts'
import { API, secondsOf } from './words.ts'

/** Ids that agents mostly have. */
const AGENT_IDS = ['planner', 'agent-42', 'helper', 'alice', 'bob', 'carol', '123', '456']

/** Requests to one policy. Most faults are found by few, and some only by many. */
const STEPS = [4, 8, 8, 12, 12, 30]

/** A case that is being made. */
interface Making {
  readonly made: Case
  readonly dice: Dice
  /** The policy in force. */
  vars: Vars
  /** The present second. */
  now: number
  /** How often something happens that makes requests fail early. */
  readonly noise: number
  /** Whether mostly one rule is asked, again and again. */
  readonly favourite: number | undefined
  readonly topic: Topic | undefined
}

/** The case of this number. A gate that takes long to start is asked more: `steps`. */
export function makeCase(seed: number, number: number, steps?: number): Case {
  const dice = createDice(seed, number)
  const topic = dice.chance(0.3) ? dice.pick(TOPICS) : undefined
  const vars = validVars(dice, topic)
  const keys = Object.fromEntries(
    Object.entries(vars.ISSUERS).map(([name, { profile }]) => [
      name,
      [...new Set([...setOf(dice, profile as string), ...(topic?.keys ?? [])])],
    ]),
  )
  const made: Case = { policies: [vars], keys, tokens: {}, steps: [] }
  const making: Making = {
    made,
    dice,
    vars,
    now: BEGIN,
    noise: topic ? 0.1 : dice.pick([0.1, 0.3, 1]),
    favourite: dice.chance(0.6) ? dice.pick([0, 0, dice.below(vars.ROUTES.length)]) : undefined,
    topic,
  }
  const count = steps ?? dice.pick(STEPS)
  // Where agents need approval, mostly all of them have it.
  const approved = /"agents":"approved"/.test(JSON.stringify(vars)) && dice.chance(0.8)
  const deployed = dice.chance(0.25) ? 1 + dice.below(count) : count
  while (made.steps.length < count) {
    const isDeployed = topic?.deploy ? dice.chance(0.3) : made.steps.length === deployed
    const step = stepOf(making, isDeployed)
    if (made.steps.length === 0 && approved) {
      step.before = { ...step.before, agents: { ...approvals(dice, vars), ...step.before?.agents } }
    }
    made.steps.push(step)
  }
  return made
}

/** An approval of what an Agentic JWT says of its agent. */
const pinned = (dice: Dice, id: string): Omit<AgentStanding, 'id'> => ({
  status: 'approved',
  ...(dice.chance(0.6) && { checksums: dice.some(['a', 'b'].map((one) => one.repeat(64))) }),
  ...(dice.chance(0.6) && { registrations: dice.some([`reg_${id}_1`, `reg_${id}_2`]) }),
  ...(dice.chance(0.6) && { keys: dice.some([thumbprintOf('client'), thumbprintOf('client2')]) }),
})

/** An approval of each agent. */
function approvals(dice: Dice, { ISSUERS }: Vars): NonNullable<Change['agents']> {
  const all = Object.values(ISSUERS).flatMap(({ issuer, profile }) =>
    AGENT_IDS.map((id) => [
      `${issuer} ${id}`,
      profile === 'agentic-jwt' && dice.chance(0.7)
        ? pinned(dice, id)
        : { status: 'approved' as const },
    ]),
  )
  return Object.fromEntries(all)
}

/** Deploys a policy that is a little different. */
function deploy(making: Making): Change {
  const { made, dice, vars, topic } = making
  making.vars = changedVars(dice, vars, topic?.deploy)
  made.policies.push(making.vars)
  return { policy: made.policies.length - 1 }
}

function setOf(dice: Dice, profile: string): string[] {
  const keys = keysOfProfile(profile)
  const others = ['a2', 'ed', 'rsa', 'ps', 'es384', 'plain', 'nameless', 'enc', 'svid', 'signing']
  const more = dice.some([...others, 'tenant'], 0.2)
  return [...new Set([...keys, ...more, ...(dice.chance(0.03) ? ['a1b'] : [])])]
}

/** A policy without mistakes: what has one is taken out. */
export function validVars(dice: Dice, topic?: Topic): Vars {
  for (;;) {
    const vars = repaired(topic ? varsAbout(dice, topic) : varsOf(dice))
    if (vars) return vars
  }
}

/** A policy about a topic, with little beside. */
function varsAbout(dice: Dice, topic: Topic): Vars {
  const { GATE, ROUTES } = varsOf(dice)
  const { gate, acme, others, rules, scopes } = topic.policy(dice)
  const plain = { resource: API, origin: 'https://origin.example.com' }
  const issuer = { issuer: 'https://auth.acme.example', ...(others && { agent_prefix: 'acme/' }) }
  return {
    GATE: { ...(dice.chance(0.3) ? GATE : plain), ...gate },
    ISSUERS: { acme: { ...issuer, ...acme }, ...others },
    ROUTES: [...rules, ...(dice.chance(0.2) ? ROUTES.slice(0, 1) : [])],
    ...(scopes && { SCOPES: scopes }),
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

/** The policy with one more, one less or one other key, or changed as `deploy` says. */
export function changedVars(dice: Dice, vars: Vars, deploy?: Topic['deploy']): Vars {
  const changed = structuredClone(vars)
  if (deploy) {
    deploy(dice, changed)
    return repaired(changed) ?? vars
  }
  const other = varsOf(dice)
  const rule = dice.pick(changed.ROUTES)
  const [name = ''] = Object.keys(changed.ISSUERS)
  const issuer = changed.ISSUERS[name] as JsonObject
  const { rate_limit: limit } = rule
  dice.pick<() => unknown>([
    () => changed.ROUTES.splice(dice.below(changed.ROUTES.length), 1),
    () => changed.ROUTES.unshift(...other.ROUTES.slice(0, 1)),
    () => Object.assign(changed.GATE, other.GATE),
    () => Object.assign(rule, dice.pick(other.ROUTES), { match: rule.match }),
    () => Object.assign(issuer, { ...other.ISSUERS.acme, issuer: issuer.issuer }),
    () => Object.assign(issuer, { agent_id: 'sub' }),
    () => Object.assign(rule, { scopes: ['admin:all'] }),
    () => Object.assign(issuer, { required_claims: ['tenant'] }),
    () => Object.assign(changed, { SCOPES: { 'docs:write': ['docs:read'] } }),
    () => (rule.mode = rule.mode === 'shadow' ? 'enforce' : 'shadow'),
    () => (rule.host = 'api.example.com'),
    () => (rule.approval = rule.approval && { ...(rule.approval as JsonObject), within: '15m' }),
    () =>
      (rule.rate_limit = limit
        ? { ...(limit as JsonObject), period: '10m' }
        : { limit: 2, period: '60s' }),
    () => {},
  ])()
  return repaired(changed) ?? structuredClone(vars)
}

/** A step: mostly a request that a rule matches, with a token that it accepts; often a step again. */
function stepOf(making: Making, isDeployed: boolean): Step {
  const { made, dice, noise, favourite, topic } = making
  const asks = isAsking(making.vars)
  const before = {
    ...beforeOf(making),
    ...(asks && made.steps.length > 0 && decisions(dice)),
    ...(isDeployed && deploy(making)),
  }
  const isChanged = Object.keys(before).length > 0
  const last = made.steps.at(-1 - (favourite === undefined ? dice.below(3) : 0))?.request
  // What is remembered shows after a change.
  const isRepeated = last && isChanged && dice.chance(0.6)
  const isAgain = last && dice.chance(favourite === undefined ? 0.35 : 0.6)
  const request = isRepeated
    ? repeated(making, last)
    : isAgain
      ? again(making, last)
      : aimed(making)
  const { vars, now } = making
  plain.set(request, structuredClone(request))
  if (!isRepeated) {
    if (dice.chance(0.5 * noise)) changeRequest(dice, request)
    if (dice.chance(0.04)) changeRequest(dice, request)
    if (dice.chance(topic ? 0.05 : 0.15))
      moveRequest(dice, request, { vars, rule: ruleOf(making, request), now })
  }
  if (asks && last && dice.chance(0.3)) nearly(dice, request)
  if (asks && request.token !== undefined && dice.chance(0.3)) {
    const spec = made.tokens[request.token] as TokenSpec
    request.token = `t${Object.keys(made.tokens).length}`
    made.tokens[request.token] = otherToken(dice, spec, made.steps.length)
  }
  delete request.person
  if (asks && dice.chance(0.5)) request.person = personOf(dice)
  // Where requests in progress are counted, most are held for a while.
  delete request.held
  if (isCounted(making) && dice.chance(0.5)) request.held = true
  return { ...(isChanged && { before }), request }
}

const isCounted = ({ vars }: Making) =>
  [vars.GATE, ...vars.ROUTES].some((table) => table.in_flight !== undefined)

/** Requests before they were changed: a change is seldom sent twice. */
const plain = new WeakMap<RequestSpec, RequestSpec>()

/** The rule that a request was made for. */
const aims = new WeakMap<RequestSpec, JsonObject>()
const ruleOf = ({ vars }: Making, request: RequestSpec) => {
  const aim = aims.get(request)
  return aim && vars.ROUTES.find(({ match, host }) => match === aim.match && host === aim.host)
}

/** The same request, mostly with a new proof. */
function repeated({ made, dice }: Making, before: RequestSpec): RequestSpec {
  const request = structuredClone(plain.get(before) ?? before)
  const rule = aims.get(before)
  if (rule) aims.set(request, rule)
  if (request.proof && dice.chance(0.7)) request.proof.claims.jti = `p${made.steps.length}`
  return request
}

function again(making: Making, before: RequestSpec): RequestSpec {
  const { made, dice, topic, vars, now } = making
  const rule = ruleOf(making, before)
  if (rule && before.token !== undefined && dice.chance(topic ? 0.3 : 0.15)) {
    // Another request to the same rule with the same token.
    const { request } = requestTo(dice, vars, rule, topic?.ids)
    const spec = made.tokens[before.token]
    if (spec) send(dice, request, before.token, spec, rule, now)
    if (dice.chance(0.8)) topic?.request?.(dice, request, { vars, rule, now })
    aims.set(request, rule)
    return request
  }
  const request = repeated(making, before)
  const spec = request.token === undefined ? undefined : made.tokens[request.token]
  if (spec && dice.chance(0.3)) {
    // The same request with another token that differs in one place.
    const next = structuredClone(spec)
    const name = issuerOf(making, next)
    if (name !== undefined)
      moveToken(dice, next, { vars: making.vars, name, rule, now: making.now })
    request.token = `t${Object.keys(made.tokens).length}`
    made.tokens[request.token] = next
  }
  return request
}

const issuerOf = ({ vars }: Making, { claims }: TokenSpec): string | undefined =>
  Object.keys(vars.ISSUERS).find((name) => vars.ISSUERS[name]?.issuer === claims.iss)

function aimed(making: Making): RequestSpec {
  const { dice, vars, favourite, now, topic } = making
  const isOwn = dice.chance(0.05)
  const preferred = favourite === undefined ? undefined : vars.ROUTES[favourite]
  const rule = isOwn
    ? undefined
    : preferred && dice.chance(0.8)
      ? preferred
      : dice.pick(vars.ROUTES)
  const { request, params } = rule
    ? requestTo(dice, vars, rule, topic?.ids)
    : { request: requestToGate(dice, vars), params: {} }
  if (rule) aims.set(request, rule)
  if (rule?.access === 'public' ? dice.chance(0.3) : dice.chance(0.97)) {
    const { name, spec } = tokenOf(making, rule, params)
    send(dice, request, name, spec, rule, now)
  }
  if (rule && dice.chance(0.8)) topic?.request?.(dice, request, { vars, rule, now })
  return request
}

function tokenOf(
  { dice, made, vars, noise, now, topic }: Making,
  rule: JsonObject | undefined,
  params: Record<string, string>,
): { name: string; spec: TokenSpec } {
  const known = Object.entries(made.tokens)
  if (known.length > 0 && dice.chance(0.12)) {
    const [name, spec] = dice.pick(known)
    return { name, spec }
  }
  const accepted = (rule?.issuers as string[] | undefined) ?? Object.keys(vars.ISSUERS)
  const names = Object.keys(vars.ISSUERS)
  const isNamed = rule?.issuers !== undefined
  const fitting = accepted.filter((one) => {
    const { rules = true } = vars.ISSUERS[one] ?? {}
    return !rule || (isNamed ? rules !== false : rules === true)
  })
  const issuer = dice.chance(0.97)
    ? dice.pick(fitting.filter((one) => names.includes(one)).concat(fitting.length ? [] : names))
    : dice.pick(names)
  const spec = tokenFor(dice, vars, issuer, rule, params, Math.floor(now))
  const aim = { vars, name: issuer, rule, now }
  if (topic && dice.chance(0.8)) topic.token?.(dice, spec, aim)
  else if (dice.chance(0.4)) moveToken(dice, spec, aim)
  if (dice.chance(0.1 + 0.3 * noise)) changeToken(dice, spec, vars)
  const name = `t${known.length}`
  made.tokens[name] = spec
  return { name, spec }
}

/** What happens before a step. */
function beforeOf(making: Making): Change | undefined {
  const { made, dice, noise, topic } = making
  const last = made.steps.at(-1)?.before
  // What was broken is mended soon, so that other requests are not all refused for it.
  const mended: Change = {
    ...(last?.unavailable && dice.chance(0.7) && { unavailable: [] }),
    ...(last?.keys && dice.chance(0.7) && { keys: made.keys }),
    ...(last?.bindings && dice.chance(0.7) && { bindings: { RL: 'allows' } }),
  }
  const changed =
    topic?.before && dice.chance(0.4)
      ? topic.before(dice, made)
      : dice.chance(0.08 + 0.12 * noise)
        ? changeOf(making)
        : undefined
  const before: Change = { ...mended, ...changed }
  making.now += before.wait ?? 0
  return Object.keys(before).length > 0 ? before : undefined
}

/** Seconds until a moment at which a token that was sent counts no longer. */
function untilBorder({ made, dice, vars, now }: Making): number {
  const tolerance = secondsOf(vars.GATE.clock_tolerance, 5)
  const { token } = made.steps.at(-1)?.request ?? {}
  const ofLast = token !== undefined && dice.chance(0.7) ? made.tokens[token] : undefined
  const { claims } = ofLast ?? dice.pick(Object.values(made.tokens)) ?? { claims: {} as JsonObject }
  const moments = [claims.exp, claims.auth_time, claims.iat].flatMap((time, i) =>
    typeof time !== 'number'
      ? []
      : i === 0
        ? [time + tolerance, time + 65]
        : vars.ROUTES.flatMap(({ max_age: age }) =>
            age === undefined ? [] : [time + secondsOf(age, 0) + tolerance],
          ),
  )
  const ahead = moments.filter((moment) => moment > now + 1 && moment < now + 900)
  return ahead.length === 0 ? 1 : dice.pick(ahead) - now + dice.pick([-1, -0.001, 0, 0.5, 1])
}

function changeOf(making: Making): Change {
  const { made, dice, vars } = making
  const names = Object.keys(vars.ISSUERS)
  const name = dice.pick(names)
  const issuer = vars.ISSUERS[name]?.issuer as string
  const tokens = Object.values(made.tokens)
  const { claims } = tokens.length > 0 ? dice.pick(tokens) : { claims: {} as JsonObject }
  return dice.pick<() => Change>([
    ...(isCounted(making) ? [() => ({ answered: true as const })] : []),
    ...(isAsking(vars)
      ? Array.from(
          { length: 3 },
          () => () =>
            whatElse(
              dice,
              String(claims.iss ?? issuer),
              String(claims.client_id ?? dice.pick(AGENT_IDS)),
            ),
        )
      : []),
    () => ({ wait: dice.pick([0.5, 1, 5, 20, 31, 61]) }),
    () => ({ wait: dice.pick([0.001, 2, 10, 30]) }),
    ...Array.from({ length: 4 }, () => () => ({ wait: untilBorder(making) })),
    () => {
      const kind = dice.pick([
        'token',
        'agent',
        'subject',
        'session',
        'client',
        'workflow',
        'key',
        'issuer',
      ] as const)
      const value = {
        token: claims.jti ?? 'j1',
        agent: dice.pick(AGENT_IDS),
        subject: claims.sub ?? 'alice',
        session: dice.pick(['s1', 's2']),
        client: claims.client_id ?? claims.azp ?? 'planner',
        workflow: dice.pick(['run-1', 'run-2', '7']),
        key: dice.pick(['k1', 'k2']),
        issuer: undefined,
      }[kind]
      const mode = dice.pick(['block', 'before', 'step-up'] as const)
      return {
        revoke: [
          {
            kind,
            issuer,
            ...(typeof value === 'string' && { value }),
            mode,
            ...(mode !== 'block' && { at: BEGIN - dice.pick([0, 60, 65, 66, 200]) }),
            ...(dice.chance(0.3) && { expires: BEGIN + dice.pick([5, 30]) }),
          },
        ],
      }
    },
    () => ({ liftAll: true }),
    () => ({
      keys: {
        [name]: dice.pick([
          null,
          ['a1'],
          ['a1b'],
          ['a2'],
          ['a1', 'a2', 'ed'],
          setOf(dice, 'rfc9068'),
          [],
        ]),
      },
    }),
    () => ({ keys: { [name]: keysOfProfile(vars.ISSUERS[name]?.profile as string) } }),
    () => ({
      agents: {
        [`${issuer} ${dice.pick([...AGENT_IDS, String(claims.sub ?? 'x')])}`]: dice.pick([
          null,
          { status: 'suspended' as const },
          { status: 'retired' as const },
          { status: 'approved' as const },
          { status: 'approved' as const, expires: BEGIN + dice.pick([-1, 10, 60]) },
          pinned(dice, String(claims.sub ?? 'planner')),
          { status: 'approved' as const, throttle: 2 },
          { status: 'discovered' as const, throttle: 1 },
        ]),
      },
    }),
    () => ({
      agents: Object.fromEntries(
        AGENT_IDS.map((id) => [`${issuer} ${id}`, { status: 'approved' as const }]),
      ),
    }),
    () => ({
      unavailable: dice.some(['revocations', 'limits', 'replays', 'signing'] as const, 0.4),
    }),
    () => ({ unavailable: [] }),
    ...(vars.GATE.dpop_nonce || vars.ROUTES.some((rule) => rule.mcp)
      ? [() => ({ unavailable: ['signing' as const] })]
      : []),
    ...(vars.ROUTES.some((rule) => rule.replay || rule.single_use)
      ? [() => ({ unavailable: ['replays' as const] })]
      : []),
    ...(JSON.stringify(vars).includes('"RL"')
      ? [
          () => ({ bindings: { RL: 'fails' as const } }),
          () => ({ bindings: { RL: 'refuses' as const } }),
        ]
      : []),
    () => ({ bindings: { RL: dice.pick(['allows', 'refuses', 'fails'] as const) } }),
  ])()
}
