import { createSessions } from '../../../../src/gate/app/platform/sessions.ts'
import { operation } from '../../../../src/gate/guard/stages/operation.ts'
import type { AssertionBinding } from '../../../../src/gate/model/assertion.ts'
import type { McpMessage, McpRule, SessionHolder } from '../../../../src/gate/model/mcp.ts'
import type { Route } from '../../../../src/gate/model/route.ts'
import { createSigningKeys } from '../../../../src/index.ts'
import {
  agentOf,
  anyRoom,
  clock,
  codeOf,
  gateOf,
  ISSUER,
  policyOf,
  RESOURCE,
  routeOf,
} from '../../../kit/facts.ts'
import { rule } from '../../policy/support.ts'

/** A rule of an MCP endpoint as the policy has it, and requests to it as the stage reads them. */

export const OLDER = ['2025-03-26', '2025-06-18', '2025-11-25']
export const NEWEST = '2026-07-28'
export const PAGE = 'https://app.example.com'

const MCP = {
  tools: {
    echo: [],
    'files_*': ['files:read:{arguments.path}'],
    pay: { scopes: [], when: 'arguments.amount < 100.0' },
  },
  origins: [PAGE],
}

/** The rule, with these keys laid over it. */
export const mcpOf = (changes: object = {}): McpRule => {
  const match = 'GET,POST,DELETE /mcp'
  const { mcp } = rule({ ROUTES: [{ match, scopes: [], mcp: { ...MCP, ...changes } }] }, '/mcp')
  if (!mcp) throw new Error('no rule of an MCP endpoint')
  return mcp
}
const DEFAULT = mcpOf()

const signs = (binding: AssertionBinding) =>
  gateOf({
    assertion: { binding, algorithm: 'ES256', maxBody: 64, operatorKeys: [], withdrawn: [] },
  })

/** Seals and opens for real, with a key of its own. */
export const sessions = createSessions({
  keys: createSigningKeys(policyOf([], { gate: signs('identity') }), { clock }),
  clock,
})

export const ROUTE = '* /mcp'
export const HOLDER: SessionHolder = {
  issuer: ISSUER,
  agent: 'planner',
  subject: 'alice',
  route: ROUTE,
  resource: RESOURCE,
}

export interface Told {
  readonly method?: string
  /** Laid over the media type that a message has; `undefined` leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  /** Text or bytes as they are, anything else as JSON; `null` is no body. */
  readonly body?: unknown
  /** There is only a head. */
  readonly isHead?: boolean
  readonly mcp?: McpRule
  readonly route?: Partial<Route>
  readonly binding?: AssertionBinding
  readonly ports?: Parameters<typeof operation.run>[1]
}

const bytesOf = (body: unknown): ReadableStream<Uint8Array> | null => {
  if (body === null || body instanceof ReadableStream) return body
  if (body instanceof Uint8Array) return new Response(Uint8Array.from(body)).body
  return new Response(typeof body === 'string' ? body : JSON.stringify(body)).body
}

/** What the stage says. */
export const ask = async ({
  method = 'POST',
  headers = {},
  body = method === 'POST' ? call('ping') : null,
  isHead = false,
  mcp = DEFAULT,
  route,
  binding,
  ports = { sessions },
}: Told = {}) => {
  const sent = new Headers(method === 'POST' ? { 'content-type': 'application/json' } : {})
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) sent.delete(name)
    else sent.set(name, value)
  }
  const head = { method, url: `${RESOURCE}/mcp`, headers: sent }
  return operation.run(
    {
      request: isHead ? head : { ...head, body: bytesOf(body) },
      policy: policyOf([], { gate: binding ? signs(binding) : gateOf() }),
      route: routeOf(ROUTE, { mcp, ...route }),
      agent: agentOf(),
      hold: () => anyRoom,
    },
    ports,
  )
}

/** The code of a denial, or `ok`. */
export const codeFor = async (told: Told = {}): Promise<string> => codeOf(await ask(told))

/** What was read; an error where that is refused. */
export const readBy = async (told: Told = {}) => {
  const outcome = await ask(told)
  if (!outcome.ok || 'end' in outcome || outcome.value.operation.kind !== 'mcp') {
    throw new Error(codeOf(outcome))
  }
  return { ...outcome.value.operation, held: outcome.value.held }
}

/** The one message that was read. */
export const messageBy = async (told: Told): Promise<McpMessage> => {
  const { messages } = await readBy(told)
  if (messages.length !== 1 || !messages[0]) throw new Error(`${messages.length} messages`)
  return messages[0]
}

/** A request of JSON-RPC. */
export const call = (method: string, params?: object, id: unknown = 1) => ({
  jsonrpc: '2.0',
  id,
  method,
  ...(params && { params }),
})

/** A notification. */
export const notice = (method: string, params?: object) => ({
  jsonrpc: '2.0',
  method,
  ...(params && { params }),
})

export const META = 'io.modelcontextprotocol/protocolVersion'

/** A request of the newest revision with the headers it needs, and others laid over them. */
export const modern = (
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  headers: Told['headers'] = {},
): Told => ({
  headers: {
    'mcp-protocol-version': NEWEST,
    'mcp-method': method,
    ...headers,
  },
  body: call(method, { _meta: { [META]: NEWEST }, ...params }),
})
