import { utf8Decode } from '../../base/bytes.ts'
import { isObject, type JsonObject, own, parseJson } from '../../base/json.ts'
import { LIMITS } from '../../base/limits.ts'
import type { RequestHead } from '../../base/request.ts'
import { cut } from '../../base/text.ts'
import type { Address } from '../../base/url.ts'
import type { ApprovalRule } from '../../model/approval-rule.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { McpNamed } from '../../model/mcp.ts'
import type { HeldBody } from './body.ts'

/** A call for which a person is asked. */
interface ShownCall extends Pick<LineFacts, 'route' | 'agent'> {
  readonly request: RequestHead
  readonly address: Address
  readonly held: HeldBody | undefined
}

/** Characters of one text, and of a name of an argument that is not shown. */
const LONGEST = 2_000
const LONGEST_NAME = 100
/** How many of those names are listed, and characters of JSON of all: an agent must not fill the list of what waits. */
const MOST_NAMES = { count: 64, characters: 4_000 }

/** A text, cut where it is long: then with the number of its characters. */
const brief = (text: string, longest = LONGEST) =>
  text.length > longest ? { text: cut(text, longest), length: text.length } : { text }

const listedOf = (names: readonly string[]) => {
  const listed: ReturnType<typeof brief>[] = []
  let left = MOST_NAMES.characters
  for (const name of names.slice(0, MOST_NAMES.count)) {
    const one = brief(name, LONGEST_NAME)
    left -= JSON.stringify(one).length
    if (left < 0) break
    listed.push(one)
  }
  return listed
}

/** A path as far as it leads into objects, and the value there: a list or a text in place of an object is that value. */
const reached = (path: readonly string[], args: JsonObject): readonly [string, unknown] => {
  let value: unknown = args
  let at = 1
  for (; at < path.length && isObject(value); at++) value = own(value, path[at] as string)
  return [path.slice(0, at).join('.'), value]
}

/** Names of members of which none of these paths shows the value. */
const hiddenOf = (object: JsonObject, paths: readonly (readonly string[])[]): readonly string[] =>
  Object.entries(object).flatMap(([name, inner]) => {
    const inside = paths.flatMap(([first, ...rest]) => (first === name ? [rest] : []))
    if (inside.length === 0) return [name]
    return isObject(inner) && inside.every((rest) => rest.length > 0)
      ? hiddenOf(inner, inside).map((one) => `${name}.${one}`)
      : []
  })

/** The object that a body is, as {@link parseJson} reads it; `undefined` for all else. */
export function bodyObject(bytes: Uint8Array): JsonObject | undefined {
  const body = parseJson(utf8Decode(bytes) ?? '', LIMITS.messageDepth)
  return isObject(body) ? body : undefined
}

/** What a person is shown, and the values by which other calls are like it. */
export interface Shown {
  /** JSON text. */
  readonly shown: string
  /** JSON text of what `shows` names, whole; absent without `shows`. */
  readonly values?: string
}

/**
 * What a person is shown of a call, as JSON text: who calls, what for, and of the arguments or the body the values that
 * `shows` names, each as JSON text. Contains no token and no secret of `inject`. It is the caller's text: nobody has checked it.
 */
export function shownOf(
  { route, agent, request, address, held }: ShownCall,
  { by, shows, headers = [] }: ApprovalRule,
  used?: { readonly named: McpNamed },
): Shown {
  const named = used?.named
  const args = (named || !shows ? named?.arguments : held && bodyObject(held.bytes)) ?? {}
  const paths = (shows ?? []).map((path) => path.split('.'))
  const values = paths.map((path) => {
    const [place, value] = reached(path, args)
    return [place, JSON.stringify(value) ?? ''] as const
  })
  const others = hiddenOf(
    args,
    paths.map(([, ...rest]) => rest),
  )
  const listed = listedOf(others)
  const shown = JSON.stringify({
    by,
    rule: route.name,
    agent,
    method: request.method,
    host: address.host,
    path: brief(address.path),
    query: brief(address.query),
    ...(request.headers.has('upgrade') && { upgrade: brief(request.headers.get('upgrade') ?? '') }),
    headers: headers.map((name) => [name, brief(request.headers.get(name) ?? '')]),
    ...(named && { [named.kind]: brief(named.name) }),
    ...((named || shows) && {
      values: values.map(([path, text]) => [path, brief(text)]),
      not_shown: listed,
      ...(others.length > listed.length && { not_listed: others.length - listed.length }),
    }),
    ...(held && { body: { bytes: held.bytes.length, type: request.headers.get('content-type') } }),
  })
  return { shown, ...(values.length > 0 && { values: JSON.stringify(values) }) }
}
