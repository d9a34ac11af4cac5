/**
 * What both may say differently, each with the reason. Nothing else is left out of the comparison, and each entry says
 * only as much as it has to. `coverage.nightly.test.ts` fails if an entry is never needed.
 */
import { CODES } from '../reference/codes.ts'
import type { JsonObject } from '../reference/types.ts'
import { BEGIN, type RequestSpec, type Said, type TokenSpec, type Vars } from './shapes.ts'

/**
 * "If several codes of one stage apply, any of them may be sent" (docs/denials.md). Codes of one stage that both apply to
 * some requests, and that the two look for in another order.
 */
const ANY_OF_STAGE: string[][] = [
  // route
  [
    ...['host_malformed', 'host_unknown', 'path_ambiguous', 'method_unknown', 'method_ambiguous'],
    ...['route_unknown', 'insecure_transport', 'parameter_ambiguous', 'preflight_refused'],
  ],
  // credential
  [
    ...['credential_in_query', 'credential_malformed', 'credential_missing', 'scheme_unsupported'],
    'subprotocols_malformed',
  ],
  ['header_forbidden', 'algorithm_forbidden', 'type_forbidden', 'token_malformed'],
  ['encryption_not_accepted', 'decryption_failed', 'header_forbidden', 'token_malformed'],
  // issuer
  ['encryption_issuer_mismatch', 'issuer_unknown', 'issuer_not_accepted'],
  ['algorithm_not_accepted', 'type_not_accepted', 'issuer_not_accepted'],
  // claims
  [
    ...['time_malformed', 'token_expired', 'token_not_yet_valid', 'token_issued_in_future'],
    ...['token_lifetime', 'audience_mismatch', 'claim_missing', 'id_token', 'claim_malformed'],
    ...['claim_rejected', 'claim_not_encodable'],
  ],
  // agentic_jwt
  [
    ...['key_id_missing', 'intent_malformed', 'executed_by_mismatch', 'delegation_chain_malformed'],
    ...['step_sequence_malformed', 'agent_proof_malformed', 'agent_checksum_malformed'],
    ...['scope_empty', 'confirmation_malformed', 'step_not_allowed'],
    ...['delegation_chain_mismatch', 'step_sequence_mismatch'],
  ],
  // possession
  [
    ...['confirmation_unsupported', 'token_bound', 'token_not_bound', 'possession_required'],
    ...['proof_missing', 'proof_malformed', 'proof_key_mismatch', 'proof_nonce_required'],
    ...['nonce_unavailable', 'proof_method_mismatch', 'proof_url_mismatch', 'proof_expired'],
    ...['proof_algorithm_forbidden', 'proof_key_invalid', 'proof_signature_invalid'],
    'proof_token_mismatch',
  ],
  // delegation
  [
    ...['delegation_malformed', 'delegation_scope_exceeded', 'agent_id_missing', 'grant_conflict'],
    ...['agent_id_malformed', 'workflow_conflict', 'delegation_too_deep', 'actor_missing'],
    ...['actor_issuer_unknown', 'actor_not_allowed', 'subject_not_allowed', 'may_act_mismatch'],
    ...['agent_issuer_mismatch', 'grant_value_invalid'],
  ],
  // scope
  ['scope_missing', 'scope_value_invalid', 'grant_missing', 'admin_not_allowed'],
  // authorization_details
  ['authorization_details_missing', 'authorization_details_value_invalid'],
  // authentication
  ['authentication_malformed', 'authentication_insufficient', 'user_missing'],
  // operation
  [
    ...['body_too_large', 'digest_mismatch', 'upgrade_refused', 'origin_not_allowed'],
    ...['revision_unsupported', 'http_method_not_allowed', 'message_type_unsupported'],
    ...['session_missing', 'session_unknown', 'session_unavailable', 'message_malformed'],
    ...['message_invalid', 'batch_not_allowed', 'params_invalid', 'params_ambiguous'],
    ...['header_mismatch', 'task_unknown'],
  ],
  // mcp_access
  [
    ...['tool_not_allowed', 'prompt_not_allowed', 'resource_not_allowed'],
    ...['mcp_method_not_allowed', 'arguments_ambiguous'],
  ],
  // revocation
  [
    ...['token_revoked', 'agent_suspended', 'agent_retired', 'agent_not_approved'],
    ...['agent_checksum_changed', 'agent_registration_changed', 'agent_key_changed'],
    ...['revocations_unavailable', 'agent_throttled'],
  ],
]

