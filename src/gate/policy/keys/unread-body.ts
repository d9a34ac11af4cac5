import { milliseconds, whole } from '../reading/fields.ts'
import { type ComparedDocs, table } from '../reading/table.ts'

/** Bytes and milliseconds within which a body is read only to be dropped, unless configured. */
export const UNREAD_BODY = Object.freeze({ bytes: 16 * 1024 * 1024, ms: 2_000 })

const MOST = { bytes: 256 * 1024 * 1024, ms: 10_000 }

export const UNREAD_BODY_KEYS = {
  max_body: whole(0, MOST.bytes, 'number of bytes'),
  within: milliseconds({ most: MOST.ms }),
}

export const UNREAD_BODY_DOCS: ComparedDocs<typeof UNREAD_BODY_KEYS> = {
  max_body: {
    description:
      "The most bytes of a body that the gate reads and drops, up to 268435456, where the signature of the caller's token was verified. Of strangers it reads at most 65536. With `0` it reads none.",
    default: UNREAD_BODY.bytes,
    example: 67_108_864,
    compare: 'neutral',
  },
  within: {
    description: 'The longest time that it reads before it answers, up to 10s.',
    default: '2s',
    example: '5s',
    compare: 'neutral',
  },
}

/** `GATE.unread_body`. */
export const unreadBodyField = table(UNREAD_BODY_KEYS, ({ max_body, within }) =>
  Object.freeze({ bytes: max_body ?? UNREAD_BODY.bytes, ms: within ?? UNREAD_BODY.ms }),
)

// Two constants: a bundler cannot leave out a table that reads a member of another.
/** The documentation of `unread_body` of GATE. */
export const GATE_UNREAD_BODY = {
  description:
    "How much of a request's body the gate reads and drops before it answers without forwarding: [its keys](configuration/gate.md#keys-of-gateunread_body).",
  default: { max_body: UNREAD_BODY.bytes, within: '2s' },
  example: { max_body: 1_048_576 },
  compare: UNREAD_BODY_DOCS,
} as const
