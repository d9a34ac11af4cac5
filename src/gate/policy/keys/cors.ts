import { fail, ok } from '../../base/result.ts'
import { LIMIT_HEADERS, type RateLimit } from '../../model/limit.ts'
import { type CorsRule, METHODS, type Method } from '../../model/route.ts'
import { AUTHORIZATION } from '../../model/token.ts'
import { flag, readHeaderName, seconds, text, word } from '../reading/fields.ts'
import { quote } from '../reading/issues.ts'
import { type KeyDocs, list, type Readable, required, table } from '../reading/table.ts'
import { type Shown, secondsText } from './show-parts.ts'

const origin = text((value) => {
  if (value === '*') return ok(value)
  if (value.includes('*')) return fail(`${quote(value)}: write each origin whole, without *`)
  return URL.canParse(value) && new URL(value).origin === value && /^https?:/.test(value)
    ? ok(value)
    : fail(
        'must be `*` or an origin: scheme, host and port only, lower-case, without a / at its end',
      )
})

/** The name of one header, or `*` for all. */
const header = text((value) => (value === '*' ? ok(value) : readHeaderName(value)))

export const CORS_KEYS = {
  origins: required(list(origin)),
  methods: list(word(METHODS)),
  headers: list(header, { empty: true }),
  expose: list(header, { empty: true }),
  credentials: flag,
  max_age: seconds({ least: 0 }),
}

export const CORS_DOCS: KeyDocs<typeof CORS_KEYS> = {
  origins: {
    description: 'Origins as browsers send them, each written whole, or `["*"]`.',
    example: ['https://app.example.com'],
  },
  methods: {
    description: 'Allowed methods, of those the rule matches.',
    unset: "the rule's",
    example: ['POST'],
  },
  headers: {
    description:
      'Allowed request headers; `[]` allows none. The default also has the headers of [`credential`](configuration/routes.md#tokens-in-another-header), and with [`mcp`](mcp.md#sessions) those of MCP clients.',
    default: ['authorization', 'content-type'],
    example: ['authorization', 'x-run'],
  },
  expose: {
    description:
      'Response headers that scripts may read, beside [those above](configuration/routes.md#cross-origin-requests).',
    example: ['X-Total'],
  },
  credentials: {
    description: 'Allows cookies. Together with `"*"` it is a mistake.',
    default: false,
    example: true,
  },
  max_age: {
    description: "How long a browser may keep a preflight's answer.",
    example: '10m',
  },
}

/** Response headers every cross-origin caller may read. */
const ALWAYS_EXPOSED = ['WWW-Authenticate', 'DPoP-Nonce', 'Retry-After', 'X-Request-Id']

/** Headers that MCP clients send in addition, and those of answers that they must read. */
const MCP_HEADERS = [
  'mcp-protocol-version',
  'mcp-session-id',
  'last-event-id',
  'mcp-method',
  'mcp-name',
]
const MCP_EXPOSED = ['Mcp-Session-Id']

export const corsField = table(CORS_KEYS, (entry, report) => {
  const { origins = [], headers = [], expose = [], credentials } = entry
  if (origins.includes('*') && origins.length > 1)
    report(['origins'], '`*` already means every origin')
  for (const [key, values] of Object.entries({ origins, headers, expose })) {
    if (credentials && values.includes('*'))
      report([key], '`*` cannot be used with credentials = true')
  }
  return entry
})

/** The CORS settings of a rule with defaults, and with the headers that its callers have to send and read. */
export function corsOf(
  entry: Readable<typeof CORS_KEYS>,
  methods: readonly Method[],
  {
    mcp,
    rate_limit: limit,
    credential,
  }: {
    readonly mcp?: unknown
    readonly rate_limit?: RateLimit
    readonly credential?: { readonly headers: readonly string[] }
  },
): CorsRule {
  const exposed = [
    ...(entry.expose ?? []),
    ...ALWAYS_EXPOSED,
    ...(limit?.kind === 'exact' ? LIMIT_HEADERS : []),
    ...(mcp ? MCP_EXPOSED : []),
  ]
  const byName = new Map(exposed.map((name) => [name.toLowerCase(), name]))
  return {
    origins: entry.origins ?? [],
    methods: entry.methods ?? methods,
    headers: entry.headers ?? [
      ...(credential?.headers ?? [AUTHORIZATION]),
      'content-type',
      ...(mcp ? MCP_HEADERS : []),
    ],
    expose: [...byName.values()],
    credentials: entry.credentials ?? false,
    ...(entry.max_age !== undefined && { maxAge: entry.max_age }),
  }
}

/** `cors` of a rule, as configured. */
export function showCors({ maxAge, ...rule }: CorsRule): Shown {
  return { ...rule, ...(maxAge !== undefined && { max_age: secondsText(maxAge) }) }
}
