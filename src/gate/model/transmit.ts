/** The events that a gate sends: two of RISC 1.0, one of CAEP 1.0. */
export const SENT_EVENTS = ['account-disabled', 'account-enabled', 'session-revoked'] as const
export type SentEvent = (typeof SENT_EVENTS)[number]

/** A receiver of the gate's security events: a table of TRANSMIT. */
export interface EventReceiver {
  readonly name: string
  readonly audience: string
  readonly endpoint: string
  /** Name of the secret with the `Authorization` header. */
  readonly secret: string
  /** The header; absent where the policy was read without secrets. */
  readonly authorization?: string
  readonly events: readonly SentEvent[]
  /** Only subjects of these issuers, by their names; absent for all. */
  readonly subjects?: readonly string[]
  /** The `iss` of these issuers. */
  readonly issuers: ReadonlySet<string>
}
