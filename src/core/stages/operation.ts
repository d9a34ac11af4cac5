import { headDenials } from '../../mcp/operation/head.ts'
import { messageDenials } from '../../mcp/operation/message.ts'
import { type McpPorts, mismatchDenials, readMcp } from '../../mcp/operation/operation.ts'
import { paramsDenials } from '../../mcp/operation/params.ts'
import { sessionDenials } from '../../mcp/operation/session.ts'
import { stage } from '../chain.ts'
import { joined } from '../denial.ts'
import type { McpMessage } from '../model/mcp.ts'
import { bodyDenials } from './body.ts'
import { readHttp } from './operation/http.ts'
import type { Asking, OperationFacts } from './operation/operation-types.ts'

export type { OperationFacts } from './operation/operation-types.ts'

/**
 * What is asked inside the route. Of an HTTP API the method says it, of an MCP server the message. A body
 * is read only now, of an agent that is known, and only where the origin is told its digest or an MCP
 * server stands behind the rule.
 */
export const operation = stage({
  name: 'operation',
  establishes:
    'the body is there whole where one is held; what is asked inside the route is known: the method of an HTTP API, the messages of an MCP server, read in one way only',
  found: ({ operation, held }: OperationFacts) => ({
    kind: operation.kind,
    method: operation.method,
    ...(operation.kind === 'mcp' && {
      revision: operation.revision,
      session: operation.session !== undefined,
      messages: held ? operation.messages.map(shown) : NOT_READ,
    }),
    ...(held && { body: held.bytes.length }),
  }),
  denials: [
    joined(
      bodyDenials,
      headDenials,
      sessionDenials,
      messageDenials,
      paramsDenials,
      mismatchDenials,
    ),
  ],
  run: (asking: Asking, ports: McpPorts) =>
    asking.route.mcp ? readMcp(asking, asking.route.mcp, ports) : readHttp(asking),
})

const NOT_READ = 'not known: there is only the head of a request here'

/** What a message is about, without what it says. */
const shown = ({ method = 'an answer', use, more }: McpMessage) => ({
  method,
  ...(use && { [use.kind]: [use, ...(more ?? [])].map(({ name }) => name) }),
})
