/** Topics: policies, tokens and requests close to a few promises that cases by lot seldom come near. */
import type { JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import type { RequestAim } from './near-requests.ts'
import type { Aim } from './near-tokens.ts'
import type { Case, Change, RequestSpec, TokenSpec, Vars } from './shapes.ts'
import { APPROVAL_TOPICS } from './topics-approvals.ts'
import { CONDITION_TOPICS } from './topics-conditions.ts'
import { MCP_TOPICS } from './topics-mcp.ts'
import { REQUEST_TOPICS } from './topics-requests.ts'
import { SEQUENCE_TOPICS } from './topics-sequences.ts'
import { TOKEN_TOPICS } from './topics-tokens.ts'

/** What a topic says in a policy; the rest follows by lot. */
export interface Said {
  /** Keys laid over those of GATE. */
  gate?: JsonObject
  /** Keys of the issuer `acme`. */
  acme?: JsonObject
  /** Issuers beside `acme`. */
  others?: Vars['ISSUERS']
  /** The first rules. */
  rules: JsonObject[]
  scopes?: JsonObject
}

export interface Topic {
  policy(dice: Dice): Said
  /** Keys that `acme` publishes beside its own. */
  keys?: string[]
  /** Values that parameters of paths mostly have. */
  ids?: string[]
  /** Changes a token that the rule mostly accepts. */
  token?(dice: Dice, spec: TokenSpec, aim: Aim): unknown
  /** Changes a request that the rule mostly matches. */
  request?(dice: Dice, request: RequestSpec, aim: RequestAim): unknown
  /** What happens between requests. */
  before?(dice: Dice, made: Case): Change
  /** Changes the policy that is deployed between requests. */
  deploy?(dice: Dice, vars: Vars): unknown
}

export const TOPICS: Topic[] = [
  ...TOKEN_TOPICS,
  ...REQUEST_TOPICS,
  ...MCP_TOPICS,
  ...CONDITION_TOPICS,
  ...SEQUENCE_TOPICS,
  ...APPROVAL_TOPICS,
]
