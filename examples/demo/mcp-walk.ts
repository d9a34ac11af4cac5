import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { DemoClient } from './authorization-server.ts'
import type { Step } from './call.ts'

interface McpWalk {
  /** Of the MCP endpoint behind the gate. */
  readonly url: string
  readonly issuer: string
  readonly client: Pick<DemoClient, 'clientId' | 'clientSecret'>
}

/** Scopes of an agent that may use some of the tools. */
export const MCP_SCOPES = ['mcp:connect', 'weather:read'] as const

/** The rule for the demo's MCP server: what is not named is denied, and what may not be used is not listed. */
export const mcpRule = (resource: string) => ({
  match: 'GET,POST,DELETE /mcp',
  resource,
  scopes: ['mcp:connect'],
  mcp: { tools: { get_weather: ['weather:read'], 'read_*': ['reports:read'] } },
})

/**
 * An agent with the official SDK's client, which knows the URL and its own credentials and finds the rest:
 * it is told where to ask for a token, lists tools, calls one, and is refused another.
 */
export async function* mcpWalk({ url, issuer, client }: McpWalk): AsyncGenerator<Step> {
  const authProvider = new ClientCredentialsProvider({
    ...client,
    expectedIssuer: issuer,
    scope: MCP_SCOPES.join(' '),
  })
  const mcp = new Client({ name: 'edgewarden-demo', version: '1.0.0' })
  const { watched, last } = watching(url)
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    authProvider,
    fetch: watched,
  })
  // Its optional members are not exactly the interface's.
  await mcp.connect(transport as Transport)
  try {
    const { tools } = await mcp.listTools()
    const names = tools.map(({ name }) => name).join(', ')
    yield {
      what: `an MCP client lists the tools it may call or request scopes for: ${names}`,
      status: last(),
      reason: 'allowed',
      asExpected: last() === 200 && names === 'get_weather, read_report',
    }
    for (const [what, name, expected] of CALLS) {
      // A refused call is an error of JSON-RPC in an answer of status 200: the client's connection goes on.
      const reason = await mcp.callTool({ name }).then(() => 'allowed', codeOf)
      const asExpected = last() === 200 && reason === expected
      yield { what, status: last(), reason, asExpected }
    }
  } finally {
    await mcp.close()
  }
}

const CALLS = [
  ['it calls get_weather', 'get_weather', 'allowed'],
  ['it calls another tool', 'delete_everything', 'tool_not_allowed'],
] as const

/** A `fetch` that remembers the status of the last message posted to `url`. */
const watching = (url: string) => {
  let status = 0
  return {
    watched: async (to: string | URL, init?: RequestInit): Promise<Response> => {
      const response = await fetch(to, init)
      if (init?.method === 'POST' && String(to) === url) status = response.status
      return response
    },
    last: () => status,
  }
}

const codeOf = (error: { readonly data?: { readonly code?: unknown } }): string =>
  String(error.data?.code ?? error)
