/** What becomes of a token by what it says, at a rule and an issuer: each case decided by both implementations. */
import { describe, expect, it } from 'vitest'
import { type Sent, type Setting, said, saidOf } from '../../differential/said.ts'
import { BEGIN } from '../../differential/shapes.ts'
import type { JsonObject } from '../../reference/types.ts'

const RESOURCE = 'https://api.example.com'
const ISSUER = 'https://auth.acme.example'
const BETA = 'https://auth.beta.example'
const OTHERS = { beta: { issuer: BETA, agent_prefix: 'beta/' } }
const rule = (more: JsonObject = {}) => [{ match: 'GET /v1/x', scopes: [], ...more }]

/** A token with these claims laid over good ones. */
type Row = [code: string, claims: object, setting?: Setting]

const decides = (rows: Row[]) =>
  it.each<Row>(rows)('says %s to %j (%j)', async (code, claims, setting) => {
    expect(await said([{}], { claims: { ...claims }, ...setting })).toEqual([code])
  })

const LONGEST = 'x'.repeat(2_048)

describe('times', () => {
  decides([
    ['forwarded', { exp: BEGIN - 4 }],
    ['token_expired', { exp: BEGIN - 5 }],
    ['token_expired', { exp: BEGIN - 4 }, { gate: { clock_tolerance: '0s' } }],
    ['token_expired', { exp: 0 }],
    ['token_not_yet_valid', { nbf: BEGIN + 6 }],
    ['forwarded', { iat: BEGIN + 5 }],
    ['token_issued_in_future', { iat: BEGIN + 6 }],
    // Milliseconds where seconds belong.
    ['token_issued_in_future', { iat: BEGIN * 1000, exp: (BEGIN + 300) * 1000 }],
    ['forwarded', { iat: BEGIN - 300, exp: BEGIN + 600 }],
    ['token_lifetime', { iat: BEGIN - 301, exp: BEGIN + 600 }],
    ['forwarded', {}, { issuer: { max_lifetime: '5m' } }],
    ['token_lifetime', { exp: BEGIN + 301 }, { issuer: { max_lifetime: '5m' } }],
    ['token_lifetime', { exp: BEGIN + 301 }, { rules: rule({ max_lifetime: '5m' }) }],
    ['time_malformed', { exp: undefined }],
    ['time_malformed', { iat: undefined }],
    ['time_malformed', { exp: `${BEGIN + 300}` }],
    ['time_malformed', { exp: [BEGIN + 300] }],
    ['time_malformed', { iat: null }],
    ['time_malformed', { nbf: null }],
  ])
})

it.each([
  [-206, 'forwarded'],
  [-205, 'token_revoked'],
])(
  'a JWT-SVID without iat counts as issued as early as its lifetime allows: %s s: %s',
  async (by, code) => {
    const issuer = 'spiffe://acme.example'
    const sub = `${issuer}/agent`
    const at = BEGIN + by
    const revoke = [{ kind: 'subject', issuer, value: sub, mode: 'before', at } as const]
    const svid: Setting = {
      issuer: {
        issuer,
        profile: 'spiffe',
        max_lifetime: '5m',
        jwks_uri: 'https://spire.example/keys',
      },
      token: { key: 'svid' },
      header: { typ: 'JWT' },
      claims: { iss: undefined, sub, iat: undefined, exp: BEGIN + 100, scope: undefined },
    }
    const sent = { before: { keys: { acme: ['svid'] }, revoke } }
    expect(await said([sent], svid)).toEqual([code])
  },
)

/** A server whose tokens are for clients. */
const CLIENTS: Setting = {
  issuer: { profile: 'cognito', audiences: ['c'] },
  header: { typ: null },
}
const use = (claims: object) => ({ aud: undefined, token_use: 'access', ...claims })

