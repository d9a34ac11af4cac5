import { expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import { parsePolicy } from '../../src/gate/policy/parse.ts'
import { BOUND, PLACES, type Place, withValue } from '../gate/policy/places.ts'

/** Another value, for a key that a policy cannot be without, or whose example changes nothing. */
const OTHER: Readonly<Record<string, unknown>> = {
  'gate.resource': 'https://api.example.com/v1',
  'gate.origin': 'https://other.example.net',
  'gate.hosts': ['api.example.com', 'b.example.com'],
  'address-limit.limit': 9,
  'address-limit.period': '1s',
  'address-limit.binding': 'RL_OTHER',
  'console.host': 'b.ops.example.com',
  'issuer.issuer': 'https://other.example',
  'issuer.audiences': ['urn:x'],
  'issuer.typ': ['jwt'],
  'issuer.max_lifetime': '1h',
  'issuer.agent_prefix': 'z/',
  'claim.pattern': 'team-1',
  'claim.min': 2,
  'claim.max': 4,
  'person.client_id': 'other',
  'events.issuer': 'https://other.example',
  'events.audience': 'other',
  'events.authorization': 'OTHER',
  'poll.endpoint': 'https://other.example/poll',
  'poll.authorization': 'OTHER',
  'events.jwks_uri': 'https://other.example/keys',
  'decrypt.secret': 'OTHER',
  'actor.sub': 'bob',
  'rule.match': 'POST /v1/models/{model}',
  'rule.scopes': ['documents:write:{id}'],
  'scopes.any': ['documents:read'],
  'authorization-details.type': 'other',
  'when.condition': 'true',
  'cors.origins': ['*'],
  'credential.headers': ['authorization'],
  'rate-limit.limit': 9,
  'rate-limit.period': '1s',
  'rate-limit.daily': 9,
  'rate-limit.binding': 'RL_OTHER',
  'mcp.tools': { other: [] },
  'mcp-scopes.any': ['files:read'],
  'transmit.audience': 'https://other.example',
  'transmit.endpoint': 'https://other.example/events',
  'transmit.authorization': 'OTHER_EVENTS',
  'mcp-name.scopes': ['files:read'],
  'grant.claims': { repository_id: '2' },
  'grant.scopes': ['documents:list'],
}

/**
 * What is said where a key gets its example, and where it loses it. `unclear` cannot be compared, and counts as wider.
 * A variable as a whole is what its keys are, and the audit lets nobody pass.
 */
const SAID: readonly (readonly [added: string, removed: string, ...keys: readonly string[]])[] = [
  [
    'wider',
    'narrower',
    'gate: insecure_http clock_tolerance proof_max_ahead lift mode',
    'revocation: max_staleness',
    'address-limit: limit',
    'issuer: agentic_forms changed required_claims admin decrypt',
    'delegation: issuers',
    'scopes: any',
    'rule: access cors credential forward_token encoded_slash ambiguous_paths mode replay',
    'rule: token_subprotocols',
    'credential: headers',
    'rate-limit: limit daily',
    'mcp: prompts resources methods origins',
  ],
  [
    'narrower',
    'wider',
    'gate: hosts proof_max_age dpop_nonce assertion strip_headers address_limit in_flight agents',
    'gate: on_revocation on_expiry finish_within',
    'revocation: consistency',
    'assertion: binding withdrawn',
    'issuer: jwks_cache algorithms max_lifetime claims rules possession agents delegation',
    'jwks-cache: max_fresh stale_if_error',
    'delegation: max_depth require_actor actors subjects may_act parent_scope',
    'rule: issuers claims max_lifetime agent_types workflow steps delegation_chains step_sequences',
    'rule: delegation authorization_details acr_values max_age when approval remove_response_headers',
    'rule: on_revocation on_expiry finish_within revocation rate_limit single_use possession agents',
    'rule: mcp',
    'mcp: revisions',
    'mcp-name: scopes agent_types when approval',
  ],
  [
    'unclear',
    'unclear',
    'gate: origin origin_via identity_prefix client_ip console',
    'revocation: jurisdiction',
    'address-limit: period binding',
    'console: host',
    'issuer: jwks_uri agent_id agent_prefix agent_type entity_profiles workflow_id session_id scope scopes_from',
    'issuer: person events',
    'events: issuer audience authorization poll jwks_uri accept effects',
    'poll: endpoint authorization',
    'effects: account-disabled account-enabled account-purged sessions-revoked session-revoked',
    'effects: token-claims-change credential-change assurance-level-change device-compliance-change',
    'person: access client_id claim scopes',
    'claim: pattern min max',
    'decrypt: secret key_management content_encryption',
    'authorization-details: type actions datatypes privileges identifier locations',
    'when: condition headers query',
    'approval: by within hold headers unless shows',
    'call-approval: by within hold headers unless shows',
    'cors: origins methods headers expose credentials max_age',
    'rule: origin origin_via strip_prefix in_flight',
    'rate-limit: period per binding',
    'grant: agent_type agent_id',
    'watch: issuer agents agent_types rules signals action duration throttle at_most',
  ],
  [
    'neutral',
    'neutral',
    'gate: prefix revocation timeout unread_body request_id journal denial_docs',
    'unread-body: max_body within',
    'revocation: shards locations',
    'assertion: algorithm max_body',
    'journal: allowed',
    'issuer: operator',
    'jwks-cache: cooldown',
    'rule: timeout audit_path audit_mask',
    'mcp: max_body refusals list offered_scopes',
    'transmit: audience endpoint authorization events subjects',
  ],
  [
    'wider and narrower',
    'wider and narrower',
    'issuer: issuer audiences typ',
    'actor: sub',
    'rule: match scopes audiences inject',
    'mcp-scopes: any',
    'mcp: tools',
    'grant: claims scopes',
  ],
  ['narrower and unclear', 'wider and unclear', 'gate: identity_headers', 'rule: forward_claims'],
  ['wider and narrower and unclear', 'wider and narrower and unclear', 'issuer: profile'],
  [
    'wider and narrower and neutral',
    'wider and narrower and neutral',
    'gate: resource',
    'rule: resource',
  ],
  ['unclear and neutral', 'unclear and neutral', 'issuer: jwks'],
  // The only host and the only issuer of actors; ids are shared where there are prefixes.
  ['', '', 'gate: shared_ids', 'actor: issuer', 'rule: host'],
]
/** Not changed alone: with another issuer, or one that takes grants. */
const TOGETHER = ['issuer.allow_insecure_http', 'grant.issuer']

const ROWS = SAID.flatMap(([added, removed, ...lines]) =>
  lines.flatMap((line) => {
    const [table = '', ...keys] = line.split(/:? /)
    return keys.map((key) => ({ name: `${table}.${key}`, added, removed }))
  }),
)
const COMPARED = new Map(
  PLACES.filter(({ table }) => table !== 'policy' && table !== 'audit').map((place) => [
    `${place.table}.${place.key}`,
    place,
  ]),
)

const policyWith = (place: Place, value: unknown): Policy => {
  const read = parsePolicy(withValue(place, value), BOUND)
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  return read.value.policy
}

const wordOf = async (before: Policy, after: Policy): Promise<string> => {
  const found = await comparePolicies(before, after)
  if (!found.ok) throw new Error(found.reason)
  const { widens, gains, loses, changes } = found.value
  const isUnclear = changes.some((one) => one.widens)
  expect(widens).toBe(gains.length > 0 || isUnclear)
  return [
    ...(gains.length > 0 ? ['wider'] : []),
    ...(loses.length > 0 ? ['narrower'] : []),
    ...(isUnclear ? ['unclear'] : []),
    ...(changes.some((one) => !one.widens) ? ['neutral'] : []),
  ].join(' and ')
}

it('says of every key what it is to add its example', () => {
  expect([...ROWS.map(({ name }) => name), ...TOGETHER].sort()).toEqual([...COMPARED.keys()].sort())
})

it.each(ROWS)('$name is $added where it is added, and $removed where it goes', async (row) => {
  const place = COMPARED.get(row.name)
  if (!place) throw new Error('no such key')
  const [without, having] = [policyWith(place, OTHER[row.name]), policyWith(place, place.example)]
  expect(await wordOf(without, having)).toBe(row.added)
  expect(await wordOf(having, without)).toBe(row.removed)
})
