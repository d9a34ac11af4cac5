import { isObject } from '../base/json.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { ScopeRule, ScopeTemplate } from '../model/route.ts'
import { ADMIN_SCOPE_PREFIX, isScopeToken } from '../model/scope.ts'
import { text } from './fields.ts'
import { quote } from './issues.ts'
import { field, list, readField, readTable } from './table.ts'

const HOLE = /\{([A-Za-z_][A-Za-z0-9_]*)\}/

/** A character that no value in a scope has, so that two values cannot run into each other. */
const SEPARATOR = /[^A-Za-z0-9._~-]/

/** Text with `{parameter}` holes. Does not know the rule's parameters. */
export const readHoles = (source: string): Result<ScopeTemplate, string> => {
  const parts = source.split(HOLE)
  if (parts.some((part, i) => i % 2 === 0 && /[{}]/.test(part))) {
    return fail(`${quote(source)}: a path parameter is written {name}`)
  }
  const between = parts.filter((_, i) => i % 2 === 0).slice(1, -1)
  if (!between.every((part) => SEPARATOR.test(part))) {
    return fail(
      `${quote(source)}: put a character like : between two parameters, or two ids could be read as others`,
    )
  }
  return ok(Object.freeze({ source, parts: Object.freeze(parts) }))
}

/** A scope token, or a template with `{parameter}` holes. Does not know the rule's parameters. */
export const readTemplate = (source: string): Result<ScopeTemplate, string> => {
  const template = readHoles(source)
  if (!template.ok) return template
  if (!isScopeToken(source)) {
    return fail(
      `${quote(source)} is not one scope token (RFC 6749 §3.3): visible ASCII, no " or \\`,
    )
  }
  if (source.startsWith(ADMIN_SCOPE_PREFIX)) {
    return fail(
      `${quote(source)}: scopes that begin with ${ADMIN_SCOPE_PREFIX} are for the gate's own endpoints`,
    )
  }
  return template
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
