/** Tokens of every profile: right ones, and ones that are wrong in a few places. */
import { createHash } from 'node:crypto'
import type { Json, JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import { BEGIN, type TokenSpec, type Vars } from './shapes.ts'
import { ACRS, SCOPES, STEPS, secondsOf, TENANTS, TYPES, WORKFLOWS } from './words.ts'

const AGENTS = ['planner', 'agent-42', 'helper']

/** What a token of a profile has beside the claims of all tokens. `typ` is the header's, `null` for none. */
interface Kind {
  typ: (string | null)[]
  claims(dice: Dice): JsonObject
  keys?: string[]
}

const client = (name: string) => (dice: Dice) => ({ [name]: dice.pick(AGENTS) })

export const hashOf = (ids: string[]) =>
  createHash('sha256').update(ids.join('|')).digest('hex').slice(0, 16)

const KINDS: Record<string, Kind> = {
  rfc9068: { typ: ['at+jwt', 'application/at+jwt', 'AT+JWT'], claims: client('client_id') },
  actor: {
    typ: ['at+jwt'],
    claims: (dice) => ({
      client_id: dice.pick(AGENTS),
      act: { sub: dice.pick(AGENTS), iss: '@iss', sub_profile: dice.pick(['ai_agent', 'planner']) },
    }),
  },
  auth0: { typ: ['JWT', 'at+jwt'], claims: client('azp') },
  okta: { typ: [null], claims: client('cid') },
  entra: {
    typ: ['JWT'],
    claims: (dice) => ({ [dice.pick(['azp', 'appid'])]: dice.pick(AGENTS), tid: 't1', ver: '2.0' }),
  },
  keycloak: {
    typ: ['JWT', 'at+jwt'],
    claims: (dice) => ({ azp: dice.pick(AGENTS), typ: dice.pick(['Bearer', 'DPoP']) }),
  },
  cognito: {
    typ: [null],
    claims: (dice) => ({ client_id: dice.pick(AGENTS), token_use: 'access' }),
  },
  clerk: { typ: ['at+jwt'], claims: client('client_id') },
  workos: { typ: [null, 'at+jwt'], claims: client('client_id') },
  stytch: { typ: ['JWT', 'at+jwt', null], claims: client('client_id') },
  'agentic-jwt': {
    typ: ['JWT', 'at+jwt'],
    claims(dice) {
      const id = dice.pick(AGENTS)
      const step = dice.pick(STEPS)
      const hasWorkflow = dice.chance(0.7)
      return {
        sub: id,
        cnf: { jwk: '@jwk:client' },
        intent: {
          ...(hasWorkflow && { workflow_id: dice.pick(WORKFLOWS), workflow_step: step }),
          executed_by: id,
          delegation_chain: hashOf(dice.pick([[id], ['boss', id]])),
          step_sequence_hash: hashOf(dice.pick([[step], ['step_1', step], []])),
        },
        agent_proof: {
          agent_checksum: `sha256:${dice.pick(['a', 'b']).repeat(64)}`,
          registration_id: `reg_${id}_${dice.pick(['1', '2'])}`,
        },
      }
    },
  },
  generic: {
    typ: ['at+jwt', 'JWT'],
    claims: (dice) => client(dice.pick(['client_id', 'azp']))(dice),
  },
  'github-actions': {
    typ: ['JWT'],
    claims: (dice) => ({
      repository_id: dice.pick(['123', '124']),
      repository_owner_id: '456',
      run_id: dice.pick(WORKFLOWS),
      workflow_ref: 'o/r/.github/workflows/w.yml@refs/heads/main',
      ref: dice.pick(['refs/heads/main', 'refs/heads/x']),
    }),
  },
  gitlab: {
    typ: ['JWT'],
    claims: (dice) => ({
      project_id: dice.pick(['123', '124']),
      namespace_id: '456',
      pipeline_id: dice.pick(WORKFLOWS),
      job_id: '9',
    }),
  },
  kubernetes: {
    typ: [null, 'JWT'],
    claims: (dice) => ({
      sub: `system:serviceaccount:${dice.pick(['ns', 'prod'])}:runner`,
      'kubernetes.io': { namespace: 'ns', serviceaccount: { name: 'runner', uid: 'u-1' } },
    }),
  },
  gcp: {
    typ: ['JWT'],
    claims: () => ({
      sub: '1234567890',
      azp: '1234567890',
      email: 'runner@p1.iam.gserviceaccount.com',
      email_verified: true,
    }),
  },
  aws: {
    typ: ['JWT', null],
    claims: () => ({
      sub: 'arn:aws:iam::123456789012:role/runner',
      'https://sts.amazonaws.com/': { aws_account: '123456789012' },
    }),
    // ES384 takes ten times as long as the others.
    keys: [...Array<string>(9).fill('rsa'), 'es384'],
  },
  'azure-workload': {
    typ: ['JWT'],
    claims: (dice) => ({
      oid: 'o-1',
      tid: 't1',
      ver: '2.0',
      idtyp: 'app',
      azp: dice.pick(AGENTS),
    }),
  },
  spiffe: {
    typ: [null, 'JWT', 'JOSE'],
    claims: (dice) => ({ sub: `@iss/${dice.pick(['runner', 'ns/prod'])}` }),
    keys: ['svid'],
  },
}

export const PROFILES = Object.keys(KINDS)

/** Keys that issuers of a profile sign with. */
export const keysOfProfile = (profile: string): string[] => [
  ...new Set(KINDS[profile]?.keys ?? ['a1']),
]

/** A key that a token of this profile is signed with. */
const keyFor = (dice: Dice, profile: string): string => dice.pick(KINDS[profile]?.keys ?? ['a1'])

const text = (value: Json | undefined): string[] =>
  Array.isArray(value) ? (value as string[]) : value === undefined ? [] : [value as string]

/** Replaces `{name}` by parameters. */
export const filledTemplate = (template: string, params: Record<string, string>): string =>
  template.replace(/\{([^}]*)\}/g, (_, name: string) => params[name] ?? '7')

