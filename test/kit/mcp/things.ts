/** What a tool is called with, whichever SDK its server is made with. */
export interface Calling {
  readonly arguments: Readonly<Record<string, unknown>>
  /** Headers of the HTTP request, by their names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Tells the caller how far it is; does nothing where the caller did not ask to be told. */
  progress(done: number, total: number): Promise<void>
  /** Breaks the connection off, if it can be resumed; what is sent later waits for the caller. */
  breakOff(): void
  /** Waits until the test lets a long call go on. */
  step(): Promise<void>
}

type Schema = Readonly<Record<string, string>>

interface Tool {
  readonly description: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly annotations?: Readonly<Record<string, boolean>>
  call(calling: Calling): string | Promise<string>
}

const text = { type: 'string' } as const

/** Tools by name. `whoami` tells which headers the server got. */
export const TOOLS: Readonly<Record<string, Tool>> = {
  get_weather: {
    description: 'Tells the weather of a city.',
    properties: { city: text },
    annotations: { readOnlyHint: true, openWorldHint: true },
    call: ({ arguments: { city } }) => `sunny in ${city}`,
  },
  files_read: {
    description: 'Reads a file.',
    properties: { path: text },
    annotations: { readOnlyHint: true },
    call: ({ arguments: { path } }) => `content of ${path}`,
  },
  files_write: {
    description: 'Writes a file.',
    properties: { path: text, content: text },
    annotations: { destructiveHint: true },
    call: ({ arguments: { path } }) => `wrote ${path}`,
  },
  slow_count: {
    description: 'Counts, and tells each number.',
    properties: { to: { type: 'integer' } },
    async call({ arguments: { to }, progress, step }) {
      for (let number = 1; number <= Number(to); number++) {
        await progress(number, Number(to))
        await step()
      }
      return `counted to ${to}`
    },
  },
  interrupted: {
    description: 'Answers when the caller has come back.',
    async call({ breakOff, step }) {
      breakOff()
      await step()
      return 'here again'
    },
  },
  forbidden_tool: {
    description: 'Does what nobody may.',
    call: () => 'it is done',
  },
  whoami: {
    description: 'Tells the headers of the request.',
    call: ({ headers }) => JSON.stringify(headers),
  },
}

/** `tools/list`. */
export const toolList = () =>
  Object.entries(TOOLS).map(([name, { description, properties = {}, annotations }]) => ({
    name,
    description,
    inputSchema: { type: 'object' as const, properties, required: Object.keys(properties) },
    ...(annotations && { annotations }),
  }))

/** `tools/call`; what is wrong with a call is told as a tool's error. */
export const callTool = async (name: string, calling: Calling) => {
  const tool = Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined
  const answer = tool ? await tool.call(calling) : `no tool ${name}`
  return { content: [{ type: 'text' as const, text: answer }], ...(!tool && { isError: true }) }
}

/** `prompts/list`. */
export const PROMPTS = [
  { name: 'greeting', description: 'Greets.' },
  { name: 'forbidden_prompt', description: 'Asks for what nobody may.' },
]

/** `prompts/get`. */
export const promptOf = (name: string) => ({
  messages: [
    { role: 'user' as const, content: { type: 'text' as const, text: `this is ${name}` } },
  ],
})

/** `resources/list`. */
export const RESOURCES = [
  { uri: 'docs://public/guide', name: 'guide', mimeType: 'text/plain' },
  { uri: 'docs://private/plan', name: 'plan', mimeType: 'text/plain' },
]

/** `resources/templates/list`. */
export const TEMPLATES = [
  { uriTemplate: 'docs://public/{name}', name: 'public', mimeType: 'text/plain' },
  { uriTemplate: 'docs://private/{name}', name: 'private', mimeType: 'text/plain' },
]

/** `resources/read`. */
export const resourceOf = (uri: string) => ({
  contents: [{ uri, mimeType: 'text/plain', text: `this is ${uri}` }],
})

/** What every server says of itself. */
export const IMPLEMENTATION = { name: 'kit', version: '1.0.0' }

/** What every server offers. */
export const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
}