describe('the audience', () => {
  decides([
    ['forwarded', { aud: ['https://x.example', RESOURCE] }],
    ['forwarded', { aud: `${RESOURCE}/` }],
    ['audience_mismatch', { aud: `${RESOURCE}//` }],
    ['audience_mismatch', { aud: undefined }],
    ['audience_mismatch', { aud: [] }],
    ['audience_mismatch', { aud: [RESOURCE, 1] }],
    ['audience_mismatch', { aud: [[RESOURCE]] }],
    ['audience_mismatch', { aud: `${RESOURCE}.evil.example` }],
    ['audience_mismatch', { aud: `${RESOURCE}/mcp` }],
    ['audience_mismatch', { aud: 'https://API.example.com' }],
    ['forwarded', { aud: `${RESOURCE}/mcp` }, { rules: rule({ resource: `${RESOURCE}/mcp` }) }],
    ['audience_mismatch', {}, { rules: rule({ resource: `${RESOURCE}/mcp` }) }],
    [
      'audience_mismatch',
      { aud: `${RESOURCE}/mcp/` },
      { rules: rule({ resource: `${RESOURCE}/mcp` }) },
    ],
    ['forwarded', { aud: 'api' }, { issuer: { audiences: ['api'] } }],
    ['audience_mismatch', { aud: 'api/' }, { issuer: { audiences: ['api'] } }],
    ['audience_mismatch', {}, { issuer: { audiences: ['api'] } }],
    [
      'audience_mismatch',
      { aud: 'api' },
      { issuer: { audiences: ['api'] }, rules: rule({ audiences: ['b'] }) },
    ],
    ['forwarded', use({}), CLIENTS],
    ['forwarded', use({ aud: [`${RESOURCE}/`] }), CLIENTS],
    ['audience_mismatch', use({ aud: 'https://x.example' }), CLIENTS],
    ['audience_mismatch', use({ aud: 'c' }), CLIENTS],
    ['audience_mismatch', use({ client_id: 'C' }), CLIENTS],
    // A resource never stands in for a client.
    ['audience_mismatch', use({ client_id: RESOURCE }), CLIENTS],
    ['audience_mismatch', use({}), { ...CLIENTS, rules: rule({ audiences: ['d'] }) }],
  ])
})

describe('what an issuer and a rule ask for', () => {
  decides([
    ['claim_missing', { jti: undefined }],
    ['claim_missing', { client_id: undefined }],
    ['claim_missing', {}, { issuer: { required_claims: ['toString'] } }],
    [
      'claim_missing',
      { jti: undefined },
      { issuer: { required_claims: [] }, rules: rule({ single_use: true }) },
    ],
    ['id_token', { nonce: 'n' }],
    ['id_token', { at_hash: 'h' }],
    ['claim_malformed', { jti: '' }],
    ['claim_malformed', { sub: ['alice'] }],
    ['claim_malformed', { sub: 'a\r\nX-Agent-Id: root' }],
    ['claim_malformed', { sub: '\ud800' }],
    ['claim_malformed', { client_id: null, azp: 'app' }],
    ['claim_malformed', { client_id: `${LONGEST}x` }],
    ['claim_malformed', { scope: null }],
    ['claim_malformed', { scope: 'a  b' }],
    ['claim_malformed', { scope: ['a b'] }],
    ['claim_malformed', { scope: ['a', 1] }],
    ['forwarded', { org: { name: 'acme' } }, { issuer: { claims: { 'org.name': 'acme' } } }],
    [
      'claim_rejected',
      { org: [{ name: 'acme' }] },
      { rules: rule({ claims: { 'org.name': 'acme' } }) },
    ],
    [
      'claim_rejected',
      { tenant: 'blue' },
      { issuer: { claims: { level: 1 } }, rules: rule({ claims: { tenant: 'blue' } }) },
    ],
    [
      'claim_rejected',
      { level: 1 },
      { issuer: { claims: { level: 1 } }, rules: rule({ claims: { tenant: 'blue' } }) },
    ],
    ['claim_not_encodable', { org: {} }, { rules: rule({ forward_claims: { 'X-Org': 'org' } }) }],
    [
      'claim_not_encodable',
      { org: 'a\nb' },
      { rules: rule({ forward_claims: { 'X-Org': 'org' } }) },
    ],
  ])
})

describe('the scopes of a token', () => {
  const needs = (scope: string, issuer: JsonObject = {}): Setting => ({
    rules: rule({ scopes: [scope] }),
    issuer,
  })
  const keycloak = { profile: 'keycloak' }
  const own = (claims: object) => ({ typ: 'Bearer', azp: 'c', ...claims })
  decides([
    ['forwarded', { scope: ['a', 'b'] }, needs('b')],
    ['forwarded', { scope: 'a', roles: ['b', 'a'] }, needs('b', { scope: ['scope', 'roles'] })],
    ['forwarded', own({ scope: undefined, realm_access: { roles: ['b'] } }), needs('b', keycloak)],
    ['scope_missing', own({ scope: 'a', realm_access: { roles: ['b'] } }), needs('b', keycloak)],
    ['scope_missing', own({ scope: '', realm_access: { roles: ['b'] } }), needs('b', keycloak)],
    ['scope_missing', { scope: 'A' }, needs('a')],
    ['scope_missing', { scope: 'a' }, needs('a:b')],
    ['scope_missing', { scope: '*' }, needs('a')],
    ['scope_missing', { scope: 'constructor' }, needs('a')],
  ])
})

