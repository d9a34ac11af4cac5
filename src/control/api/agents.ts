import type * as v from 'valibot'
import { createApp } from '../../gate/app/app.ts'
import {
  type Admin,
  answer,
  called,
  callerName,
  type GateEnv,
  isReached,
  ownIssuer,
  refuse,
} from '../../gate/app/context.ts'
import { mustHaveNames, readIssuer } from '../../gate/app/names.ts'
import { BAD_CURSOR, readAdminJson, readId, readQuery, readValue } from '../../gate/app/request.ts'
import { mustReach, revocationDenials, shardsOf } from '../../gate/app/revocations.ts'
import { denials } from '../../gate/base/denial.ts'
import { parseJson } from '../../gate/base/json.ts'
import {
  type AgentChange,
  type AgentEntry,
  type AgentKey,
  type AgentStore,
  isStopped,
  keyOf,
  keyText,
  needsOf,
} from '../../gate/model/agents.ts'
import { revocableSubjects, revocationId } from '../../gate/model/revocation.ts'
import {
  AGENT_EDITS,
  AGENT_KEY,
  AGENT_QUERY,
  AGENT_STOP,
  beginningsOf,
  matchOf,
} from './agent-request.ts'
import { adopted, presented } from './agent-shown.ts'
import { mustNameAsPerson } from './person.ts'
import { controlOf } from './ports.ts'
import { readRevoked } from './revoked.ts'

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
    'Read the agent again, and repeat the change with its new ETag; nothing was changed',
  ],
  agent_version_missing: [
    'conditionMissing',
    'A change of a registered agent needs If-Match',
    'Send the ETag of the answer to a GET of the agent, or * to overwrite any version',
  ],
  agent_stopped_by_all: [
    'forbidden',
    'An administrator of every issuer has stopped this agent',
    'Ask an administrator of every issuer to resume the agent; nothing was changed',
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
const INVALID = deny('agent_invalid')

/**
 * The registry of agents: lists, shows and changes agents of the caller's issuers. The guard has checked token and
 * scope; only the issuer is checked here.
 */
export const agentsApp = createApp<GateEnv>()
  .get('/agents', async (c) => {
    const query = readQuery(c, AGENT_QUERY, INVALID)
    const { issuer: named, find, limit = 100, ...rest } = query
    const issuer = readIssuer(c, named, INVALID) ?? ownIssuer(c)
    mustReach(c, issuer)
    if (rest.cursor !== undefined && !isCursor(rest.cursor)) {
      refuse(c, INVALID, { problems: [{ path: 'cursor', message: BAD_CURSOR }] })
    }
    const asked = { ...rest, limit, ...beginningsOf(c, find), ...(issuer && { issuer }) }
    const { agents, cursor } = await askAgents(c, (all) => all.list(asked))
    if (agents.length === 0 && rest.cursor === undefined) mustHaveNames(c, { issuer }, INVALID)
    const revokedOf = await readRevoked(c, agents)
    const all = agents.map((entry) => ({ ...presented(c, entry), ...revokedOf(entry) }))
    return answer(c, { agents: all, ...(cursor && { cursor }) })
  })
  .get('/agents/entry', async (c) => answerEntry(c, await findAgent(c)))
  .get('/agents/adopt', async (c) => answer(c, adopted(c, await findAgent(c))))
  .on(['PUT', 'PATCH'], '/agents/entry', async (c) => {
    const key = keyIn(c)
    const act = c.req.method === 'PUT' ? 'put' : 'patch'
    const edit = readValue(c, AGENT_EDITS[act], await readAdminJson(c, INVALID), INVALID)
    const { status, reason, ...fields } = edit
    if (isStopped(status)) mustNotBeCaller(c, key)
    const known = () => askAgents(c, (agents) => agents.get(key))
    await mustNameAsPerson(c, fields.owners ?? [], known)
    const match = matchOf(c.req.header('if-match'))
    const more = { ...(status && { status }), ...(reason && { reason }), ...(match && { match }) }
    return change(c, { ...key, act, fields, ...more })
  })
  .on('POST', ['/agents/suspend', '/agents/resume', '/agents/retire'], async (c) => {
    const stop = readValue(c, AGENT_STOP, await readAdminJson(c, INVALID), INVALID)
    const { force = false, reason, ...given } = stop
    const key = reached(c, given)
    const act = c.req.path.replace(/^.*\//, '') as 'suspend' | 'resume' | 'retire'
    if (act !== 'resume' && !force) mustNotBeCaller(c, key)
    return change(c, { ...key, act, ...(reason && { reason }) })
  })

/** Asks the registry. If that fails, the request is refused. */
export function askAgents<Value>(
  c: Admin,
  call: (agents: AgentStore) => Promise<Value>,
): Promise<Value> {
  const { agents } = controlOf(c)
  return called(
    c,
    async () => {
      if (!agents) throw new Error('AGENTS is not bound')
      return call(agents)
    },
    (error) => deny('agents_unavailable', { error: String(error) }),
  )
}

/** Refuses the request if the caller acts by this agent. */
export function mustNotBeCaller(c: Admin, { issuer, agent }: AgentKey): void {
  const isCaller = revocableSubjects(c.get('access'), c.get('agent')).some(
    (one) => one.kind === 'agent' && one.issuer === issuer && one.value === agent,
  )
  if (isCaller) refuse(c, revocationDenials('would_lock_out'))
}

/** The agent that a request names. Refuses an agent of an issuer that the caller may not administer. */
const reached = (c: Admin, given: v.InferOutput<typeof AGENT_KEY>): AgentKey => {
  const { agent: id, agent_name: name } = given
  const issuer = readIssuer(c, given.issuer, INVALID)
  mustReach(c, issuer)
  mustHaveNames(c, { issuer }, INVALID)
  const agent = readId(c, { issuer, id, name }, INVALID)
  if (agent !== undefined) return { issuer, agent }
  return refuse(c, INVALID, {
    problems: [{ path: 'agent', message: 'is required, or agent_name' }],
  })
}

const keyIn = (c: Admin): AgentKey => reached(c, readQuery(c, AGENT_KEY, INVALID))

/** The agent that the query names. Refuses one that the registry does not have, or that the caller may not administer. */
export async function findAgent(c: Admin): Promise<AgentEntry> {
  const key = keyIn(c)
  return (await askAgents(c, (agents) => agents.get(key))) ?? refuse(c, deny('agent_unknown'))
}

type Change = Omit<AgentChange, 'at' | 'by' | 'own'>

/** 200 once each shard has the change, else 202. */
const change = async (c: Admin, given: Change): Promise<Response> => {
  const at = Math.floor(c.get('ports').clock.now() / 1000)
  const own = ownIssuer(c) === undefined ? {} : ({ own: true } as const)
  const made = { ...given, at, by: callerName(c), ...own }
  const changed = await askAgents(c, (agents) => agents.change(made, c.get('act')?.()))
  if ('refused' in changed) return refuse(c, deny(changed.refused))
  const { entry, shards } = changed
  c.set('revocations', [await standingId(entry)])
  return answerEntry(c, entry, shardsOf(shards))
}

const standingId = ({ issuer, agent, status }: AgentEntry): Promise<string> =>
  revocationId(
    { kind: 'agent', issuer, value: agent },
    status === 'discovered' ? 'approved' : status,
  )

/** Answers with an agent; 202 while a change is `pending`. */
const answerEntry = async (
  c: Admin,
  entry: AgentEntry,
  more: ReturnType<typeof shardsOf> = {},
): Promise<Response> => {
  const id = entry.status === 'discovered' ? {} : { id: await standingId(entry) }
  const near = [...(entry.seen?.parents ?? []), ...(entry.seen?.children ?? [])]
  const reachable = near.filter((one) => isReached(c, keyOf(one).issuer))
  const known =
    reachable.length > 0 ? await askAgents(c, (agents) => agents.several(reachable)) : []
  const revokedOf = await readRevoked(c, [entry, ...known])
  const now = c.get('ports').clock.now()
  const standings = new Map(
    known.map((one) => [
      keyText(one),
      { status: one.status, needs: needsOf(one, now), ...revokedOf(one) },
    ]),
  )
  const shown = presented(c, entry, standings)
  const body = { agent: { ...shown, ...revokedOf(entry), ...id }, ...more }
  return answer(c, body, more.pending ? 202 : 200, { etag: `"${entry.version}"` })
}

/** Whether a text is the cursor of a page: the key of an agent. */
export function isCursor(given: string): boolean {
  const key = parseJson(given)
  return Array.isArray(key) && key.length === 2 && key.every((one) => typeof one === 'string')
}
