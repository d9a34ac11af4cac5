import { Argument, Option } from 'commander'
import { type JsonObject, listOf, objectOf, own } from '../../core/json.ts'
import { AGENT_NEEDS, AGENT_STATUSES } from '../../core/model/agents.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { AGENTS_SCOPE, callAs, type GateOptions } from './access.ts'
import { agentsToml, type CallAgents, importAgents } from './agents-file.ts'
import { watchedText } from './alerts.ts'
import { type CommandRow, collect, type Process, withGate } from './command.ts'
import { textIn } from './decision-lines.ts'
import { faultOutcome } from './gate-client.ts'
import { isIssuerName, issuerNamed } from './leaked.ts'
import { cannotTell, columns, EXIT, type Outcome } from './output.ts'
import { tellStopped } from './revoke-seen.ts'
import { tomlValue } from './toml-statements.ts'

const ACTIONS = [
  ...['list', 'review', 'show', 'approve', 'set', 'suspend', 'resume', 'retire'],
  ...['adopt', 'export', 'import'],
]

interface AgentsOptions extends GateOptions {
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
  name: 'agents',
  docs: [
    'agents ACTION [AGENT]',
    'lists, approves, suspends and reviews the agents that a running gate knows',
  ],
  description: 'List and change the agents in the registry of a running gate.',
  example:
    'agents suspend agent-7 --issuer https://auth.my-company.com --reason "odd calls" \\\n    --gate https://api.my-company.com --key ops.jwk',
  help: `
Actions:
  list, review [AGENT]    list all agents, or those that need something; with AGENT those whose id begins with it
  show, adopt AGENT       show one agent, or print rules of a policy for what it has really used
  approve, set AGENT      approve the agent, or only change fields by options; an empty text removes a field
  suspend, retire AGENT   refuse the agent from now on; suspend first says what that stops
  resume AGENT            accept the agent again
  export                  print the agents that somebody has decided on, as TOML
  import FILE             compare such a file with the registry, or with --yes change the registry by it
If --issuer is the name of the issuer's table, the token also needs scope edgewarden:read.
Exit status: 0 done, or no agent differs or needs anything, 1 the gate refused, or one does, 2 cannot tell.`,
  options: (command) =>
    withGate(command, AGENTS_SCOPE)
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
      .option('--purpose <text>', 'what it is for')
      .option('--client <id>', "the agent's client: an id, or the URL of its metadata")
      .option('--checksum <sha256>', 'approved checksum of its code; may be repeated', collect)
      .option('--registration <id>', 'approved registration; may be repeated', collect)
      .option('--thumbprint <jkt>', 'approved key; may be repeated', collect)
      .option('--seen', 'approve also the checksums, registrations and keys that it has used')
      .option('--review-by <date>', 'when somebody must review it again')
      .option('--expires <date>', 'when its approval ends')
      .option('--reason <text>', 'the reason, for those who read it later')
      .option('--force', 'suspend or retire even the agent of this call')
      .option('--yes', 'with import: change what differs'),
  run: ([action = '', agent], options, process) => agents(action, agent, options, process),
}

const agents = async (
  action: string,
  agent: string | undefined,
  given: AgentsOptions,
  process: Process,
): Promise<Outcome> => {
  const options = await withIssuer(given, process)
  if (!options.ok) return options.reason
  const call: CallAgents = async (method, path, more) => {
    const answer = await callAs(options.value, AGENTS_SCOPE, process, ({ prefix }) => ({
      method,
      path: `${prefix}/agents${path}`,
      ...more,
    }))
    return answer.ok ? ok(answer.value.body) : fail(faultOutcome(answer.reason))
  }
  if (['list', 'review', 'export', 'import'].includes(action)) {
    return ofAll(action, agent, options.value, call)
  }
  const { issuer } = options.value
  if (agent === undefined || issuer === undefined) {
    return cannotTell(`Which agent? Give its id and --issuer to ${action} it.`)
  }
  return ofOne(action, { issuer, agent }, options.value, call, process)
}