describe('what is included and what values of the path are in a scope', () => {
  const SCOPES = { 'd:all': ['d:write'], 'd:write': ['d:read'] }
  const at = (id: string, scopes: unknown = ['d:{id}']): [Setting, Sent] => [
    { rules: [{ match: 'GET /v1/{id}', scopes: scopes as JsonObject }], scopes: SCOPES },
    { target: `/v1/${id}` },
  ]
  it.each<[string, string, [Setting, Sent]]>([
    ['forwarded', 'd:all', at('x', ['d:read'])],
    ['scope_missing', 'd:read', at('x', ['d:all'])],
    ['forwarded', 'd:7', at('7')],
    ['scope_missing', 'd:7 d:{id}', at('8')],
    ['forwarded', 'd', at('a%20b', { any: ['d:{id}', 'd'] })],
    ...['a%20b', 'a:b', 'a*', '%C3%A4', 'a%40b', 'a'.repeat(129)].map(
      (id): [string, string, [Setting, Sent]] => ['scope_value_invalid', `d:${id} d:`, at(id)],
    ),
  ])('says %s to a token with %s (%j)', async (code, scope, [setting, sent]) => {
    expect(await said([sent], { ...setting, claims: { scope } })).toEqual([code])
  })
})

/** Actors from the outside in, as nested `act` claims. */
const acts = (...[sub, ...inner]: unknown[]): object =>
  sub === undefined ? {} : { act: { sub, ...acts(...inner) } }
const delegated = (issuer: JsonObject, ruled?: JsonObject): Setting => ({
  issuer: { agent_prefix: 'acme/', delegation: issuer },
  others: OTHERS,
  ...(ruled && { rules: rule({ delegation: ruled }) }),
})
const COUNTING = delegated({ issuers: ['beta'] })
const foreign = { act: { sub: 'a', iss: BETA } }

describe('the chain of actors', () => {
  decides([
    ['forwarded', acts('a', 'b'), delegated({ max_depth: 2 })],
    ['delegation_too_deep', acts('a', 'b', 'c'), delegated({ max_depth: 2 })],
    ['delegation_too_deep', acts('a', 'b'), delegated({ max_depth: 2 }, { max_depth: 1 })],
    ...[null, 'a', [], [{ sub: 'a' }], {}, { iss: ISSUER }, { sub: 'a', iss: null }].map(
      (act): Row => ['delegation_malformed', { act }],
    ),
    ['delegation_malformed', acts('a', '')],
    ['delegation_malformed', acts('a\n')],
    ['actor_missing', {}, delegated({ require_actor: true })],
    ['actor_missing', {}, delegated({}, { require_actor: true })],
    ['forwarded', { act: { sub: 'a', iss: ISSUER } }],
    ['actor_issuer_unknown', foreign],
    ['actor_issuer_unknown', { act: { sub: 'a', act: { sub: 'b', iss: BETA } } }],
    ['forwarded', foreign, COUNTING],
    ['actor_issuer_unknown', foreign, delegated({ issuers: ['beta'] }, { issuers: [] })],
    ['actor_not_allowed', acts('b'), delegated({}, { actors: ['a'] })],
    ['actor_not_allowed', acts('A'), delegated({ actors: ['a'] })],
    // An allowed actor further in is history and opens nothing.
    ['actor_not_allowed', acts('b', 'a'), delegated({}, { actors: ['a'] })],
    ['actor_not_allowed', foreign, delegated({ issuers: ['beta'], actors: ['a'] })],
    [
      'forwarded',
      foreign,
      delegated({ issuers: ['beta'], actors: [{ sub: 'a', issuer: 'beta' }] }),
    ],
    ['subject_not_allowed', {}, delegated({}, { subjects: ['bob'] })],
    ['subject_not_allowed', acts('bob'), delegated({ subjects: ['bob'] })],
    ['forwarded', {}, delegated({ subjects: [{ sub: 'u', issuer: 'acme' }] })],
  ])
})