/** Sets a claim by its path. */
export function put(claims: JsonObject, path: string, value: Json | undefined): void {
  const names = path.startsWith('/')
    ? path
        .slice(1)
        .split('/')
        .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
    : path.split('.')
  const last = names.pop() ?? ''
  let at = claims
  for (const name of names) {
    const next = at[name]
    const inner: JsonObject =
      typeof next === 'object' && next !== null && !Array.isArray(next) ? next : {}
    at[name] = inner
    at = inner
  }
  at[last] = value
}

/** A value that a claim rule accepts. */
function fitting(rule: Json | undefined, dice: Dice): Json {
  if (Array.isArray(rule)) return dice.pick(rule)
  if (typeof rule !== 'object' || rule === null) return rule as Json
  if (rule.pattern !== undefined) return dice.pick(['blue', 'blue', 'b.1'])
  const { min = 0, max = 10 } = rule as { min?: number; max?: number }
  return dice.pick([min, max, Math.floor((min + max) / 2)])
}

/** A token that this rule (or the gate's endpoints) of this issuer would mostly accept. */
export function tokenFor(
  dice: Dice,
  vars: Vars,
  name: string,
  rule: JsonObject | undefined,
  params: Record<string, string>,
  now: number,
): TokenSpec {
  const issuer = vars.ISSUERS[name] ?? {}
  const profile = (issuer.profile as string | undefined) ?? 'rfc9068'
  const kind = KINDS[profile] as Kind
  const iss = issuer.issuer as string
  const mcp = rule?.mcp as JsonObject | undefined
  const resource = (rule?.resource ?? vars.GATE.resource) as string
  const isSpiffe = profile === 'spiffe'
  const longest = Math.min(
    secondsOf(rule?.max_lifetime, 900),
    secondsOf(issuer.max_lifetime, profile === 'agentic-jwt' ? 300 : 900),
  )
  const age = dice.pick([1, 1, 60, 200].filter((one) => one + 30 <= longest))
  const claims: JsonObject = {
    ...(!isSpiffe && { iss }),
    aud: dice.pick(
      [...text(rule?.audiences), ...text(issuer.audiences)]
        .slice(0, 2)
        .concat(rule?.audiences ? [] : issuer.audiences ? [] : [resource]),
    ),
    sub: dice.pick(['alice', 'alice', 'bob', 'carol', 'planner']),
    iat: now - age,
    exp: now + dice.pick([30, 240, 240, 600].filter((left) => age + left <= longest)),
    jti: dice.pick(['j1', 'j2', 'j3']),
    ...(dice.chance(0.7) && { tenant: dice.pick(TENANTS) }),
    ...(dice.chance(0.5) && { level: dice.below(8) }),
    ...(dice.chance(0.3) && { groups: dice.some(['readers', 'writers', 'ops']) }),
    ...(dice.chance(0.3) && { nested: { name: dice.pick(['n', 'Zoë, Ltd', '100%']) } }),
    ...kind.claims(dice),
  }
  const grants = (vars.GRANTS ?? []).filter((grant) => grant.issuer === name)
  for (const [path, need] of Object.entries({
    ...(grants.length > 0 && (dice.pick(grants).claims as JsonObject)),
    ...(issuer.claims as JsonObject | undefined),
    ...(rule?.claims as JsonObject | undefined),
  })) {
    if (dice.chance(0.9)) put(claims, path, fitting(need, dice))
  }
  putScopes(dice, claims, issuer, profile, scopesFor(dice, rule, mcp, params))
  if (rule?.agent_types || dice.chance(0.4)) {
    const type = dice.pick([...text(rule?.agent_types), dice.pick(TYPES)])
    if (claims.act && profile === 'actor') put(claims, 'act.sub_profile', type)
    else if (profile === 'auth0' || issuer.entity_profiles) claims.sub_profile = type
    else put(claims, (issuer.agent_type as string | undefined) ?? 'agent_type', type)
  }
  if ((rule?.workflow || dice.chance(0.3)) && !['github-actions', 'gitlab'].includes(profile)) {
    const path = dice.pick([...text(issuer.workflow_id), 'workflow_id'])
    const value = params['*workflow'] ?? dice.pick(WORKFLOWS)
    if (profile === 'agentic-jwt') put(claims, 'intent.workflow_id', value)
    else put(claims, path, value)
  }
  if (dice.chance(0.4)) {
    put(claims, String(issuer.session_id ?? 'sid'), dice.pick(['s1', 's2']))
  }
  for (const path of text(issuer.agent_id)) {
    if (!path.startsWith('act') && dice.chance(0.6)) put(claims, path, dice.pick(AGENTS))
  }
  if (profile === 'cognito' && dice.chance(0.8)) {
    delete claims.aud
    claims.client_id = dice.pick(text(issuer.audiences))
  }
  const delegation = (issuer.delegation ?? {}) as JsonObject
  const ofRule = (rule?.delegation ?? {}) as JsonObject
  const needsActor =
    [delegation, ofRule].some((one) => one.require_actor || one.actors) ||
    text(issuer.agent_id).some((path) => path.startsWith('act'))
  if (needsActor || dice.chance(0.15)) {
    const other = dice.pick([...text(delegation.issuers), undefined, undefined])
    const sub = dice.pick(['planner', 'orchestrator', 'helper'])
    claims.act = {
      sub,
      ...(other !== undefined
        ? { iss: (vars.ISSUERS[other]?.issuer as string | undefined) ?? other }
        : (profile === 'actor' || dice.chance(0.4)) && { iss }),
      ...(profile === 'actor' && { sub_profile: 'ai_agent' }),
      ...(dice.chance(0.3) && {
        act: { sub: 'inner', ...((profile === 'actor' || dice.chance(0.3)) && { iss }) },
      }),
    }
    if (dice.chance(0.5)) claims.may_act = { sub, ...(dice.chance(0.5) && { iss }) }
  }
  if (typeof delegation.parent_scope === 'string' && dice.chance(0.7)) {
    put(claims, delegation.parent_scope, dice.some(SCOPES, 0.8).join(' '))
  }
  if (rule?.acr_values || dice.chance(0.1)) {
    claims.acr = dice.pick([...text(rule?.acr_values), dice.pick(ACRS)])
  }
  if (rule?.max_age || dice.chance(0.1)) claims.auth_time = now - dice.pick([10, 10, 90, 100, 300])
  const details = rule?.authorization_details as JsonObject[] | undefined
  if (details) claims.authorization_details = details.map((need) => detailFor(dice, need, params))
  const isBound = rule?.possession === 'required' || issuer.possession === 'required'
  if (claims.cnf === undefined && (isBound || dice.chance(0.12))) {
    claims.cnf = dice.pick([
      { jkt: '@jkt:client' },
      { jkt: '@jkt:clientEd' },
      { jwk: '@jwk:client' },
      { 'x5t#S256': '@x5t:cert' },
    ])
  }
  if (profile === 'agentic-jwt' && text(issuer.agentic_forms).includes('jkt') && dice.chance(0.5)) {
    claims.cnf = { jkt: '@jkt:client' }
  }
  const typ = dice.pick(kind.typ)
  const spec: TokenSpec = {
    key: keyFor(dice, profile),
    header: { typ: text(issuer.typ).length > 0 ? typOf(dice.pick(text(issuer.typ))) : typ },
    claims: JSON.parse(JSON.stringify(claims).replaceAll('@iss', iss)) as JsonObject,
  }
  if (issuer.decrypt && dice.chance(0.5)) spec.encrypted = { key: 'decrypt', header: {} }
  return spec
}

