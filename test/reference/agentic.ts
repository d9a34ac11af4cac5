/** Agentic JWT: checks of the token, and of the step and the hashes that a rule expects. docs/agentic-jwt.md */
import type { JsonObject } from './types.ts'

/** Checks the table "What is checked": the code, or `undefined` if the token passes. `forms` are the issuer's `agentic_forms`. */
export function checkAgentic(
  _header: JsonObject,
  _claims: JsonObject,
  _forms: string[],
): string | undefined {
  throw new Error('not written yet')
}

/** What a rule expects of an Agentic JWT. */
export interface AgenticRule {
  steps?: string[]
  delegation_chains?: (string | string[])[]
  step_sequences?: (string | string[])[]
}

/** Checks `steps`, `delegation_chains` and `step_sequences` of a rule: the code, or `undefined`. `claims` is `undefined` if the token is of another profile. */
export function checkExpectations(
  _rule: AgenticRule,
  _claims: JsonObject | undefined,
  _forms: string[],
): string | undefined {
  throw new Error('not written yet')
}

/** The first 64 bits of SHA-256 over ids with `|` between them, in hex. */
export function hashOfIds(_ids: string[]): string {
  throw new Error('not written yet')
}

/** The step of a token that passed `checkAgentic`, or `undefined`. */
export function stepOf(_claims: JsonObject): string | undefined {
  throw new Error('not written yet')
}

/** The values that the registry compares: checksum, registration, thumbprint of the key. */
export function approvedValues(_claims: JsonObject): {
  checksum: string
  registration: string
  key: string
} {
  throw new Error('not written yet')
}