describe('may_act', () => {
  const looked = delegated({ may_act: 'if_present' })
  const required = delegated({ may_act: 'required' })
  const counting = delegated({ may_act: 'if_present', issuers: ['beta'] })
  const held = (may_act: unknown, more: object = acts('a')) => ({ ...more, may_act })
  decides([
    ['forwarded', held({ sub: 'b' })],
    ['forwarded', held({ sub: 'a', iss: ISSUER, client_id: 'other' }), looked],
    ['forwarded', acts('a'), looked],
    ['forwarded', {}, required],
    ['may_act_mismatch', held({ sub: 'b' }), looked],
    ['may_act_mismatch', held({ sub: 'a', iss: BETA }), looked],
    ['may_act_mismatch', held({ sub: 'a' }, foreign), counting],
    ['forwarded', held({ sub: 'a', iss: BETA }, foreign), counting],
    // An actor further in was allowed by an earlier token.
    ['may_act_mismatch', held({ sub: 'b' }, acts('a', 'b')), looked],
    ['may_act_mismatch', acts('a'), required],
    ...[null, 'a', ['a'], {}, { sub: '' }, { sub: 'a', iss: 7 }].map(
      (may_act): Row => ['delegation_malformed', held(may_act), looked],
    ),
    // A rule only tightens.
    ['may_act_mismatch', acts('a'), delegated({ may_act: 'if_present' }, { may_act: 'required' })],
    ['may_act_mismatch', acts('a'), delegated({ may_act: 'required' }, { may_act: 'if_present' })],
  ])
})

describe('scopes of the parent token', () => {
  const of = (issuer: JsonObject = {}): Setting => ({
    ...delegated({ parent_scope: 'parent.scope' }),
    issuer: {
      agent_prefix: 'acme/',
      delegation: { parent_scope: 'parent.scope' },
      ...issuer,
    },
    scopes: { 'd:all': ['d:write'], 'd:write': ['d:read'], 'edgewarden:read': ['see'] },
  })
  const parent = (scope: string, ofParent?: unknown) => ({ scope, parent: { scope: ofParent } })
  decides([
    ['forwarded', parent('d:read'), of()],
    ['forwarded', parent('d:read d:write', 'd:all'), of()],
    ['delegation_scope_exceeded', parent('d:write', 'd:read'), of()],
    ['delegation_scope_exceeded', parent('d:read', ''), of()],
    ['delegation_scope_exceeded', parent('constructor', 'x'), of()],
    ...[null, 7, 'a  b', ['a b'], { scope: 'a' }].map(
      (scope): Row => ['delegation_malformed', parent('', scope), of()],
    ),
    // What counts as absent in a token counts as absent in its parent.
    ['delegation_scope_exceeded', parent('see', 'edgewarden:read'), of()],
    ['forwarded', parent('see', 'edgewarden:read'), of({ admin: 'own' })],
  ])
})

const BY_ACTOR = { agent_id: ['act.sub', 'client_id'] }

