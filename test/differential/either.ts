import { CODES } from '../reference/codes.ts'

/**
 * "If several codes of one stage apply, any of them may be sent" (docs/denials.md). Codes of one stage that both apply to
 * some requests, and that the two look for in another order.
 */
const ANY_OF_STAGE: string[][] = [
  // route
  [
    ...['host_malformed', 'host_unknown', 'path_ambiguous', 'method_unknown', 'method_ambiguous'],
    ...['route_unknown', 'insecure_transport', 'parameter_ambiguous', 'preflight_refused'],
    'grpc_unsupported',
  ],
  // credential
  [
    ...['credential_in_query', 'credential_malformed', 'credential_missing', 'scheme_unsupported'],
    'subprotocols_malformed',
  ],
  ['credential_header_malformed', 'subprotocols_malformed'],
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
  // approval
  ['approval_invalid', 'approval_unavailable', 'approvals_full', 'approvals_exhausted'],
  // revocation
  [
    ...['token_revoked', 'agent_suspended', 'agent_retired', 'agent_not_approved'],
    ...['agent_checksum_changed', 'agent_registration_changed', 'agent_key_changed'],
    ...['revocations_unavailable', 'agent_throttled'],
  ],
]

/** Whether two codes are of one stage, and the docs let either be sent. */
export function isEitherAllowed(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined || CODES[one] !== CODES[other]) {
    return false
  }
  return ANY_OF_STAGE.some((codes) => codes.includes(one) && codes.includes(other))
}