const typOf = (typ: string) => (typ === 'absent' ? null : typ)

function scopesFor(
  dice: Dice,
  rule: JsonObject | undefined,
  mcp: JsonObject | undefined,
  params: Record<string, string>,
): string[] {
  if (!rule) {
    return dice.some(
      ['edgewarden:read', 'edgewarden:revoke', 'edgewarden:metrics', 'edgewarden:agents'],
      0.7,
    )
  }
  const needed = rule.scopes as string[] | { any: string[] } | undefined
  const templates = Array.isArray(needed) ? needed : needed ? [dice.pick(needed.any)] : []
  const scopes = templates.map((one) => filledTemplate(one, params))
  if (mcp) scopes.push(...dice.some(SCOPES, 0.7))
  else scopes.push(...dice.some(SCOPES, 0.2))
  return [...new Set(scopes)]
}

function putScopes(
  dice: Dice,
  claims: JsonObject,
  issuer: JsonObject,
  profile: string,
  scopes: string[],
): void {
  const usual: Record<string, string> = {
    okta: 'scp',
    entra: dice.pick(['scp', 'roles']),
    'azure-workload': 'roles',
    keycloak: dice.pick(['scope', 'realm_access.roles']),
    clerk: dice.pick(['scope', 'scp']),
    generic: dice.pick(['scope', 'scp']),
  }
  const path = dice.pick(text(issuer.scope).concat(issuer.scope ? [] : [usual[profile] ?? 'scope']))
  const isList = dice.chance(0.25)
  if (scopes.length > 0 || dice.chance(0.5)) put(claims, path, isList ? scopes : scopes.join(' '))
  if (scopes.length === 0 && profile === 'agentic-jwt') claims.scope = 'docs:read'
}

