import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { perObject } from '../../gate/base/memo.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { METHODS, type Method } from '../../gate/model/route.ts'
import { quote } from '../../gate/policy/reading/issues.ts'
import { followed, type OpenApiDocument, textOf } from './document.ts'
import { type Needs, needsOf } from './security.ts'

/** An operation of a document, below one base path. */
export interface Operation extends Needs {
  readonly pointer: string
  readonly method: Method
  /** As `match` of a rule has it. */
  readonly path: string
}

/** A note about a place of a document. */
export interface Note {
  readonly pointer: string
  readonly message: string
  /** Whether no rule was made for the operation. */
  readonly isLeftOut?: true
}

/** A note, and one request of each kind that it leaves without a rule of its own. */
export interface NoteOf extends Note {
  readonly requests?: readonly Pick<Operation, 'method' | 'path'>[]
}

/** The most members of all path items and servers of all operations, together. */
const MOST_MEMBERS = 200_000

/** Members of a path item that are not methods. */
const NO_METHOD = /^(?:summary|description|servers|parameters|x-.*)$/
const NONE: readonly unknown[] = []

/**
 * The operations that rules can be made from, and notes about the others. Reads paths, servers, the style of path
 * parameters, and security. If security names no scopes, they are `unnamed`. Fails if references make too many
 * operations.
 */
export function operationsOf(
  { root, url }: OpenApiDocument,
  unnamed: readonly string[],
): Result<
  { readonly operations: readonly Operation[]; readonly notes: readonly NoteOf[] },
  string
> {
  let members = 0
  const operations: Operation[] = []
  const notes = new Map<string, NoteOf>()
  const tell = (pointer: string, message: string, more: Omit<NoteOf, 'pointer' | 'message'> = {}) =>
    void notes.set(`${pointer} ${message}`, { pointer, message, ...more })
  // Aliases of YAML may repeat a large list.
  const needsBy = perObject((list: readonly unknown[]) => needsOf(root, list, unnamed))
  const basesBy = perObject((list: readonly unknown[]) => basesOf(list, url))
  const checkStyles = perObject((list: readonly unknown[]) =>
    list.map((one) => checkStyle(root, one)),
  )
  /** Reads one place. If that fails, notes why there is no rule for requests of these methods there. */
  const tryAt = (
    pointer: string,
    read: () => void,
    methods: readonly Method[],
    path: string,
    levels: readonly unknown[],
  ) => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      const lists = [...levels, root].map((level) => isObject(level) && own(level, 'servers'))
      const sample = path.replace(/\{[^{}]*\}/g, 'x')
      const bases = basesBy(lists.find(Array.isArray) ?? NONE).filter((one) => !one.fault)
      const requests = bases.flatMap((base) =>
        methods.map((method) => ({ method, path: base.path + sample })),
      )
      tell(pointer, error.message, { isLeftOut: true, requests })
    }
  }
  const add = (method: Method, path: string, item: JsonObject, value: JsonObject) => {
    const at = below('#/paths', path)
    const pointer = below(at, method.toLowerCase())
    const [operation, shared, top] = [
      [value, pointer],
      [item, at],
      [root, '#'],
    ] as const
    const [list, securityAt] = nearest('security', [operation, top])
    const { notes: told, ...needs } = needsBy(list)
    for (const one of [item, value]) checkStyles(listOf(own(one, 'parameters')))
    const [servers, serversAt] = nearest('servers', [operation, shared, top])
    const pattern = patternOf(path)
    const bases = basesBy(servers)
    members += bases.length
    for (const { path: base, fault, note } of bases) {
      if (fault === undefined) operations.push({ ...needs, pointer, method, path: base + pattern })
      if (fault !== undefined) tell(serversAt, fault, { isLeftOut: true })
      if (note !== undefined) tell(serversAt, note)
    }
    for (const message of told) tell(securityAt, message)
    if (serversAt.startsWith(at))
      tell(serversAt, 'may be other hosts; rules for them need an `origin`')
    if (own(value, 'deprecated') === true) tell(pointer, 'is deprecated, and has a rule')
    if (isObject(own(value, 'callbacks'))) tell(below(pointer, 'callbacks'), SENT)
  }
  for (const [path, reference] of Object.entries(objectOf(own(root, 'paths')))) {
    const at = below('#/paths', path)
    if (path.startsWith('x-')) continue
    // References may repeat a large item.
    if (members > MOST_MEMBERS) return fail('has too much in its paths')
    const read = () => {
      const item = followed(root, reference)
      for (const [name, operation] of Object.entries(item)) {
        members += 1
        if (NO_METHOD.test(name)) continue
        const method = METHODS.find((one) => one.toLowerCase() === name)
        const addIt = () => {
          if (!method) throw new SyntaxError('is not a method that the gate knows')
          add(method, path, item, followed(root, operation))
        }
        tryAt(below(at, name), addIt, method ? [method] : [], path, [operation, item])
      }
    }
    tryAt(at, read, METHODS, path, [reference])
  }
  for (const name of Object.keys(objectOf(own(root, 'webhooks'))))
    tell(below('#/webhooks', name), SENT)
  return ok({ operations, notes: [...notes.values()] })
}

