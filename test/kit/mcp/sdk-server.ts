import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
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

/** A server made with @modelcontextprotocol/sdk, which speaks 2025-11-25 and what came before. */
export const createSdkServer = (step: () => Promise<void> = async () => {}): Server => {
  const server = new Server(IMPLEMENTATION, {
    capabilities: CAPABILITIES,
    // The SDK's own is made of generated code, which Workers do not run.
    jsonSchemaValidator: {
      getValidator: () => (input) => ({
        valid: true,
        data: input as never,
        errorMessage: undefined,
      }),
    },
  })
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: toolList() }))
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) =>
    callTool(params.name, {
      arguments: params.arguments ?? {},
      headers: plain(extra.requestInfo?.headers),
      async progress(progress, total) {
        const progressToken = params._meta?.progressToken
        if (progressToken === undefined) return
        const method = 'notifications/progress'
        await extra.sendNotification({ method, params: { progressToken, progress, total } })
      },
      breakOff: () => extra.closeSSEStream?.(),
      step,
    }),
  )
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: PROMPTS }))
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => promptOf(params.name))
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: RESOURCES }))
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: TEMPLATES,
  }))
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => resourceOf(params.uri))
  server.setRequestHandler(SubscribeRequestSchema, () => ({}))
  server.setRequestHandler(UnsubscribeRequestSchema, () => ({}))
  return server
}

const plain = (headers: Readonly<Record<string, string | string[] | undefined>> = {}) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
