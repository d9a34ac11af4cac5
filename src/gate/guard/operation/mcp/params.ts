import { type CodeOf, type Denial, denials } from '../../../base/denial.ts'
import { isObject, type JsonObject, own } from '../../../base/json.ts'
import { LIMITS } from '../../../base/limits.ts'
import { fail, ok, type Result } from '../../../base/result.ts'
import { isIdentityText } from '../../../base/text.ts'
import type { McpKind, McpMessage, McpNamed } from '../../../model/mcp.ts'
import { isBuiltIn, TASK_METHODS, USING_METHODS } from '../../../model/mcp-methods.ts'
import { RELATED_MEMBER, REVISION_MEMBER } from './headers.ts'
import { isClear, type KnownNames, knownNames, protocolNames } from './members.ts'
import type { RevisionRules } from './revision.ts'

const deny = denials({
  params_invalid: [
    'badRequest',
    'The params are not what this method takes',
    'Send the params as the specification of MCP defines them: names and URIs as text, arguments as an object',
  ],
  params_ambiguous: [
    'badRequest',
    'Members of the params differ only in their spelling, or are misspelled',
    'Send each member once, in the exact case that the specification or the schema of the tool has',
  ],
})

export const paramsDenials = deny

type Read<Value> = Result<Value, CodeOf<typeof paramsDenials>>

/** Members that decide on access, of objects that no tool's schema defines. */
const IN_META = knownNames(REVISION_MEMBER, RELATED_MEMBER)
const IN_RELATED = protocolNames('taskId')
const IN_PARAMS: Readonly<Record<'any' | 'builtIn', KnownNames>> = {
  any: knownNames('_meta'),
  builtIn: protocolNames(
    '_meta',
    'name',
    'uri',
    'arguments',
    'ref',
    'notifications',
    'protocolVersion',
    'taskId',
  ),
}
const IN_REF = knownNames('type', 'name', 'uri')
const SUBSCRIBED = ['resourceSubscriptions', 'taskIds'] as const
const IN_NOTIFICATIONS = protocolNames(...SUBSCRIBED)

/**
 * Adds to a message the names that it uses: the tool, prompt or resource; for a completion its reference; for a
 * subscription each resource. Does not check whether a name may be used, nor the arguments, so its result does not
 * depend on the rule's names. Where headers mirror the body, a request must have a revision in `_meta`; its value is
 * not checked.
 */
export function readParams(
  message: McpMessage,
  { mirrored }: Pick<RevisionRules, 'mirrored'>,
): Result<McpMessage, Denial<CodeOf<typeof paramsDenials>>> {
  const { id, method, params = {} } = message
  if (method === undefined) return ok(message)
  const meta = own(params, '_meta')
  if (meta !== undefined && !isObject(meta)) return fail(deny('params_invalid', { at: '_meta' }))
  const known = IN_PARAMS[TASK_METHODS.has(method) || isBuiltIn(method) ? 'builtIn' : 'any']
  const related = meta && own(meta, RELATED_MEMBER)
  if (
    !isClear(params, known) ||
    (meta && !isClear(meta, IN_META)) ||
    (isObject(related) && !isClear(related, IN_RELATED))
  ) {
    return fail(deny('params_ambiguous'))
  }
  if (mirrored && id !== undefined && !(meta && Object.hasOwn(meta, REVISION_MEMBER))) {
    return fail(deny('params_invalid', { at: '_meta' }))
  }
  const read = Object.hasOwn(READERS, method) ? READERS[method]?.(params) : named(method, params)
  if (!read) return ok(message)
  if (!read.ok) return fail(deny(read.reason))
  const [use, ...more] = read.value
  if (!use) return ok(message)
  return ok({ ...message, use, ...(more.length > 0 && { more }) })
}

const INVALID: Read<never> = fail('params_invalid')

/** The name of a method that uses one tool, prompt or resource. */
const named = (method: string, params: JsonObject): Read<readonly McpNamed[]> | undefined => {
  const kind = USING_METHODS.get(method)
  if (!kind) return undefined
  const name = own(params, kind === 'resources' ? 'uri' : 'name')
  if (!isIdentityText(name)) return INVALID
  if (kind === 'resources') return ok([bare(kind, name)])
  const given = own(params, 'arguments')
  if (!Object.hasOwn(params, 'arguments')) return ok([bare(kind, name)])
  return isObject(given) ? ok([{ kind, name, arguments: given }]) : INVALID
}

const bare = (kind: McpKind, name: string): McpNamed => ({ kind, name, arguments: {} })

const isShortList = (value: unknown): value is readonly unknown[] =>
  Array.isArray(value) && value.length <= LIMITS.subscriptionsPerMessage

/** Methods with their own params. */
const READERS: Readonly<
  Record<string, (params: JsonObject) => Read<readonly McpNamed[]> | undefined>
> = {
  initialize: (params) =>
    typeof own(params, 'protocolVersion') === 'string' ? undefined : INVALID,
  'completion/complete': (params) => {
    const ref = own(params, 'ref')
    if (!isObject(ref)) return INVALID
    if (!isClear(ref, IN_REF)) return fail('params_ambiguous')
    const type = own(ref, 'type')
    const [kind, member] =
      type === 'ref/prompt'
        ? (['prompts', 'name'] as const)
        : type === 'ref/resource'
          ? (['resources', 'uri'] as const)
          : []
    const name = member && own(ref, member)
    return kind && isIdentityText(name) ? ok([bare(kind, name)]) : INVALID
  },
  'subscriptions/listen': (params) => {
    const wanted = own(params, 'notifications')
    if (wanted === undefined) return undefined
    if (!isObject(wanted)) return INVALID
    if (!isClear(wanted, IN_NOTIFICATIONS)) return fail('params_ambiguous')
    const [uris = [], tasks = []] = SUBSCRIBED.map((name) => own(wanted, name))
    return isShortList(uris) && isShortList(tasks) && uris.every(isIdentityText)
      ? ok(uris.map((uri) => bare('resources', uri)))
      : INVALID
  },
}
