import { type CorsRule, METHODS, type Method } from '../core/model/route.ts'
import { fail, ok } from '../core/result.ts'
import { flag, readHeaderName, seconds, text, word } from './fields.ts'
import { quote } from './issues.ts'
import { type KeyDocs, list, required, table } from './table.ts'

const origin = text((value) => {
  if (value === '*') return ok(value)
  if (value.includes('*')) return fail(`${quote(value)}: origins are whole; write each one`)
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
      'Allowed request headers; `[]` allows none. With [`mcp`](mcp.md#sessions) the default also has those of MCP clients.',
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

/** Request headers a caller may send where the rule does not say. */
const DEFAULT_HEADERS = ['authorization', 'content-type']

/** What callers of MCP send besides, and what they have to read of its answers. */
const MCP_HEADERS = [
  'mcp-protocol-version',
  'mcp-session-id',
  'last-event-id',
  'mcp-method',
  'mcp-name',
]
const MCP_EXPOSED = ['Mcp-Session-Id']

/** A `cors` table whose methods and headers are the rule's own where it names none. */
export interface CorsEntry extends Omit<CorsRule, 'methods' | 'headers'> {
  readonly methods?: readonly Method[]
  readonly headers?: readonly string[]
}

/** What of a rule its CORS depends on, beside the table. */
export interface CorsFacts {
  readonly methods: readonly Method[]
  /** Headers that its answers have besides, for callers to read. */
  readonly told?: readonly string[]
  readonly isMcp?: boolean
}

export const corsField = table(CORS_KEYS, (entry, report): CorsEntry => {
  const { origins = [], headers, expose = [], credentials = false } = entry
  if (origins.includes('*') && origins.length > 1)
    report(['origins'], '`*` already means every origin')
  for (const [key, values] of Object.entries({ origins, headers: headers ?? [], expose })) {
    if (credentials && values.includes('*'))
      report([key], '`*` cannot stand beside credentials = true')
  }
  const exposed = new Map([...expose, ...ALWAYS_EXPOSED].map((name) => [name.toLowerCase(), name]))
  return {
    origins: Object.freeze(origins),
    ...(headers && { headers: Object.freeze(headers) }),
    expose: Object.freeze([...exposed.values()]),
    credentials,
    ...(entry.methods && { methods: entry.methods }),
    ...(entry.max_age !== undefined && { maxAge: entry.max_age }),
  }
})

/** The rule with its methods and headers, and all that callers are to read. */
export function corsOf(
  entry: CorsEntry,
  { methods, told = [], isMcp = false }: CorsFacts,
): CorsRule {
  const named = new Set(entry.expose.map((name) => name.toLowerCase()))
  const wanted = isMcp ? [...told, ...MCP_EXPOSED] : told
  const more = wanted.filter((name) => !named.has(name.toLowerCase()))
  const usual = isMcp ? [...DEFAULT_HEADERS, ...MCP_HEADERS] : DEFAULT_HEADERS
  return Object.freeze({
    ...entry,
    methods: Object.freeze(entry.methods ?? methods),
    headers: entry.headers ?? Object.freeze(usual),
    expose: Object.freeze([...entry.expose, ...more]),
  })
}
