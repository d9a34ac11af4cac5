/** Types of proof of possession: each method is one file and one row of METHODS. */
import type { Outcome } from '../../base/chain.ts'
import type { Denial, DenialTable } from '../../base/denial.ts'
import type { Address } from '../../base/url.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Clock, Nonces, RememberedToken } from '../../model/ports.ts'
import type { Route } from '../../model/route.ts'
import type { Possession, ProofUse } from '../../model/token.ts'

/** The facts for checking a proof. */
export interface ProofFacts
  extends Pick<LineFacts, 'request' | 'policy' | 'credential' | 'access' | 'connection'> {
  readonly route: Route
  readonly address: Address
  readonly remembered?: RememberedToken | undefined
}

export interface ProofPorts {
  readonly clock: Clock
  /** Absent where there are no keys for nonces. */
  readonly nonces?: Nonces
}

/** What a method establishes: `proof` where a proof may be used only once. */
export interface Shown {
  readonly proof?: ProofUse
  /** The nonce that the answer contains. */
  readonly nonce?: string | undefined
}

/** Parameters of a challenge (RFC 9110 §11.3); their values need no escaping. */
export type Parameters = readonly (readonly [name: string, value: string])[]

/** A method of proof of possession. */
export interface Method<Name extends Possession = Possession, Code extends string = string> {
  /** Its name for origins (`X-Agent-Possession`, assertions) and for the journal. */
  readonly name: Name
  /** Its `Authorization` scheme (RFC 9110 §11.1), in its usual spelling. Methods may share a name or a scheme. */
  readonly scheme: string
  /** The member of `cnf` (RFC 7800 §3.1) with the key; a method without a member is for tokens without `cnf`. */
  readonly member?: string
  readonly denials: readonly DenialTable<Code>[]
  /** Checks the request's proof. `confirmation`: the value of `member`. Runs for each request. May throw. */
  readonly verify?: (
    confirmation: unknown,
    facts: ProofFacts,
    ports: ProofPorts,
  ) => Outcome<Shown, Code> | Promise<Outcome<Shown, Code>>
  /** The parameters of its own challenge, made from the common ones; absent: it has no challenge. */
  readonly challenge?: (common: Parameters, denial: Denial) => Parameters
  /** Members of the resource's metadata (RFC 9728 §2). */
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** Declares a method. The types check that `verify` denies with its declared codes. */
export function method<const Name extends Possession, Code extends string = never>(
  row: Method<Name, Code>,
): Method<Name, Code> {
  return row
}
