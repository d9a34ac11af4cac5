import { answerRow, type Denial } from '../core/denial.ts'
import type { McpRule } from '../core/model/mcp.ts'
import type { Operation } from '../core/stages/operation.ts'
import { type ProblemContext, problem, requiredBy } from '../gateway/answer/problem.ts'

/** What the answer to a denial may depend on where it can be one of JSON-RPC. */
export interface RefusalContext extends ProblemContext {
  /** What was asked, once that is known. */
  readonly operation?: Operation | undefined
}

/** Codes of JSON-RPC 2.0 §5.1 and of MCP 2026-07-28 by the denial's code. */
const CODES: Readonly<Record<string, number>> = {
  message_malformed: -32700,
  message_invalid: -32600,
  batch_not_allowed: -32600,
  mcp_method_not_allowed: -32601,
  params_invalid: -32602,
  params_ambiguous: -32602,
  arguments_ambiguous: -32602,
  scope_value_invalid: -32602,
  header_mismatch: -32020,
  revision_unsupported: -32022,
}

const INTERNAL_ERROR = -32603
/** Of the range that is a server's own (JSON-RPC 2.0 §5.1). */
const REFUSED = -32003

/** Which code a denial has in JSON-RPC. */
export function rpcCodeOf({ code, answer }: Pick<Denial, 'code' | 'answer'>): number {
  if (Object.hasOwn(CODES, code)) return CODES[code] ?? REFUSED
  return answerRow(answer).status >= 500 ? INTERNAL_ERROR : REFUSED
}

/**
 * The answer to a denial: an error of JSON-RPC 2.0 where it is one request of MCP that is refused and its id
 * is known, or where it is no message at all; else problem details (RFC 9457). Headers are the same, and so
 * is the status, but that what is refused of one call alone is 200 where {@link isInBand} says so: clients
 * take any other for the end of the connection.
 */
export function refusal(
  denial: Denial,
  context: RefusalContext,
  extra?: Readonly<Record<string, unknown>>,
): Response {
  const answer = problem(denial, context, extra)
  const rule = context.route?.mcp
  const id = rule && idFor(denial, context)
  if (!rule || id === undefined) return answer
  const { headers } = answer
  headers.set('Content-Type', 'application/json')
  const status = id !== null && isInBand(denial, rule) ? 200 : answer.status
  return new Response(JSON.stringify({ jsonrpc: '2.0', id, error: errorOf(denial, context) }), {
    status,
    headers,
  })
}

/**
 * The id that an error is about; `null` where what is wrong is that none can be told (JSON-RPC 2.0 §5). Of
 * batches and notifications there is none to answer to.
 */
const idFor = (
  { code, params }: Denial,
  { method, operation }: RefusalContext,
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

/** Whether a denial is answered inside of JSON-RPC: by default what no other token would change. */
export function isInBand(
  { answer, params }: Pick<Denial, 'answer' | 'params'>,
  { refusals }: Pick<McpRule, 'refusals'>,
): boolean {
  if (!params?.ofCall || refusals === 'http') return false
  return refusals === 'json-rpc' || !answerRow(answer).challenge
}

const errorOf = (denial: Denial, { requestId, steps }: RefusalContext) => {
  const { supported, requested } = denial.params ?? {}
  const { error } = answerRow(denial.answer)
  return {
    code: rpcCodeOf(denial),
    message: denial.summary,
    data: {
      code: denial.code,
      ...(error !== undefined && { error }),
      ...requiredBy(denial),
      // As clients of 2026-07-28 read them to choose another revision.
      ...(supported && { supported }),
      ...(requested !== undefined && { requested }),
      request_id: requestId,
      hint: denial.hint,
      ...(steps && { steps }),
    },
  }
}
