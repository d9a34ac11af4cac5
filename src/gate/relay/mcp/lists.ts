import { cut, type Edit, edited, membersOf, type Span, valueSpan } from '../../base/json-ranges.ts'
import type { Facts } from '../../guard/guard.ts'
import { isTrue } from '../../guard/stages/condition.ts'
import type { McpKind, McpRule, McpUse } from '../../model/mcp.ts'
import { type McpCaller, mayUse } from '../../model/mcp-scopes.ts'
import { typesOf } from '../../model/token.ts'

/** The names that a caller may see, by kind. */
export interface Visibility {
  has(kind: McpKind, name: string): boolean
  /** Whether the caller may be notified of a resource: only if its token may use it. */
  hears(uri: string): boolean
  /** Whether a URI template (RFC 6570) may be seen. */
  hasTemplate(template: string): boolean
}

/**
 * A caller sees the names for which its token could be used with some arguments. With `list = "obtainable"` it also sees
 * those for which it lacks only scopes that the resource offers, if their condition is true or reads arguments; not
 * where the token's scopes come from grants.
 */
export function visibilityOf(
  { names, list }: McpRule,
  facts: Facts,
  now: () => number,
): Visibility {
  const { access, agent, params, policy, route } = facts
  const caller: McpCaller = { scopes: access.scopes, types: typesOf(agent), params, policy }
  const isObtainable = (use: McpUse): boolean => {
    const { scopes = [] } = policy.resources.get(route.resource) ?? {}
    if (!mayUse(use, { ...caller, scopes: [...access.scopes, ...scopes] })) return false
    const { when } = use
    return !when || (when.arguments ?? []).length > 0 || isTrue(when, facts, now())
  }
  // A client cannot step up where scopes do not come from its token.
  const mayObtain = list === 'obtainable' && access.entry.scopesFrom !== 'grants'
  const verdicts = new Map<McpUse, boolean>()
  const isSeen = (use: McpUse) => {
    const known = verdicts.get(use)
    if (known !== undefined) return known
    const isShown = mayUse(use, caller) || (mayObtain && isObtainable(use))
    verdicts.set(use, isShown)
    return isShown
  }
  return {
    has(kind, name) {
      const use = names[kind].find(name)
      return use !== undefined && isSeen(use)
    },
    hears(uri) {
      const use = names.resources.find(uri)
      return use !== undefined && mayUse(use, caller)
    },
    hasTemplate(template) {
      const needed = names.resources.template(template)
      return needed.length > 0 && needed.every(isSeen)
    },
  }
}

/**
 * The result for a text. `same`: nothing to change. `changed`: use `text`. `gone`: the caller may see nothing of it.
 * `unreadable`: not JSON, but it could contain hidden names.
 */
export type Filtered =
  | { readonly outcome: 'same' | 'gone' | 'unreadable' }
  | { readonly outcome: 'changed'; readonly text: string }

type Sees = (visibility: Visibility, name: string) => boolean

interface List {
  /** The member with an entry's name. */
  readonly key: string
  readonly sees: Sees
}

/** The lists of results by member (MCP `tools/list`, `prompts/list`, `resources/list`, `resources/templates/list`). */
const LISTS: ReadonlyMap<string, List> = new Map([
  ['tools', { key: 'name', sees: (visibility, name) => visibility.has('tools', name) }],
  ['prompts', { key: 'name', sees: (visibility, name) => visibility.has('prompts', name) }],
  ['resources', { key: 'uri', sees: (visibility, uri) => visibility.has('resources', uri) }],
  [
    'resourceTemplates',
    { key: 'uriTemplate', sees: (visibility, uri) => visibility.hasTemplate(uri) },
  ],
] satisfies [string, List][])

/** A notification that names one resource, so it reveals that the resource exists. */
const UPDATED = 'notifications/resources/updated'

/** Text that could contain hidden names; `\u` because an escape could spell them. */
const SUSPECT = /tools|prompts|resource|\\u/

/** Text that could be read as {@link UPDATED}; an escape could spell it, too. */
const MAY_BE_UPDATE = /resources\\?\/updated|\\u00[2-7]/i

const SAME: Filtered = { outcome: 'same' }
const GONE: Filtered = { outcome: 'gone' }
const UNREADABLE: Filtered = { outcome: 'unreadable' }

