import { fail, ok } from '../base/result.ts'
import { type CorsRule, METHODS, type Method } from '../model/route.ts'
import { flag, headerName, seconds, text, word } from './fields.ts'
import { field, list, readTable } from './table.ts'

const origin = text((value) => {
  if (value === '*') return ok(value)
  return URL.canParse(value) && new URL(value).origin === value && /^https?:/.test(value)
    ? ok(value)
    : fail(
        'must be `*` or an origin: scheme, host and port only, lower-case, without a / at its end',
      )
})

const FIELDS = {
  origins: list(origin),
  methods: list(word(METHODS)),
  headers: list(headerName, { empty: true }),
  expose: list(headerName, { empty: true }),
  credentials: flag,
  max_age: seconds({ least: 0 }),
}

/** Response headers every cross-origin caller may read. */
const ALWAYS_EXPOSED = ['WWW-Authenticate', 'DPoP-Nonce', 'Retry-After', 'X-Request-Id']

/** Request headers a caller may send where the rule does not say. */
const DEFAULT_HEADERS = ['authorization', 'content-type']

/** A `cors` table whose methods are the rule's own where it names none. */
export interface CorsEntry extends Omit<CorsRule, 'methods'> {
  readonly methods?: readonly Method[]
}

export const corsField = field<CorsEntry>((value, report) => {
  const entry = readTable(FIELDS, ['origins'], value, report)
  const { origins = [], headers = DEFAULT_HEADERS, expose = [], credentials = false } = entry
  if (origins.includes('*') && origins.length > 1)
    report(['origins'], '`*` already stands for every origin')
  for (const [key, values] of Object.entries({ origins, headers, expose })) {
    if (credentials && values.includes('*'))
      report([key], '`*` cannot stand beside credentials = true')
  }
  const exposed = new Map([...expose, ...ALWAYS_EXPOSED].map((name) => [name.toLowerCase(), name]))
  return {
    origins: Object.freeze(origins),
    headers: Object.freeze(headers),
    expose: Object.freeze([...exposed.values()]),
    credentials,
    ...(entry.methods && { methods: entry.methods }),
    ...(entry.max_age !== undefined && { maxAge: entry.max_age }),
  }
})

/** The rule with its methods; `told` are headers that its answers have besides, for callers to read. */
export const corsOf = (
  entry: CorsEntry,
  methods: readonly Method[],
  told: readonly string[] = [],
): CorsRule => {
  const named = new Set(entry.expose.map((name) => name.toLowerCase()))
  const more = told.filter((name) => !named.has(name.toLowerCase()))
  return Object.freeze({
    ...entry,
    methods: Object.freeze(entry.methods ?? methods),
    expose: Object.freeze([...entry.expose, ...more]),
  })
}
