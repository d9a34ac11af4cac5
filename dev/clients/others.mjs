import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { authorize } from '../../test/kit/mcp/interactive-server.ts'
import { signIn } from '../../test/kit/mcp/person.ts'

// Clients that only this folder installs, so that the type check has no types of them.

const pathOf = (file) => fileURLToPath(new URL(`node_modules/${file}`, import.meta.url))

/** The tool's text, or its error. */
const textOf = ({ content, isError }) => {
  const text = content.map((part) => part.text).join()
  if (isError) throw new Error(text)
  return text
}

const find = (tool, name) => {
  if (!tool) throw new Error(`the client knows no tool ${name}`)
  return tool
}

const aiSdkWith = async (url, options) => {
  const { createMCPClient } = await import('@ai-sdk/mcp')
  const client = await createMCPClient({ transport: { type: 'http', url, ...options } })
  return {
    list: async () => Object.keys(await client.tools()),
    async call(name, given) {
      const tool = find((await client.tools())[name], name)
      return textOf(await tool.execute(given, { toolCallId: '1', messages: [] }))
    },
    close: () => client.close(),
  }
}

export const aiSdk = async (url, who) =>
  aiSdkWith(url, { headers: { Authorization: `Bearer ${await who.token()}` } })

const langchainWith = async (url, options) => {
  const { MultiServerMCPClient } = await import('@langchain/mcp-adapters')
  const client = new MultiServerMCPClient({
    mcpServers: { kit: { transport: 'http', url, ...options } },
  })
  const tools = await client.getTools()
  return {
    list: async () => tools.map(({ name }) => name),
    call: async (name, given) =>
      String(
        await find(
          tools.find((tool) => tool.name === name),
          name,
        ).invoke(given),
      ),
    close: () => client.close(),
  }
}

export const langchain = (url, { provider }) => langchainWith(url, { authProvider: provider })

export const langchainByToken = async (url, who) =>
  langchainWith(url, { headers: { Authorization: `Bearer ${await who.token()}` } })

/** Clients of a model that ask for a whole answer. */
export const chats = {
  async ai(url, token) {
    const { generateText } = await import('ai')
    const { createOpenAI } = await import('@ai-sdk/openai')
    const model = createOpenAI({ baseURL: `${url}/v1`, apiKey: token }).chat('m')
    return async (prompt) => (await generateText({ model, prompt })).text
  },
  async langchain(url, apiKey) {
    const { ChatOpenAI } = await import('@langchain/openai')
    const model = new ChatOpenAI({ configuration: { baseURL: `${url}/v1` }, apiKey, model: 'm' })
    return async (prompt) => (await model.invoke(prompt)).content
  },
}

export const openaiAgents = async (url, { provider, fetch }) => {
  const { MCPServerStreamableHttp } = await import('@openai/agents')
  const server = new MCPServerStreamableHttp({ name: 'kit', url, authProvider: provider, fetch })
  await server.connect()
  return {
    list: async () => (await server.listTools()).map(({ name }) => name),
    call: async (name, given) => textOf({ content: await server.callTool(name, given) }),
    close: () => server.close(),
  }
}

let clients = 0

export const mastra = async (url, { provider, fetch }) => {
  const { MCPClient } = await import('@mastra/mcp')
  const client = new MCPClient({
    id: `kit-${clients++}`,
    servers: { kit: { url: new URL(url), authProvider: provider, fetch } },
  })
  const tools = await client.listTools()
  return {
    list: async () => Object.keys(tools).map((name) => name.replace('kit_', '')),
    async call(name, given) {
      const answer = await find(tools[`kit_${name}`], name).execute(given, {})
      return answer.content ? textOf(answer) : JSON.stringify(answer)
    },
    close: () => client.disconnect(),
  }
}

const homes = mkdtempSync(join(tmpdir(), 'edgewarden-clients-'))
process.once('exit', () => rmSync(homes, { recursive: true, force: true }))

/** Their settings, apart from those of whoever runs this. */
const home = () => {
  const directory = mkdtempSync(join(homes, 'home-'))
  return { ...process.env, HOME: directory, MCP_REMOTE_CONFIG_DIR: directory }
}

const mcpRemoteWith = async (url, options, onLog = () => {}) => {
  const client = new Client({ name: 'kit', version: '1.0.0' })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [pathOf('mcp-remote/dist/proxy.js'), url, '--allow-http', ...options],
    ...{ env: home(), stderr: 'pipe' },
  })
  transport.stderr.on('data', onLog)
  await client.connect(transport)
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, given) => textOf(await client.callTool({ name, arguments: given })),
    close: () => client.close(),
  }
}

export const mcpRemote = async (url, who) =>
  mcpRemoteWith(url, ['--header', `Authorization:Bearer ${await who.token()}`])

/** It prints the address that it cannot open, and listens for the code itself. */
const mcpRemotePerson = (url, { provider, opened }) => {
  const information = JSON.stringify(provider.clientInformation())
  const options = ['--static-oauth-client-info', information, '--host', 'localhost']
  let log = ''
  return mcpRemoteWith(url, options, (text) => {
    log += text
    const [line, address] = /visiting:\s+(http\S+)\s/.exec(log) ?? []
    if (!address) return
    log = log.slice(log.indexOf(line) + line.length)
    opened.push(new URL(address))
    const redirect = new URL(address).searchParams.get('redirect_uri')
    authorize(new URL(address), redirect).then((code) => fetch(`${redirect}?${code}`))
  })
}

export const inspector = async (url, who) => {
  const header = `Authorization: Bearer ${await who.token()}`
  const command = pathOf('@modelcontextprotocol/inspector/clients/launcher/build/index.js')
  const ends = new AbortController()
  const run = (...more) =>
    new Promise((resolve, reject) => {
      const args = ['--cli', url, '--transport', 'http', '--header', header, '--method', ...more]
      const options = { env: home(), signal: ends.signal, killSignal: 'SIGKILL' }
      const child = execFile(process.execPath, [command, ...args], options, (error, out, log) =>
        error ? reject(new Error(log || out || error.message)) : resolve(JSON.parse(out)),
      )
      child.stdin.end()
    })
  return {
    list: async () => (await run('tools/list')).tools.map(({ name }) => name),
    call: async (name, given) => {
      const pairs = Object.entries(given).flatMap(([key, value]) => [
        '--tool-arg',
        `${key}=${value}`,
      ])
      return textOf(await run('tools/call', '--tool-name', name, ...pairs))
    },
    close: async () => ends.abort(),
  }
}

const signedIn = (connect) => async (url, who) => {
  await signIn(who, url)
  return connect(url, { ...who, fetch })
}

/** Of people who sign in. */
export const people = {
  // It wants the tokens that it got itself.
  async aiSdk(url, who) {
    const { auth } = await import('@ai-sdk/mcp')
    await signIn(who, url, auth)
    return aiSdkWith(url, { authProvider: who.provider })
  },
  langchain: signedIn(langchain),
  openaiAgents: signedIn(openaiAgents),
  mastra: signedIn(mastra),
  mcpRemote: mcpRemotePerson,
}
