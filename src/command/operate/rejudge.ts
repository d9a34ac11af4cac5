import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import type { ClaimPath } from '../../gate/model/claims.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { decisionText, denialOf, textIn } from '../base/decision-lines.ts'
import { createJudge } from '../tests/test-case.ts'

/** Stages that read what no record has: headers, query, body, proofs, or all claims. */
const UNRECORDED = [
  'possession',
  'workflow',
  'authorization_details',
  'authentication',
  'condition',
]
const LATER = ['operation', 'mcp_access', 'replay', 'limit', 'revocation', 'agentic_jwt']
const UNJUDGED = [...UNRECORDED, ...LATER]

/** What a policy decides about the request and the token of a record, at its time. */
export interface Rejudged {
  /** `unknown`: a stage that cannot be judged denies. */
  readonly decision: 'allowed' | 'denied' | 'would_deny' | 'unknown'
  readonly code?: string
  readonly rule?: string
  /** Stages, and names of path values, that could not be judged. */
  readonly not_judged: readonly string[]
}

/**
 * Decides a recorded request by the stages of a policy, with a token that has the claims of the record. `undefined` for
 * a record without a rule and a verified token.
 */
export async function rejudge(policy: Policy, record: JsonObject): Promise<Rejudged | undefined> {
  const [issuer, route, host] = ['issuer', 'route', 'host'].map((name) => textIn(record, name))
  if (issuer === undefined || route === undefined || host === undefined) return undefined
  const values = objectOf(own(record, 'path_values'))
  const missing: string[] = []
  const path = route
    .slice(route.indexOf(' ') + 1)
    .replace(/\{([^}]*)\}/g, (_, name: string) => {
      const value = own(values, name)
      if (value === undefined) missing.push(`{${name}}`)
      return String(value ?? 'x')
    })
    .replace(/\*$/, 'x')
  const entry = policy.issuers.get(issuer)
  const told = entry && withoutGrants(entry)
  const claims = claimsOf(told, record)
  const judged = await createJudge(
    told ? { ...policy, issuers: new Map([...policy.issuers, [issuer, told]]) } : policy,
    0,
  )({
    name: '',
    index: 0,
    line: 1,
    request: {
      method: textIn(record, 'method') ?? 'GET',
      url: `https://${host}${path}`,
      headers: new Headers(),
    },
    asked: undefined,
    claims,
    // A key that is made here represents the key that was proved, by whatever method.
    bound: textIn(record, 'possession') !== undefined,
    without: ['sub', 'client_id', 'jti'].filter((name) => own(claims, name) === undefined),
    around: {},
    at: Date.parse(String(own(record, 'time'))) / 1000,
  })
  if (!judged.ok) return undefined
  const { decision, code, rule } = judged.value
  const stage = denialOf(code)?.stage.replace(/^\d+\. /, '') ?? ''
  return {
    decision: UNJUDGED.includes(stage) ? 'unknown' : decision,
    ...(code !== undefined && { code }),
    ...(rule !== undefined && { rule }),
    not_judged: [...UNJUDGED, ...(entry?.scopesFrom ? ['grants'] : []), ...missing],
  }
}

/** An issuer whose tokens have the scopes, type and id of the record, since their claims are not all known. */
const withoutGrants = ({ scopesFrom, grants: _, ...issuer }: Issuer): Issuer =>
  scopesFrom ? { ...issuer, scope: [['scope']], scopeElse: [] } : issuer

/** The claims of the token, as far as the record has them. */
const claimsOf = (entry: Issuer | undefined, record: JsonObject): JsonObject => {
  const actors = listOf(own(record, 'actors')).filter(isObject)
  const act = actors.reduceRight<JsonObject | undefined>(
    (inner, actor) => ({ sub: own(actor, 'sub'), iss: own(actor, 'issuer'), act: inner }),
    undefined,
  )
  const claims: Record<string, unknown> = {
    iss: own(record, 'issuer'),
    sub: own(record, 'subject'),
    client_id: own(record, 'client'),
    [entry?.audienceClaim ?? 'aud']: own(record, 'aud'),
    act,
  }
  for (const name of ['jti', 'iat', 'nbf', 'exp']) claims[name] = own(record, name)
  for (const [path, value] of Object.entries(objectOf(own(record, 'claims'))))
    claims[path] ??= value
  const scopes = listOf(own(record, 'token_scopes')).join(' ')
  const types = listOf(own(record, 'agent_types')).join(' ')
  put(claims, entry?.agentId[0], own(record, 'agent'))
  put(claims, entry?.workflowId[0], own(record, 'workflow'))
  put(claims, entry?.sessionId, own(record, 'session'))
  put(claims, entry?.agentType, types || undefined)
  put(claims, entry?.scope[0], scopes || undefined)
  return JSON.parse(JSON.stringify(claims))
}

/** Puts a value where a path leads, unless there is one. */
const put = (
  claims: Record<string, unknown>,
  path: ClaimPath | undefined,
  value: unknown,
): void => {
  const [first, ...rest] = path ?? []
  if (first === undefined || value === undefined) return
  if (rest.length === 0) claims[first] ??= value
  else {
    const inner = { ...objectOf(own(claims, first)) }
    put(inner, rest, value)
    claims[first] = inner
  }
}

/** The verdict as lines for people. */
export function rejudgedText({ decision, code, rule, not_judged }: Rejudged): string {
  const by = rule === undefined ? '' : ` by the rule ${JSON.stringify(rule)}`
  const words = decisionText({ decision: decision.replace('_', ' '), code })
  return `${words}${by}; not judged: ${not_judged.join(', ')}`
}
