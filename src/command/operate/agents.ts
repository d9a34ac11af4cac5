import { Argument, Option } from 'commander'
import { type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { ok } from '../../gate/base/result.ts'
import { AGENT_NEEDS, AGENT_STATUSES, standingText } from '../../gate/model/agents.ts'
import { type CommandRow, collect, given, type Process, withGate } from '../base/command.ts'
import { textIn } from '../base/decision-lines.ts'
import { cannotTell, columns, EXIT, type Outcome } from '../base/output.ts'
import { AGENTS_SCOPE, callAs, type GateOptions, listAs } from './access.ts'
import { issuerOf, type NameOptions, nearestTo, withNames } from './agent-name.ts'
import { agentsToml, type CallAgents, importAgents } from './agents-file.ts'
import { adoptedOutcome, shown } from './agents-shown.ts'
import { tellStopped } from './revoke-seen.ts'

const ACTIONS = [
  ...['list', 'review', 'show', 'approve', 'set', 'suspend', 'resume', 'retire'],
  ...['adopt', 'export', 'import'],
]

interface AgentsOptions extends GateOptions, NameOptions {
  readonly issuer?: string
  readonly status?: string
  readonly needs?: string
  readonly reason?: string
  readonly force?: boolean
  readonly yes?: boolean
  readonly name?: string
  readonly owner?: readonly string[]
  readonly purpose?: string
  readonly client?: string
  readonly checksum?: readonly string[]
  readonly registration?: readonly string[]
  readonly thumbprint?: readonly string[]
  readonly seen?: boolean
  readonly reviewBy?: string
  readonly expires?: string
}

export const agentsCommand: CommandRow<AgentsOptions> = {
  usage: 'agents ACTION [AGENT]',
  description: 'List, approve, suspend and review the agents that a running gate knows.',
  example:
    'agents suspend acme/agent-7 --reason "odd calls" \\\n    --gate https://api.my-company.com --key ops.jwk',
  help: `
Actions:
  list, review [AGENT]    list all agents, or those that need a decision; with AGENT those whose id begins with AGENT
  show, adopt AGENT       show one agent, or print rules of a policy for what it has really used
  approve, set AGENT      approve the agent, or only change fields by options; an empty text removes a field
  suspend, retire AGENT   refuse the agent from now on; suspend first says what that stops
  resume AGENT            accept the agent again
  export                  print the agents that somebody has decided on, as TOML
  import FILE             compare such a file with the registry, or with --yes change the registry by it
AGENT is the agent as list, log and X-Agent-Id show it, or with --issuer the id that the issuer gives it. If an id
begins with the issuer's agent_prefix, the command does nothing until you add --as-id, or --as-name. Without these
options the token also needs scope edgewarden:read.
Exit status: 0 done, or no agent differs or needs anything, 1 the gate refused, or one does, 2 cannot tell.`,
  options: (command) =>
    withNames(withGate(command, AGENTS_SCOPE))
      .addArgument(new Argument('<action>', 'what to do').choices(ACTIONS))
      .argument('[agent]', 'id of the agent; for import, a file')
      .option('--issuer <iss>', 'the issuer of the agent, as in iss, or its name in the policy')
      .addOption(
        new Option('--status <status>', 'list only with this status').choices(AGENT_STATUSES),
      )
      .addOption(
        new Option('--needs <need>', 'list only agents that need this').choices(AGENT_NEEDS),
      )
      .option('--name <text>', 'display name')
      .option('--owner <who>', 'who answers for it; may be repeated', collect)
      .option('--purpose <text>', 'what the agent is for')
      .option('--client <id>', "the agent's client: an id, or the URL of its metadata")
      .option('--checksum <sha256>', 'approved checksum of its code; may be repeated', collect)
      .option('--registration <id>', 'approved registration; may be repeated', collect)
      .option('--thumbprint <jkt>', 'approved key; may be repeated', collect)
      .option('--seen', 'approve also the checksums, registrations and keys that it has used')
      .option('--review-by <date>', 'when somebody must review the agent again')
      .option('--expires <date>', 'when the approval of the agent ends')
      .option('--reason <text>', 'the reason, for those who read it later')
      .option('--force', 'suspend or retire even the agent of this call')
      .option('--yes', 'with import: change the agents that differ'),
  run: ([action = '', agent], options, process) => agents(action, agent, options, process),
}

const agents = async (
  action: string,
  agent: string | undefined,
  asked: AgentsOptions,
  process: Process,
): Promise<Outcome> => {
  const isOfAll = ['list', 'review', 'export', 'import'].includes(action)
  const named = await issuerOf(asked, isOfAll ? undefined : agent, 'edgewarden:read', process)
  if (!named.ok) return named.reason
  const { issuer } = named.value
  const options = { ...asked, ...named.value }
  const call: CallAgents = async (path, more) => {
    const answer = await callAs(options, AGENTS_SCOPE, process, `/agents${path}`, more)
    return answer.ok ? ok(answer.value.body) : answer
  }
  if (isOfAll) return ofAll(action, agent, options, call, process)
  if (agent === undefined || issuer === undefined) {
    return cannotTell(
      `Which agent? To ${action} an agent, give it as log shows it, or its id and --issuer.`,
    )
  }
  return ofOne(action, { issuer, agent }, options, call, process)
}

const ofAll = async (
  action: string,
  named: string | undefined,
  options: AgentsOptions,
  call: CallAgents,
  process: Process,
): Promise<Outcome> => {
  const { issuer, status, needs, yes = false } = options
  const isReview = action === 'review'
  const { found, fault } = await listAs(options, AGENTS_SCOPE, process, ['/agents', 'agents'], {
    most: Number.POSITIVE_INFINITY,
    query: {
      ...{ issuer, status, needs: needs ?? (isReview ? 'any' : undefined) },
      find: action === 'import' ? undefined : named,
    },
  })
  if (fault) return fault
  if (action === 'import') return importAgents(named, found, yes, call)
  if (action === 'export') {
    const toml = agentsToml(found)
    return { exitCode: EXIT.yes, json: { toml }, out: toml.trimEnd().split('\n'), err: [] }
  }
  const names = ['agent', 'status', 'owners', 'last seen', 'needs']
  const rows = found.map((one) => [
    `${textIn(one, 'agent_name') ?? textIn(one, 'agent')}`,
    standingText(one),
    listOf(own(one, 'owners')).join(', ') || '–',
    (textIn(objectOf(own(one, 'seen')), 'last') ?? 'never').slice(0, 10),
    listOf(own(one, 'needs')).join(', ') || '–',
  ])
  return {
    exitCode: isReview && rows.length > 0 ? EXIT.no : EXIT.yes,
    json: { agents: found },
    out: rows.length > 0 ? columns([names, ...rows]) : ['There are none.'],
    err: [],
  }
}

const ofOne = async (
  action: string,
  who: { readonly issuer: string; readonly agent: string },
  options: AgentsOptions,
  call: CallAgents,
  process: Process,
): Promise<Outcome> => {
  const { issuer, agent } = who
  const { reason, force, asName } = options
  const key = { issuer, [asName ? 'agent_name' : 'agent']: agent }
  if (action === 'adopt' || action === 'show') {
    const isShown = action === 'show'
    const found = await call(isShown ? '/entry' : '/adopt', { query: key })
    if (!found.ok) {
      const { reason: refused } = found
      const near = refused.exitCode === EXIT.no ? await nearestTo(call, who, asName) : ''
      return near === '' ? refused : { ...refused, err: [...refused.err, near.trim()] }
    }
    return isShown ? shown(found.value) : adoptedOutcome(found.value)
  }
  if (action === 'approve' || action === 'set') {
    const status = action === 'approve' && { status: 'approved' }
    const body: Record<string, unknown> = { ...fieldsOf(options), ...status, ...given({ reason }) }
    if (Object.keys(body).length === 0) return cannotTell('Say what to set. Give options.')
    const write = async () => {
      const found = await call('/entry', { query: key })
      if (!found.ok && codeOf(found) !== 'agent_unknown') return found
      if (found.ok && options.seen) addSeen(body, objectOf(own(found.value, 'agent')))
      const version = found.ok && textIn(objectOf(own(found.value, 'agent')), 'version')
      const fresh = withoutNull({ status: 'discovered', ...body })
      return found.ok
        ? await call('/entry', { method: 'PATCH', query: key, body, match: `"${version}"` })
        : await call('/entry', { method: 'PUT', query: key, body: fresh })
    }
    const first = await write()
    // The registry may have learned of the agent from a call since it was asked.
    const changed = codeOf(first) === 'agent_version_missing' ? await write() : first
    return changed.ok ? shown(changed.value) : changed.reason
  }
  const subject = { kind: 'agent', issuer, [asName ? 'agent_name' : 'value']: agent }
  if (action !== 'resume') await tellStopped(subject, options, process, process.waiting)
  const body = { ...key, reason, force }
  const changed = await call(`/${action}`, { method: 'POST', body })
  if (!changed.ok) return changed.reason
  const outcome = shown(changed.value)
  const stopped = objectOf(own(objectOf(changed.value), 'agent'))
  if (own(objectOf(own(stopped, 'seen')), 'first') !== undefined) return outcome
  const name = textIn(stopped, 'agent_name') ?? agent
  const near = await nearestTo(call, who, asName)
  const doubt = `warning: the gate has seen no call of this agent: is ${name} of ${issuer} right?${near}`
  return { ...outcome, err: [...outcome.err, doubt] }
}

/** The code of a refused call. */
const codeOf = (called: Awaited<ReturnType<CallAgents>>): unknown =>
  called.ok ? undefined : own(objectOf(own(objectOf(called.reason.json), 'problem')), 'code')

/** The most checksums, registrations and keys that an entry can have. */
const MOST_PINS = 10

/** Adds the checksums, registrations and keys that an agent has used to those that are approved; keeps the latest. */
const addSeen = (body: Record<string, unknown>, agent: JsonObject): void => {
  const seen = objectOf(own(agent, 'seen'))
  for (const name of ['checksums', 'registrations', 'keys']) {
    const all = [body[name] ?? own(agent, name), own(seen, name)].flatMap(listOf)
    if (all.length > 0) body[name] = [...new Set(all)].slice(-MOST_PINS)
  }
}

const withoutNull = (body: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))

/** The fields of an agent that options give; an empty text removes a field. */
const fieldsOf = (options: AgentsOptions): JsonObject => {
  const { name, owner, purpose, client, reviewBy, expires } = options
  const { checksum: checksums, registration: registrations, thumbprint: keys } = options
  const of = { name, owners: owner, purpose, client, checksums, registrations, keys }
  const texts = { ...of, review_by: reviewBy, expires }
  return Object.fromEntries(
    Object.entries(texts).flatMap(([member, value]) =>
      value === undefined ? [] : [[member, String(value) === '' ? null : value]],
    ),
  )
}
