import type { AuditRule } from '../model/audit.ts'
import type { Issuer } from '../model/issuer.ts'
import type { WatchRule } from '../model/watch.ts'
import { ALERTS_SECRET, receiverOf } from './keys/audit.ts'
import type { GateEntry } from './keys/gate.ts'
import { unrecognisable } from './keys/inject.ts'
import type { RouteEntry } from './keys/route-keys.ts'
import type { PolicyEnv } from './reading/env.ts'
import type { Report } from './reading/issues.ts'

/** The parts of a valid policy that warnings read. */
export interface Read {
  readonly gate: GateEntry
  readonly hosts: ReadonlySet<string>
  readonly issuers: ReadonlyMap<string, Issuer>
  readonly rules: readonly { readonly entry: RouteEntry; readonly path: string }[]
  readonly env: PolicyEnv
  readonly audit: AuditRule | undefined
  readonly watch: readonly WatchRule[]
}

/** Reports what a policy allows at a cost. Changes nothing about the policy. */
export type Warn = (read: Read, at: (base: string) => Report) => void

/**
 * Warns of secrets that are too short to be recognised in answers, and of alerts that cannot be sent. Only the gate can
 * do this: a check of a file does not know the values of secrets.
 */
export const warnOfSecrets: Warn = ({ rules, env }, at) => {
  for (const { entry, path } of rules) {
    for (const injection of entry.inject ?? []) {
      for (const what of unrecognisable(injection, env)) {
        at(path)(
          ['inject', injection.header],
          `${what} is too short to be recognised: an answer that repeats it reaches the agent unchanged; use one of 8 characters or more`,
        )
      }
    }
  }
  receiverOf(env.secret(ALERTS_SECRET), (path, message) =>
    at(ALERTS_SECRET)(path, `${message}; no alerts are sent`),
  )
}