/**
 * Filters one JSON-RPC message or an array of them: removes list entries and notifications of resources that the caller
 * may not see. The rest stays byte for byte as the server wrote it. Each of several equal members is checked. A list's
 * `cacheScope` becomes private (MCP 2026-07-28).
 */
export function filterText(text: string, visibility: Visibility): Filtered {
  if (!SUSPECT.test(text)) return SAME
  try {
    JSON.parse(text)
  } catch {
    return UNREADABLE
  }
  const whole = valueSpan(text)
  const [from] = whole
  if (text[from] !== '[') {
    return isAboutHidden(text, from, visibility)
      ? GONE
      : outcomeOf(text, editsOf(text, from, visibility))
  }
  let kept = 0
  let gone = 0
  const stays = ([at]: Span) => {
    const isHidden = isAboutHidden(text, at, visibility)
    if (isHidden) gone++
    else kept++
    return !isHidden
  }
  const told = outcomeOf(
    text,
    cut(text, whole, stays, ([at]) => editsOf(text, at, visibility)),
  )
  return kept === 0 && gone > 0 ? GONE : told
}

/**
 * Whether a text is one message, or its beginning, and has no list in its result so far. `false` for arrays. Does not
 * check that it is JSON.
 */
export function beginsListless(text: string): boolean {
  const from = text.search(/\S/)
  if (text[from] === '[') return false
  try {
    for (const { name, value } of membersOf(text, from)) {
      if (name === 'result' && holdsList(text, value)) return false
    }
    return true
  } catch {
    return false
  }
}

/** Whether no reader could take text that is not JSON for a list, or for a notification of a resource. */
export function passesUnread(text: string): boolean {
  return !MAY_BE_UPDATE.test(text) && beginsListless(text)
}

const outcomeOf = (text: string, made: Iterable<Edit>): Filtered => {
  const edits = [...made]
  return edits.length === 0 ? SAME : { outcome: 'changed', text: edited(text, edits) }
}

/** The edits in the results of the message at `at`. */
function* editsOf(text: string, at: number, visibility: Visibility): Generator<Edit> {
  for (const { name, value } of membersOf(text, at)) {
    if (name === 'result') yield* resultEdits(text, value, visibility)
  }
}

const holdsList = (text: string, [at]: Span): boolean => {
  for (const { name } of membersOf(text, at)) if (LISTS.has(name)) return true
  return false
}

function* resultEdits(text: string, result: Span, visibility: Visibility): Generator<Edit> {
  if (!holdsList(text, result)) return
  const [at] = result
  for (const { name, value } of membersOf(text, at)) {
    const list = LISTS.get(name)
    if (name === 'cacheScope') yield [value, '"private"']
    else if (list) yield* listEdits(text, value, list, visibility)
  }
}

function* listEdits(
  text: string,
  list: Span,
  { key, sees }: List,
  visibility: Visibility,
): Generator<Edit> {
  // A value other than an array cannot be checked entry by entry.
  if (text[list[0]] !== '[') {
    yield [list, '[]']
    return
  }
  yield* cut(text, list, ([at]) => {
    let isNamed = false
    for (const name of valuesOf(text, at, key)) {
      if (!isText(name) || !sees(visibility, name)) return false
      isNamed = true
    }
    return isNamed
  })
}

/** Whether a message notifies of a resource that the caller may not see. */
const isAboutHidden = (text: string, at: number, visibility: Visibility): boolean => {
  let isUpdate = false
  let isSeen: boolean | undefined
  for (const { name, value } of membersOf(text, at)) {
    if (name === 'method') isUpdate ||= parsed(text, value) === UPDATED
    if (name !== 'params') continue
    for (const uri of valuesOf(text, value[0], 'uri')) {
      isSeen = isSeen !== false && isText(uri) && visibility.hears(uri)
    }
  }
  return isUpdate && !isSeen
}

function* valuesOf(text: string, at: number, key: string): Generator<unknown, undefined> {
  for (const { name, value } of membersOf(text, at)) if (name === key) yield parsed(text, value)
}

const parsed = (text: string, [from, to]: Span): unknown => JSON.parse(text.slice(from, to))

const isText = (value: unknown): value is string => typeof value === 'string'
