import { isObject } from '../base/json.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { ScopeRule, ScopeTemplate } from '../model/route.ts'
import { ADMIN_SCOPE_PREFIX, isScopeToken } from '../model/scope.ts'
import { text } from './fields.ts'
import { quote, type Report, under } from './issues.ts'
import { field, list, readField, readTable } from './table.ts'

const HOLE = /\{([A-Za-z_][A-Za-z0-9_]*)\}/

/** A character that no value in a scope has, so that two values cannot run into each other. */
const SEPARATOR = /[^A-Za-z0-9._~-]/

/** A scope token, or a template with `{parameter}` holes. Does not know the rule's parameters. */
export const readTemplate = (source: string): Result<ScopeTemplate, string> => {
  const parts = source.split(HOLE)
  if (parts.some((part, i) => i % 2 === 0 && /[{}]/.test(part))) {
    return fail(`${quote(source)}: a path parameter is written {name}`)
  }
  if (!isScopeToken(source)) {
    return fail(
      `${quote(source)} is not one scope token (RFC 6749 §3.3): visible ASCII, no " or \\`,
    )
  }
  const between = parts.filter((_, i) => i % 2 === 0).slice(1, -1)
  if (!between.every((part) => SEPARATOR.test(part))) {
    return fail(
      `${quote(source)}: put a character like : between two parameters, or two ids could be read as others`,
    )
  }
  if (source.startsWith(ADMIN_SCOPE_PREFIX)) {
    return fail(
      `${quote(source)}: scopes that begin with ${ADMIN_SCOPE_PREFIX} are for the gate's own endpoints`,
    )
  }
  return ok(Object.freeze({ source, parts: Object.freeze(parts) }))
}

const template = text(readTemplate)

/** A list of scopes that are all needed, or `{ any = [...] }`. */
export const scopeRule = field<ScopeRule | undefined>((value, report) => {
  if (Array.isArray(value)) {
    const scopes = readField(list(template, { empty: true }), value, report)
    return scopes && Object.freeze({ mode: 'all', scopes: Object.freeze(scopes) })
  }
  if (!isObject(value)) {
    report([], 'must be a list of scopes, or { any = [...] }')
    return undefined
  }
  const { any } = readTable({ any: list(template) }, ['any'], value, report)
  return any && Object.freeze({ mode: 'any', scopes: Object.freeze(any) })
})

/** What SCOPES says. */
export interface Includes {
  /** As written: scope → the scopes it includes. */
  readonly scopes: ReadonlyMap<string, readonly string[]>
  /** Every scope that includes a scope, itself first, through any number of steps. */
  readonly includedBy: (scope: string) => readonly string[]
}

const declared = text<string>((value) => {
  const reading = readTemplate(value)
  if (!reading.ok) return reading
  return reading.value.parts.length === 1
    ? ok(value)
    : fail(`${quote(value)}: a template cannot be declared; write whole scopes`)
})

/** Reads SCOPES. Scopes of the gate's own endpoints cannot be included. */
export const readIncludes = (value: unknown, report: Report): Includes => {
  const scopes = new Map<string, readonly string[]>()
  const parents = new Map<string, string[]>()
  if (value !== undefined && !isObject(value))
    report([], 'must be a table of scope → list of scopes')
  for (const [scope, raw] of isObject(value) ? Object.entries(value) : []) {
    if (!isScopeToken(scope) || /[{}]/.test(scope)) {
      report([scope], `${quote(scope)} is not one scope token without templates (RFC 6749 §3.3)`)
    }
    const children = readField(list(declared), raw, under(report, scope)) ?? []
    scopes.set(scope, Object.freeze(children))
    for (const child of children) {
      const known = parents.get(child)
      if (known) known.push(scope)
      else parents.set(child, [scope])
    }
  }
  const closures = new Map<string, readonly string[]>()
  const includedBy = (scope: string) => {
    if (!parents.has(scope)) return [scope]
    let closure = closures.get(scope)
    if (!closure) {
      closure = Object.freeze(closureOf(scope, parents))
      closures.set(scope, closure)
    }
    return closure
  }
  return { scopes, includedBy }
}

/** Everything reached upwards, each once, nearest first. */
const closureOf = (scope: string, parents: ReadonlyMap<string, readonly string[]>): string[] => {
  const reached = new Set([scope])
  for (const one of reached) {
    for (const parent of parents.get(one) ?? []) reached.add(parent)
  }
  return [...reached]
}
