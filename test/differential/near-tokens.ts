/** Tokens just inside and just outside of what a rule and an issuer ask for. */
import type { Json, JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import type { TokenSpec, Vars } from './shapes.ts'
import { hashOf, put } from './tokens.ts'
import { ACRS, API, SCOPES, secondsOf, TYPES } from './words.ts'

/** What a token is for. */
export interface Aim {
  vars: Vars
  /** The name of the issuer. */
  name: string
  rule: JsonObject | undefined
  /** The present second. */
  now: number
}

type Way = () => unknown

const isTable = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const listOf = (value: Json | undefined): Json[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value]

/** Moves a token to a border. */
export function moveToken(dice: Dice, spec: TokenSpec, aim: Aim): void {
  const groups = [times, scopes, audiences, needed, actors, people, bound, header, agentic, details]
  const ways = groups.map((group) => group(dice, spec, aim)).filter((all) => all.length > 0)
  dice.pick(dice.pick(ways))()
}

function times(dice: Dice, { claims }: TokenSpec, { vars, name, rule, now }: Aim): Way[] {
  const tolerance = secondsOf(vars.GATE.clock_tolerance, 5)
  const by = () => dice.pick([-1, -0.5, 0, 0.5, 1])
  const issued = typeof claims.iat === 'number' ? claims.iat : now
  const longest = [vars.ISSUERS[name]?.max_lifetime, rule?.max_lifetime].filter(
    (one) => one !== undefined,
  )
  return [
    () => (claims.exp = now - tolerance + by()),
    () => (claims.nbf = now + tolerance + by()),
    () => (claims.iat = now + tolerance + by()),
    ...longest.flatMap((most) => [
      () => (claims.exp = issued + secondsOf(most, 60) + by()),
      () => {
        delete claims.iat
        claims.exp = now + secondsOf(most, 60) + dice.pick([-tolerance, 0, tolerance]) + by()
      },
    ]),
    ...(rule?.max_age === undefined
      ? []
      : [
          () => (claims.auth_time = now - secondsOf(rule.max_age, 0) - tolerance + by()),
          () => delete claims.auth_time,
          () => (claims.auth_time = now + tolerance + by()),
        ]),
  ]
}

const SCOPE_CLAIMS = ['scope', 'scp', 'roles']

function scopes(dice: Dice, { claims }: TokenSpec, { vars }: Aim): Way[] {
  const name = SCOPE_CLAIMS.find((one) => claims[one] !== undefined)
  if (name === undefined) return [() => (claims.scope = dice.some(SCOPES, 0.4).join(' '))]
  const value = claims[name]
  const all = (Array.isArray(value) ? value : String(value).split(' ')) as string[]
  const write = (list: string[]) =>
    (claims[name] = Array.isArray(value) ? list : list.filter((one) => one !== '').join(' '))
  const at = dice.below(all.length)
  const others = (other: string) => all.map((one, i) => (i === at ? other : one))
  const including = Object.entries(vars.SCOPES ?? {}).map(([one]) => one)
  return [
    () => write(all.filter((_, i) => i !== at)),
    () => write(all.slice(at, at + 1)),
    () => write(others(`${all[at]}x`)),
    () => write(others(String(all[at]).toUpperCase())),
    () => write(others(String(all[at]).replace(/:.*/, ':*'))),
    () => write([...all, 'edgewarden:read']),
    ...including.map((one) => () => write(others(one))),
    ...including.map((one) => () => write([one])),
    () => (claims[dice.pick(SCOPE_CLAIMS)] = dice.some(SCOPES, 0.5)),
  ]
}

function audiences(dice: Dice, { claims }: TokenSpec, { vars, rule }: Aim): Way[] {
  const resource = (rule?.resource ?? vars.GATE.resource) as string
  return [
    () => (claims.aud = `${resource}/`),
    () => (claims.aud = resource.replace(/\/$/, '').replace(/^https/, 'HTTPS')),
    () => (claims.aud = [...listOf(claims.aud), 'urn:other']),
    () => (claims.aud = [...listOf(claims.aud), resource]),
    () => (claims.aud = dice.pick([API, `${API}/v1`, `${API}/v1/`, 'urn:api', 'urn:rule'])),
    () => delete claims.aud,
  ]
}

/** A claim that a rule or an issuer asks for is gone, or nearly as it must be. */
function needed(dice: Dice, { claims }: TokenSpec, { vars, name, rule }: Aim): Way[] {
  const issuer = vars.ISSUERS[name] ?? {}
  const rules = [issuer.claims, rule?.claims, ...(vars.GRANTS ?? []).map((grant) => grant.claims)]
  const ways = rules.filter(isTable).flatMap((table) =>
    Object.entries(table).map(([path, need]) => () => {
      const [first] = listOf(need)
      const values: (Json | undefined)[] = [undefined, '', [], 'x', ...listOf(need)]
      if (typeof first === 'string') {
        values.push(first.toUpperCase(), `${first} `, `${first}x`, [first], ['x', first])
      } else if (typeof first === 'number') {
        values.push(first + 1, String(first), `@raw:${first}.0`, [first])
      } else if (isTable(first)) {
        const { min, max, pattern } = first
        for (const one of [min, max]) {
          if (typeof one === 'number') values.push(one - 1, one + 1, one, String(one))
        }
        if (pattern !== undefined) values.push('b', 'blue', 'blu\ne', 'Blue', 'team-1x', 'abc')
      }
      put(claims, path, dice.pick(values))
    }),
  )
  const names = listOf(issuer.required_claims) as string[]
  return [
    ...ways,
    ...names.map((one) => () => delete claims[one]),
    ...(rule?.acr_values
      ? [() => delete claims.acr, () => (claims.acr = dice.pick([...ACRS, '', 'URN:example:mfa']))]
      : []),
    ...(rule?.workflow
      ? [() => delete claims.workflow_id, () => (claims.workflow_id = dice.pick(['7', 'run-2']))]
      : []),
    ...(rule?.single_use || rule?.replay
      ? [() => delete claims.jti, () => (claims.jti = dice.pick(['j1', '', 7]))]
      : []),
    ...(vars.GRANTS ? [() => (claims.tenant = dice.pick(['blue', 'red', 'b.1', 'b:1', 7]))] : []),
  ]
}

/** Actors, and who may act. */
function actors(dice: Dice, { claims }: TokenSpec, { vars, name, rule }: Aim): Way[] {
  const issuer = vars.ISSUERS[name] ?? {}
  const own = issuer.issuer as string
  const issuers = Object.values(vars.ISSUERS).map((one) => one.issuer as string)
  const other = () => dice.pick([...issuers, own, 'https://x.example'])
  const { act } = claims
  const parent = isTable(issuer.delegation) ? issuer.delegation.parent_scope : undefined
  const isAsked = issuer.delegation !== undefined || rule?.delegation !== undefined
  if (!isTable(act) && !isAsked) return []
  const ofParent =
    typeof parent === 'string'
      ? [
          () => delete claims[parent],
          () => (claims[parent] = ''),
          () => (claims[parent] = dice.some(SCOPES, 0.5).join(' ')),
        ]
      : []
  if (!isTable(act)) return [() => (claims.act = { sub: 'planner', iss: other() }), ...ofParent]
  return [
    ...ofParent,
    () => delete claims.act,
    () => delete act.iss,
    () => (act.iss = other()),
    () => (act.sub = dice.pick(['planner', 'alice', 'helper', 'Planner', 'orchestrator'])),
    () => (act.act = { sub: 'inner', iss: other() }),
    () => (act.act = { sub: 'inner', act: { sub: 'more', iss: other() } }),
    () => (act.act = { sub: 'inner', iss: own, act: { sub: 'a', iss: own, act: { sub: 'b' } } }),
    () => (claims.may_act = { sub: act.sub, iss: other() }),
    () => (claims.may_act = { ...(act.iss !== undefined && { iss: act.iss }), sub: act.sub }),
    () => (claims.may_act = { sub: 'x', iss: act.iss ?? own }),
    () => delete claims.may_act,
    () => (act.sub_profile = dice.pick(['ai_agent planner', 'planner', 'ai_agent', ''])),
  ]
}

/** Who the agent and the user are. */
function people(dice: Dice, { claims }: TokenSpec, { vars, name }: Aim): Way[] {
  const issuer = vars.ISSUERS[name] ?? {}
  const client = claims.client_id ?? claims.azp ?? claims.cid ?? 'planner'
  const paths = [...listOf(issuer.agent_id), 'client_id', 'azp', 'sub'] as string[]
  return [
    () => (claims.sub = client),
    () => (claims.sub = `${client}@clients`),
    () => put(claims, dice.pick(paths), dice.pick<Json>(['', 7, 'a b', null, 'x'.repeat(257)])),
    () => delete claims[dice.pick(['client_id', 'azp', 'sub', 'cid', 'appid'])],
    () => (claims.agent_type = dice.pick<Json>(['', TYPES, 'planner crawler', 'Planner', 7])),
    () => (claims.sub_profile = dice.pick<Json>(['ai_agent planner', 'user', 'ci crawler', ''])),
    () => (claims.sub = 'a'.repeat(dice.pick([256, 257]))),
    () => {
      claims.workflow_id = 'run-1'
      put(claims, 'intent.workflow_id', dice.pick(['run-1', 'run-2']))
    },
    () => {
      // No user, and nothing of an authentication.
      claims.sub = client
      for (const name of ['acr', 'auth_time']) delete claims[name]
    },
    () => (claims.tenant = dice.pick(['blue', 'a\u0000', 'é', 'b'.repeat(2000)])),
  ]
}

function bound(dice: Dice, { claims }: TokenSpec, { name, vars, rule }: Aim): Way[] {
  const isAsked = [vars.ISSUERS[name]?.possession, rule?.possession, claims.cnf].some(Boolean)
  return isAsked
    ? [
        () => delete claims.cnf,
        () =>
          (claims.cnf = dice.pick<Json>([
            { jkt: '@jkt:client2' },
            { jkt: '@jkt:client', 'x5t#S256': '@x5t:cert' },
            { jkt: '@jkt:client', jwk: '@jwk:client' },
            { jwk: '@jwk:client2' },
            { 'x5t#S256': '@x5t:other' },
            { 'x5t#S256': '@x5t:cert' },
          ])),
      ]
    : []
}

/** Keys and types. */
function header(dice: Dice, spec: TokenSpec, { vars, name }: Aim): Way[] {
  const { header } = spec
  const issuer = vars.ISSUERS[name] ?? {}
  return [
    () => (spec.key = dice.pick(['enc', 'signing', 'a1b', 'a2', 'nameless', 'tenant', 'rsaPs'])),
    () => (spec.damage = dice.pick(['twice', 'signature'] as const)),
    ...(dice.chance(0.1)
      ? [() => (spec.claims.tenant = 'x'.repeat(dice.pick([11_500, 13_000])))]
      : []),
    () =>
      (header.typ = dice.pick([
        'secevent+jwt',
        'application/logout+jwt',
        'token-introspection+jwt',
      ])),
    () => (header.kid = dice.pick(['k1', 'k2', 'k3', null])),
    ...(issuer.decrypt || Object.values(vars.ISSUERS).some((one) => one.decrypt)
      ? [
          () =>
            (spec.encrypted = {
              key: dice.pick(['decrypt', 'decrypt', 'rsa']),
              header: dice.pick<JsonObject>([
                {},
                {},
                { enc: 'A128GCM' },
                { cty: null },
                { kid: 'x' },
              ]),
            }),
        ]
      : []),
  ]
}

/** Agentic JWTs. */
function agentic(dice: Dice, { claims, header }: TokenSpec): Way[] {
  const { intent, agent_proof: proof } = claims
  if (!isTable(intent) || !isTable(proof)) return []
  const id = String(claims.sub)
  const step = String(intent.workflow_step ?? 'step_1')
  return [
    () => (intent.delegation_chain = hashOf(dice.pick([[id], ['boss', id], ['x', 'planner']]))),
    () => (intent.delegation_chain = hashOf([id, 'x', id])),
    () => (intent.delegation_chain = dice.pick<Json>(['x', 7, `${hashOf([id])}0`])),
    () => (intent.step_sequence_hash = hashOf([step, step])),
    () => (intent.step_sequence_hash = hashOf(dice.pick([[step], ['step_1', step], []]))),
    () => (intent.step_sequence_hash = dice.pick<Json>(['x', 7, `${hashOf([step])}0`])),
    () => (intent.executed_by = dice.pick(['planner', 'x', id])),
    () => delete intent.workflow_id,
    () => delete intent.workflow_step,
    () => (intent.workflow_step = dice.pick(['step_2', 'step_3'])),
    () => (claims.workflow_id = dice.pick(['run-1', 'run-2'])),
    () => delete claims.workflow_id,
    () => (proof.registration_id = dice.pick([`reg_${id}_1x`, `reg_${id}_`, 'reg_x_1'])),
    () => (proof.agent_checksum = dice.pick(['a'.repeat(64), `sha256:${'g'.repeat(64)}`, 'x'])),
    () => (proof.agent_checksum = `sha256:${dice.pick(['a', 'b', 'c']).repeat(64)}`),
    () => (header.kid = null),
    () => (claims.scope = dice.pick(['', 'docs:read'])),
    () => delete claims.scope,
    () => (claims.cnf = dice.pick<Json>([{ jkt: '@jkt:client' }, { jwk: '@jwk:rsa' }, 'x'])),
  ]
}

function details(dice: Dice, { claims }: TokenSpec): Way[] {
  const { authorization_details: all } = claims
  if (!Array.isArray(all)) return []
  const one = dice.pick(all.filter(isTable))
  if (!one) return []
  const names = Object.keys(one).filter((name) => name !== 'type')
  return [
    () => (claims.authorization_details = all.slice(1)),
    () => (claims.authorization_details = all.slice(0, 1)),
    () => delete claims.authorization_details,
    () => (claims.authorization_details = dice.pick<Json>(['x', [7], {}, []])),
    () => (one.type = dice.pick(['document', 'tool', 'Tool'])),
    () => (one.locations = dice.pick<Json>([[API], ['https://x.example'], [`${API}/`], []])),
    () => (one.identifier = dice.pick(['documents/7', 'documents/8', 'x'])),
    ...names.map((name) => () => delete one[name]),
    ...names.map((name) => () => {
      const value = one[name]
      if (Array.isArray(value)) one[name] = value.slice(1)
    }),
  ]
}
