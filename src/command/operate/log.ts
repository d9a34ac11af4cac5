import { type Command, Option } from 'commander'
import { durationMs } from '../../gate/base/duration.ts'
import { isObject, type JsonObject, listOf, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { DECISION_FILTERS, RECORD_KINDS } from '../../gate/model/audit.ts'
import { type CommandRow, type Process, type Surroundings, withGate } from '../base/command.ts'
import {
  decisionText,
  gapText,
  textIn,
  whatText,
  whenText,
  whoText,
} from '../base/decision-lines.ts'
import { cannotTell, columns, EXIT, type Outcome, present } from '../base/output.ts'
import { instant } from '../base/times.ts'
import { AUDIT_SCOPE, type GateOptions, type Listed, listAs } from './access.ts'
import { changesOf, deploymentsOf } from './deployments.ts'
import { follow } from './follow.ts'

/** Filters, and the time. */
export interface DecisionOptions extends GateOptions {
  readonly from?: string
  readonly until?: string
  readonly csv?: boolean
  readonly json?: boolean
  readonly [filter: string]: unknown
}

interface LogOptions extends DecisionOptions {
  readonly limit?: string
  readonly all?: boolean
  readonly follow?: boolean
}

const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())

export const logCommand: CommandRow<LogOptions> = {
  usage: 'log',
  description: 'Show the decisions that the audit of a running gate has stored, the latest last.',
  example: 'log --gate https://api.my-company.com --key ops.jwk --agent acme/agent-42 --from 1h',
  options: (command) =>
    withFilters(withGate(command, AUDIT_SCOPE), [...FILTERS, ...ON])
      .option('--limit <count>', 'show at most this many, the latest ones (default: 100)')
      .option('--all', 'show all decisions')
      .option('--follow', 'go on, and show new decisions as they come, until Ctrl-C'),
  help: `
With --json --follow each decision is a line of JSON. --follow connects again by itself, and misses nothing.
--kind policy lists deployments, and says what each of them changed; with --csv in the column changed.`,
  run: (_, options, process) => log(options, process),
}

/** Filters that take certain words only. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  decision: ['allowed', 'denied'],
  kind: RECORD_KINDS,
  own: ['true', 'false'],
}

/** The options that select decisions, with the parameters of the gate. */
const FILTERS = [
  ['agent', 'agent_name', 'only of this agent, as log shows it'],
  ['agent_id', 'agent', 'only of the agent with this id from its issuer; needs --issuer'],
  ['issuer', 'issuer', 'only of this issuer, as in iss, or its name in the policy'],
  ...DECISION_FILTERS.filter((name) => !['agent', 'issuer'].includes(name)).map(
    (name) => [name, name, `only with this ${name.replace('_', ' ')}`] as const,
  ),
  ['own', 'own', "false: without calls of the gate's own endpoints"],
] as const

/** Those that name whom acts hit. */
const ON = [
  ['on_agent', 'on_agent_name', 'only acts on this agent, as log shows it'],
  ['on_agent_id', 'on_agent', 'only acts on the agent with this id from its issuer'],
  ['on_issuer', 'on_issuer', 'the issuer of that agent'],
] as const

/** The options for filters, time and form of decisions. */
export function withFilters(
  command: Command,
  filters: readonly (readonly [name: string, parameter: string, meaning: string])[] = FILTERS,
): Command {
  for (const [name, , meaning] of filters) {
    const option = new Option(`--${name.replaceAll('_', '-')} <text>`, meaning)
    const words = WORDS[name]
    command.addOption(words ? option.choices(words) : option)
  }
  return command
    .option(
      '--from <time>',
      'only decisions since then: a duration ago (1h), a date with time, or seconds',
    )
    .option('--until <time>', 'only decisions before then, in the same formats')
    .option('--csv', 'comma-separated values')
}

const LIMIT = 100

