/** Where the gate's policy has an MCP server. */
export const MCP_PATH = '/mcp'

/** The rule for it, for the scopes that the tokens have. */
export const MCP_RULE = {
  match: `POST ${MCP_PATH}`,
  scopes: ['documents:read'],
  mcp: { tools: { 'documents_*': ['documents:read'] } },
} as const

/** Headers of a client of the official SDK, beside those of any client. */
export const MCP_HEADERS: Readonly<Record<string, string>> = {
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2025-11-25',
}

/** A call of a tool whose body has so many bytes, a text argument being most of it. */
export const toolCall = (bytes: number): string => {
  const written = (content: string) =>
    JSON.stringify({
      jsonrpc: '2.0',
      id: 7,
      method: 'tools/call',
      params: {
        name: 'documents_search',
        arguments: { query: 'quarterly figures', limit: 20, content },
        _meta: { progressToken: 7 },
      },
    })
  return written('All is well. '.repeat(bytes).slice(0, bytes - written('').length))
}
