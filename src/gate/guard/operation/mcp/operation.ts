import { isPlainJson } from '../../../base/body.ts'
import { type CodeOf, denials, joined } from '../../../base/denial.ts'
import { LIMITS } from '../../../base/limits.ts'
import { fail, ok } from '../../../base/result.ts'
import { claimed } from '../../../base/text.ts'
import {
  type McpMessage,
  type McpOperation,
  type McpRule,
  writtenName,
} from '../../../model/mcp.ts'
import { isRemoved } from '../../../model/mcp-methods.ts'
import { bodyDenials, heldBody, ownerOf, sha256Of } from '../body.ts'
import { type Asked, type Asking, type ReaderPorts, reader } from '../operation-types.ts'
import { headDenials, type McpHead, readHead, unsupported } from './head.ts'
import { mismatch } from './headers.ts'
import { messageDenials, readMessages } from './message.ts'
import { paramsDenials, readParams } from './params.ts'
import { REVISION_RULES, UNSAID } from './revision.ts'
import { readSession, sessionDenials } from './session.ts'
import { openTasks, taskDenials } from './tasks.ts'

const deny = denials({
  header_mismatch: [
    'badRequest',
    'A header of the request does not match the body',
    'Send MCP-Protocol-Version, Mcp-Method and Mcp-Name once each, exactly as the body has them',
  ],
})

const tables = joined(
  bodyDenials,
  headDenials,
  sessionDenials,
  messageDenials,
  paramsDenials,
  taskDenials,
  deny,
)

type McpAsked = Asked<McpOperation, CodeOf<typeof tables>>

/**
 * Reads an operation of an MCP server from head, session and body, and compares them. The bytes that are read are those
 * that are forwarded. With a head alone, as in an explanation, there are no messages. A denial after reading the
 * messages returns them too, for its answer.
 */
const readMcp = async (
  asking: Asking,
  mcp: McpRule,
  { sessions }: ReaderPorts,
): Promise<McpAsked> => {
  const { request, route, policy, agent, hold } = asking
  const head = readHead(request, route, mcp)
  if (!head.ok)
    return head.reason.code === 'revision_unsupported' ? withId(head, asking, mcp) : head
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
  const asked = { ...operation, ...read.value }
  const messages: McpMessage[] = []
  for (const sent of asked.messages) {
    const judged = judge(sent, head.value, { request, mcp })
    if (!judged.ok) return { ...judged, value: { operation: asked } }
    const { params: _, ...message } = judged.value
    messages.push(message)
  }
  const opened = await openTasks(held.value.bytes, asked, asking, mcp, sessions)
  if (!opened.ok) return { ...opened, value: { operation: asked } }
  if (!opened.value) return ok({ operation: { ...asked, messages }, held: held.value })
  const { bytes, tasks } = opened.value
  return ok({
    operation: { ...asked, messages, tasks },
    held: withDigest ? { bytes, digest: await sha256Of(bytes) } : { bytes },
  })
}

/**
 * Adds the message to the denial of its revision, so that the answer has its id: clients of 2026-07-28 send a call to
 * learn which revisions there are. A body that cannot be read adds nothing.
 */
const withId = async (
  denied: Extract<ReturnType<typeof readHead>, { ok: false }>,
  { request, agent, hold }: Asking,
  { maxBody }: McpRule,
): Promise<McpAsked> => {
  const { method, headers, body } = request
  if (method !== 'POST' || body === undefined || !isPlainJson(headers)) return denied
  const held = await heldBody(request, maxBody, hold(ownerOf(agent)), false)
  if (!held.ok) return denied
  const read = readMessages(held.value.bytes, REVISION_RULES['2026-07-28'])
  if (!read.ok) return denied
  return { ...denied, value: { operation: { kind: 'mcp', method, ...read.value } } }
}

const judge = (
  message: McpMessage,
  { revision, rules }: McpHead,
  { request, mcp }: Pick<Asking, 'request'> & { readonly mcp: McpRule },
) => {
  const read = isRemoved(message.method ?? '', revision) ? ok(message) : readParams(message, rules)
  if (!read.ok) return read
  const header = mismatch(message, request.headers, {
    mirrored: rules.mirrored,
    ...(revision && { revision }),
  })
  if (header !== undefined) return fail(deny('header_mismatch', { header }))
  // `initialize` contains the wanted revision, and the server decides. Later requests contain the negotiated one.
  if (message.method === 'initialize' && rules.sessions) return read
  return revision || mcp.revisions.has(UNSAID) ? read : fail(unsupported(mcp))
}

const NOT_READ = 'not known: there is only the head of a request here'

/** The method and the names of a message, without its arguments. */
const shown = ({ method = 'an answer', use, more }: McpMessage) => ({
  method,
  ...(use && { [use.kind]: [use, ...(more ?? [])].map(({ name }) => name) }),
})

/** The journal members of an MCP operation. The agent is known, since only a verified agent's body is read. */
const journalOf = ({ messages, isBatch, revision }: McpOperation) => {
  const [first] = messages
  if (isBatch || messages.length > 1) return { revision, ...recordedBatch(messages) }
  if (!first?.method && revision === undefined) return undefined
  return { ...(first && askedBy(first)), revision }
}

const askedBy = ({ method, use, more }: McpMessage) => {
  const names = recorded(more?.map((one) => claimed(writtenName(one))) ?? [])
  return {
    method: claimed(method),
    name: claimed(use && writtenName(use)),
    more: more && [...names.times.keys()].map((text) => JSON.parse(text)),
    more_left_out: names.leftOut || undefined,
  }
}

/** Equal messages are listed once, with their number. */
const recordedBatch = (messages: readonly McpMessage[]) => {
  const { times, leftOut } = recorded(messages.map(askedBy))
  return {
    batch: [...times].map(([text, count]) => ({
      ...JSON.parse(text),
      times: count > 1 ? count : undefined,
    })),
    left_out: leftOut || undefined,
  }
}

/** Values as JSON, each with how often it occurs, as many as a record has room for; `leftOut` counts the others. */
const recorded = (values: readonly unknown[]) => {
  const times = new Map<string, number>()
  let room: number = LIMITS.recordedMessages
  let leftOut = 0
  for (const value of values) {
    const text = JSON.stringify(value)
    const before = times.get(text) ?? 0
    if (before === 0 && text.length > room) leftOut++
    else times.set(text, before + 1)
    if (before === 0 && times.has(text)) room -= text.length
  }
  return { times, leftOut }
}

/** The reader for rules with `mcp`. It always reads the body, which contains the operation. */
export const mcp = reader({
  kind: 'mcp',
  denials: tables,
  reads: (route) => route.mcp !== undefined,
  holds: () => true,
  read: (asking, ports) => readMcp(asking, asking.route.mcp as McpRule, ports),
  found: ({ revision, session, messages }: McpOperation, held) => ({
    revision,
    session: session !== undefined,
    messages: held ? messages.map(shown) : NOT_READ,
  }),
  journal: (operation) => ({ mcp: journalOf(operation) }),
})
