/** Agentic JWT: checks of the token, and of the step and the hashes that a rule expects. docs/agentic-jwt.md */
import { createHash } from 'node:crypto'
import type { Issuer } from './issuer.ts'
import { algorithmOfKey, thumbprint } from './jose.ts'
import { isObject } from './json.ts'
import { readClaim } from './pattern.ts'
import { PROOF_ALGORITHMS } from './proof.ts'
import { type Json, type JsonObject, refuse } from './types.ts'
import { isName } from './values.ts'

/** Whether a value is an id of which hashes can be made: without `|`. */
const isId = (value: unknown): boolean => isName(value) && !value.includes('|')

const isHash = (value: unknown): boolean =>
  typeof value === 'string' && /^[0-9a-f]{16}$/.test(value)

/** Whether `intent` is well-formed. A top-level `workflow_id` alone is not enough. */
function isIntent({ intent, workflow_id: topLevel }: JsonObject): boolean {
  if (!isObject(intent) || !isId(intent.executed_by)) return false
  const { workflow_id, workflow_step } = intent
  const hasNone = [workflow_id, workflow_step, topLevel].every((one) => one === undefined)
  return hasNone || (isId(workflow_id) && isId(workflow_step))
}

/** Whether `registration_id` is `reg_`, the `sub`, `_` and at most 15 digits. */
function isRegistration(registration: Json | undefined, sub: Json | undefined): boolean {
  const start = `reg_${sub}_`
  if (typeof registration !== 'string' || !registration.startsWith(start)) return false
  return /^\d{1,15}$/.test(registration.slice(start.length))
}

function isConfirmation(cnf: Json | undefined, forms: string[]): boolean {
  if (!isObject(cnf)) return false
  const { jwk, jkt } = cnf
  if (jwk === undefined && forms.includes('jkt')) {
    return typeof jkt === 'string' && /^[A-Za-z0-9_-]{43}$/.test(jkt)
  }
  return isObject(jwk) && algorithmOfKey(jwk, PROOF_ALGORITHMS) !== undefined
}

/** Checks the table "What is checked". */
export function checkAgentic(
  header: JsonObject,
  claims: JsonObject,
  { agenticForms: forms, scope: scopes }: Issuer,
): void {
  if (header.kid === undefined) refuse('key_id_missing')
  if (!isIntent(claims)) refuse('intent_malformed')
  const intent = claims.intent as JsonObject
  if (intent.executed_by !== claims.sub) refuse('executed_by_mismatch')
  if (!isHash(intent.delegation_chain)) refuse('delegation_chain_malformed')
  if (!isHash(intent.step_sequence_hash)) refuse('step_sequence_malformed')
  const proof = claims.agent_proof
  if (!isObject(proof) || !isRegistration(proof.registration_id, claims.sub)) {
    refuse('agent_proof_malformed')
  }
  const checksum = String(proof.agent_checksum)
  const form = forms.includes('bare-checksum')
    ? /^(sha256:)?[0-9a-f]{64}$/
    : /^sha256:[0-9a-f]{64}$/
  if (typeof proof.agent_checksum !== 'string' || !form.test(checksum)) {
    refuse('agent_checksum_malformed')
  }
  const scope = scopes.map((path) => readClaim(claims, path)).find((one) => one !== undefined)
  const hasScope = [scope].flat().some((one) => typeof one === 'string' && one.trim() !== '')
  if (!hasScope) refuse('scope_empty')
  if (!isConfirmation(claims.cnf, forms)) refuse('confirmation_malformed')
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

/** Checks `steps`, `delegation_chains` and `step_sequences` of a rule. `claims` is `undefined` with another profile. */
export function checkExpectations(
  rule: AgenticRule,
  claims: JsonObject | undefined,
  forms: string[],
): void {
  const intent = isObject(claims?.intent) ? claims.intent : {}
  const step = intent.workflow_step
  if (rule.steps && !rule.steps.some((one) => one === step)) refuse('step_not_allowed')
  const { delegation_chains: chains, step_sequences: sequences } = rule
  if (chains && !isExpected(intent.delegation_chain, chains, claims?.sub, forms)) {
    refuse('delegation_chain_mismatch')
  }
  if (sequences && !isExpected(intent.step_sequence_hash, sequences, step, forms)) {
    refuse('step_sequence_mismatch')
  }
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
    checksum: `sha256:${String(proof.agent_checksum).replace(/^sha256:/, '')}`,
    registration: String(proof.registration_id),
    key: isObject(cnf.jwk) ? (thumbprint(cnf.jwk) ?? '') : String(cnf.jkt),
  }
}