/** Whether two codes are of one stage, and the docs let either be sent. */
export function isEitherAllowed(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined || CODES[one]?.stage !== CODES[other]?.stage) {
    return false
  }
  return ANY_OF_STAGE.some((codes) => codes.includes(one) && codes.includes(other))
}

/** What is known of a request of which both say something else. */
export interface About {
  first: Said
  second: Said
  request: RequestSpec
  token: TokenSpec | undefined
  vars: Vars
  /** Milliseconds since 1970. */
  now: number
}

/** A place where docs/ decides nothing: what the gate does, and the sentence that would decide it. */
export interface Unsettled {
  name: string
  gate: string
  proposal: string
  /** What the second implementation would say with the sentence; `undefined` if this is not such a request. */
  adjusted(about: About): Said | undefined
}

/** The gate refuses earlier, or does not refuse, where a request is of this kind. */
const where =
  (is: (about: About) => boolean): Unsettled['adjusted'] =>
  (about) =>
    is(about) ? about.first : undefined

/** The rule that the gate has found. */
const ruleOf = ({ first, second, vars }: About): JsonObject =>
  vars.ROUTES.find(({ match }) => match === (first.rule ?? second.rule)) ?? {}

const issuerOf = ({ token, vars }: About): JsonObject =>
  Object.values(vars.ISSUERS).find(({ issuer }) => issuer === token?.claims.iss) ?? {}

const pathOf = ({ target }: RequestSpec) => target.split('?')[0] ?? ''

/** Codes of the stage `revocation` that say something of the agent. */
const OF_AGENT = [
  ...['agent_suspended', 'agent_retired', 'agent_not_approved', 'agent_checksum_changed'],
  ...['agent_registration_changed', 'agent_key_changed'],
]

const bodyOf = ({ body }: RequestSpec): Record<string, unknown> => {
  try {
    return JSON.parse(body ?? '') as Record<string, unknown>
  } catch {
    return {}
  }
}

