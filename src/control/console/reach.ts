import * as v from 'valibot'
import { askedBy, reachable } from '../../compare/reach/reachable.ts'
import { waysOf } from '../../compare/reach/ways.ts'
import { type Admin, answer, ownIssuer, refuse } from '../../gate/app/context.ts'
import {
  BAD_CURSOR,
  oneOf,
  queriesOf,
  queryText,
  readQuery,
  strict,
  text,
} from '../../gate/app/request.ts'
import { revocationDenials } from '../../gate/app/revocations.ts'
import type { JsonObject } from '../../gate/base/json.ts'
import { routeDenials, route as routeStage } from '../../gate/guard/stages/route.ts'
import type { AgentEntry } from '../../gate/model/agents.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { METHODS, type Route, type RouteMatch, takesIssuer } from '../../gate/model/route.ts'
import { isReading, issuerNames, isWithin, needsOf } from '../../gate/policy/reading/rows.ts'
import { showPolicy } from '../../gate/policy/show.ts'
import { presented } from '../api/agent-shown.ts'
import { agentDenials, askAgents, findAgent, isCursor } from '../api/agents.ts'
import { controlOf } from '../api/ports.ts'
import { readRevoked } from '../api/revoked.ts'

const INVALID = agentDenials('agent_invalid')

/** Agents of which one answer says whether they may call. */
const MOST_AGENTS = 200

const NO_PATH = 'must begin with / and have no fragment'
const QUERY = strict({
  method: oneOf(METHODS),
  path: v.pipe(text(2_048), v.regex(/^\/[^#]*$/, NO_PATH)),
  host: v.exactOptional(queryText),
  cursor: v.exactOptional(v.pipe(queryText, v.check(isCursor, BAD_CURSOR))),
})

/**
 * `GET /console/reach`: who may send a request, or what an agent may call. The guard has checked token and scope. The
 * answer is by what the registry has seen: scopes and types of the agent's tokens. Conditions and limits are not
 * evaluated: `asks` names them.
 */
export async function reach(c: Admin): Promise<Response> {
  if (!controlOf(c).agents) refuse(c, routeDenials('route_unknown'))
  const { agent, agent_name } = queriesOf(c)
  return agent || agent_name ? rulesOf(c, await findAgent(c)) : agentsOf(c)
}

/** Alternative values of the parameters of one rule. Half of the time is for other requests. */
const EFFORT = { most: 20, pause: () => new Promise<void>((done) => setTimeout(done, 5)) }

const rulesOf = async (c: Admin, entry: AgentEntry): Promise<Response> => {
  const policy = c.get('policy')
  const describe = presenter(c)
  const found = new Map<Route, JsonObject>()
  for (const described of tokensOf(entry)) {
    for (const { route, only, many } of await reachable(policy, described, EFFORT)) {
      if (!isSeen(c, route)) continue
      const more = many.length > 0 && { many }
      found.set(route, { ...describe(route, ['scopes', 'agent_types', 'issuers']), only, ...more })
    }
  }
  const revokedOf = await readRevoked(c, [entry])
  return answer(c, {
    agent: { ...presented(c, entry), ...revokedOf(entry) },
    rules: [...found.values()],
  })
}

const agentsOf = async (c: Admin): Promise<Response> => {
  const policy = c.get('policy')
  const { method, path, host, cursor } = readQuery(c, QUERY, INVALID)
  const url = `https://${host ?? new URL(policy.gate.resource).host}${path}`
  const request = { method, url, headers: new Headers() }
  const found = await routeStage.run({ request, policy }, undefined)
  const { route, params = new Map() } = found.value ?? {}
  if (!route) return answer(c, { refused: 'reason' in found && found.reason.code })
  if (!isSeen(c, route)) refuse(c, revocationDenials('admin_reach'))
  const rule = presenter(c)(route, [])
  if (!isReading(route) || route.mode === 'shadow') return answer(c, { rule, anyone: true })
  const issuer = ownIssuer(c)
  const asked = { limit: MOST_AGENTS, ...(issuer && { issuer }), ...(cursor && { cursor }) }
  const page = await askAgents(c, (all) => all.list(asked))
  const agents: AgentEntry[] = []
  for (const one of page.agents) {
    if (mayCall(policy, { route, params }, one)) agents.push(one)
  }
  const revokedOf = await readRevoked(c, agents)
  return answer(c, {
    rule,
    agents: agents.map((one) => ({ ...presented(c, one), ...revokedOf(one) })),
    ...(page.cursor && { cursor: page.cursor }),
  })
}

/** Whether tokens as the gate has seen them of an agent have the scopes and the type for a request. */
const mayCall = (policy: Policy, { route, params }: RouteMatch, entry: AgentEntry): boolean => {
  const issuer = policy.issuers.get(entry.issuer)
  if (!issuer || !takesIssuer(route, issuer.issuer)) return false
  const start = [Object.fromEntries(params)]
  return tokensOf(entry).some(
    // Too many alternatives to try: it may have the scopes.
    (token) => waysOf(issuer, route, token, start, policy)?.length !== 0,
  )
}

/** What the gate has seen of an agent's tokens: one for each type. */
const tokensOf = ({ issuer, seen }: AgentEntry) =>
  (seen?.types.length ? seen.types : ['']).map((type) => ({
    issuer,
    type,
    scopes: Object.keys(seen?.granted ?? {}),
  }))

/** Whether the caller may see a rule. */
const isSeen = (c: Admin, route: Route): boolean => {
  const issuer = ownIssuer(c)
  return issuer === undefined || isWithin(route, issuer)
}

/** Rules as the caller may see them, with what they ask beside `answered`. */
const presenter = (c: Admin) => {
  const policy = c.get('policy')
  const issuer = ownIssuer(c)
  const issuers = [...policy.issuers.values()].filter(
    (one) => (issuer ?? one.issuer) === one.issuer,
  )
  const shown = showPolicy(policy, issuer).routes
  const seen = policy.routes.filter((route) => isSeen(c, route))
  return (route: Route, answered: readonly string[]): JsonObject => {
    const { name: match, host, access, mode } = route
    const asks = askedBy((shown[seen.indexOf(route)] ?? {}) as JsonObject, answered)
    const needs = needsOf(route)
    return {
      match,
      ...(host && { host }),
      access,
      needs,
      issuers: issuerNames(route, issuers),
      mode,
      asks,
    }
  }
}