function detailFor(dice: Dice, need: JsonObject, params: Record<string, string>): JsonObject {
  return {
    type: need.type,
    ...Object.fromEntries(
      ['actions', 'datatypes', 'privileges', 'locations'].flatMap((name) =>
        need[name] === undefined
          ? []
          : [[name, [...text(need[name]), ...(dice.chance(0.3) ? ['more'] : [])]]],
      ),
    ),
    ...(need.identifier !== undefined && {
      identifier: filledTemplate(need.identifier as string, params),
    }),
  }
}

const NAMES = [
  ...['iss', 'aud', 'sub', 'client_id', 'azp', 'iat', 'exp', 'nbf', 'jti', 'scope', 'act', 'cnf'],
  ...['tenant', 'level', 'agent_type', 'workflow_id', 'may_act', 'acr', 'auth_time', 'groups'],
  ...['authorization_details', 'nonce', 'at_hash', 'intent', 'agent_proof', 'sub_profile'],
  ...['token_use', 'sid', 'origin_jti', 'session'],
]
const VALUES: Json[] = [
  ...['', 'x', ' ', 'a b', 'a  b', '\u0000', 'Zoë', 'a\u200bb', 'null'],
  // Numbers that are not exact, as text in the JSON of the token.
  ...['@raw:9007199254740993', '@raw:0.10000000000000001', '@raw:1e400', '@raw:2.50', '@raw:-0'],
  ...[0, -1, 1.5, 1e21, BEGIN, BEGIN + 5],
  ...([null, true, [], {}, ['x'], [''], ['a', 1], { sub: 'x' }, { jkt: 'x' }] as Json[]),
]

type Change = (dice: Dice, spec: TokenSpec, vars: Vars) => void

