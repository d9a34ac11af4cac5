/** Agentic JWT: checks of the token, and of the step and the hashes that a rule expects. docs/agentic-jwt.md */
import { createHash } from 'node:crypto'
import { keyFits, thumbprint } from './jose.ts'
import { isObject } from './json.ts'
import type { Json, JsonObject } from './types.ts'

// Docs: unclear — whether text may be empty. Taken here: not.
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const isHash = (value: unknown): boolean =>
  typeof value === 'string' && /^[0-9a-f]{16}$/.test(value)

/** Whether `intent` is well-formed. A top-level `workflow_id` alone is not enough. */
function isIntent({ intent, workflow_id: topLevel }: JsonObject): boolean {
  if (!isObject(intent) || !isText(intent.executed_by)) return false
  const { executed_by, workflow_id, workflow_step } = intent
  const hasWorkflow = isText(workflow_id) && isText(workflow_step)
  const hasNone = workflow_id === undefined && workflow_step === undefined
  if (!hasWorkflow && !(hasNone && topLevel === undefined)) return false
  return ![executed_by, workflow_id, workflow_step].some((text) => String(text).includes('|'))
}

/** Whether `registration_id` is `reg_`, the `sub`, `_` and digits. */
function isRegistration(registration: Json | undefined, sub: Json | undefined): boolean {
  const start = `reg_${sub}_`
  if (typeof registration !== 'string' || !registration.startsWith(start)) return false
  return /^\d+$/.test(registration.slice(start.length))
}

function isConfirmation(cnf: Json | undefined, forms: string[]): boolean {
  if (!isObject(cnf)) return false
  const { jwk, jkt } = cnf
  if (jwk === undefined && forms.includes('jkt')) {
    return typeof jkt === 'string' && /^[A-Za-z0-9_-]{43}$/.test(jkt)
  }
  if (!isObject(jwk) || jkt !== undefined) return false
  return ['ES256', 'ES384', 'Ed25519', 'RS256'].some((alg) => keyFits(jwk, alg))
}

/**
 * Checks the table "What is checked": the code, or `undefined` if the token passes. `forms` are the issuer's
 * `agentic_forms`.
 */
export function checkAgentic(
  header: JsonObject,
  claims: JsonObject,
  forms: string[],
): string | undefined {
  if (!isText(header.kid)) return 'key_id_missing'
  if (!isIntent(claims)) return 'intent_malformed'
  const intent = claims.intent as JsonObject
  if (intent.executed_by !== claims.sub) return 'executed_by_mismatch'
  if (!isHash(intent.delegation_chain)) return 'delegation_chain_malformed'
  if (!isHash(intent.step_sequence_hash)) return 'step_sequence_malformed'
  const proof = claims.agent_proof
  if (!isObject(proof) || !isRegistration(proof.registration_id, claims.sub)) {
    return 'agent_proof_malformed'
  }
  const checksum = String(proof.agent_checksum)
  const form = forms.includes('bare-checksum')
    ? /^(sha256:)?[0-9a-f]{64}$/
    : /^sha256:[0-9a-f]{64}$/
  if (typeof proof.agent_checksum !== 'string' || !form.test(checksum)) {
    return 'agent_checksum_malformed'
  }
  // Docs: unclear — whether a list of scopes, or another claim that `scope` of the issuer names, counts. Taken here: a
  // text that is not empty, or a list with a member, in the claim `scope`.
  const { scope } = claims
  const hasScope = Array.isArray(scope) ? scope.length > 0 : isText(scope)
  if (!hasScope) return 'scope_empty'
  return isConfirmation(claims.cnf, forms) ? undefined : 'confirmation_malformed'
}

/** What a rule expects of an Agentic JWT. */
export interface AgenticRule {
  steps?: string[]
  delegation_chains?: (string | string[])[]
  step_sequences?: (string | string[])[]
}

/** The first 64 bits of SHA-256 over ids with `|` between them, in hex. */
export function hashOfIds(ids: string[]): string {
  return createHash('sha256').update(ids.join('|')).digest('hex').slice(0, 16)
}

/** Whether a hash is one of those that a rule expects. `last` is the id with which a list has to end. */
function isExpected(
  hash: Json | undefined,
  entries: (string | string[])[],
  last: Json | undefined,
  forms: string[],
): boolean {
  return entries.some((entry) => {
    if (typeof entry === 'string') return entry === hash
    if (entry.at(-1) !== last) return false
    const repeated = [...entry, ...entry.slice(-1)]
    const lists = forms.includes('repeated-agent') ? [entry, repeated] : [entry]
    return lists.some((ids) => hashOfIds(ids) === hash)
  })
}

/**
 * Checks `steps`, `delegation_chains` and `step_sequences` of a rule: the code, or `undefined`. `claims` is `undefined` if
 * the token is of another profile.
 */
// Docs: unclear — the code for a token of another profile on a rule with hashes but without `steps`. Taken here: the
// mismatch of the hash.
export function checkExpectations(
  rule: AgenticRule,
  claims: JsonObject | undefined,
  forms: string[],
): string | undefined {
  const intent = isObject(claims?.intent) ? claims.intent : {}
  const step = intent.workflow_step
  if (rule.steps && !rule.steps.some((one) => one === step)) return 'step_not_allowed'
  const { delegation_chains: chains, step_sequences: sequences } = rule
  if (chains && !isExpected(intent.delegation_chain, chains, claims?.sub, forms)) {
    return 'delegation_chain_mismatch'
  }
  if (sequences && !isExpected(intent.step_sequence_hash, sequences, step, forms)) {
    return 'step_sequence_mismatch'
  }
  return undefined
}

/** The step of a token that passed `checkAgentic`, or `undefined`. */
export function stepOf(claims: JsonObject): string | undefined {
  const intent = isObject(claims.intent) ? claims.intent : {}
  return typeof intent.workflow_step === 'string' ? intent.workflow_step : undefined
}

/** The values that the registry compares: checksum, registration, thumbprint of the key. */
export function approvedValues(claims: JsonObject): {
  checksum: string
  registration: string
  key: string
} {
  const proof = isObject(claims.agent_proof) ? claims.agent_proof : {}
  const cnf = isObject(claims.cnf) ? claims.cnf : {}
  return {
    // Docs: unclear — whether a checksum without `sha256:` is the same as one with it. Taken here: as the token has it.
    checksum: String(proof.agent_checksum),
    registration: String(proof.registration_id),
    key: isObject(cnf.jwk) ? (thumbprint(cnf.jwk) ?? '') : String(cnf.jkt),
  }
}
