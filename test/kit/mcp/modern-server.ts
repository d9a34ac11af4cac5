import { createMcpHandler, type McpHttpHandler, Server } from '@modelcontextprotocol/server'
import {
  CAPABILITIES,
  callTool,
  IMPLEMENTATION,
  PROMPTS,
  promptOf,
  RESOURCES,
  resourceOf,
  TEMPLATES,
  toolList,
} from './things.ts'

/**
 * A server made with @modelcontextprotocol/server, which speaks 2026-07-28, and the revisions of 2025
 * without sessions.
 */
export const createModernHandler = (step: () => Promise<void> = async () => {}): McpHttpHandler =>
  createMcpHandler(() => {
    const server = new Server(IMPLEMENTATION, { capabilities: CAPABILITIES })
    server.setRequestHandler('tools/list', () => ({ tools: toolList() }))
    server.setRequestHandler('tools/call', ({ params }, context) =>
      callTool(params.name, {
        arguments: params.arguments ?? {},
        headers: Object.fromEntries(context.http?.req?.headers ?? []),
        async progress(progress, total) {
          const progressToken = context.mcpReq._meta?.progressToken
          if (progressToken === undefined) return
          const method = 'notifications/progress'
          await context.mcpReq.notify({ method, params: { progressToken, progress, total } })
        },
        breakOff: () => context.http?.closeSSE?.(),
        step,
      }),
    )
    server.setRequestHandler('prompts/list', () => ({ prompts: PROMPTS }))
    server.setRequestHandler('prompts/get', ({ params }) => promptOf(params.name))
    server.setRequestHandler('resources/list', () => ({ resources: RESOURCES }))
    server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: TEMPLATES }))
    server.setRequestHandler('resources/read', ({ params }) => resourceOf(params.uri))
    server.setRequestHandler('resources/subscribe', () => ({}))
    server.setRequestHandler('resources/unsubscribe', () => ({}))
    return server
  })