const withIssuer = async (
  options: AgentsOptions,
  process: Process,
): Promise<Result<AgentsOptions, Outcome>> => {
  const { issuer } = options
  if (!isIssuerName(issuer)) return ok(options)
  const policy = await callAs(options, 'edgewarden:read', process, ({ prefix }) => ({
    method: 'GET',
    path: `${prefix}/policy`,
  }))
  if (!policy.ok) return fail(faultOutcome(policy.reason))
  return ok({ ...options, issuer: issuerNamed(issuer, policy.value.body) })
}

/** Every agent of a query, over all pages. */
async function allAgents(
  call: CallAgents,
  query: Readonly<Record<string, string>>,
): Promise<Result<readonly JsonObject[], Outcome>> {
  const found: JsonObject[] = []
  let cursor: string | undefined
  do {
    const asked = new URLSearchParams({ ...query, limit: '1000', ...(cursor && { cursor }) })
    const page = await call('GET', `?${asked}`)
    if (!page.ok) return page
    found.push(...listOf(own(page.value, 'agents')).map(objectOf))
    const next = textIn(page.value, 'cursor')
    if (next === cursor) break
    cursor = next
  } while (cursor !== undefined)
  return ok(found)
}

const ofAll = async (
  action: string,
  named: string | undefined,
  { issuer, status, needs, yes }: AgentsOptions,
  call: CallAgents,
): Promise<Outcome> => {
  const isReview = action === 'review'
  const found = await allAgents(call, {
    ...(issuer !== undefined && { issuer }),
    ...(status !== undefined && { status }),
    ...((needs ?? isReview) && { needs: needs ?? 'any' }),
    ...(named !== undefined && action !== 'import' && { find: named }),
  })
  if (!found.ok) return found.reason
  if (action === 'import') return importAgents(named, found.value, yes === true, call)
  if (action === 'export') {
    const toml = agentsToml(found.value)
    return { exitCode: EXIT.yes, json: { toml }, out: toml.trimEnd().split('\n'), err: [] }
  }
  const names = ['agent', 'status', 'owners', 'last seen', 'needs']
  const rows = found.value.map((one) => [
    `${textIn(one, 'agent_name') ?? textIn(one, 'agent')}`,
    textIn(one, 'status') ?? '',
    listOf(own(one, 'owners')).join(', ') || '–',
    (textIn(objectOf(own(one, 'seen')), 'last') ?? 'never').slice(0, 10),
    listOf(own(one, 'needs')).join(', ') || '–',
  ])
  return {
    exitCode: isReview && rows.length > 0 ? EXIT.no : EXIT.yes,
    json: { agents: found.value },
    out: rows.length > 0 ? columns([names, ...rows]) : ['There are none.'],
    err: [],
  }
}

type Key = { readonly issuer: string; readonly agent: string }

const ofOne = async (
  action: string,
  key: Key,
  options: AgentsOptions,
  call: CallAgents,
  process: Process,
): Promise<Outcome> => {
  const { reason, force } = options
  const query = `?${new URLSearchParams(key)}`
  if (action === 'adopt') {
    const adopted = await call('GET', `/adopt${query}`)
    return adopted.ok ? adoptedOutcome(adopted.value) : adopted.reason
  }
  if (action === 'show') {
    const found = await call('GET', `/entry${query}`)
    return found.ok ? shown(found.value) : found.reason
  }
  const why = { ...(reason !== undefined && { reason }) }
  if (action === 'approve' || action === 'set') {
    const status = action === 'approve' && { status: 'approved' }
    const body: Record<string, unknown> = { ...fieldsOf(options), ...status, ...why }
    if (Object.keys(body).length === 0) return cannotTell('What is to be set? Give options.')
    const found = await call('GET', `/entry${query}`)
    const isNew = !found.ok && own(objectOf(own(objectOf(found.reason.json), 'problem')), 'code')
    if (!found.ok && isNew !== 'agent_unknown') return found.reason
    if (found.ok && options.seen) addSeen(body, objectOf(own(found.value, 'agent')))
    const version = found.ok && textIn(objectOf(own(found.value, 'agent')), 'version')
    const changed = found.ok
      ? await call('PATCH', `/entry${query}`, { body, match: `"${version}"` })
      : await call('PUT', `/entry${query}`, {
          body: withoutNull({ status: 'discovered', ...body }),
        })
    return changed.ok ? shown(changed.value) : changed.reason
  }
  const subject = { kind: 'agent', issuer: key.issuer, value: key.agent }
  if (action !== 'resume') await tellStopped(subject, options, process, process.waiting)
  const body = { ...key, ...why, ...(force && { force }) }
  const changed = await call('POST', `/${action}`, { body })
  return changed.ok ? shown(changed.value) : changed.reason
}

