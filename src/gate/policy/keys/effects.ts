import { EFFECTS, type Effect, SIGNALS, type SignalName } from '../../model/issuer.ts'
import { word } from '../reading/fields.ts'
import { type KeyDocs, type Readable, table } from '../reading/table.ts'

const effect = <Name extends SignalName>(name: Name) =>
  word<(typeof EFFECTS)[Name][number]>(EFFECTS[name])

export const EFFECTS_KEYS = {
  'account-disabled': effect('account-disabled'),
  'account-enabled': effect('account-enabled'),
  'account-purged': effect('account-purged'),
  'sessions-revoked': effect('sessions-revoked'),
  'session-revoked': effect('session-revoked'),
  'token-claims-change': effect('token-claims-change'),
  'credential-change': effect('credential-change'),
  'assurance-level-change': effect('assurance-level-change'),
  'device-compliance-change': effect('device-compliance-change'),
}

export const EFFECTS_DOCS: KeyDocs<typeof EFFECTS_KEYS> = {
  'account-disabled': {
    description: 'The account is disabled until `account-enabled`. `"revoke"` or `"alert"`.',
    default: 'revoke',
    example: 'alert',
  },
  'account-enabled': {
    description: 'The account is enabled again. `"lift"` or `"alert"`.',
    default: 'lift',
    example: 'alert',
  },
  'account-purged': {
    description: 'The account is deleted for good. `"revoke"` or `"alert"`.',
    default: 'revoke',
    example: 'alert',
  },
  'sessions-revoked': {
    description: 'All sessions of the subject are over. `"revoke"`, `"step-up"` or `"alert"`.',
    default: 'revoke',
    example: 'alert',
  },
  'session-revoked': {
    description:
      'One session is over. Without a session in the event, `session` only alerts. `"session"`, `"step-up"`, `"revoke"` or `"alert"`.',
    default: 'session',
    example: 'alert',
  },
  'token-claims-change': {
    description: 'Claims about the subject have changed. `"step-up"`, `"revoke"` or `"alert"`.',
    default: 'step-up',
    example: 'alert',
  },
  'credential-change': {
    description:
      'A credential was revoked or deleted, or a password was changed. Other changes only alert. `"step-up"`, `"revoke"` or `"alert"`.',
    default: 'step-up',
    example: 'alert',
  },
  'assurance-level-change': {
    description:
      'The subject is identified less strongly. An increase only alerts. `"step-up"`, `"revoke"` or `"alert"`.',
    default: 'step-up',
    example: 'alert',
  },
  'device-compliance-change': {
    description:
      'A device of the subject does not comply. One that complies only alerts. `"step-up"`, `"revoke"` or `"alert"`.',
    default: 'step-up',
    example: 'alert',
  },
}

/** The field `effects`: what the events of a transmitter do. */
export const effectsField = table(EFFECTS_KEYS)

/** What each event does. */
export function effectsOf(
  written: Readable<typeof EFFECTS_KEYS> = {},
): Readonly<Record<SignalName, Effect>> {
  return Object.fromEntries(
    SIGNALS.map((name) => [name, written[name] ?? EFFECTS[name][0]]),
  ) as Record<SignalName, Effect>
}
