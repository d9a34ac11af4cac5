/** Adds the cure to mistakes of a policy whose reader says only what is wrong. The file shows what was meant. */

import { isObject, own } from '../../gate/base/json.ts'
import { METHODS } from '../../gate/model/route.ts'
import { AUDIT_DOCS } from '../../gate/policy/keys/audit.ts'
import { GATE_DOCS } from '../../gate/policy/keys/gate-docs.ts'
import { ISSUER_DOCS } from '../../gate/policy/keys/issuer-docs.ts'
import { ROUTE_DOCS } from '../../gate/policy/keys/route-docs.ts'
import { type PolicyIssue, quote } from '../../gate/policy/reading/issues.ts'
import type { KeyDoc } from '../../gate/policy/reading/table.ts'
import { tomlValue } from './toml.ts'

/** Names that users of other gates write, and what they are here. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  alg: 'algorithms',
  allowed_hosts: 'hosts',
  any: 'scopes = { any = ["…"] }',
  backend: 'origin',
  depth: 'max_depth',
  headers: 'inject, or forward_claims for claims',
  if: 'when',
  methods: 'match = "GET,POST /path"',
  path: 'match = "METHOD /path"',
  public: 'access = "public"',
  retain: 'retention',
  roles: 'claims = { roles = "…" }, with the claim that has them',
  secret: 'jwks_uri or jwks: a shared key is never accepted',
  upstream: 'origin',
  window: 'period',
}

/** Values that users of other gates write, and what they are here. */
const OTHER_VALUES: Readonly<Record<string, string>> = {
  'dry-run': 'shadow',
  google: 'gcp',
  log: 'shadow',
  monitor: 'shadow',
}

const DOCS: readonly (readonly [at: RegExp, docs: Readonly<Record<string, KeyDoc<unknown>>>])[] = [
  [/^GATE(?:_\w+)?\.(\w+)$/, GATE_DOCS],
  [/^AUDIT(?:_\w+)?\.(\w+)$/, AUDIT_DOCS],
  [/^ISSUERS(?:_\w+)?\.[^.[\]]+\.(\w+)$/, ISSUER_DOCS],
  [/^ROUTES\w*\[\d+\]\.(\w+)$/, ROUTE_DOCS],
]

/**
 * The mistakes with their cures. `valueAt` has what the file says at a path. Mistakes that are only a consequence of
 * another one are left out. Issues without a known cure stay as they are.
 * @example cured([{ path: 'GATE.hosts', message: 'must be a list' }], () => 'a.dev')[0]?.message // 'must be a list: hosts = ["a.dev"]'
 */
export function cured<Issue extends PolicyIssue>(
  issues: readonly Issue[],
  valueAt: (path: string) => unknown,
): readonly Issue[] {
  const said = issues.map((issue) => {
    const [first = '', ...others] = issue.message.split('\n')
    const cure = curedLine(issue.path, first, valueAt(issue.path))
    return { ...issue, message: [cure, ...others].join('\n') }
  })
  const whole = new Set(said.filter(({ message }) => WHOLE.test(message)).map(({ path }) => path))
  const isElsewhere = said.some(
    ({ path, message }) => /^ISSUER/.test(path) && message.startsWith('is not read'),
  )
  const flat = said.filter(({ message }) => message === FLAT)
  return said.flatMap((issue) => {
    if (isElsewhere && issue.message === NO_ISSUER) return []
    if (issue === flat[0]) return [{ ...issue, path: 'ISSUERS' }]
    if (flat.some(({ path }) => `${issue.path}.`.startsWith(`${path}.`))) return []
    const table = issue.path.split(/[.[]/, 1)[0] ?? ''
    return table !== issue.path && whole.has(table) ? [] : [issue]
  })
}

/** Nothing inside such a table is read as it is meant. */
const WHOLE = /^must be a list of tables: /
const FLAT = 'has no name of an issuer: write [vars.ISSUERS.NAME]'

/** What the policy's reader says where no table of issuers is. */
const NO_ISSUER = 'must have an issuer, unless every rule is public'

/** What the reader of `match` says of a text that it cannot read. */
const OF_MATCH =
  /^(?:write "METHOD|".*" is not a method|the path must begin|no request can have|"\*" is allowed only|".*": a parameter)/

const curedLine = (path: string, message: string, value: unknown): string => {
  if (OF_MATCH.test(message) && typeof value === 'string') return matchCure(value) ?? message
  if (/^ISSUERS\.[^.]+$/.test(path) && message === 'must be a table') return FLAT
  if (path === 'ISSUERS' && message === 'must be a table') return `${message}: [vars.ISSUERS.NAME]`
  const unknown = /^unknown (\w+) `([^`]+)`(; did you mean `[^`]+`\?)?(.*)$/s.exec(message)
  if (unknown) return unknownCure(unknown, value) ?? message
  if (/^must be a list of scopes/.test(message) && typeof value === 'string')
    return `must be a list of scopes: ${tomlValue(value.split(/[\s,]+/).filter(Boolean))}`
  return /^must be a (?:list|string|table)$/.test(message)
    ? kindCure(path, message, value)
    : message
}

