/** Requests to an MCP server: docs/mcp.md. What another file needs of the files `mcp-*.ts`. */
export {
  checkAccess,
  checkUseConditions,
  checkUseScopes,
  statusOfRefusal,
} from './mcp-access.ts'
export { readOperation } from './mcp-request.ts'
export type { McpTable, Message, Need, Operation, Use } from './mcp-types.ts'