describe('the agent', () => {
  const named = { issuer: { agent_id: ['agent_id', 'client_id'] } }
  const at = (...agent_id: string[]): Setting => ({ issuer: { agent_id } })
  decides([
    ['agent_id_missing', {}, at('agent_id')],
    ['agent_id_missing', { agent: [{ id: 'p' }] }, at('agent.0.id')],
    ['agent_id_missing', { agent: 'p' }, at('agent.length')],
    ['agent_id_missing', {}, at('constructor.name')],
    ...[null, '', 1, ['p'], 'p\0', '\udc00'].map(
      (agent_id): Row => ['agent_id_malformed', { agent_id }, named],
    ),
    ['agent_id_malformed', { agent_type: ['a'] }],
    ['agent_id_malformed', { workflow_id: 7 }],
    ['agent_id_malformed', { workflow_id: `${LONGEST}x` }],
    [
      'agent_id_malformed',
      { agent_id: LONGEST.slice(1) },
      { issuer: { ...named.issuer, agent_prefix: 'a/' } },
    ],
    [
      'agent_issuer_mismatch',
      foreign,
      { ...COUNTING, issuer: { ...COUNTING.issuer, ...BY_ACTOR } },
    ],
    // Who is inside is history, and is told with its own issuer.
    [
      'forwarded',
      { act: { sub: 'p', act: { sub: 'a', iss: BETA } } },
      { ...COUNTING, issuer: { ...COUNTING.issuer, ...BY_ACTOR } },
    ],
    ['workflow_conflict', { workflow_id: 'w', intent: { workflow_id: 'x' } }],
    ['agent_id_malformed', { workflow_id: 'w', intent: { workflow_id: '' } }],
    ['agent_id_malformed', { intent: { workflow_id: 7 } }],
    ['forwarded', { workflow_id: 'w', intent: 'to read' }],
    [
      'workflow_conflict',
      { run: 'r', workflow_id: 'w' },
      { issuer: { workflow_id: ['run', 'workflow_id'] } },
    ],
    [
      'agent_id_malformed',
      { run: 'r', workflow_id: 7 },
      { issuer: { workflow_id: ['run', 'workflow_id'] } },
    ],
  ])

  it.each<[string, object, JsonObject, string | undefined]>([
    ['id', { agent_id: 'p' }, { agent_prefix: 'acme/', agent_id: 'agent_id' }, 'acme/p'],
    ['type', { kind: 'k', agent_type: 'x' }, { agent_type: 'kind' }, 'k'],
    ['workflow-id', { intent: { workflow_id: 'w' } }, {}, undefined],
    ['workflow-id', { intent: { run: 'w' } }, { workflow_id: 'intent.run' }, 'w'],
    ['type', { sub_profile: 'service ai_agent' }, { entity_profiles: true }, 'service%20ai_agent'],
    ['type', { sub_profile: 'user', ...acts('a') }, { entity_profiles: true }, undefined],
    ['type', { act: { sub: 'a', sub_profile: 'x' } }, { entity_profiles: true }, 'x'],
    [
      'type',
      { act: { sub: 'a', act: { sub: 'b', sub_profile: 'x' } } },
      { entity_profiles: true },
      undefined,
    ],
  ])('tells as %s of %j (%j): %s', async (name, claims, issuer, value) => {
    const [told] = await saidOf([{}], { claims: { ...claims }, issuer })
    expect(told?.outcome).toBe('forwarded')
    expect(told?.headers?.[`x-agent-${name}`]).toBe(value)
  })

  const profiles = { issuer: { entity_profiles: true } }
  const types = (...agent_types: string[]): Setting => ({
    ...profiles,
    rules: rule({ agent_types }),
  })
  decides([
    ...['', ' ai_agent', 'service  ai_agent', 'a\tb', null, ['a']].map(
      (sub_profile): Row => ['agent_id_malformed', { sub_profile }, profiles],
    ),
    ['forwarded', { sub_profile: 'service planner' }, types('planner')],
    ['agent_type_not_allowed', { sub_profile: 'service user' }, types('planner')],
    ['agent_type_not_allowed', { sub_profile: 'Planner' }, types('planner')],
    ['agent_type_not_allowed', {}, types('planner')],
    // One type that has a space in it is no two.
    [
      'agent_type_not_allowed',
      { agent_type: 'service planner' },
      { rules: rule({ agent_types: ['planner'] }) },
    ],
    [
      'forwarded',
      { workflow_id: 'x' },
      { rules: rule({ match: 'GET /v1/{run}', workflow: 'path:run' }) },
    ],
  ])
})