/** The most that an entry takes of each. */
const MOST_PINS = 10

/** Adds what an agent came with to what is approved of it; the latest stay. */
const addSeen = (body: Record<string, unknown>, agent: JsonObject): void => {
  const seen = objectOf(own(agent, 'seen'))
  for (const name of ['checksums', 'registrations', 'keys']) {
    const all = [body[name] ?? own(agent, name), own(seen, name)].flatMap(listOf)
    if (all.length > 0) body[name] = [...new Set(all)].slice(-MOST_PINS)
  }
}

const withoutNull = (body: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))

/** What options say of an agent; an empty text removes. */
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

/** The agent of an answer. Of a change that not every shard has yet it is not known whether it is in effect. */
const shown = (body: JsonObject): Outcome => {
  const agent = objectOf(own(body, 'agent'))
  const isPending = own(body, 'pending') === true
  const seen = Object.entries(objectOf(own(agent, 'seen')))
  const told = seen.map(([name, value]) => [name in agent ? `seen ${name}` : name, value] as const)
  const watched = listOf(own(agent, 'watched')).map((one) => [
    'watched by',
    watchedText(objectOf(one)),
  ])
  const lines = [...Object.entries(agent), ...told, ...watched].flatMap(([name = '', value]) =>
    ['seen', 'version', 'watched'].includes(name) || (Array.isArray(value) && value.length === 0)
      ? []
      : [[`  ${name}`, typeof value === 'string' ? value : JSON.stringify(value)]],
  )
  const status = textIn(agent, 'status') ?? 'changed'
  return {
    exitCode: isPending ? EXIT.unknown : EXIT.yes,
    json: body,
    out: [`${textIn(agent, 'agent_name') ?? textIn(agent, 'agent')}: ${status}`, ...columns(lines)],
    err: isPending ? ['Not every shard of the revocation set has it yet; it is sent again.'] : [],
  }
}

const adoptedOutcome = (body: JsonObject): Outcome => {
  const scopes = objectOf(own(body, 'scopes'))
  const [used, unused] = ['used', 'unused'].map((name) => listOf(own(scopes, name)))
  const rules = listOf(own(body, 'rules')).map(objectOf)
  const out = rules.flatMap((rule) => {
    const tools = own(rule, 'tools')
    return [
      ...(own(rule, 'gone') === true ? ['# The policy does not have this rule any more.'] : []),
      '[[vars.ROUTES]]',
      `match = ${tomlValue(own(rule, 'match'))}`,
      `scopes = ${tomlValue(own(rule, 'scopes') ?? [])}`,
      ...(tools === undefined ? [] : [`mcp = ${tomlValue({ tools })}`]),
      '',
    ]
  })
  return {
    exitCode: rules.length > 0 ? EXIT.yes : EXIT.no,
    json: body,
    out: [
      `# Used of the scopes of its tokens: ${used?.join(' ') || 'none'}; not used: ${unused?.join(' ') || 'none'}`,
      ...out,
    ],
    err: rules.length > 0 ? [] : ['It has used nothing in 90 days.'],
  }
}
