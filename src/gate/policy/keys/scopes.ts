import { isObject } from '../../base/json.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { isArgument } from '../../model/mcp-scopes.ts'
import type { ScopeRule, ScopeTemplate } from '../../model/scope.ts'
import { ADMIN_SCOPE_PREFIX, isScopeToken } from '../../model/scope.ts'
import { text } from '../reading/fields.ts'
import { quote } from '../reading/issues.ts'
import {
  anyOf,
  field,
  type KeyDocs,
  list,
  readField,
  readTable,
  required,
  table,
} from '../reading/table.ts'

/** How placeholders are written, what to write, and a character that none of their values has. */
interface Holes {
  readonly hole: RegExp
  readonly hint: string
  /** So that two values cannot run into each other. */
  readonly separator: RegExp
}

const PARAMETERS: Holes = {
  hole: /\{([A-Za-z_][A-Za-z0-9_]*)\}/,
  hint: 'a path parameter is written {name}',
  separator: /[^A-Za-z0-9._~-]/,
}

/**
 * Placeholders in the scopes that a call to an MCP server needs: parameters of the path, and members of the call's
 * arguments.
 */
const ARGUMENTS: Holes = {
  hole: /\{([A-Za-z_][A-Za-z0-9_]*|arguments(?:\.[A-Za-z0-9_$-]+)+)\}/,
  hint: 'an argument is written {arguments.name}, a path parameter {name}',
  separator: /[^A-Za-z0-9._~/-]/,
}

/** Text with `{parameter}` placeholders. Does not know the rule's parameters. */
export function readHoles(
  source: string,
  { hole, hint, separator }: Holes = PARAMETERS,
): Result<ScopeTemplate, string> {
  const parts = source.split(hole)
  if (parts.some((part, i) => i % 2 === 0 && /[{}]/.test(part))) {
    return fail(`${quote(source)}: ${hint}`)
  }
  const between = parts.filter((_, i) => i % 2 === 0).slice(1, -1)
  if (!between.every((part) => separator.test(part))) {
    return fail(
      `${quote(source)}: put a character like : between two parameters, or two ids could be read as others`,
    )
  }
  return ok({ source, parts })
}

/** A scope token, or a template with `{parameter}` placeholders. Does not know the rule's parameters. */
export function readTemplate(
  source: string,
  holes: Holes = PARAMETERS,
): Result<ScopeTemplate, string> {
  const template = readHoles(source, holes)
  if (!template.ok) return template
  const several = source.trim().split(/\s+/)
  if (several.length > 1 && several.every(isScopeToken)) {
    const texts = several.map((one) => JSON.stringify(one)).join(', ')
    return fail(`${quote(source)} has a space. Two scopes? Write two texts: ${texts}`)
  }
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

/** A scope token, where nothing could fill a template. */
export function readWhole(source: string): Result<string, string> {
  const reading = readTemplate(source)
  if (!reading.ok) return reading
  return reading.value.parts.length > 1
    ? fail(`${quote(source)}: a template cannot be used here; write whole scopes`)
    : ok(source)
}

/**
 * A scope template of a tool, prompt or resource, also with `{arguments.name}` placeholders. The text before each
 * of these must end in a character that no argument has: else a caller could choose which scope is required.
 */
export function readUseTemplate(source: string): Result<ScopeTemplate, string> {
  if (!source.includes('{arguments.')) {
    return readTemplate(source, { ...ARGUMENTS, separator: PARAMETERS.separator })
  }
  const template = readTemplate(source, ARGUMENTS)
  if (!template.ok) return template
  const { parts } = template.value
  const open = parts.find(
    (part, i) =>
      isArgument(part) && i % 2 === 1 && !ARGUMENTS.separator.test(parts[i - 1]?.slice(-1) ?? ''),
  )
  return parts[0] !== '' && open === undefined
    ? template
    : fail(
        `${quote(source)}: begin with text of your own, and put a character like : before an argument, or callers could choose which scope they need`,
      )
}

const SCOPE = text((source) => readTemplate(source))
const USE_SCOPE = text(readUseTemplate)

export const ANY_KEYS = { any: required(list(SCOPE)) }

export const USE_ANY_KEYS = { any: required(list(USE_SCOPE)) }

export const ANY_DOCS: KeyDocs<typeof ANY_KEYS> = {
  any: {
    description:
      'Scopes; the token needs one of them. `{name}` takes a path parameter, as in a list of scopes.',
    example: ['documents:read', 'documents:read:{id}'],
  },
}

const ruleOf = (scope: typeof SCOPE, keys: typeof ANY_KEYS) => {
  const all = list(scope, { empty: true })
  return field(
    (value, report): ScopeRule | undefined => {
      if (Array.isArray(value)) {
        const scopes = readField(all, value, report)
        return scopes && { mode: 'all', scopes }
      }
      if (!isObject(value)) {
        const wanted =
          typeof value === 'string' ? `: [${JSON.stringify(value)}]` : ', or { any = [...] }'
        report([], `must be a list of scopes${wanted}`)
        return undefined
      }
      if (Object.hasOwn(value, 'all')) {
        report(['all'], 'a plain list means all: write scopes = ["…", "…"]')
        return undefined
      }
      const { any } = readTable(keys, value, report)
      return any && { mode: 'any', scopes: any }
    },
    anyOf(all, table(keys)),
  )
}

/** A list of scopes that are all needed, or `{ any = [...] }`. */
export const scopeRule = ruleOf(SCOPE, ANY_KEYS)

/** Such a list of {@link readUseTemplate templates}, which may also read arguments. */
export const useScopes = ruleOf(USE_SCOPE, USE_ANY_KEYS)
