import type { Facts } from '../../core/guard.ts'
import type { McpKind, McpRule, McpUse } from '../../core/model/mcp.ts'
import { type McpCaller, mayUse } from '../../core/model/mcp-access.ts'
import { typesOf } from '../../core/model/token.ts'
import { cut, type Edit, edited, membersOf, type Span, valueSpan } from './json-ranges.ts'

/** What a caller may know of, by its kind and name. */
export interface Visibility {
  has(kind: McpKind, name: string): boolean
  /** A template of URIs (RFC 6570). */
  hasTemplate(template: string): boolean
}

/** What a caller may know of: what its token could use with some arguments. */
export function visibilityOf(
  { names }: McpRule,
  { access, agent, params, policy }: Pick<Facts, 'access' | 'agent' | 'params' | 'policy'>,
): Visibility {
  const caller: McpCaller = { scopes: access.scopes, types: typesOf(agent), params, policy }
  const verdicts = new Map<McpUse, boolean>()
  const isUsable = (use: McpUse) => {
    const known = verdicts.get(use) ?? mayUse(use, caller)
    verdicts.set(use, known)
    return known
  }
  return {
    has(kind, name) {
      const use = names[kind].find(name)
      return use !== undefined && isUsable(use)
    },
    hasTemplate(template) {
      const needed = names.resources.template(template)
      return needed.length > 0 && needed.every(isUsable)
    },
  }
}

/**
 * What became of a text: `same`, no byte of it has to change; `changed`; `gone`, nothing of it may be told;
 * `unreadable`, it is no JSON, though something of the kind could be in it.
 */
export type Filtered =
  | { readonly outcome: 'same' | 'gone' | 'unreadable' }
  | { readonly outcome: 'changed'; readonly text: string }

type Sees = (visibility: Visibility, name: string) => boolean

interface List {
  /** The member that an entry is named by. */
  readonly key: string
  readonly sees: Sees
}

/** The lists of results, by their member (MCP, `tools/list`, `prompts/list`, `resources/list`, `resources/templates/list`). */
const LISTS: ReadonlyMap<string, List> = new Map([
  ['tools', { key: 'name', sees: (visibility, name) => visibility.has('tools', name) }],
  ['prompts', { key: 'name', sees: (visibility, name) => visibility.has('prompts', name) }],
  ['resources', { key: 'uri', sees: (visibility, uri) => visibility.has('resources', uri) }],
  [
    'resourceTemplates',
    { key: 'uriTemplate', sees: (visibility, uri) => visibility.hasTemplate(uri) },
  ],
] satisfies [string, List][])

/** Names one resource, and tells that it is there. */
const UPDATED = 'notifications/resources/updated'

/** What any text holds that has something to keep back; an escape could spell it otherwise. */
const SUSPECT = /tools|prompts|resource|\\u/

/** What could be taken for {@link UPDATED}; an escape of ASCII could spell it otherwise. */
const MAY_BE_UPDATE = /resources\\?\/updated|\\u00[2-7]/i

const SAME: Filtered = { outcome: 'same' }
const GONE: Filtered = { outcome: 'gone' }
const UNREADABLE: Filtered = { outcome: 'unreadable' }

/**
 * One message of JSON-RPC or several in an array, without what the caller may not know of: entries of lists,
 * and notifications about one resource. What stays is not written anew, so numbers, escapes and order are the
 * server's own. Of members that are there twice each is judged. A list is never for others to cache
 * (`cacheScope`, MCP 2026-07-28).
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
 * Whether a text is one message, or the beginning of one, without a list in its result as far as it goes. What it
 * goes on with is not known, nor whether it is JSON; of several messages none is looked at.
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

/** Whether what is no JSON could be taken neither for a list nor for a notification about one resource. */
export function passesUnread(text: string): boolean {
  return !MAY_BE_UPDATE.test(text) && beginsListless(text)
}

const outcomeOf = (text: string, made: Iterable<Edit>): Filtered => {
  const edits = [...made]
  return edits.length === 0 ? SAME : { outcome: 'changed', text: edited(text, edits) }
}

/** What has to change in the results of the message at `at`. */
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
  // What is no list cannot be judged entry by entry.
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

/** Whether a message tells of one resource that the caller may not know of. */
const isAboutHidden = (text: string, at: number, visibility: Visibility): boolean => {
  let isUpdate = false
  let isSeen: boolean | undefined
  for (const { name, value } of membersOf(text, at)) {
    if (name === 'method') isUpdate ||= parsed(text, value) === UPDATED
    if (name !== 'params') continue
    for (const uri of valuesOf(text, value[0], 'uri')) {
      isSeen = isSeen !== false && isText(uri) && visibility.has('resources', uri)
    }
  }
  return isUpdate && !isSeen
}

function* valuesOf(text: string, at: number, key: string): Generator<unknown, undefined> {
  for (const { name, value } of membersOf(text, at)) if (name === key) yield parsed(text, value)
}

const parsed = (text: string, [from, to]: Span): unknown => JSON.parse(text.slice(from, to))

const isText = (value: unknown): value is string => typeof value === 'string'
