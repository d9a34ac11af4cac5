import type { IncomingMessage, ServerResponse } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'

/** What the tools of the demo's server do; it lets everybody use all of them. */
const TOOLS = {
  get_weather: ['Tells the weather.', (agent: string) => `Sunny, ${agent}.`],
  read_report: ['Reads the annual report.', (agent: string) => `Profits are up, ${agent}.`],
  delete_everything: ['Deletes everything.', (agent: string) => `All is gone, ${agent}.`],
} as const

/**
 * Answers one message to an MCP server made with the official SDK, which keeps no sessions and knows
 * nothing of OAuth: it believes the `X-Agent-*` headers, as what only the gate can reach may.
 */
export async function serveMcp(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const server = new McpServer({ name: 'edgewarden-demo', version: '1.0.0' })
  for (const [name, [description, run]] of Object.entries(TOOLS)) {
    server.registerTool(name, { description }, ({ requestInfo }) => {
      const agent = String(requestInfo?.headers['x-agent-id'] ?? 'stranger')
      return { content: [{ type: 'text', text: run(agent) }] }
    })
  }
  const transport = new StreamableHTTPServerTransport()
  response.once('close', () => void server.close())
  // Its optional members are not exactly the interface's.
  await server.connect(transport as Transport)
  await transport.handleRequest(request, response)
}
