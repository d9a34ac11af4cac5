import { setTimeout as wait } from 'node:timers/promises'
import {
  acceptedContent,
  createMcpHandler,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  type McpHttpHandler,
  McpServer,
  ResourceTemplate,
  type ServerContext,
} from '@modelcontextprotocol/server'
import {
  audio,
  EMBEDDED,
  image,
  JSON_SCHEMA,
  PROMPTS,
  promptOf,
  RESOURCES,
  resourceOf,
  TEMPLATES,
  text,
} from './everything-things.ts'

type Given = Readonly<Record<string, unknown>>
type Answer = { readonly content: readonly object[] } | ReturnType<typeof inputRequired>
type Call = (given: Given, context: ServerContext) => Answer | Promise<Answer>

interface Tool {
  readonly schema?: object
  readonly call: Call
}

const said = (...content: readonly (string | object)[]) => ({
  content: content.map((one) => (typeof one === 'string' ? text(one) : one)),
})

const elicit = (message: string, name: string, type = 'string') =>
  inputRequired.elicit({
    message,
    requestedSchema: {
      type: 'object',
      properties: { [name]: { type } },
      required: [name],
    } as never,
  })

const sample = (content: string) =>
  inputRequired.createMessage({
    messages: [{ role: 'user', content: text(content) }],
    maxTokens: 100,
  })

const states = createRequestStateCodec<{ step: number }>({ key: 'k'.repeat(32) })

/** Asks for these inputs until each has an answer. */
const asking =
  (
    inputs: () => Parameters<typeof inputRequired>[0]['inputRequests'] & object,
    done: (context: ServerContext) => Answer,
    withState = false,
  ): Call =>
  async (_given, context) => {
    const responses = context.mcpReq.inputResponses
    const inputRequests = inputs()
    const isAnswered = Object.keys(inputRequests).every((key) =>
      ['accept', 'sampling', 'roots'].includes(kindOf(responses, key)),
    )
    const isStated = !withState || context.mcpReq.requestState() !== undefined
    if (isAnswered && isStated) return done(context)
    const requestState = withState ? await states.mint({ step: 1 }) : undefined
    return inputRequired({ inputRequests, ...(requestState !== undefined && { requestState }) })
  }

const kindOf = (responses: Record<string, unknown> | undefined, key: string): string => {
  const view = inputResponse(responses, key)
  return view.kind === 'elicit' ? view.action : view.kind
}

const user = () => ({ user_name: elicit('What is your name?', 'name') })
const nameIn = ({ mcpReq }: ServerContext, key: string) =>
  acceptedContent<{ name: string }>(mcpReq.inputResponses, key)?.name

