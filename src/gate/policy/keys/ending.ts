import { seconds, word } from '../reading/fields.ts'

/** The keys that say what the end of a token ends: of GATE, and of a rule. */
export const ENDING_KEYS = {
  on_revocation: word(['end-streams', 'end-all', 'ignore']),
  on_expiry: word(['finish', 'cut']),
  finish_within: seconds({ most: 60 * 60 }),
}

/** The documentation of these keys of GATE. Constants, which the Worker's bundle leaves out. */
export const ON_REVOCATION = {
  description:
    'What the gate ends when a token is revoked or has expired: `"end-streams"`, [open streams](revocation.md#open-streams); `"end-all"`, every answer and upload in progress; `"ignore"`, nothing.',
  default: 'end-streams',
  example: 'end-all',
  compare: 'elsewhere',
} as const

export const ON_EXPIRY = {
  description:
    'What happens to an answer in progress when its token expires: `"finish"` lets it [finish](revocation.md#expiry-is-not-revocation); `"cut"` ends it like a revocation.',
  unset: '`"finish"`; on strict rules `"cut"`',
  example: 'cut',
  compare: 'elsewhere',
} as const

export const FINISH_WITHIN = {
  description: 'Longest time that an answer may go on after `exp`: 1s to 1h.',
  default: '5m',
  example: '30s',
  compare: 'elsewhere',
} as const