describe('authorization_details', () => {
  const asks = (...authorization_details: JsonObject[]): Setting => ({
    rules: rule({ authorization_details }),
  })
  const tool = { type: 'tool', actions: ['call', 'list'], identifier: 'weather' }
  const held = (...authorization_details: unknown[]) => ({ authorization_details })
  const MISSING = 'authorization_details_missing'
  decides([
    ['forwarded', { authorization_details: 'not well formed' }],
    ['forwarded', held({ type: 'other' }, tool), asks({ type: 'tool', actions: ['list', 'call'] })],
    ['forwarded', held({ type: 'b' }, { type: 'a' }), asks({ type: 'a' }, { type: 'b' })],
    ['forwarded', held({ type: 'tool', locations: ['urn:x', RESOURCE] }), asks({ type: 'tool' })],
    [MISSING, {}, asks({ type: 'tool' })],
    [MISSING, held({ type: 'Tool' }), asks({ type: 'tool' })],
    [MISSING, held({ type: 'tool' }), asks({ type: 'tool', actions: ['call'] })],
    [
      MISSING,
      held({ type: 'tool', actions: ['*', 'calls'] }),
      asks({ type: 'tool', actions: ['call'] }),
    ],
    [MISSING, held({ type: 'tool', actions: ['a'] }), asks({ type: 'tool', datatypes: ['a'] })],
    [MISSING, held({ type: 'tool', privileges: [] }), asks({ type: 'tool', privileges: ['a'] })],
    [MISSING, held({ type: 'tool' }), asks({ type: 'tool', identifier: 'weather' })],
    [MISSING, held({ type: 'a' }), asks({ type: 'a' }, { type: 'b' })],
    // One detail must do: what two allow together, neither does.
    [
      MISSING,
      held({ type: 'a', actions: ['r'] }, { type: 'a', actions: ['w'] }),
      asks({ type: 'a', actions: ['r', 'w'] }),
    ],
    [MISSING, held({ type: 'tool', locations: ['https://other.example'] }), asks({ type: 'tool' })],
    [MISSING, held({ type: 'tool', locations: [] }), asks({ type: 'tool' })],
    [MISSING, held({ type: 'tool' }), asks({ type: 'tool', locations: ['urn:x'] })],
    [
      MISSING,
      held({ type: 'tool', locations: [RESOURCE] }),
      asks({ type: 'tool', locations: ['urn:x'] }),
    ],
    ...[null, 'tool', { type: 'tool' }].map(
      (authorization_details): Row => [
        'authorization_details_malformed',
        { authorization_details },
        asks({ type: 'tool' }),
      ],
    ),
    ...[
      ['tool'],
      [null],
      [{}],
      [{ type: 7 }],
      [{ type: 'tool', actions: 'call' }],
      [{ type: 'tool', actions: ['call', 7] }],
      [{ type: 'tool', privileges: [['a']] }],
      [{ type: 'tool', identifier: 7 }],
      [{ type: 'tool' }, { type: 'other', locations: null }],
      Array.from({ length: 65 }, () => ({ type: 'tool' })),
    ].map((all): Row => ['authorization_details_malformed', held(...all), asks({ type: 'tool' })]),
  ])

  it.each([
    ['7', { type: 't', identifier: 't/7' }, 'forwarded'],
    ['8', { type: 't', identifier: 't/{id}' }, MISSING],
    ['a%20b', { type: 't', identifier: 't/a%20b' }, 'authorization_details_value_invalid'],
  ])('of a path with %s are met by %j: %s', async (id, detail, code) => {
    const details = [{ type: 't', identifier: 't/{id}' }]
    const rules = rule({ match: 'GET /v1/{id}', authorization_details: details })
    const sent = { target: `/v1/${id}` }
    expect(await said([sent], { rules, claims: held(detail) })).toEqual([code])
  })
})

describe('how a user was authenticated', () => {
  const MFA = { acr_values: ['urn:x:mfa', 'phr'] }
  const FRESH = { max_age: '5m' }
  const asks = (more: JsonObject): Setting => ({ rules: rule(more) })
  decides([
    ['forwarded', { acr: 7, auth_time: 'x' }],
    ['forwarded', { acr: 'phr', auth_time: 0 }, asks(MFA)],
    ['forwarded', { auth_time: BEGIN + 5 }, asks(FRESH)],
    ['forwarded', { auth_time: BEGIN - 305, acr: 'pwd' }, asks(FRESH)],
    ['authentication_insufficient', { auth_time: BEGIN - 306 }, asks(FRESH)],
    ['authentication_insufficient', {}, asks(MFA)],
    ['authentication_insufficient', { acr: 'URN:X:MFA' }, asks(MFA)],
    ['authentication_insufficient', { acr: 'urn:x:mfa phr' }, asks(MFA)],
    ['authentication_insufficient', { acr: 'phr' }, asks({ ...MFA, ...FRESH })],
    ['authentication_malformed', { acr: ['phr'] }, asks(MFA)],
    ['authentication_malformed', { auth_time: null }, asks(FRESH)],
    ['authentication_malformed', { auth_time: BEGIN + 6 }, asks(FRESH)],
    ['authentication_malformed', { acr: 'phr', auth_time: BEGIN + 6 }, asks(MFA)],
    ['authentication_malformed', { auth_time: BEGIN, acr: {} }, asks(FRESH)],
    ['user_missing', { sub: 'c' }, asks(MFA)],
    ['user_missing', { sub: 'c@clients' }, asks(MFA)],
    ['authentication_insufficient', { sub: 'C' }, asks(MFA)],
    ['authentication_insufficient', { sub: 'c', acr: 'pwd' }, asks(MFA)],
  ])
})

describe('a condition', () => {
  const when = (condition: string): Setting => ({ rules: rule({ when: condition }) })
  decides([
    ['forwarded', { amount: 5 }, when('token.amount < 100.0')],
    ['condition_failed', { amount: 500 }, when('token.amount < 100.0')],
    ['condition_error', {}, when('token.amount < 100.0')],
    ['condition_error', { amount: '5' }, when('token.amount < 100.0')],
    ['condition_error', { flag: 'yes' }, when('token.flag')],
  ])
})