/** What the scenarios of 2026-07-28 ask for, by their names. */
const toolsOf = (tell: McpHttpHandler['notify']): Readonly<Record<string, Tool>> => ({
  test_simple_text: { call: () => said('This is a simple text response for testing.') },
  test_image_content: { call: () => said(image) },
  test_audio_content: { call: () => said(audio) },
  test_embedded_resource: { call: () => said(EMBEDDED) },
  test_multiple_content_types: {
    call: () => said('Multiple content types test:', image, EMBEDDED),
  },
  test_error_handling: {
    call: () => {
      throw new Error('This tool intentionally returns an error for testing')
    },
  },
  test_tool_with_progress: {
    async call(_given, { mcpReq }) {
      for (const progress of [0, 50, 100]) {
        const progressToken = mcpReq._meta?.progressToken
        if (progressToken !== undefined) {
          const params = { progressToken, progress, total: 100 }
          await mcpReq.notify({ method: 'notifications/progress', params })
        }
        await wait(20)
      }
      return said('done')
    },
  },
  test_logging_tool: {
    async call(_given, { mcpReq }) {
      await mcpReq.log('info', 'logged')
      return said('logged')
    },
  },
  // The SDK refuses to ask for what a client cannot give.
  test_missing_capability: {
    call: () => inputRequired({ inputRequests: { greeting: sample('Hello') } }),
  },
  test_streaming_elicitation: {
    async call(_given, { mcpReq }) {
      const params = { progressToken: 'streaming', progress: 1 }
      await mcpReq.notify({ method: 'notifications/progress', params })
      return inputRequired({ inputRequests: user() })
    },
  },
  test_trigger_tool_change: {
    call: () => {
      tell.toolsChanged()
      return said('changed')
    },
  },
  test_trigger_prompt_change: {
    call: () => {
      tell.promptsChanged()
      return said('changed')
    },
  },
  json_schema_2020_12_tool: { schema: JSON_SCHEMA, call: () => said('fine') },
  test_headers: {
    schema: {
      type: 'object',
      properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
      required: ['region'],
    },
    call: ({ region }) => said(String(region)),
  },
  test_input_required_result_elicitation: {
    call: asking(user, (context) => said(`Hello, ${nameIn(context, 'user_name')}!`)),
  },
  test_input_required_result_sampling: {
    call: asking(
      () => ({ capital_question: sample('What is the capital of France?') }),
      ({ mcpReq }) => said(JSON.stringify(mcpReq.inputResponses)),
    ),
  },
  test_input_required_result_list_roots: {
    call: asking(
      () => ({ client_roots: inputRequired.listRoots() }),
      ({ mcpReq }) => said(JSON.stringify(mcpReq.inputResponses)),
    ),
  },
  test_input_required_result_request_state: {
    call: asking(
      () => ({ confirm: elicit('Please confirm', 'ok', 'boolean') }),
      () => said('state-ok'),
      true,
    ),
  },
  test_input_required_result_tampered_state: {
    call: asking(
      () => ({ confirm: elicit('Please confirm', 'ok', 'boolean') }),
      () => said('state-ok'),
      true,
    ),
  },
  test_input_required_result_multiple_inputs: {
    call: asking(
      () => ({
        ...user(),
        greeting: sample('Generate a greeting'),
        client_roots: inputRequired.listRoots(),
      }),
      () => said('all there'),
      true,
    ),
  },
  test_input_required_result_multi_round: {
    async call(_given, { mcpReq }) {
      const step = (mcpReq.requestState<{ step: number }>()?.step ?? 0) + 1
      if (step > 2) return said('done')
      const asked = [
        elicit('Step 1: What is your name?', 'name'),
        elicit('Step 2: What is your favorite color?', 'color'),
      ][step - 1]
      return inputRequired({
        inputRequests: { [`step${step}`]: asked as NonNullable<typeof asked> },
        requestState: await states.mint({ step }),
      })
    },
  },
  test_input_required_result_capabilities: {
    call: (_given, context) => {
      const { sampling, elicitation } = capabilitiesOf(context)
      return inputRequired({
        inputRequests: {
          ...(elicitation && user()),
          ...(sampling && { greeting: sample('Hello') }),
        },
      })
    },
  },
})

const capabilitiesOf = ({ mcpReq }: ServerContext): Readonly<Record<string, object>> => {
  const envelope = mcpReq.envelope as Readonly<Record<string, object>> | undefined
  return { ...envelope?.['io.modelcontextprotocol/clientCapabilities'] }
}

/** A server of 2026-07-28 that has what every scenario asks for. */
export const createEverythingHandler = (): McpHttpHandler => {
  const handler = createMcpHandler(
    () => {
      const server = new McpServer(
        { name: 'everything', version: '1.0.0' },
        {
          capabilities: {
            tools: { listChanged: true },
            prompts: { listChanged: true },
            resources: { listChanged: true, subscribe: true },
            completions: {},
            logging: {},
          },
          requestState: { verify: states.verify },
        },
      )
      for (const [name, { schema = { type: 'object' }, call }] of Object.entries(
        toolsOf(handler.notify),
      )) {
        const inputSchema = fromJsonSchema<Given>(schema as never)
        const config = { description: `The tool ${name}.`, inputSchema }
        server.registerTool(name, config, call as never)
      }
      for (const { name, description, arguments: wanted = [] } of PROMPTS) {
        const properties = Object.fromEntries(wanted.map((one) => [one.name, { type: 'string' }]))
        const argsSchema = fromJsonSchema<Record<string, string>>({
          type: 'object',
          properties,
          required: wanted.map((one) => one.name),
        } as never)
        server.registerPrompt(name, { description, argsSchema }, (given) => promptOf(name, given))
      }
      server.registerPrompt(
        'test_input_required_result_prompt',
        { description: 'Asks for a context.' },
        ((context: ServerContext) =>
          asking(
            () => ({ user_context: elicit('What context should the prompt use?', 'context') }),
            () => promptOf('test_simple_prompt', {}) as never,
          )({}, context)) as never,
      )
      for (const { uri, name, description } of RESOURCES) {
        server.registerResource(name, uri, { description }, () => resourceOf(uri) as never)
      }
      for (const { uriTemplate, name, mimeType } of TEMPLATES) {
        const template = new ResourceTemplate(uriTemplate, { list: undefined })
        server.registerResource(
          name,
          template,
          { mimeType },
          (uri) => resourceOf(uri.href) as never,
        )
      }
      server.server.setRequestHandler('completion/complete', () => ({
        completion: { values: ['paris', 'park'], total: 2, hasMore: false },
      }))
      return server
    },
    { legacy: 'reject' },
  )
  return handler
}
