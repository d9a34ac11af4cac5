/** Arguments of a call: in scopes, and names that differ only in spelling. docs/mcp/names.md */
import { argumentsRead } from './cel-reads.ts'
import { inexactMembers, isObject } from './json.ts'
import type { ApprovalTable } from './mcp-types.ts'
import { readWhen } from './rule.ts'
import { foldName } from './spelling.ts'
import type { Json, JsonObject } from './types.ts'

/** The value of an argument in a scope, or `undefined` if no scope can have it. */
function argumentValue(args: JsonObject | undefined, path: string[]): string | undefined {
  let of: Json | undefined = args
  const names = [...path]
  const last = names.pop() ?? ''
  for (const name of names) of = isObject(of) && Object.hasOwn(of, name) ? of[name] : undefined
  if (!isObject(of) || !Object.hasOwn(of, last)) return undefined
  const value = of[last]
  if (typeof value === 'number') {
    return Number.isInteger(value) && !inexactMembers(of).has(last) ? String(value) : undefined
  }
  if (typeof value !== 'string' || !/^[A-Za-z0-9._~/-]{1,256}$/.test(value)) return undefined
  const segments = value.replace(/^\//, '').split('/')
  return segments.some((one) => one === '' || one === '.' || one === '..') ? undefined : value
}

/** A scope with its templates filled in, or `undefined` if a value is not allowed or is missing. */
export function fillScope(
  template: string,
  params: Record<string, string>,
  args: JsonObject | undefined,
): string | undefined {
  let isValid = true
  const scope = template.replace(/\{([^}]*)\}/g, (_, name: string) => {
    const [root, ...path] = name.split('.')
    const param = Object.hasOwn(params, name) ? params[name] : undefined
    const isParam = param !== undefined && /^[A-Za-z0-9._~-]{1,128}$/.test(param)
    const value =
      root === 'arguments' && path.length > 0
        ? argumentValue(args, path)
        : isParam
          ? param
          : undefined
    if (value === undefined) isValid = false
    return value ?? ''
  })
  return isValid ? scope : undefined
}

/** Whether a condition reads arguments at all, also by a name that it takes from a value. */
export function readsArguments(when: string): boolean {
  return /\barguments\b/.test(when)
}

/** The names of all members of a value, object by object, with how deep the object is. */
function objectsIn(value: Json | undefined, level = 0): { names: string[]; level: number }[] {
  if (typeof value !== 'object' || value === null) return []
  const inside = Object.values(value).flatMap((member) => objectsIn(member, level + 1))
  return Array.isArray(value) ? inside : [{ names: Object.keys(value), level }, ...inside]
}

/**
 * Whether a call is not ambiguous: no names that differ only in spelling, if a condition, a scope or `shows` reads arguments.
 */
export function checkArguments(
  args: JsonObject | undefined,
  scopes: string[] | { any: string[] },
  when: string | undefined,
  { unless, shows = [] }: ApprovalTable = {},
): boolean {
  const templates = Array.isArray(scopes) ? scopes : scopes.any
  const inScopes = templates.flatMap((scope) => scope.match(/\{arguments\.[^}]*\}/g) ?? [])
  const conditions = [when, unless && readWhen(unless).condition].flatMap((one) => one ?? [])
  const isRead = inScopes.length + shows.length > 0 || conditions.some(readsArguments)
  if (!isRead || !args) return true
  const paths = [
    ...inScopes.map((text) => text.slice(1, -1).split('.').slice(1)),
    ...shows.map((path) => path.split('.').slice(1)),
    ...conditions.flatMap(argumentsRead),
  ]
  const tops = paths.map(([name = '']) => name)
  const inner = paths.flatMap(([, ...names]) => names)
  return objectsIn(args).every(({ names, level }) => {
    const read = level === 0 ? tops : inner
    const folded = new Set(names.map(foldName))
    const isOther = (name: string) =>
      !read.includes(name) && read.some((one) => foldName(one) === foldName(name))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are what is refused.
    const hasControl = names.some((name) => /[\u0000-\u001f\u007f-\u009f]/.test(name))
    return folded.size === names.length && !names.some(isOther) && !hasControl
  })
}
