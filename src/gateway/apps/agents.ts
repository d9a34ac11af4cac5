import { denials } from '../../core/denial.ts'
import { isObject, type JsonObject, listOf, objectOf, own, parseJson } from '../../core/json.ts'
import {
  type AgentChange,
  type AgentEntry,
  type AgentKey,
  type AgentStore,
  keyOf,
  needsOf,
  type Seen,
  unusedScopes,
} from '../../core/model/agents.ts'
import { revocationId } from '../../core/model/revocation.ts'
import { learnedBy } from '../../core/model/watch.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { showPolicy } from '../../policy/show.ts'
import {
  AGENT_EDITS,
  AGENT_KEY,
  AGENT_QUERY,
  AGENT_STOP,
  beginningsOf,
  isOfCaller,
  matchOf,
} from './agent-request.ts'
import { createApp } from './app.ts'
import { readAdminJson } from './body.ts'
import { type Admin, callerName, type GateEnv, isReached, ownIssuer } from './context.ts'
import {
  isKnown,
  namedValue,
  type Problem,
  prefixOf,
  readBody,
  readQuery,
} from './revocation-request.ts'
import { revocationDenials, shardsOf } from './revocations.ts'

/** The denials of the registry's endpoints. */
export const agentDenials = denials({
  agent_invalid: [
    'badRequest',
    'The request does not describe an agent, a change or a list',
    'Correct what `problems` names; nothing was changed',
  ],
  agent_unknown: [
    'notFound',
    'The registry does not have this agent, or this token may not see it',
    'List the agents to see which there are; PUT registers one that was never seen',
  ],
  agent_changed: [
    'changed',
    'The agent has changed since the version that If-Match names',
    'Read it again, and repeat the change with its new ETag; nothing was changed',
  ],
  agent_version_missing: [
    'conditionMissing',
    'A change of a registered agent needs If-Match',
    'Send the ETag that reading the agent answered, or * to overwrite whatever is there',
  ],
  agent_stopped_by_all: [
    'forbidden',
    'An administrator of every issuer has stopped this agent',
    'Ask one of them to resume it; nothing was changed',
  ],
  agents_full: [
    'full',
    'The registry has no room for another agent that an administrator decides on',
    'Make room: for agents that no longer exist, lift the suspension (resume) or end the approval; administrators of one issuer have a tenth of the room',
  ],
  agents_unavailable: [
    'unavailable',
    'The registry of agents cannot be reached at the moment',
    'Try again after Retry-After; the gate still decides requests',
  ],
})

const deny = agentDenials

/**
 * The registry of agents: lists, shows and changes agents of the caller's issuers. The guard has checked token and
 * scope; only the issuer is checked here.
 */
