import { fail, ok } from '../../base/result.ts'
import { isIdentityText } from '../../base/text.ts'
import { AGENTIC_FORMS } from '../../model/issuer.ts'
import type { ExpectedChain } from '../../model/route.ts'
import { text, word } from '../reading/fields.ts'
import { quote } from '../reading/issues.ts'
import { anyOf, type ComparedDocs, field, list, readField } from '../reading/table.ts'

/** The keys of an issuer of Agentic JWTs. */
export const AGENTIC_KEYS = {
  agentic_forms: list(word(AGENTIC_FORMS)),
  changed: word(['hold', 'alert']),
}

export const AGENTIC_DOCS: ComparedDocs<typeof AGENTIC_KEYS> = {
  agentic_forms: {
    description:
      'Only with profile `agentic-jwt`: [forms](agentic-jwt.md#forms) of its tokens that are accepted beside the strict ones. `"bare-checksum"`, `"bearer-proof"`, `"jkt"`, `"repeated-agent"`.',
    unset: 'none',
    example: ['bearer-proof'],
    compare: 'acceptsMore',
  },
  changed: {
    description:
      'Only with profile `agentic-jwt`: what happens to an agent whose checksum, registration or key is not approved in the [registry](agentic-jwt.md#approved-code). `"hold"`: it is refused until an owner approves; `"alert"`: the registry only reports it.',
    default: 'hold',
    example: 'alert',
    compare: 'permission',
  },
}

/** An id that hashes of Agentic JWT can be made of. */
export const agenticId = text((value) =>
  isIdentityText(value) && !value.includes('|')
    ? ok(value)
    : fail(`${quote(value)} must be non-empty text without control characters and |`),
)

const chainHash = text((value) =>
  /^[0-9a-f]{16}$/.test(value)
    ? ok(value)
    : fail(`${quote(value)} must be a hash, 16 lower-case hex digits, or a list of ids`),
)

/** A hash, or the ids that it is made of. */
export const expectedChain = field(
  (value, report): ExpectedChain =>
    readField<ExpectedChain>(Array.isArray(value) ? list(agenticId) : chainHash, value, report) ??
    '',
  anyOf(chainHash, list(agenticId)),
)