const log = async (options: LogOptions, around: Process): Promise<Outcome> => {
  const query = queryOf(options, around.now())
  if (!query.ok) return cannotTell(query.reason)
  const most = options.all ? Number.POSITIVE_INFINITY : Number(options.limit ?? LIMIT)
  if (!(most >= 1)) return cannotTell('--limit must be a number, 1 or more')
  const read = () => decisions(query.value, most, options, around)
  if (options.follow && ('on_agent' in query.value || 'on_agent_name' in query.value)) {
    return cannotTell(
      '--follow shows decisions of all, so it takes no --on-agent and no --on-agent-id',
    )
  }
  if (options.follow) return followed(query.value, read, options, around)
  const list = await read()
  if (list.fault) return list.fault
  const records = list.found.toReversed()
  if (records.length === 0 && own(list.first ?? {}, 'cursor') !== undefined) {
    // Only an answer of one empty page says that a name is unknown. Nothing is stored of the time from now.
    const { until: _, ...filters } = query.value
    const asked = { ...filters, from: around.now().toFixed(3) }
    const { fault } = await decisions(asked, 1, options, around)
    if (fault) return fault
  }
  const dropped = droppedIn(list)
  const more = list.cursor === undefined ? [] : ['There are more: add --all, or a higher --limit.']
  const isDeployed = options.kind === 'policy'
  const none = isDeployed ? 'No deployment was found.' : 'No decision was found.'
  const listing = { acts: records, isToNow: options.until === undefined }
  const deployed = isDeployed ? await deploymentsOf(listing, options, around) : ok(undefined)
  if (!deployed.ok) return deployed.reason
  const { json = {}, lines = [], now = [] } = deployed.value ?? {}
  return {
    exitCode: EXIT.yes,
    json: { decisions: records, ...(dropped.length > 0 && { dropped }), ...json },
    out: options.csv
      ? csvOf(records, options, lines)
      : [
          ...linesOf(records).flatMap((line, i) => [line, ...(lines[i] ?? [])]),
          ...(records.length === 0 ? [none] : []),
          ...now,
        ],
    err: [...dropped.map(gapText), ...more, ...(records.length === 0 ? hintsOf(options) : [])],
  }
}

/** What to try if nothing was found. */
const hintsOf = ({ agent, agentId, kind }: LogOptions): readonly string[] =>
  present([
    agentId !== undefined &&
      '--agent-id is the id that the issuer gives it. The name as log shows it: --agent.',
    agent !== undefined &&
      '--agent is the name as log shows it. An id without the agent_prefix of its issuer: --agent-id with --issuer.',
    kind === 'policy' &&
      'A deployment is stored with its first requests. Only a token that may administer every issuer sees it.',
  ])

/** The latest decisions of a query, the latest first. */
export function decisions(
  query: Readonly<Record<string, string>>,
  most: number,
  options: GateOptions,
  around: Surroundings,
): Promise<Listed> {
  return listAs(options, AUDIT_SCOPE, around, ['/decisions', 'decisions'], { query, most })
}

/** What the audit did not store of the time of a list. */
const droppedIn = ({ first = {} }: Listed): readonly JsonObject[] =>
  listOf(own(first, 'dropped')).filter(isObject)

