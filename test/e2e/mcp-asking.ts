import { type AskInit, RESOURCE, type Setting } from './setting.ts'

export const MCP = `${RESOURCE}/mcp`
export const JSON_TYPE = { 'content-type': 'application/json' }
export const SSE = { 'content-type': 'text/event-stream' }

/** A request of JSON-RPC. */
export const call = (method: string, params: object = {}) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })

/** A result of JSON-RPC. */
export const result = (inner: object) => JSON.stringify({ jsonrpc: '2.0', id: 1, result: inner })

export type McpInit = AskInit & { readonly path?: string; readonly version?: string | null }

/** Asks the MCP servers of `COMMANDS`, with a token that may use some of their tools. */
export const asking = (setting: () => Setting) => {
  const tokenOf = (claims: Record<string, unknown> = {}) =>
    setting().token({ aud: MCP, scope: 'mcp:connect files:read', ...claims })
  return {
    tokenOf,
    post: async (body: string, { path = '/mcp', version = '2025-11-25', ...init }: McpInit = {}) =>
      setting().ask(path, {
        method: 'POST',
        body,
        token: await tokenOf(),
        ...init,
        headers: {
          ...JSON_TYPE,
          accept: 'application/json, text/event-stream',
          ...(version !== null && { 'mcp-protocol-version': version }),
          ...(init.headers as Record<string, string>),
        },
      }),
    get: async ({ path = '/mcp', ...init }: McpInit = {}) =>
      setting().ask(path, {
        token: await tokenOf(),
        ...init,
        headers: {
          accept: 'text/event-stream',
          'mcp-protocol-version': '2025-11-25',
          ...(init.headers as Record<string, string>),
        },
      }),
  }
}

interface Told {
  readonly data?: { readonly code: string }
}

/** The denial's code in an error of JSON-RPC, or in a problem. */
export const codeOf = async (response: Response) => {
  const { code, error } = (await response.json()) as { code?: string; error?: Told }
  return error?.data?.code ?? code
}