export const UNSETTLED: Unsettled[] = [
  {
    name: 'statuses before the body is read',
    gate: 'the stages `holding` and `revocation_precheck` refuse with every code of `revocation`',
    proposal:
      'denials.md: "The other codes of `revocation`, but `agent_throttled`, also come from `holding` and `revocation_precheck`"',
    adjusted: where(
      ({ first, second }) =>
        OF_AGENT.includes(first.code ?? '') &&
        ['operation', 'mcp_access', 'scope', 'condition', 'signing', 'replay', 'limit'].includes(
          CODES[second.code ?? '']?.stage ?? '',
        ),
    ),
  },
  {
    name: 'types of an agent without a type',
    gate: '`agent.types` is an empty list',
    proposal: 'conditions.md: "`types` (a list: empty without a type, and of one if there is one)"',
    adjusted: where(
      (about) =>
        about.first.code === 'condition_failed' &&
        about.second.code === 'condition_error' &&
        JSON.stringify(ruleOf(about)).includes('agent.types'),
    ),
  },
  {
    name: 'messages of 2026-07-28 without their revision',
    gate: 'params_invalid if a request of 2026-07-28 has no `io.modelcontextprotocol/protocolVersion` in `_meta`',
    proposal:
      'mcp.md: "In revision 2026-07-28 `_meta` of a request must have the protocol version; else the request is 400 `params_invalid`"',
    adjusted: where(
      ({ first, request }) =>
        first.code === 'params_invalid' &&
        request.headers.some(([, value]) => value === '2026-07-28') &&
        !JSON.stringify(bodyOf(request)).includes('protocolVersion'),
    ),
  },
  {
    name: 'scopes of an Agentic JWT',
    gate: 'scope_empty looks at the claims that `scope` of the issuer names',
    proposal:
      'agentic-jwt.md, "What is checked": "the claim with its scopes (`scope` of the issuer) is not empty"',
    adjusted: where(
      (about) =>
        [about.first.code, about.second.code].includes('scope_empty') &&
        issuerOf(about).scope !== undefined,
    ),
  },
  {
    name: 'a key that is named twice in an Agentic JWT',
    gate: 'the stage `possession` refuses a `cnf` with `jkt` and `jwk`, as confirmation_unsupported',
    proposal:
      'agentic-jwt.md, "What is checked": "`cnf` has `jwk`, or with the form `jkt` a `jkt`; several members are `confirmation_unsupported`"',
    adjusted: where(
      ({ first, second }) =>
        first.code === 'confirmation_unsupported' && second.code === 'confirmation_malformed',
    ),
  },
  {
    name: 'tasks of 2026-07-28',
    gate: 'header_mismatch if a message `tasks/…` of 2026-07-28 has no `Mcp-Name`',
    proposal:
      'mcp.md: "`Mcp-Name` has the name of tool or prompt, the URI of a resource, or the id of a task"',
    adjusted: where(
      ({ first, request }) =>
        first.code === 'header_mismatch' && String(bodyOf(request).method).startsWith('tasks/'),
    ),
  },
  {
    name: 'one id twice in a batch',
    gate: 'message_invalid if two requests of a batch have the same id',
    proposal: 'mcp.md: "Requests of a batch need different ids; else 400 `message_invalid`"',
    adjusted: where(
      ({ first, request }) =>
        first.code === 'message_invalid' && request.body?.startsWith('[{') === true,
    ),
  },
  {
    name: 'a GET with a body to an MCP server',
    gate: 'body_too_large',
    proposal: 'mcp.md: "A GET or DELETE with a body is 413 `body_too_large`"',
    adjusted: where(
      ({ first, request }) => first.code === 'body_too_large' && request.method !== 'POST',
    ),
  },
  {
    name: 'an empty name in a call',
    gate: 'params_invalid for a tool or prompt with an empty name',
    proposal:
      'mcp.md: "A name or URI in params is text that is not empty; else 400 `params_invalid`"',
    adjusted: where(
      ({ first, request }) =>
        first.code === 'params_invalid' && JSON.stringify(bodyOf(request)).includes('"name":""'),
    ),
  },
  {
    name: 'digests of messages',
    gate: 'on a rule with `mcp` a Content-Digest is checked whatever the assertion is bound to',
    proposal:
      'mcp.md: "The gate checks a `Content-Digest` of a message as with `assertion = "body"`"',
    adjusted: where(
      (about) => about.first.code === 'digest_mismatch' && ruleOf(about).mcp !== undefined,
    ),
  },
  {
    name: 'throttles at the own endpoints',
    gate: 'agent_throttled also at the own endpoints of the gate, whose requests count too',
    proposal: 'watch.md: "over all rules and the gate\'s own endpoints"',
    adjusted: where(
      ({ first, request, vars }) =>
        first.code === 'agent_throttled' &&
        pathOf(request).startsWith(String(vars.GATE.prefix ?? '/.edgewarden')),
    ),
  },
  {
    name: 'a token of a certificate before its limit',
    gate: '`revocation_precheck` runs for every token with `cnf`, also if nothing is spent',
    proposal: 'request.md, stage `revocation_precheck`: "…, or if the token is bound to a key"',
    adjusted: where(
      ({ first, second, token }) =>
        CODES[first.code ?? '']?.stage === 'revocation' &&
        CODES[second.code ?? '']?.stage === 'limit' &&
        JSON.stringify(token?.claims.cnf ?? '').includes('x5t'),
    ),
  },
  {
    name: 'how long a used token is remembered',
    gate: 'until a minute after the token that was used has expired: another token with its `jti` is then accepted',
    proposal:
      'rate-limits.md, "Single use": "The record is kept until the used token has expired. An issuer must not give two tokens one `jti`"',
    // No token of a case expires sooner than 30 s after its beginning.
    adjusted: where(
      ({ first, second, now }) =>
        second.code === 'token_replayed' &&
        first.code !== 'token_replayed' &&
        now > (BEGIN + 90) * 1000,
    ),
  },
]