/** Shows what is stored, and then what comes. The stream is opened before the list is read: nothing is between them. */
const followed = async (
  { until: _, from: __, ...query }: Readonly<Record<string, string>>,
  read: () => Promise<Listed>,
  options: LogOptions,
  around: Process,
): Promise<Outcome> => {
  const seen = new Set<unknown>()
  const show = async (records: readonly JsonObject[], isFirst = false) => {
    const fresh = records.filter((record) => !seen.delete(own(record, 'id')))
    const isDeployed = options.kind === 'policy' && fresh.length > 0
    const read = isDeployed ? await changesOf(fresh, options, around) : ok([])
    if (!read.ok) around.waiting.tell(`What changed is not known: ${read.reason.err[0]}`)
    const changes = read.ok ? read.value : []
    const words = changes.map(({ lines }) => lines)
    const lines = options.json
      ? fresh.map((record, i) => JSON.stringify({ ...record, ...changes[i]?.compared }))
      : options.csv
        ? csvOf(fresh, options, words).slice(isFirst ? 0 : 1)
        : linesOf(fresh).flatMap((line, i) => [line, ...(words[i] ?? []).map((one) => `  ${one}`)])
    for (const line of lines) around.print(line)
  }
  const showGap = (gap: JsonObject) =>
    options.json
      ? around.print(JSON.stringify({ kind: 'dropped', ...gap }))
      : around.waiting.tell(gapText(gap))
  const begin = async () => {
    const list = await read()
    if (list.fault) return list.fault
    for (const gap of droppedIn(list)) showGap(gap)
    await show(list.found.toReversed(), true)
    for (const record of list.found) seen.add(own(record, 'id'))
    return undefined
  }
  return follow(query, options, around, { begin, show, showGap })
}

/** The query as the gate takes it. */
export function queryOf(
  options: DecisionOptions,
  now: number,
): Result<Readonly<Record<string, string>>, string> {
  const query: Record<string, string> = {}
  for (const [name, parameter] of [...FILTERS, ...ON]) {
    const value = options[camel(name)]
    if (typeof value === 'string') query[parameter] = value
  }
  if (options.agentId !== undefined && (query.issuer === undefined || 'agent_name' in query)) {
    return fail('--agent-id needs --issuer, and no --agent')
  }
  if (
    'on_agent_name' in query ? 'on_agent' in query : 'on_agent' in query !== 'on_issuer' in query
  ) {
    return fail('--on-agent names an agent, or --on-agent-id and --on-issuer do together')
  }
  for (const name of ['from', 'until'] as const) {
    const text = options[name]
    if (text === undefined) continue
    const ago = durationMs(text)
    const at = ago === undefined ? instant(text) : ok(now - ago / 1000)
    if (!at.ok) return fail(`--${name}: ${at.reason}, or a duration ago, such as 1h`)
    query[name] = at.value.toFixed(3)
  }
  return ok(query)
}

const linesOf = (records: readonly JsonObject[]): readonly string[] =>
  columns(
    records.map((record) => [
      whenText(record),
      decisionText(record),
      whoText(record),
      whatText(record),
      textIn(record, 'origin_status') ?? '–',
      textIn(record, 'duration') === undefined ? '–' : `${textIn(record, 'duration')} ms`,
      textIn(record, 'request_id') ?? '',
    ]),
  )

/** The members of a record that CSV has. */
const CSV = [
  ...['time', 'id', 'request_id', 'decision', 'code', 'issuer', 'agent', 'subject', 'workflow'],
  ...['actors', 'jti', 'method', 'route', 'path_values', 'mcp', 'origin_status', 'duration'],
  ...['act', 'entries', 'operator'],
]

/** Records as CSV. Deployments also have what they are, and in words what each changed. */
const csvOf = (
  records: readonly JsonObject[],
  { kind }: LogOptions,
  words: readonly (readonly string[])[],
): readonly string[] =>
  kind === 'policy'
    ? csvLines(
        records.map((one, i) => ({
          ...one,
          changed: words[i]?.map((line) => line.trim()).join('; '),
        })),
        [...CSV, 'version', 'policy', 'before', 'changed'],
      )
    : csvLines(records, CSV)

/** Records as CSV: a line of the members' names, and one of their values for each. */
export function csvLines(records: readonly JsonObject[], names: readonly string[]) {
  const cells = (record: JsonObject) => names.map((name) => csvCell(record, name)).join(',')
  return [names.join(','), ...records.map(cells)]
}

/** A cell (RFC 4180 §2). Spreadsheets run a text that begins like a formula, and callers choose some: it gets a `'`. */
const csvCell = (record: JsonObject, name: string): string => {
  const value = own(record, name)
  if (value === undefined) return ''
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
