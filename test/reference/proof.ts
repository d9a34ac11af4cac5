/** Proof of possession: DPoP (RFC 9449) and mutual TLS (RFC 8705). docs/possession.md */
import type { Json, Request } from './types.ts'

/** What the gate knows when it checks possession. */
export interface PossessionCase {
  request: Request
  /** The scheme of `Authorization`. */
  scheme: 'Bearer' | 'DPoP'
  /** The token as it was sent. */
  token: string
  /** The token's claim `cnf`; `undefined` if it is absent. */
  cnf: Json | undefined
  /** Whether the rule or the issuer has `possession = "required"`. */
  required: boolean
  /** Whether the issuer's `agentic_forms` have `bearer-proof`. */
  bearerProof: boolean
  /** `GATE.proof_max_age` and `GATE.proof_max_ahead`, in seconds. */
  maxAge: number
  maxAhead: number
  /** Every `resource` of the policy: GATE's and those of rules. */
  resources: string[]
  /** `GATE.hosts` and the hosts that the gate serves. */
  hosts: string[]
  /** With `GATE.dpop_nonce`: says of a nonce whether it is from this gate and still valid. */
  nonce?: (nonce: string) => 'valid' | 'invalid' | 'unavailable'
}

/** What the check found. */
export type Possession =
  | { ok: true; method?: undefined }
  | { ok: true; method: 'mtls' }
  /** `use` is the key of `World.usedProofs`; `thumbprint` is the key's. */
  | { ok: true; method: 'dpop'; thumbprint: string; use: string }
  | { ok: false; code: string }

/** Checks that the sender has the key that the token is bound to, if it is bound to one. It does not look whether the proof was used before. */
export function checkPossession(_possession: PossessionCase): Possession {
  throw new Error('not written yet')
}