/** Ways in which a token is wrong, or only unusual. */
const CHANGES: Change[] = [
  (dice, { claims }) => delete claims[dice.pick(NAMES)],
  (dice, { claims }) => delete claims[dice.pick(Object.keys(claims))],
  (dice, { claims }) => (claims[dice.pick(NAMES)] = dice.pick(VALUES)),
  (dice, { claims }) => (claims[dice.pick(Object.keys(claims))] = dice.pick(VALUES)),
  (dice, { claims }) => {
    // Borders of times, with the tolerances that policies have.
    const tolerance = dice.pick([0, 5, 30])
    const by = dice.pick([-1, 0, 1, 0.5])
    const [name, at] = dice.pick([
      ['exp', BEGIN - tolerance + by],
      ['nbf', BEGIN + tolerance + by],
      ['iat', BEGIN + tolerance + by],
      ['exp', (claims.iat as number) + dice.pick([60, 900, 3600, 86_400]) + by],
      ['auth_time', BEGIN + by],
    ] as const)
    claims[name] = at
  },
  (dice, { claims }) => {
    claims.aud = dice.pick<Json>([
      [claims.aud ?? '', 'urn:other'],
      [claims.aud ?? ''],
      ['urn:other'],
      [],
      'urn:other',
      [1],
      'https://api.example.com/',
    ])
  },
  (dice, { claims }, vars) => {
    const issuers = Object.values(vars.ISSUERS).map((one) => one.issuer as string)
    claims.iss = dice.pick([...issuers, 'https://auth.acme.example/', 'https://x.example'])
  },
  (dice, spec) =>
    (spec.key = dice.pick([
      ...['a2', 'stranger', 'ed', 'plain', 'nameless', 'a2', 'stranger', 'ed', 'plain', 'nameless'],
      ...['rsa', 'ps', 'rsa', 'ps', 'es384'],
    ])),
  (dice, spec) => (spec.damage = dice.pick(['signature', 'cut', 'payload', 'padding'] as const)),
  (dice, { header }) =>
    (header.typ = dice.pick([
      null,
      'JWT',
      'at+jwt',
      'dpop+jwt',
      'application/at+jwt',
      'x',
      'logout+jwt',
      '',
    ])),
  (dice, { header }) => (header.kid = dice.pick<Json>([null, 'k1', 'k2', 'nobody', '', 7])),
  (dice, { header }) =>
    (header.alg = dice.pick(['none', 'HS256', 'RS256', 'ES256', 'EdDSA', 'es256'])),
  (dice, { header }) =>
    (header[dice.pick(['crit', 'jwk', 'jku', 'x5u', 'x5c', 'b64', 'extra'])] = 'x'),
  (dice, { claims }) => (claims.scope = dice.some(SCOPES, 0.4).join(' ')),
  (dice, { claims }) =>
    (claims.scope = dice.pick(['docs:read  docs:write', ' docs:read', 'docs:"', ''])),
  (dice, { claims }) =>
    (claims.cnf = dice.pick<Json>([
      { jkt: '@jkt:client2' },
      { jkt: '@jkt:client', jwk: '@jwk:client' },
      { jwk: '@jwk:client2' },
      { 'x5t#S256': '@x5t:other' },
      { kid: 'x' },
      {},
      { jkt: 7 },
    ])),
  (dice, { claims }) =>
    (claims.act = dice.pick<Json>([
      { sub: 'a', act: { sub: 'b', act: { sub: 'c', act: { sub: 'd' } } } },
      { sub: 'planner', iss: 'https://auth.beta.example' },
      { sub: 'planner', iss: 'https://x.example' },
      { sub: '' },
      { iss: 'x' },
      [],
      'x',
      { sub: 'a', act: 7 },
    ])),
  (dice, { claims }) => {
    const { intent } = claims
    if (typeof intent !== 'object' || intent === null || Array.isArray(intent)) return
    intent[
      dice.pick([
        'workflow_id',
        'workflow_step',
        'executed_by',
        'delegation_chain',
        'step_sequence_hash',
      ])
    ] = dice.pick<Json | undefined>([
      undefined,
      'step_2',
      'run-1',
      'a|b',
      hashOf(['boss', 'planner']),
      7,
      '',
    ])
  },
  (dice, { claims }) => {
    const { agent_proof: proof } = claims
    if (typeof proof !== 'object' || proof === null || Array.isArray(proof)) return
    proof[dice.pick(['agent_checksum', 'registration_id'])] = dice.pick<Json | undefined>([
      undefined,
      'c'.repeat(64),
      'reg_planner_9',
      'reg_x_1',
      `sha256:${'C'.repeat(64)}`,
    ])
  },
  (dice, spec) =>
    (spec.encrypted = {
      key: 'decrypt',
      header: dice.pick<JsonObject>([
        {},
        { cty: null },
        { enc: 'A128GCM' },
        { kid: 'x' },
        { zip: 'DEF' },
        { p2c: 1000 },
        { kid: null },
      ]),
    }),
  (dice, { claims }) => (claims.client_id = dice.pick(['planner', 'alice', 'x'])),
]

/** Makes a token wrong in one place, or only unusual. */
export function changeToken(dice: Dice, spec: TokenSpec, vars: Vars): void {
  dice.pick(CHANGES)(dice, spec, vars)
}