/** A key with a value of another kind: the value as it may be meant, else an example. */
const kindCure = (path: string, message: string, value: unknown): string => {
  const key = /(\w+)$/.exec(path)?.[1] ?? ''
  if (message === 'must be a list' && typeof value === 'string')
    return `${message}: ${key} = ${tomlValue([value])}`
  for (const [at, docs] of DOCS) {
    const doc = at.test(path) ? own(docs, key) : undefined
    if (!isObject(doc)) continue
    const { example } = doc
    const isOther = isObject(example) !== message.endsWith('table')
    return `${isOther ? 'is of another kind' : message}; write it like ${key} = ${tomlValue(example)}`
  }
  return message
}

const unknownCure = ([, what, name = '', guess, rest = '']: RegExpExecArray, value: unknown) => {
  if (what === 'key' && isObject(value) && Object.hasOwn(value, 'issuer'))
    return `${quote(name)} is a table inside an issuer's; in the name of a table write - for a dot`
  const other = what === 'key' && !guess ? own(OTHER_WORDS, name) : undefined
  if (typeof other === 'string') return `unknown key ${quote(name)}; write ${other}`
  const listed = [...rest.matchAll(/`([^`]+)`/g)].map(([, one = '']) => one)
  const longer = listed.filter((one) => one.startsWith(`${name}-`))
  const meant = longer.length === 1 ? longer[0] : own(OTHER_VALUES, name)
  return what === 'value' && typeof meant === 'string' && listed.includes(meant)
    ? `unknown value ${quote(name)}; did you mean ${quote(meant)}? Allowed: ${listed.map(quote).join(', ')}`
    : undefined
}

/** The cure of a mistake in `match`, if the text shows what was meant. */
const matchCure = (text: string): string | undefined => {
  const [, methods = '', path = ''] =
    /^([A-Za-z]+(?:\s*[,|/]\s*[A-Za-z]+)*)\s+(\S+)$/.exec(text) ?? []
  const names = methods.toUpperCase().split(/\s*[,|/]\s*/)
  const isKnown = names.every((one) => (METHODS as readonly string[]).includes(one))
  if (methods !== '' && isKnown && names.join(',') !== methods)
    return `methods are in upper case, with a comma between and no space: ${names.join(',')} ${path}`
  if (/^https?:\/\//.test(path))
    return `is of a path and not of a URL: write ${methods} ${path.replace(/^https?:\/\/[^/]*/, '') || '/'}, and the host in host`
  if (path.includes('?'))
    return `is of a path without a query: write ${methods} ${path.replace(/\?.*/, '')}; a condition in when can read the query`
  const [angle] = /<\w+>/.exec(path) ?? []
  if (angle) return `${quote(angle)}: a parameter is written {${angle.slice(1, -1)}}`
  if (path.endsWith('/**')) return 'write * in place of **: it matches the whole rest'
  const [, name, pattern] = /\{(\w+):([^}]*)\}/.exec(path) ?? []
  return pattern === undefined ? undefined : `a parameter has no pattern: write {${name}}`
}
