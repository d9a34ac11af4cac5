import { Environment } from '@marcbachmann/cel-js'
import { LIMITS } from '../../core/limits.ts'
import { inNetwork } from '../../core/network.ts'
import { evaluationError, registerMethods, TIMESTAMP } from './methods.ts'
import { momentOfSeconds } from './moments.ts'

/** Members of the variables, and their types. */
export const FIELDS = {
  agent: {
    id: 'string',
    name: 'string',
    issuer: 'string',
    subject: 'string',
    client_id: 'string',
    type: 'string',
    types: 'list<string>',
    workflow_id: 'string',
    actor: 'map<string, string>',
    depth: 'int',
    scopes: 'list<string>',
  },
  request: {
    method: 'string',
    host: 'string',
    path: 'string',
    params: 'map<string, string>',
    headers: 'map<string, string>',
    query: 'map<string, string>',
    ip: 'string',
    country: 'string',
    asn: 'int',
    colo: 'string',
    tls: 'string',
    bot_score: 'int',
  },
} as const

export type RequestField = keyof typeof FIELDS.request

/** Members of `agent.actor`. */
export const ACTOR_FIELDS = ['sub', 'issuer'] as const

export const VARIABLES: readonly string[] = ['token', 'agent', 'request', 'now']

/** Of what judges one call to an MCP server. */
export const CALL_VARIABLES: readonly string[] = [...VARIABLES, 'arguments']

const inAnyNetwork = (address: string, networks: readonly string[]): boolean =>
  networks.some((network) => {
    const found = inNetwork(address, network)
    if (found === undefined) throw evaluationError('invalid_network', 'No address, or no network')
    return found
  })

let made: Environment | undefined

/** What conditions are read and evaluated in; made when the first one is. */
export function environment(): Environment {
  made ??= makeEnvironment()
  return made
}

const makeEnvironment = (): Environment => {
  const environment = new Environment({
    limits: {
      maxAstNodes: LIMITS.conditionNodes,
      maxDepth: LIMITS.conditionDepth,
      maxListElements: LIMITS.conditionItems,
      maxMapEntries: LIMITS.conditionItems,
      maxCallArguments: 4,
    },
  })
  registerMethods(environment)
  const sync = { async: false }
  return (
    environment
      .registerVariable('token', 'map<string, dyn>')
      .registerVariable({ name: 'agent', schema: FIELDS.agent })
      .registerVariable({ name: 'request', schema: FIELDS.request })
      .registerVariable('now', TIMESTAMP)
      .registerVariable('arguments', 'map<string, dyn>')
      .registerFunction(
        'inNetwork(string, string): bool',
        (ip, one) => inAnyNetwork(ip, [one]),
        sync,
      )
      .registerFunction('inNetwork(string, list<string>): bool', inAnyNetwork, sync)
      // Numbers of JSON are doubles, so NumericDate is (RFC 7519 §2).
      .registerFunction(`timestamp(double): ${TIMESTAMP}`, momentOfSeconds, sync)
  )
}
