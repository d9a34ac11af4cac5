import { conditionField } from '../conditions/field.ts'
import {
  agentsField,
  bindingName,
  flag,
  hostName,
  literalPath,
  milliseconds,
  modeField,
  nameList,
  originField,
  possessionField,
  resourceField,
  seconds,
  word,
} from '../reading/fields.ts'
import { list, type Readable, required } from '../reading/table.ts'
import { agenticId, expectedChain } from './agentic.ts'
import { claimHeaders } from './claim-headers.ts'
import { claimRules } from './claim-rules.ts'
import { corsField } from './cors.ts'
import { delegationField } from './delegation.ts'
import { detailsField } from './details.ts'
import { ENDING_KEYS } from './ending.ts'
import { injectField } from './inject.ts'
import { LIMIT_KEYS } from './limit.ts'
import { mcpField } from './mcp.ts'
import { revocationField } from './revocation.ts'
import {
  acrValue,
  matchField,
  removableHeader,
  tokenSubprotocol,
  workflowField,
} from './route-fields.ts'
import { scopeRule } from './scopes.ts'

export const ROUTE_KEYS = {
  match: required(matchField),
  host: hostName,
  resource: resourceField,
  scopes: scopeRule,
  access: word(['required', 'public', 'optional']),
  issuers: nameList,
  claims: claimRules,
  audiences: nameList,
  max_lifetime: seconds(),
  agent_types: nameList,
  workflow: workflowField,
  steps: list(agenticId),
  delegation_chains: list(expectedChain),
  step_sequences: list(expectedChain),
  delegation: delegationField,
  authorization_details: detailsField,
  acr_values: list(acrValue),
  max_age: seconds(),
  when: conditionField,
  cors: corsField,
  origin: originField,
  origin_via: bindingName,
  forward_claims: claimHeaders,
  remove_response_headers: list(removableHeader),
  strip_prefix: literalPath,
  timeout: milliseconds(),
  ...ENDING_KEYS,
  inject: injectField,
  forward_token: flag,
  encoded_slash: flag,
  ambiguous_paths: word(['refuse', 'allow']),
  mode: modeField,
  revocation: revocationField,
  ...LIMIT_KEYS,
  single_use: flag,
  token_subprotocols: list(tokenSubprotocol),
  possession: possessionField,
  agents: agentsField,
  replay: word(['exact', 'window']),
  mcp: mcpField,
}

/** One table of ROUTES as configured, without what could not be read. */
export type RouteEntry = Readable<typeof ROUTE_KEYS>