export const agentsApp = createApp<GateEnv>()
  .get('/agents', async (c) => {
    const query = readQuery(AGENT_QUERY, c.req.queries())
    if (!query.ok) return invalid(c, query.reason)
    const { issuer = ownIssuer(c), find, cursor: given, limit = 100, ...rest } = query.value
    if (issuer !== undefined && !isReached(c, issuer)) return beyond(c)
    const cursor = given === undefined ? undefined : cursorOf(given)
    if (given !== undefined && cursor === undefined) {
      return invalid(c, [{ path: 'cursor', message: 'must be the cursor of an earlier page' }])
    }
    const asked = { ...rest, limit, ...beginningsOf(c, find), ...(issuer && { issuer }) }
    const page = await askAgents(c, (all) => all.list({ ...asked, ...(cursor && { cursor }) }))
    if (!page.ok) return page.reason
    const { agents, cursor: next } = page.value
    const all = agents.map((entry) => presented(c, entry))
    return c.json({ agents: all, ...(next && { cursor: next }) }, 200, NO_STORE)
  })
  .get('/agents/entry', async (c) => {
    const found = await find(c)
    return found.ok ? answer(c, found.value) : found.reason
  })
  .get('/agents/adopt', async (c) => {
    const found = await find(c)
    return found.ok ? c.json(adopted(c, found.value), 200, NO_STORE) : found.reason
  })
  .on(['PUT', 'PATCH'], '/agents/entry', async (c) => {
    const key = keyIn(c)
    if (!key.ok) return key.reason
    const act = c.req.method === 'PUT' ? 'put' : 'patch'
    const read = (given: JsonObject) => readBody(AGENT_EDITS[act], given)
    const body = await readAdminJson(c, read, deny('agent_invalid'))
    if (!body.ok) return body.reason
    const { status, reason, ...fields } = body.value
    const isStop = status === 'suspended' || status === 'retired'
    if (isStop && isOfCaller(c, key.value))
      return c.get('deny')(revocationDenials('would_lock_out'))
    const match = matchOf(c.req.header('if-match'))
    const more = { ...(status && { status }), ...(reason && { reason }), ...(match && { match }) }
    return change(c, { ...key.value, act, fields, ...more })
  })
  .on('POST', ['/agents/suspend', '/agents/resume', '/agents/retire'], async (c) => {
    const read = (given: JsonObject) => readBody(AGENT_STOP, given)
    const body = await readAdminJson(c, read, deny('agent_invalid'))
    if (!body.ok) return body.reason
    const { force = false, reason, ...given } = body.value
    const key = reached(c, given)
    if (!key.ok) return key.reason
    const act = c.req.path.replace(/^.*\//, '') as 'suspend' | 'resume' | 'retire'
    if (act !== 'resume' && !force && isOfCaller(c, key.value)) {
      return c.get('deny')(revocationDenials('would_lock_out'))
    }
    return change(c, { ...key.value, act, ...(reason && { reason }) })
  })

const NO_STORE = { 'cache-control': 'no-store' }

const invalid = (c: Admin, problems: readonly Problem[]): Response =>
  c.get('deny')(deny('agent_invalid'), { problems })

const beyond = (c: Admin): Response => c.get('deny')(revocationDenials('admin_reach'))

/** Asks the registry. On failure the result is the answer. */
export async function askAgents<Value>(
  c: Admin,
  call: (agents: AgentStore) => Promise<Value>,
): Promise<Result<Value, Response>> {
  const { agents } = c.get('ports')
  try {
    if (!agents) throw new Error('AGENTS is not bound')
    return ok(await call(agents))
  } catch (error) {
    return fail(c.get('deny')(deny('agents_unavailable', { error: String(error) })))
  }
}

/** The agent that a request names, if the caller reaches its issuer. */
const reached = (c: Admin, { issuer, agent }: AgentKey): Result<AgentKey, Response> => {
  if (!isReached(c, issuer)) return fail(beyond(c))
  const subject = { kind: 'agent', issuer } as const
  if (!isKnown(c.get('policy'), subject)) {
    return fail(invalid(c, [{ path: 'issuer', message: 'is not an issuer of this gate' }]))
  }
  return ok({ issuer, agent: namedValue(c.get('policy'), { ...subject, value: agent }) })
}

const keyIn = (c: Admin): Result<AgentKey, Response> => {
  const key = readQuery(AGENT_KEY, c.req.queries())
  return key.ok ? reached(c, key.value) : fail(invalid(c, key.reason))
}

const find = async (c: Admin): Promise<Result<AgentEntry, Response>> => {
  const key = keyIn(c)
  if (!key.ok) return key
  const found = await askAgents(c, (agents) => agents.get(key.value))
  if (!found.ok) return found
  return found.value ? ok(found.value) : fail(c.get('deny')(deny('agent_unknown')))
}

type Change = Omit<AgentChange, 'at' | 'by' | 'own'>

/** 200 once each shard has the change, else 202. */
const change = async (c: Admin, given: Change): Promise<Response> => {
  const at = Math.floor(c.get('ports').clock.now() / 1000)
  const own = ownIssuer(c) === undefined ? {} : ({ own: true } as const)
  const made = { ...given, at, by: callerName(c), ...own }
  const changed = await askAgents(c, (agents) => agents.change(made, c.get('act')?.()))
  if (!changed.ok) return changed.reason
  if ('refused' in changed.value) return c.get('deny')(deny(changed.value.refused))
  const { entry, shards } = changed.value
  c.set('revocations', [await standingId(entry)])
  const status = shardsOf(shards)
  return answer(c, entry, status.pending ? 202 : 200, status)
}

const standingId = ({ issuer, agent, status }: AgentEntry): Promise<string> =>
  revocationId(
    { kind: 'agent', issuer, value: agent },
    status === 'discovered' ? 'approved' : status,
  )

const answer = async (
  c: Admin,
  entry: AgentEntry,
  status: 200 | 202 = 200,
  more: object = {},
): Promise<Response> => {
  const id = entry.status === 'discovered' ? {} : { id: await standingId(entry) }
  const etag = `"${entry.version}"`
  return c.json({ agent: { ...presented(c, entry), ...id }, ...more }, status, {
    ...NO_STORE,
    etag,
  })
}

const presented = (c: Admin, entry: AgentEntry): JsonObject => {
  const { issuer, agent, status, fields, change: last, seen, watched, version } = entry
  const prefix = prefixOf(c.get('policy'), issuer)
  return {
    issuer,
    agent,
    ...(prefix !== '' && { agent_name: prefix + agent }),
    status,
    ...fields,
    ...(last && {
      changed: new Date(last.at * 1_000).toISOString(),
      changed_by: last.by,
      reach: last.own ? 'own' : 'all',
      ...(last.reason !== undefined && { reason: last.reason }),
    }),
    needs: needsOf(entry, c.get('ports').clock.now()),
    version,
    ...(seen && { seen: presentedSeen(seen) }),
    ...(watched && { watched: learnedBy(c.get('policy').watch, watched) }),
  }
}

const presentedSeen = (seen: Seen): JsonObject => {
  const { first, last, granted, used, uses, name: _, ...lists } = seen
  return {
    first: new Date(first).toISOString(),
    last: new Date(last).toISOString(),
    scopes_granted: Object.keys(granted),
    scopes_used: Object.keys(used),
    scopes_unused: unusedScopes(seen),
    uses: usesOf(uses),
    ...lists,
    parents: lists.parents.map(keyOf),
    children: lists.children.map(keyOf),
  }
}

const usesOf = (uses: Seen['uses']) =>
  Object.keys(uses).map((use) => {
    const [rule, tool] = JSON.parse(use) as [string, string?]
    return { rule, ...(tool !== undefined && { tool }) }
  })

/** What an agent used, as rules of the policy in force that allow no more. */
const adopted = (c: Admin, { issuer, agent, seen }: AgentEntry): JsonObject => {
  const shown = showPolicy(c.get('policy'), ownIssuer(c)) as unknown as JsonObject
  const routes = listOf(own(shown, 'routes')).filter(isObject)
  const uses = usesOf(seen?.uses ?? {})
  const used = [...new Set(uses.map(({ rule }) => rule))]
  const rules = used.map((rule) => {
    const route = routes.find((one) => own(one, 'match') === rule)
    const names = uses.flatMap((one) => (one.rule === rule && one.tool ? one.tool : []))
    const mcp = route && own(route, 'mcp')
    return {
      match: rule,
      ...(route ? { scopes: own(route, 'scopes') } : { gone: true }),
      ...(mcp !== undefined && { tools: toolsOf(mcp, names) }),
    }
  })
  const scopes = { used: Object.keys(seen?.used ?? {}), unused: seen ? unusedScopes(seen) : [] }
  return { issuer, agent, rules, scopes }
}

/** Of each used tool the scopes that the rule needs for it. */
const toolsOf = (mcp: unknown, names: readonly string[]): JsonObject => {
  const tools = objectOf(own(objectOf(mcp), 'tools'))
  const fits = (pattern: string, name: string) =>
    pattern === name || (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1)))
  return Object.fromEntries(
    names.map((name) => {
      const pattern = Object.keys(tools).find((one) => fits(one, name))
      return [name, pattern === undefined ? [] : own(tools, pattern)]
    }),
  )
}

/** The text of a valid cursor. */
const cursorOf = (given: string): string | undefined => {
  const key = parseJson(given)
  const isKey =
    Array.isArray(key) && key.length === 2 && key.every((one) => typeof one === 'string')
  return isKey ? given : undefined
}
