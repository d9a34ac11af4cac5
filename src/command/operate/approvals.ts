import { Argument } from 'commander'
import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { parseUrl } from '../../gate/base/url.ts'
import { MCP_KINDS } from '../../gate/model/mcp.ts'
import { type CommandRow, type Process, withGate } from '../base/command.ts'
import { textIn, whenText } from '../base/decision-lines.ts'
import { isSecure } from '../base/gate-client.ts'
import { cannotTell, columns, EXIT, type Outcome } from '../base/output.ts'
import { APPROVE_SCOPE, callAs, type GateOptions, listAs } from './access.ts'
import { openUrl } from './console.ts'

interface ApprovalsOptions extends GateOptions {
  readonly decided?: boolean
  readonly standing?: boolean
  readonly issuer?: string
  readonly open?: boolean
}

export const approvalsCommand: CommandRow<ApprovalsOptions> = {
  usage: 'approvals',
  description: 'List calls at a running gate that wait for a person, or show one.',
  example: 'approvals show ID --open --gate https://api.my-company.com --key ops.jwk',
  options: (command) =>
    withGate(command, APPROVE_SCOPE)
      .addArgument(new Argument('[what]', 'what to do').choices(['list', 'show']).default('list'))
      .argument('[id]', 'id of the approval, as list shows it')
      .option('--decided', 'list those that no longer wait, the latest first')
      .option('--standing', 'list standing approvals that are not over, the latest first')
      .option('--issuer <iss>', 'list only calls of agents of this issuer: its iss, or name')
      .option('--open', 'with show: open the page of the console where it is decided'),
  help: `
A person decides, who signs in at the console: this command cannot. show prints the address.`,
  run: ([what = 'list', id], options, process) =>
    what === 'list' ? listed(id, options, process) : shown(id, options, process),
}

const listed = async (
  id: string | undefined,
  { decided, standing, issuer, open, ...options }: ApprovalsOptions,
  around: Process,
): Promise<Outcome> => {
  if (decided && standing) return cannotTell('Give either --decided or --standing')
  if (id !== undefined) return cannotTell(`list takes no id; show ${id} does`)
  if (open) return cannotTell('--open is for show')
  const state = standing ? 'standing' : decided ? 'decided' : 'waiting'
  const list = ['/approvals', 'approvals'] as const
  const { found, fault } = await listAs(options, APPROVE_SCOPE, around, list, {
    ...{ query: { state, issuer }, most: Number.POSITIVE_INFINITY },
  })
  if (fault) return fault
  const out = found.length > 0 ? columns(found.map(rowOf)) : [NONE[state]]
  return { exitCode: EXIT.yes, json: { approvals: found }, out, err: [] }
}

const NONE = {
  waiting: 'No call waits.',
  decided: 'No call was decided in the last three days.',
  standing: 'No standing approval is left.',
}

const shown = async (
  id: string | undefined,
  { decided, standing, issuer, open, ...options }: ApprovalsOptions,
  around: Process,
): Promise<Outcome> => {
  if (id === undefined) return cannotTell('Which one? Give its id: approvals show ID')
  if (decided || standing || issuer !== undefined) {
    return cannotTell('--decided, --standing and --issuer are for list')
  }
  const path = `/approvals/${encodeURIComponent(id)}`
  const answer = await callAs(options, APPROVE_SCOPE, around, path)
  if (!answer.ok) return answer.reason
  const { body } = answer.value
  const url = parseUrl(textIn(body, 'url') ?? '')
  if (open && !(url && isSecure(url))) {
    return cannotTell('The answer of the gate has no address of a console.')
  }
  if (open && url && around.converse) openUrl(url.href)
  return { exitCode: EXIT.yes, json: body, out: linesOf(body), err: [] }
}

const agentOf = (one: JsonObject): string => textIn(one, 'agent_name') ?? textIn(one, 'agent') ?? ''

/** What is asked for: the rule and, of an MCP server, the tool, prompt or resource. */
const whatText = (one: JsonObject): string => {
  const about = objectOf(own(one, 'shown'))
  const named = MCP_KINDS.flatMap((kind) =>
    isObject(own(about, kind)) ? `${kind.slice(0, -1)} ${briefText(own(about, kind))}` : [],
  )
  return [textIn(about, 'rule') ?? '', ...named].join(' ')
}

/** A text that may have been cut. */
const briefText = (brief: unknown): string => {
  const [text, length] = ['text', 'length'].map((name) => textIn(objectOf(brief), name))
  return `${text ?? ''}${length === undefined ? '' : `… (${length} characters)`}`
}

const rowOf = (one: JsonObject): readonly string[] => [
  textIn(one, 'id') ?? '',
  textIn(one, 'state') ?? '',
  agentOf(one),
  whatText(one),
  `asked ${whenText({ time: own(one, 'asked') })}`,
  `until ${whenText({ time: own(one, 'expires') })}`,
  usesText(one) ?? '',
]

/** How often a standing approval was used. */
const usesText = (one: JsonObject): string | undefined => {
  const standing = objectOf(own(one, 'standing'))
  const [used, uses] = ['used', 'uses'].map((name) => textIn(standing, name))
  return used === undefined ? undefined : `${used} of ${uses} uses`
}

const linesOf = (one: JsonObject): readonly string[] => {
  const about = objectOf(own(one, 'shown'))
  const decision = objectOf(own(one, 'decision'))
  const by = objectOf(own(decision, 'by'))
  const pairs = (name: string) =>
    listOf(own(about, name)).map((pair) => {
      const [of, brief] = listOf(pair)
      return [`  ${of}`, briefText(brief)] as const
    })
  const others = own(about, 'not_listed')
  const notShown = [
    ...listOf(own(about, 'not_shown')).map(briefText),
    ...(others === undefined ? [] : [`and ${others} more`]),
  ]
  const texts: readonly (readonly [label: string, text: string | undefined])[] = [
    ['state', textIn(one, 'state')],
    ['agent', `${agentOf(one)} of ${textIn(one, 'issuer')}`],
    ['subject', textIn(objectOf(own(about, 'agent')), 'subject')],
    ['what', whatText(one)],
    ['path', briefText(own(about, 'path'))],
    ['query', briefText(own(about, 'query'))],
    ...pairs('headers'),
    ...pairs('values'),
    ['not shown', notShown.join(', ')],
    ['asked', whenText({ time: own(one, 'asked') })],
    ['until', whenText({ time: own(one, 'expires') })],
    ['standing', usesText(one)],
    ['decided by', textIn(by, 'subject') && `${textIn(by, 'subject')} of ${textIn(by, 'issuer')}`],
    ['reason', textIn(decision, 'reason')],
    ['decide at', textIn(one, 'url')],
  ]
  const given = texts.filter((row): row is readonly [string, string] => Boolean(row[1]))
  return [textIn(one, 'id') ?? '', ...columns(given.map(([label, text]) => [`  ${label}`, text]))]
}
