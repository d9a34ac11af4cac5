/** What a proof of possession is made of: one file and one row of METHODS each. */
import type { Outcome } from '../../chain.ts'
import type { Denial, DenialTable } from '../../denial.ts'
import type { Connection } from '../../model/connection.ts'
import type { Policy } from '../../model/policy.ts'
import type { Clock, ReplayStore } from '../../model/ports.ts'
import type { AccessToken, Credential, Possession } from '../../model/token.ts'
import type { RequestHead } from '../../request.ts'
import type { Routed } from '../route.ts'

/** What a proof is judged by. */
export interface ProofFacts extends Pick<Routed, 'route' | 'address'> {
  readonly request: RequestHead
  readonly policy: Policy
  readonly credential: Credential
  readonly access: AccessToken
  readonly connection?: Connection | undefined
}

export interface ProofPorts {
  readonly clock: Clock
  readonly replays: ReplayStore
}

/** Names and values of a challenge (RFC 9110 §11.3); values need no escaping. */
export type Parameters = readonly (readonly [name: string, value: string])[]

/** A way in which a token is shown to belong to its sender. */
export interface Method<Name extends Possession = Possession, Code extends string = string> {
  /** What origins (`X-Agent-Possession`, assertions) and the journal are told. */
  readonly name: Name
  /** Of `Authorization` (RFC 9110 §11.1), in its usual spelling. Two methods may have one scheme. */
  readonly scheme: string
  /** The member of `cnf` (RFC 7800 §3.1) that names the key; without one, tokens without `cnf` are of this method. */
  readonly member?: string
  readonly denials: readonly DenialTable<Code>[]
  /**
   * Checks the proof in this request against the key, `confirmation` being the value of `member`. Runs for each
   * request, also for a token that is remembered. May throw.
   */
  readonly verify?: (
    confirmation: unknown,
    facts: ProofFacts,
    ports: ProofPorts,
  ) => Outcome<object, Code> | Promise<Outcome<object, Code>>
  /** Parameters of its own challenge, from those that every challenge has; without it there is none of its own. */
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