const SENT = 'is a request that the API sends, so no rule is made for it'

/** The pointer of a member. */
const below = (pointer: string, name: string): string =>
  `${pointer}/${name.replace(/~/g, '~0').replace(/\//g, '~1')}`

/** The list of this name in the first level that has one, and its pointer. */
const nearest = (
  name: string,
  levels: readonly (readonly [value: JsonObject, pointer: string])[],
): readonly [list: readonly unknown[], pointer: string] => {
  const level = levels.find(([one]) => own(one, name) !== undefined)
  if (!level) return [NONE, '#']
  const list = own(level[0], name)
  if (!Array.isArray(list)) throw new SyntaxError(`has \`${name}\` that is not a list`)
  return [list, below(level[1], name)]
}

const checkStyle = (root: JsonObject, parameter: unknown): void => {
  const { in: place, style = 'simple' } = followed(root, parameter)
  if (place !== 'path' || style === 'simple') return
  throw new SyntaxError(`has a path parameter of style ${quote(textOf(style))}`)
}

interface Base {
  readonly path: string
  readonly fault?: string
  readonly note?: string
}

/** The base paths of servers, without a slash at the end. Variables have their defaults. */
const basesOf = (list: readonly unknown[], url?: string): readonly Base[] => {
  const bases = (list.length === 0 ? [{ url: '/' }] : list).map((server): Base => {
    const { url: template, variables } = objectOf(server)
    let isWhole = typeof template === 'string'
    const text = textOf(template).replace(/\{([^{}]*)\}/g, (_, name: string) => {
      const variable = own(objectOf(variables), name)
      isWhole &&= isObject(variable) && own(variable, 'default') !== undefined
      return isObject(variable) ? textOf(own(variable, 'default')) : ''
    })
    const base = url ?? 'https://document.invalid'
    if (!isWhole || !URL.canParse(text, base)) {
      return {
        path: text,
        fault: 'has a server whose url is not a URL, or a variable without a default',
      }
    }
    const path = new URL(text, base).pathname.replace(/\/$/, '')
    const note = `has variables: rules are for ${quote(path || '/')}, by their defaults`
    return { path, ...(text !== template && { note }) }
  })
  return [...new Map(bases.map((base) => [base.path, base])).values()]
}

/** A segment that is one parameter, before a literal that begins with `:` or `.`. */
const PARAMETER = /^\{([\p{L}\p{N}_.~ -]+)\}((?:[:.][^{}]*)?)$/u

/** A path in the notation of `match`. Parameters are renamed if a rule cannot have their name. */
const patternOf = (path: string): string => {
  if (!path.startsWith('/') || /[?#*]/.test(path)) {
    throw new SyntaxError('has a path without a slash in front, or with ?, # or *')
  }
  const names = new Set<string>()
  return path
    .split('/')
    .map((segment) => {
      const [, name, suffix = ''] = PARAMETER.exec(segment) ?? []
      if (name === undefined) {
        if (!/[{}]/.test(segment)) return segment
        throw new SyntaxError(
          `has ${quote(segment)} in its path: a rule has one {name} in a segment, alone or before a literal that begins with : or .`,
        )
      }
      let plain = name.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)/, '_')
      while (names.has(plain)) plain += `_${names.size}`
      names.add(plain)
      return `{${plain}}${suffix}`
    })
    .join('/')
}
