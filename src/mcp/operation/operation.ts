import { type CodeOf, denials } from '../../core/denial.ts'
import type { McpMessage, McpOperation, McpRule, Sessions } from '../../core/model/mcp.ts'
import { fail, ok } from '../../core/result.ts'
import { type bodyDenials, heldBody, ownerOf } from '../../core/stages/body.ts'
import type { Asked, Asking } from '../../core/stages/operation/operation-types.ts'
import { type headDenials, type McpHead, readHead, unsupported } from './head.ts'
import { mismatch } from './headers.ts'
import { type messageDenials, readMessages } from './message.ts'
import { type paramsDenials, readParams } from './params.ts'
import { UNSAID } from './revision.ts'
import { readSession, type sessionDenials } from './session.ts'

const deny = denials({
  header_mismatch: [
    'badRequest',
    'A header of the request does not say what its body says',
    'Send MCP-Protocol-Version, Mcp-Method and Mcp-Name once each, exactly as the body has them',
  ],
})

export const mismatchDenials = deny

type McpAsked = Asked<
  | CodeOf<typeof bodyDenials>
  | CodeOf<typeof headDenials>
  | CodeOf<typeof messageDenials>
  | CodeOf<typeof paramsDenials>
  | CodeOf<typeof sessionDenials>
  | CodeOf<typeof deny>
>

export interface McpPorts {
  readonly sessions: Pick<Sessions, 'open'>
}

/**
 * What is asked of an MCP server: head, session and body of the request, read once and strictly, and held
 * against each other. The bytes that were read are those that go on. Of a head alone, as in an explanation,
 * the messages are not known. A denial after the messages were read brings them along, for its answer.
 */
export async function readMcp(
  asking: Asking,
  mcp: McpRule,
  { sessions }: McpPorts,
): Promise<McpAsked> {
  const { request, route, policy, agent, hold } = asking
  const head = readHead(request, route, mcp)
  if (!head.ok) return head
  const { revision, rules } = head.value
  const session = rules.sessions ? await readSession(asking, sessions) : ok(undefined)
  if (!session.ok) return session
  const operation: McpOperation = {
    kind: 'mcp',
    method: request.method,
    messages: [],
    ...(revision && { revision }),
    ...(session.value !== undefined && { session: session.value }),
  }
  if (request.body === undefined) return ok({ operation, held: undefined })
  const isMessage = request.method === 'POST'
  const withDigest = policy.gate.assertion?.binding === 'body'
  const held = await heldBody(
    request,
    isMessage ? mcp.maxBody : 0,
    hold(ownerOf(agent)),
    withDigest,
  )
  if (!held.ok) return held
  if (!isMessage) return ok({ operation, held: held.value })
  const read = readMessages(held.value.bytes, rules, route.rateLimit !== undefined)
  if (!read.ok) return read
  const messages: McpMessage[] = []
  for (const sent of read.value.messages) {
    const judged = judge(sent, head.value, { request, mcp })
    if (!judged.ok) return { ...judged, value: { operation: { ...operation, ...read.value } } }
    const { params: _, ...message } = judged.value
    messages.push(message)
  }
  return ok({ operation: { ...operation, ...read.value, messages }, held: held.value })
}

const judge = (
  message: McpMessage,
  { revision, rules }: McpHead,
  { request, mcp }: Pick<Asking, 'request'> & { readonly mcp: McpRule },
) => {
  const read = readParams(message, rules)
  if (!read.ok) return read
  const header = mismatch(message, request.headers, {
    mirrored: rules.mirrored,
    ...(revision && { revision }),
  })
  if (header !== undefined) return fail(deny('header_mismatch', { header }))
  // What a client wants first the server settles; what is spoken then each request says.
  if (message.method === 'initialize' && rules.sessions) return read
  return revision || mcp.revisions.has(UNSAID) ? read : fail(unsupported(mcp))
}
