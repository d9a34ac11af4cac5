import { is } from 'valibot'
import { base64UrlDecode } from '../../base/bytes.ts'
import { parseJsonObject } from '../../base/json.ts'
import { fail, ok } from '../../base/result.ts'
import { isLoopback, parseUrl } from '../../base/url.ts'
import type { AuditRule } from '../../model/audit.ts'
import { JURISDICTIONS } from '../../model/revocation.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { flag, nameText, readClaimPath, seconds, text, whole, word } from '../reading/fields.ts'
import type { Report } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import {
  anyOf,
  type KeyDocs,
  list,
  type Readable,
  reads,
  readTable,
  required,
} from '../reading/table.ts'

import { secondsText, showing, showPaths } from './show-parts.ts'

/** The binding of the audit; without it there is no audit. */
export const AUDIT_BINDING = 'AUDIT_LOG'

const MB = 1_000_000
const DAY = 86_400
const SIZE = /^(\d{1,5})(MB|GB)$/
/** Bounds of the size of a shard. A Durable Object stores 10 GB. */
const LEAST_BYTES = 10 * MB
const MOST_BYTES = 9_000 * MB

const size = text((value) => {
  const [, count, unit] = SIZE.exec(value) ?? []
  const bytes = Number(count) * (unit === 'GB' ? 1_000 * MB : MB)
  return bytes >= LEAST_BYTES && bytes <= MOST_BYTES
    ? ok(bytes)
    : fail('must be a size from "10MB" to "9GB"')
})

/** Rows of all shards in a day. The free plan has 100,000 for all objects of an account; a fifth is left for revocations. */
const DEFAULT_ROWS = 80_000
const rows = whole(100, 1_000_000_000)
const daily = reads<number, number | 'unlimited'>(
  (value) =>
    value === 'unlimited'
      ? ok(Number.POSITIVE_INFINITY)
      : is(rows, value)
        ? ok(value)
        : fail('must be a whole number from 100 to 1000000000, or "unlimited"'),
  anyOf(rows, word(['unlimited'])),
)

/** The name of a path parameter. */
const parameterName = text((value) =>
  /[{}*/]/.test(value)
    ? fail(
        'must be the name of a path parameter, without braces; for all values of a rule write audit_path = "values" there',
      )
    : ok(value),
)

const shown = showing<AuditRule>()

export const AUDIT_KEYS = {
  retention: shown(kept(seconds({ least: 3_600, most: 3_650 * DAY }), 30 * DAY), ({ retention }) =>
    secondsText(retention),
  ),
  max_size: shown(size, ({ maxBytes }) => `${maxBytes / MB}MB`),
  rows_a_day: shown(daily, ({ maxRows }) => (Number.isFinite(maxRows) ? maxRows : 'unlimited')),
  shards: shown(kept(whole(1, 64), 1), ({ shards }) => shards),
  jurisdiction: shown(kept(word(JURISDICTIONS)), ({ jurisdiction }) => jurisdiction),
  addresses: kept(flag, false),
  path_values: list(parameterName, { empty: true }),
  claims: shown(kept(list(text(readClaimPath), { empty: true }), []), ({ claims }) =>
    showPaths(claims),
  ),
}

export const AUDIT_DOCS: KeyDocs<typeof AUDIT_KEYS> = {
  retention: {
    description: 'How long records are kept: 1h to 3650d.',
    default: '30d',
    example: '365d',
  },
  max_size: {
    description:
      'Most bytes of records in one shard, compressed: `"10MB"` to `"9GB"`. The oldest records are deleted first. A tenth is for [strangers](audit.md#how-records-are-kept). If the policy has several issuers, one of them fills at most half of the rest on a day.',
    default: '2GB',
    example: '9GB',
  },
  rows_a_day: {
    description:
      'Rows that the audit may write on a UTC day, in all shards together, or `"unlimited"`. A tenth at most is for strangers, and half is reserved for issuers in equal parts. When they are used up, it stores nothing until the next day. The free plan has 100,000 rows for all Durable Objects, and revocations need some of them. On the paid plan, use `"unlimited"`.',
    default: DEFAULT_ROWS,
    example: 'unlimited',
  },
  shards: {
    description:
      'Number of Durable Objects that share the records, 1 to 64. If you lower it, the records in the other objects cannot be read.',
    default: 1,
    example: 4,
  },
  jurisdiction: {
    description:
      'Where the records are stored: `"eu"`, `"us"`, `"fedramp"`, `"fedramp-high"`. Another jurisdiction starts with no records.',
    example: 'eu',
  },
  addresses: {
    description:
      "Records the caller's country and network: the first 24 bits of an IPv4 address, the first 64 of an IPv6 address.",
    default: false,
    example: true,
  },
  path_values: {
    description:
      'Path parameters whose values are recorded, by their names in `match`. Other values are not recorded.',
    default: [],
    example: ['id'],
  },
  claims: {
    description:
      'Claim paths of the token whose values are recorded, such as the claims that a rule reads. A value is cut at 128 characters.',
    default: [],
    example: ['department'],
  },
}

/** The secret that says who receives alerts. */
export const ALERTS_SECRET = 'ALERTS'

const RECEIVER_KEYS = {
  url: required(
    text((value) => {
      const url = parseUrl(value)
      const isPlain = url?.protocol === 'http:' && isLoopback(url.hostname)
      // `fetch` refuses a URL with credentials.
      if (url?.username || url?.password) return fail('must have no credentials')
      return isPlain || url?.protocol === 'https:' ? ok(value) : fail('must be an https URL')
    }),
  ),
  // A key as Standard Webhooks writes it.
  key: text((value) => {
    const [, base64 = ''] = /^whsec_([\w+/-]+)=*$/.exec(value) ?? []
    const bytes = base64UrlDecode(base64.replaceAll('+', '-').replaceAll('/', '_'))
    return bytes && bytes.length >= 24 ? ok(bytes) : fail('must be whsec_ and 24 bytes in base64')
  }),
  format: word(['standard', 'slack']),
  gate: nameText,
}

/** The receiver of alerts. Without a `key` they are not signed. `gate` is the name of the gate, for receivers of several. */
export type Receiver = Readable<typeof RECEIVER_KEYS> & { readonly url: string }

/** Reads the secret. Reports what is wrong with it, without any of its text. */
export function receiverOf(secret: unknown, report: Report = () => {}): Receiver | undefined {
  if (typeof secret !== 'string') return undefined
  let mistakes = 0
  const wrong: Report = (...issue) => {
    mistakes++
    report(...issue)
  }
  const { url = '', ...rest } = readTable(RECEIVER_KEYS, parseJsonObject(secret), wrong)
  if (!rest.key && rest.format !== 'slack') wrong(['key'], 'must be set')
  return mistakes > 0 ? undefined : { url, ...rest }
}

/** The audit's settings, with every default. Without the binding it is `undefined`, and AUDIT is a mistake. */
export function auditOf(
  value: unknown,
  env: PolicyEnv,
  report: Report,
  bindings: Report,
): AuditRule | undefined {
  const entry = readTable(AUDIT_KEYS, value ?? {}, report)
  if (!env.has('durable_object', AUDIT_BINDING)) {
    if (value !== undefined) {
      bindings(
        [AUDIT_BINDING],
        'is not there: the Durable Object namespace of AuditLog, needed by AUDIT',
      )
    }
    return undefined
  }
  return Object.freeze({
    ...keptOf(AUDIT_KEYS, entry),
    maxBytes: entry.max_size ?? 2_000 * MB,
    maxRows: entry.rows_a_day ?? DEFAULT_ROWS,
    pathValues: new Set(entry.path_values),
  })
}
