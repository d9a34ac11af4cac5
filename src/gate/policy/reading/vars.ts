import { isObject, type JsonObject, own, parseJsonObject } from '../../base/json.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { distance, type PolicyIssue, pathText, quote } from './issues.ts'

export interface PolicyVars {
  readonly GATE?: unknown
  readonly ISSUERS?: unknown
  readonly ROUTES?: unknown
  readonly SCOPES?: unknown
  readonly GRANTS?: unknown
  readonly AUDIT?: unknown
  readonly WATCH?: unknown
  readonly TRANSMIT?: unknown
  /** Where each rule was written, beside ROUTES; without it `ROUTES[i]`. */
  readonly routePaths?: readonly string[]
  /** Where each grant was written. */
  readonly grantPaths?: readonly string[]
}

/** Where a rule is written, by its index. */
export function rulePath({ routePaths }: Pick<PolicyVars, 'routePaths'>, index: number): string {
  return routePaths?.[index] ?? `ROUTES[${index}]`
}

/** A variable that cannot be continued in further variables, because a binding has such a name. */
const AUDIT = 'AUDIT'
const BINDING = 'AUDIT_LOG'

/** The names of policy variables; each also with `_` and anything after it. */
const NAMES = ['GATE', 'ISSUERS', 'SCOPES', 'ROUTES', 'GRANTS', 'WATCH', 'TRANSMIT'] as const
type Name = (typeof NAMES)[number]

/** The variable that only `serve` sets: values of GATE for a gate off Cloudflare. All others are laid over it. */
export const SERVE_DEFAULTS = 'GATE_SERVE_DEFAULTS'

/** Names that only a mistyped table header brings into the environment. */
const HEADERS = ['var', 'vars']

/**
 * Whether a variable is part of the policy: if it changes, the policy must be read again.
 * @example isPolicyVariable('ROUTES_01') // true
 */
export function isPolicyVariable(name: string): boolean {
  return name === AUDIT || NAMES.some((base) => name === base || name.startsWith(`${base}_`))
}

/**
 * Gathers the policy's variables from an environment that also contains secrets and bindings: ROUTES and then every
 * `ROUTES_*` by code-unit order, GRANTS in the same way, ISSUERS, SCOPES, WATCH and TRANSMIT merged, `GATE_*` laid over GATE
 * key by key. Text is read as JSON. Does not look into what the variables say.
 */
export function readVars(env: Readonly<Record<string, unknown>>): {
  readonly vars: PolicyVars
  readonly issues: readonly PolicyIssue[]
} {
  const issues: PolicyIssue[] = []
  const report = (path: string, message: string) => issues.push({ path, message })
  for (const name of Object.keys(env)) {
    const meant = nearMiss(name, env[name])
    if (meant) report(name, meant)
  }
  const gathered = (base: Name) =>
    Object.keys(env)
      .filter((name) => name === base || name.startsWith(`${base}_`))
      .sort((a, b) => (a === SERVE_DEFAULTS || (b !== SERVE_DEFAULTS && a < b) ? -1 : 1))
      .flatMap((name) => {
        const value = readValue(env[name])
        if (!value.ok) report(name, value.reason)
        return value.ok ? [{ name, value: value.value }] : []
      })
  const tables = (base: Name) =>
    gathered(base).flatMap(({ name, value }) => {
      if (isObject(value)) return [{ name, value }]
      report(name, 'must be a table')
      return []
    })
  const merged = (base: Name): JsonObject => {
    const all = new Map<string, unknown>()
    for (const { name, value } of tables(base)) {
      for (const [key, entry] of Object.entries(value)) {
        if (all.has(key))
          report(pathText(name, [key]), `${quote(key)} is already in another variable`)
        else all.set(key, entry)
      }
    }
    return Object.fromEntries(all)
  }
  const laid = (base: Name): JsonObject =>
    Object.fromEntries(tables(base).flatMap(({ value }) => Object.entries(value)))
  const listed = (base: Name) =>
    gathered(base).flatMap(({ name, value }) => {
      if (Array.isArray(value)) return value.map((item, i) => ({ item, path: `${name}[${i}]` }))
      report(name, `must be a list of tables: write [[vars.${name}]], with two brackets`)
      // One table is read as a rule or a grant, so that its own mistakes are said too.
      return isObject(value) ? [{ item: value as unknown, path: name }] : []
    })
  const [routes, grants] = [listed('ROUTES'), listed('GRANTS')]
  const audit = Object.hasOwn(env, AUDIT) ? readValue(env[AUDIT]) : undefined
  if (audit && !audit.ok) report(AUDIT, audit.reason)
  const vars = {
    ...(audit?.ok && { AUDIT: audit.value }),
    GATE: laid('GATE'),
    ISSUERS: merged('ISSUERS'),
    SCOPES: merged('SCOPES'),
    WATCH: merged('WATCH'),
    TRANSMIT: merged('TRANSMIT'),
    ROUTES: routes.map(({ item }) => item),
    routePaths: routes.map(({ path }) => path),
    GRANTS: grants.map(({ item }) => item),
    grantPaths: grants.map(({ path }) => path),
  }
  return { vars, issues }
}

const isJsonValue = (value: unknown): boolean =>
  Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]'

/** A variable as the runtime hands it over; text is JSON without a name twice in one object. */
const readValue = (value: unknown): Result<unknown, string> => {
  if (isJsonValue(value)) return ok(value)
  if (typeof value !== 'string')
    return fail('must be a table or a list: its name is reserved for the policy')
  try {
    JSON.parse(value)
  } catch {
    return fail('is text that is not JSON: its name is reserved for the policy')
  }
  const read = parseJsonObject(`{"value":${value}}`)
  return read
    ? ok(own(read, 'value'))
    : fail('is JSON that has a name twice in one object, or is nested too deep')
}

/** Whether a value could be meant as policy: secrets and bindings are not. */
const looksLikePolicy = (value: unknown): boolean =>
  typeof value === 'string' ? /^\s*[[{]/.test(value) && readValue(value).ok : isJsonValue(value)

/** What a mistyped name was meant to be, as a sentence. */
const nearMiss = (name: string, value: unknown): string | undefined => {
  if (isPolicyVariable(name) || name === BINDING || !looksLikePolicy(value)) return undefined
  if (HEADERS.includes(name.toLowerCase())) {
    return 'is not read; write [vars.GATE], [vars.ISSUERS.name], [[vars.ROUTES]]'
  }
  const upper = name.toUpperCase()
  const [head = ''] = /^[A-Z]*/.exec(upper) ?? []
  if (head === AUDIT || head === `${AUDIT}S`) return `is not read; did you mean \`${AUDIT}\`?`
  const base = NAMES.find(
    (one) => isVariant(head, one) || lacksUnderscore(name, one) || isNear(upper, one),
  )
  return base && `is not read; did you mean \`${base}\` (or \`${base}_…\`)?`
}

/** Whether two names are equal but for a plural. */
const isVariant = (text: string, base: Name): boolean =>
  text === base || `${text}S` === base || text === `${base}S`

/**
 * Whether a name begins with one of these and a word follows directly. Not for GATE, since words like GATEWAY begin
 * with it.
 */
const lacksUnderscore = (name: string, base: Name): boolean =>
  base !== 'GATE' && name.startsWith(base)

/**
 * Whether one character is missing, added or swapped. In a long name one may also be replaced; in a short name that
 * could make another word.
 */
const isNear = (text: string, base: Name): boolean =>
  distance(text, base, 1) !== undefined &&
  (base.length > 4 || text.length !== base.length || sorted(text) === sorted(base))

const sorted = (text: string): string => [...text].sort().join('')
