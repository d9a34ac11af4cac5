/** Topics about tokens: who acts for whom, who the agent is, claims, times, keys and scopes. */
import { revocationId } from '../../src/gate/model/revocation.ts'
import { decode } from '../reference/paths.ts'
import type { Json, JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import { BEGIN } from './shapes.ts'
import { put } from './tokens.ts'
import type { Topic } from './topics.ts'
import { API, SCOPES, TYPES } from './words.ts'

const ACME = 'https://auth.acme.example'
const BETA = 'https://auth.beta.example'
const others = () => ({ beta: { issuer: BETA, agent_prefix: 'beta/' } })

/** A rule for documents. */
const docs = (more: JsonObject = {}): JsonObject => ({
  match: 'GET /v1/docs/{id}',
  scopes: [],
  ...more,
})

const STATUSES = ['approved', 'suspended', 'retired'] as const
const AGENTS = ['planner', 'agent-42', 'helper']

/** Ids of entries about agents, which `GATE.lift` may name. */
const LIFTABLE = await Promise.all(
  AGENTS.flatMap((value) =>
    STATUSES.map((mode) => revocationId({ kind: 'agent', issuer: ACME, value }, mode)),
  ),
)

/** Statuses of some agents. */
const statuses = (dice: Dice, issuers: string[]) =>
  Object.fromEntries(
    issuers.flatMap((issuer) =>
      dice
        .some(AGENTS)
        .map((id) => [
          `${issuer} ${id}`,
          dice.chance(0.3) ? null : { status: dice.pick(STATUSES) },
        ]),
    ),
  )

const ACTORS: Topic = {
  policy: (dice) => ({
    acme: {
      delegation: {
        issuers: ['beta'],
        ...(dice.chance(0.5) && {
          actors: dice.pick<Json>([
            ['planner', 'helper'],
            [{ sub: 'planner', issuer: 'acme' }],
            [{ sub: 'helper', issuer: 'beta' }],
          ]),
        }),
        ...(dice.chance(0.4) && { may_act: dice.pick(['if_present', 'required']) }),
      },
    },
    others: others(),
    rules: [
      docs({
        ...(dice.chance(0.3) && { agents: 'approved' }),
        ...(dice.chance(0.4) && {
          when: dice.pick([
            `!has(agent.actor) || agent.actor.issuer == "${ACME}"`,
            `has(agent.actor) && agent.actor.issuer == "${BETA}"`,
            'has(token.act) && has(token.act.act)',
            'has(token.act.act) || has(token.act.sub)',
          ]),
        }),
      }),
    ],
  }),
  token(dice, { claims }) {
    const party = () => ({ sub: dice.pick(AGENTS), iss: dice.pick([ACME, BETA]) })
    const act = { ...party(), ...(dice.chance(0.4) && { act: party() }) }
    if (dice.chance(0.8)) claims.act = act
    else delete claims.act
    if (dice.chance(0.5)) claims.may_act = { ...party(), ...(dice.chance(0.6) && { sub: act.sub }) }
  },
  before: (dice) =>
    dice.chance(0.6)
      ? { agents: statuses(dice, [ACME, BETA]) }
      : {
          revoke: dice.some(AGENTS).map((value) => ({
            kind: 'agent',
            issuer: dice.pick([ACME, BETA]),
            value,
            mode: 'block',
          })),
        },
}

/** Agents of two issuers with one id, of which mostly one is approved. */
const APPROVALS: Topic = {
  policy: () => ({
    acme: { delegation: { issuers: ['beta'] } },
    others: others(),
    rules: [docs({ agents: 'approved' })],
  }),
  token(dice, { claims }) {
    if (dice.chance(0.8)) claims.act = { sub: String(claims.client_id), iss: BETA }
  },
  before: (dice) => {
    const standing = (issuer: string, status: number) =>
      AGENTS.map((id) => [`${issuer} ${id}`, dice.chance(status) ? { status: STATUSES[0] } : null])
    return {
      agents: Object.fromEntries([...standing(ACME, 0.3), ...standing(BETA, 0.8)]),
    }
  },
}

const LIFTED: Topic = {
  policy: (dice) => ({
    gate: { lift: dice.some(LIFTABLE) },
    rules: [docs({ ...(dice.chance(0.3) && { agents: 'approved' }) })],
  }),
  before: (dice) => ({ agents: statuses(dice, [ACME]) }),
}

const AGENT_TYPES: Topic = {
  policy: (dice) => ({
    acme: { entity_profiles: true },
    rules: [docs({ agent_types: dice.some(TYPES, 0.6) })],
  }),
  token(dice, { claims }) {
    claims.sub_profile = dice.some(['ai_agent', ...TYPES, 'user']).join(' ')
  },
}

const WORKFLOW: Topic = {
  ids: ['run-1', 'a%20b', '%C3%A9', 'a%2Cb', '7'],
  policy: (dice) => ({
    acme: dice.pick([{}, { profile: 'auth0' }, { workflow_id: ['flow', 'workflow_id'] }]),
    rules: [
      docs({
        ...(dice.chance(0.8) && { workflow: dice.pick(['path:id', 'path:id', 'query:run']) }),
      }),
    ],
  }),
  token(dice, { claims }) {
    const value = claims.workflow_id ?? 'run-1'
    if (dice.chance(0.5)) {
      delete claims.workflow_id
      put(claims, 'intent.workflow_id', value)
    } else if (typeof value === 'string' && value.includes('%') && dice.chance(0.7)) {
      claims.workflow_id = decode(value) ?? value
    }
  },
}

/** Tokens with and without a user. */
const USERS: Topic = {
  policy: (dice) => ({
    acme: dice.pick([{}, { profile: 'auth0' }]),
    rules: [docs(dice.pick([{ max_age: '5m' }, { acr_values: ['pwd'] }]))],
  }),
  token(dice, { claims }) {
    const client = String(claims.azp ?? claims.client_id)
    claims.sub = dice.pick([client, `${client}@clients`, 'alice'])
    for (const name of dice.some(['acr', 'auth_time'], 0.6)) delete claims[name]
  },
}

/** An agent's id is at most this long, with its prefix. */
const LONGEST = 2048

const IDENTITY: Topic = {
  policy: (dice) => ({
    acme: {
      ...(dice.chance(0.5) && { agent_prefix: 'acme/' }),
      ...(dice.chance(0.6) && { agent_id: ['agent_id', 'client_id'] }),
    },
    rules: [docs()],
  }),
  token(dice, { claims }) {
    dice.pick([
      () => (claims.agent_id = dice.pick<Json>(['', 7, null, 'a\u0000', 'planner', ['x']])),
      () => {
        delete claims.agent_id
        claims.client_id = 'x'.repeat(LONGEST - dice.pick([0, 4, 5, 6]))
      },
    ])()
  },
}

const LIFETIMES: Topic = {
  policy: (dice) => ({
    acme: { max_lifetime: dice.pick(['5m', '10m']) },
    others: { beta: { issuer: BETA, agent_prefix: 'beta/', max_lifetime: '1h' } },
    // A rule cannot allow more than an issuer does.
    rules: [docs(dice.pick([{}, { max_lifetime: dice.pick(['1m', '2m', '5m']) }]))],
  }),
  token(dice, { claims }) {
    claims.exp = Number(claims.iat) + dice.pick([60, 120, 121, 300, 301, 600])
  },
}

const SPIFFE: Topic = {
  policy: (dice) => ({
    acme: {
      issuer: 'spiffe://acme.example',
      profile: 'spiffe',
      jwks_uri: 'https://keys.acme.example/jwks',
      ...(dice.chance(0.5) && { max_lifetime: dice.pick(['5m', '1h']) }),
    },
    others: {
      beta: {
        issuer: 'spiffe://beta.example',
        profile: 'spiffe',
        agent_prefix: 'beta/',
        jwks_uri: 'https://keys.beta.example/jwks',
      },
    },
    rules: [docs()],
  }),
  token(dice, { claims }) {
    if (dice.chance(0.7)) delete claims.iat
    if (dice.chance(0.3)) claims.iss = dice.pick(['spiffe://acme.example', 'spiffe://beta.example'])
  },
  before: (dice) => ({
    revoke: [
      {
        kind: 'issuer',
        issuer: dice.pick(['spiffe://acme.example', 'spiffe://beta.example']),
        mode: 'before',
        at: BEGIN + dice.pick([-3600, -300, -200, -60, 0]),
      },
    ],
  }),
}

/** Names that each object has. */
const INHERITED = ['constructor', 'toString', 'valueOf']

const CLAIMS: Topic = {
  policy: (dice) => ({
    acme: { required_claims: ['tenant', dice.pick(INHERITED)] },
    rules: [docs()],
  }),
  token(dice, { claims }) {
    claims.tenant = 'blue'
    for (const name of dice.some(INHERITED)) claims[name] = 'x'
  },
}

const DETAILS: Topic = {
  policy: (dice) => ({
    rules: [
      docs({
        authorization_details: dice.pick<Json>([
          [{ type: 'document', actions: ['read'], identifier: 'documents/{id}' }],
          [{ type: 'tool', privileges: ['editor', 'owner'] }],
          [{ type: 'tool', actions: ['read'], privileges: ['editor'] }],
        ]),
      }),
    ],
  }),
  token(dice, { claims }) {
    for (const one of (claims.authorization_details ?? []) as JsonObject[]) {
      dice.pick([
        () => (one.locations = dice.pick([[API], ['https://x.example'], [`${API}/v1`], []])),
        () => delete one.identifier,
        () => (one.privileges = dice.some(['editor', 'owner'])),
        () => delete one[dice.pick(['privileges', 'actions'])],
      ])()
    }
  },
}

const AGENTIC: Topic = {
  policy: () => ({ acme: { profile: 'agentic-jwt' }, rules: [docs()] }),
  token(dice, { claims }) {
    const { sub } = claims
    const id = dice.pick([`reg_${sub}_7`, `reg_${sub}_x_7`, 'reg_other_1', `reg_${sub}7`, 'reg__1'])
    put(claims, 'agent_proof.registration_id', id)
  },
}

/** Tenants of a server: the second has the key `tenant`. */
const TENANTS = ['1', '2'].map(
  (one) => `${one.repeat(8)}-${`${one.repeat(4)}-`.repeat(3)}${one.repeat(12)}`,
)

const OF_TENANT: Topic = {
  keys: ['tenant'],
  policy: (dice) => ({
    acme: {
      profile: dice.pick(['entra', 'generic']),
      issuer: `https://acme.example/${dice.pick(TENANTS)}/v2.0`,
    },
    rules: [docs()],
  }),
  token: (_, spec) => (spec.key = 'tenant'),
}

/** What the parent token could do, as its scopes and SCOPES say. */
const PARENTS: Topic = {
  policy: () => ({
    acme: { delegation: { parent_scope: 'parent' } },
    scopes: { 'docs:write': ['docs:read'], 'admin:all': ['docs:write'] },
    rules: [docs()],
  }),
  token(dice, { claims }) {
    claims.act = { sub: 'helper' }
    claims.scope = dice.pick(['docs:read', 'docs:write', 'docs:read docs:write'])
    claims.parent = dice.pick(['docs:read', 'docs:write', 'admin:all', 'files:all', ''])
  },
}

/** Two names for wide scopes. */
const [READ = '', , WIDE = '', WIDER = ''] = SCOPES

const WILDCARDS: Topic = {
  ids: ['7', '42', '7:x', 'a:b:c', 'x~1'],
  policy: (dice) => ({
    scopes: dice.pick<JsonObject>([
      { [WIDE]: ['docs:*'], [WIDER]: ['docs:read:*'] },
      { [WIDE]: ['docs:read:*'], [WIDER]: ['docs:*', 'p:*'] },
    ]),
    rules: [docs({ scopes: [dice.pick(['docs:read:{id}', 'docs:read:{id}', READ])] })],
  }),
  token(dice, { claims }) {
    if (dice.chance(0.6)) claims.scope = dice.pick([WIDE, WIDER, `${WIDE} ${WIDER}`])
  },
}

export const TOKEN_TOPICS: Topic[] = [
  ...[ACTORS, ACTORS, ACTORS, APPROVALS, LIFTED, AGENT_TYPES, WORKFLOW, USERS, IDENTITY, LIFETIMES],
  ...[SPIFFE, CLAIMS, DETAILS, AGENTIC, OF_TENANT, PARENTS, WILDCARDS],
]
