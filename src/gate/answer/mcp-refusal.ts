import { answerRow, type Denial } from '../base/denial.ts'
import type { McpRule } from '../model/mcp.ts'
import { messageOf, type ProblemContext, requiredBy } from './problem.ts'

/** Error codes of JSON-RPC 2.0 §5.1 and MCP 2026-07-28, by denial code. */
const CODES: Readonly<Record<string, number>> = {
  message_malformed: -32700,
  message_invalid: -32600,
  batch_not_allowed: -32600,
  mcp_method_not_allowed: -32601,
  params_invalid: -32602,
  params_ambiguous: -32602,
  arguments_ambiguous: -32602,
  scope_value_invalid: -32602,
  task_unknown: -32602,
  header_mismatch: -32020,
  revision_unsupported: -32022,
}

const INTERNAL_ERROR = -32603
/** A code of the range for servers (JSON-RPC 2.0 §5.1). */
const REFUSED = -32003

/** The JSON-RPC error code of a denial. */
export function rpcCodeOf({ code, answer }: Pick<Denial, 'code' | 'answer'>): number {
  if (Object.hasOwn(CODES, code)) return CODES[code] ?? REFUSED
  return answerRow(answer).status >= 500 ? INTERNAL_ERROR : REFUSED
}

/**
 * The answer of a rule with `mcp` to a denial: a JSON-RPC 2.0 error for one MCP request with a known id, and for a body
 * that is not a message; else `answer`, the problem details (RFC 9457). Both have the same headers and status. If
 * {@link isInBand} is true, the status is 200 instead, since clients treat any other as the end of the connection. MCP
 * 2026-07-28 has 404 for methods that do not exist, unless the rule says `json-rpc`. A tool call that a person has to
 * approve, or has refused, gets a result with `isError`.
 */
export function mcpRefusal(
  answer: Response,
  denial: Denial,
  rule: McpRule,
  context: ProblemContext,
): Response {
  const id = idFor(denial, context)
  if (id === undefined) return answer
  const { params } = denial
  const { headers } = answer
  headers.set('Content-Type', 'application/json')
  const isUnknown = rule.refusals !== 'json-rpc' && isUnknownMethod(denial, context)
  const other = id !== null && isInBand(denial, rule) ? 200 : answer.status
  const status = isUnknown ? 404 : other
  if (status === 200 && params?.approval && isToolCall(context)) {
    return Response.json({ jsonrpc: '2.0', id, result: toolErrorOf(denial) }, { headers })
  }
  return new Response(JSON.stringify({ jsonrpc: '2.0', id, error: rpcErrorOf(denial, context) }), {
    status,
    headers,
  })
}

const isToolCall = ({ operation }: ProblemContext): boolean =>
  operation?.kind === 'mcp' && operation.messages[0]?.method === 'tools/call'

/** The result of a tool call that did not happen: models read it, while clients keep errors of JSON-RPC to themselves. */
const toolErrorOf = (denial: Denial) => ({
  resultType: 'complete',
  content: [{ type: 'text', text: messageOf(denial) }],
  isError: true,
})

const isUnknownMethod = ({ code }: Denial, { operation }: ProblemContext): boolean =>
  code === 'mcp_method_not_allowed' &&
  operation?.kind === 'mcp' &&
  operation.revision === '2026-07-28'

/**
 * The id in the error; `null` where the body has no readable id (JSON-RPC 2.0 §5); `undefined` for batches and
 * notifications, which get no JSON-RPC error.
 */
const idFor = (
  { code, params }: Denial,
  { method, operation }: ProblemContext,
): string | number | null | undefined => {
  const { messages, isBatch = false } = operation?.kind === 'mcp' ? operation : { messages: [] }
  const [message] = messages
  if (
    messages.length === 1 &&
    !isBatch &&
    message?.method !== undefined &&
    message.id !== undefined
  ) {
    return message.id
  }
  const isUnread = method === 'POST' && !params?.ofCall && Object.hasOwn(CODES, code)
  return isUnread && messages.length === 0 ? null : undefined
}

/**
 * Whether a denial is a JSON-RPC error with status 200: by default, if another token would not help. A 401 would let
 * the client get one and repeat a call whose agent was revoked.
 */
export function isInBand(
  { answer, params }: Pick<Denial, 'answer' | 'params'>,
  { refusals }: Pick<McpRule, 'refusals'>,
): boolean {
  if (refusals === 'http' || !params) return false
  if (params.wasForwarded) return true
  return params.ofCall === true && (refusals === 'json-rpc' || !answerRow(answer).challenge)
}

/** The JSON-RPC error of a denial. */
export function rpcErrorOf(
  denial: Denial,
  { requestId }: Partial<Pick<ProblemContext, 'requestId'>> = {},
) {
  const { supported, requested } = denial.params ?? {}
  const { error } = answerRow(denial.answer)
  return {
    code: rpcCodeOf(denial),
    message: messageOf(denial),
    data: {
      code: denial.code,
      ...(error !== undefined && { error }),
      ...requiredBy(denial),
      // Clients of 2026-07-28 read these to choose another revision.
      ...(supported && { supported }),
      ...(requested !== undefined && { requested }),
      ...(requestId !== undefined && { request_id: requestId }),
      hint: denial.hint,
    },
  }
}
