import { setTimeout as wait } from 'node:timers/promises'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  type LoggingMessageNotification,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import {
  audio,
  DEFAULTS,
  EMBEDDED,
  ENUMS,
  image,
  JSON_SCHEMA,
  PROMPTS,
  promptOf,
  RESOURCES,
  resourceOf,
  TEMPLATES,
  text,
  USER,
} from './everything-things.ts'

interface Calling {
  readonly server: Server
  readonly extra: RequestHandlerExtra<ServerRequest, ServerNotification>
  readonly given: Readonly<Record<string, unknown>>
  readonly progressToken: string | number | undefined
}

type Content = ReturnType<typeof text> | typeof image | typeof audio | { type: 'resource' }

interface Tool {
  readonly schema?: Readonly<Record<string, unknown>>
  call(calling: Calling): readonly Content[] | Promise<readonly Content[]>
}

const string = (name: string) => ({
  type: 'object',
  properties: { [name]: { type: 'string' } },
  required: [name],
})

const elicit =
  (message: string, requestedSchema: object) =>
  async ({ server, given, extra }: Calling) => {
    const params = { message: String(given.message ?? message), requestedSchema } as never
    const { action, content } = await server.elicitInput(params, {
      relatedRequestId: extra.requestId,
    })
    return [text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`)]
  }

/** What the scenarios of the conformance package ask for, by their names. */
const TOOLS: Readonly<Record<string, Tool>> = {
  test_simple_text: { call: () => [text('This is a simple text response for testing.')] },
  test_image_content: { call: () => [image] },
  test_audio_content: { call: () => [audio] },
  test_embedded_resource: { call: () => [EMBEDDED] },
  test_multiple_content_types: {
    call: () => [text('Multiple content types test:'), image, EMBEDDED],
  },
  test_tool_with_logging: {
    async call({ extra }) {
      for (const data of ['started', 'processing', 'completed']) {
        const params: LoggingMessageNotification['params'] = { level: 'info', data }
        await extra.sendNotification({ method: 'notifications/message', params })
        await wait(50)
      }
      return [text('logged')]
    },
  },
  test_error_handling: {
    call: () => {
      throw new Error('This tool intentionally returns an error for testing')
    },
  },
  test_tool_with_progress: {
    async call({ extra, progressToken }) {
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          const params = { progressToken, progress, total: 100 }
          await extra.sendNotification({ method: 'notifications/progress', params })
        }
        await wait(50)
      }
      return [text('done')]
    },
  },
  test_sampling: {
    schema: string('prompt'),
    async call({ server, extra, given }) {
      const messages = [{ role: 'user' as const, content: text(String(given.prompt)) }]
      const { content } = await server.createMessage(
        { messages, maxTokens: 100 },
        { relatedRequestId: extra.requestId },
      )
      return [text(`LLM response: ${JSON.stringify(content)}`)]
    },
  },
  test_elicitation: { schema: string('message'), call: elicit('', USER) },
  test_elicitation_sep1034_defaults: { call: elicit('Defaults', DEFAULTS) },
  test_elicitation_sep1330_enums: { call: elicit('Enums', ENUMS) },
  json_schema_2020_12_tool: { schema: JSON_SCHEMA, call: () => [text('fine')] },
  test_reconnection: {
    async call({ extra }) {
      extra.closeSSEStream?.()
      await wait(100)
      return [text('Reconnection test completed successfully')]
    },
  },
}

/** A server that has what every scenario asks for. */
export const createEverythingServer = (): Server => {
  const server = new Server(
    { name: 'everything', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: {},
        resources: { subscribe: true },
        logging: {},
        completions: {},
      },
    },
  )
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: Object.entries(TOOLS).map(([name, { schema = { type: 'object' } }]) => ({
      name,
      description: `The tool ${name}.`,
      inputSchema: schema as { type: 'object' },
    })),
  }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const { name, arguments: given = {}, _meta } = params
    try {
      const calling = { server, extra, given, progressToken: _meta?.progressToken }
      return { content: (await TOOLS[name]?.call(calling)) as never }
    } catch (error) {
      return { isError: true, content: [text(String(error))] }
    }
  })
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: PROMPTS }))
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) =>
    promptOf(params.name, params.arguments ?? {}),
  )
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: RESOURCES }))
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: TEMPLATES,
  }))
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => resourceOf(params.uri))
  server.setRequestHandler(SubscribeRequestSchema, () => ({}))
  server.setRequestHandler(UnsubscribeRequestSchema, () => ({}))
  server.setRequestHandler(SetLevelRequestSchema, () => ({}))
  server.setRequestHandler(CompleteRequestSchema, () => ({
    completion: { values: ['paris', 'park'], total: 2, hasMore: false },
  }))
  return server
}
