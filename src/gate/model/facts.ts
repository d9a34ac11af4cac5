import type { RequestHead } from '../base/request.ts'
import type { Connection } from './connection.ts'
import type { Issuer } from './issuer.ts'
import type { Policy } from './policy.ts'
import type { RevocationSubject } from './revocation.ts'
import type { Route } from './route.ts'
import type { AccessToken, AgentIdentity, Credential, Intent, VerifiedToken } from './token.ts'

/** Facts that several stages read. The compiler checks them against what earlier stages establish. */
export interface LineFacts {
  readonly request: RequestHead
  readonly policy: Policy
  /** The caller's network address, if known. Nothing is allowed because of it. */
  readonly caller?: string | undefined
  /** The platform's facts about the connection; never read from headers. */
  readonly connection?: Connection | undefined
  readonly route: Route
  readonly credential: Credential
  readonly issuer: Issuer
  readonly token: VerifiedToken
  readonly access: AccessToken
  readonly intent: Intent
  readonly agent: AgentIdentity
  /** All subjects whose revocation would cover the token. */
  readonly subjects: readonly RevocationSubject[]
}
