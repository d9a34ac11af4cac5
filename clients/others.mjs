import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

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

export const aiSdk = async (url, who) => {
  const { createMCPClient } = await import('@ai-sdk/mcp')
  const headers = { Authorization: `Bearer ${await who.token()}` }
  const client = await createMCPClient({ transport: { type: 'http', url, headers } })
  return {
    list: async () => Object.keys(await client.tools()),
    async call(name, given) {
      const tool = find((await client.tools())[name], name)
      return textOf(await tool.execute(given, { toolCallId: '1', messages: [] }))
    },
    close: () => client.close(),
  }
}

export const langchain = async (url, { provider }) => {
  const { MultiServerMCPClient } = await import('@langchain/mcp-adapters')
  const client = new MultiServerMCPClient({
    mcpServers: { kit: { transport: 'http', url, authProvider: provider } },
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

export const mcpRemote = async (url, who) => {
  const client = new Client({ name: 'kit', version: '1.0.0' })
  const header = `Authorization:Bearer ${await who.token()}`
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [pathOf('mcp-remote/dist/proxy.js'), url, '--allow-http', '--header', header],
    ...{ env: home(), stderr: 'ignore' },
  })
  await client.connect(transport)
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, given) => textOf(await client.callTool({ name, arguments: given })),
    close: () => client.close(),
  }
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
