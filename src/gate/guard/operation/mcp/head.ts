import { isPlainJson } from '../../../base/body.ts'
import { type CodeOf, type Denial, denials } from '../../../base/denial.ts'
import type { RequestHead } from '../../../base/request.ts'
import { fail, ok, type Result } from '../../../base/result.ts'
import type { McpRevision, McpRule } from '../../../model/mcp.ts'
import type { Route } from '../../../model/route.ts'
import { isNegotiated, isRevision, REVISION_RULES, type RevisionRules, UNSAID } from './revision.ts'

const deny = denials({
  upgrade_refused: [
    'badRequest',
    'An MCP endpoint is served over HTTP only, not over WebSocket',
    'Send the request without an Upgrade header; streams come as text/event-stream',
  ],
  origin_not_allowed: [
    'forbidden',
    'Pages of this origin may not call this MCP endpoint',
    'Call the MCP server from outside a browser, or ask the operator to allow the origin of the page',
  ],
  revision_unsupported: [
    'badRequest',
    'This MCP endpoint does not speak that revision of the protocol, or none was named',
    'Send MCP-Protocol-Version once, with a revision that this endpoint speaks',
  ],
  http_method_not_allowed: [
    'notAllowed',
    'An MCP endpoint does not have this method of HTTP in this revision of the protocol',
    'Use one of the methods the Allow header names',
  ],
  message_type_unsupported: [
    'unsupported',
    'An MCP endpoint takes JSON in UTF-8 only',
    'Send the message as Content-Type: application/json, without Content-Encoding',
  ],
})

export const headDenials = deny

/** The head of a request to an MCP server. */
export interface McpHead {
  /** The revision of the header; absent without the header. */
  readonly revision?: McpRevision
  readonly rules: RevisionRules
}

type HeadCode = CodeOf<typeof headDenials>

/**
 * Checks all that needs no body: no Upgrade, an allowed `Origin` (compared exactly; `null` is never allowed), a
 * revision of the rule, an HTTP method of the revision, and the media type of a message.
 */
export function readHead(
  { method, headers }: RequestHead,
  { methods }: Pick<Route, 'methods'>,
  mcp: McpRule,
): Result<McpHead, Denial<HeadCode>> {
  if (headers.has('upgrade')) return fail(deny('upgrade_refused'))
  const origin = headers.get('origin')
  if (origin !== null && (origin === 'null' || !mcp.origins.has(origin))) {
    return fail(deny('origin_not_allowed'))
  }
  const said = headers.get('mcp-protocol-version')
  if (said !== null && !(isRevision(said) && mcp.revisions.has(said))) {
    return fail(unsupported(mcp, said))
  }
  const revision = said ?? undefined
  const rules = REVISION_RULES[revision ?? unsaid(mcp)]
  if (!rules.methods.includes(method)) {
    const allow = rules.methods.filter((one) => (methods as readonly string[]).includes(one))
    return fail(deny('http_method_not_allowed', { method, revision }, { allow }))
  }
  // A POST may contain `initialize`, which negotiates the revision.
  if (!revision && !(method === 'POST' ? negotiates(mcp) : mcp.revisions.has(UNSAID))) {
    return fail(unsupported(mcp))
  }
  if (method === 'POST' && !isPlainJson(headers)) return fail(deny('message_type_unsupported'))
  return ok({ rules, ...(revision && { revision }) })
}

/** Whether a rule has a revision with `initialize`. */
const negotiates = ({ revisions }: McpRule): boolean => [...revisions].some(isNegotiated)

const unsaid = (mcp: McpRule): McpRevision => (negotiates(mcp) ? UNSAID : '2026-07-28')

/** Most characters of a requested revision in an answer. */
const TOLD = 32
const PRINTABLE = /^[\x20-\x7e]*$/

/** Revisions of a rule that its server named last. */
const named = new WeakMap<McpRule, readonly McpRevision[]>()

/** Remembers for a rule which of its revisions the server names in an answer to `server/discover` (MCP 2026-07-28). */
export function learnRevisions(rule: McpRule, answer: string): void {
  try {
    const { result, error } = JSON.parse(answer)
    const versions: unknown = result?.supportedVersions ?? error?.data?.supported
    if (!Array.isArray(versions)) return
    const both = [...rule.revisions].filter((one) => versions.includes(one))
    if (both.length > 0) named.set(rule, both)
  } catch {
    // The answer is not JSON.
  }
}

/**
 * The denial of an unsupported revision. It lists the revisions of the rule, without those that its server does not
 * support.
 */
export function unsupported(mcp: McpRule, requested?: string): Denial<'revision_unsupported'> {
  return deny('revision_unsupported', undefined, {
    supported: named.get(mcp) ?? [...mcp.revisions],
    ...(requested !== undefined &&
      PRINTABLE.test(requested) && { requested: requested.slice(0, TOLD) }),
  })
}
