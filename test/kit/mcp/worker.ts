import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { createModernHandler } from './modern-server.ts'
import { createSdkServer } from './sdk-server.ts'

const modern = createModernHandler()

/** MCP servers on Workers, without sessions: `/modern` speaks 2026-07-28, any other path what came before. */
export default {
  async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === '/modern') return modern.fetch(request)
    const transport = new WebStandardStreamableHTTPServerTransport()
    await createSdkServer().connect(transport)
    return transport.handleRequest(request)
  },
}
