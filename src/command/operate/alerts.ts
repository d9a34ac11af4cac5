import { Argument } from 'commander'
import { isObject, type JsonObject, listOf, own } from '../../gate/base/json.ts'
import { VERDICTS, type Verdict } from '../../gate/model/watch.ts'
import { type CommandRow, type Surroundings, withGate } from '../base/command.ts'
import { textIn, whenText } from '../base/decision-lines.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { callAs, type GateOptions } from './access.ts'

interface AlertsOptions extends GateOptions {
  readonly all?: boolean
  readonly issuer?: string
}

const SCOPE = 'edgewarden:agents'
const WHAT = ['list', 'show', ...VERDICTS] as const

export const alertsCommand: CommandRow<AlertsOptions> = {
  usage: 'alerts',
  description: 'List alerts of a running gate about unusual agents, show one, or decide on one.',
  example: 'alerts dismiss 17 --gate https://api.my-company.com --key ops.jwk',
  options: (command) =>
    withGate(command, SCOPE)
      .addArgument(new Argument('[what]', 'what to do').choices(WHAT).default('list'))
      .argument('[id]', 'number of the alert, as list shows it')
      .option('--all', 'list also alerts that somebody has decided on')
      .option('--issuer <iss>', 'list only alerts about agents of this issuer: its iss, or name'),
  help: `
dismiss: the agent is fine. The gate learns that this is usual, and ends the quarantine or throttle.
release: ends the quarantine or throttle only. suspend: stops the agent until it is resumed.`,
  run: ([what = 'list', id], options, process) => alerts(what, id, options, process),
}

const alerts = async (
  what: string,
  id: string | undefined,
  options: AlertsOptions,
  around: Surroundings,
): Promise<Outcome> => {
  if (what === 'list') {
    return id === undefined
      ? listed(options, around)
      : cannotTell(`list takes no id; show ${id} does`)
  }
  if (id === undefined || !/^\d{1,15}$/.test(id)) {
    return cannotTell(`Which one? Give the number of an alert: alerts ${what} 17`)
  }
  const isShown = what === 'show'
  const answer = isShown
    ? await callAs(options, SCOPE, around, `/alerts/${id}`)
    : await callAs(options, SCOPE, around, `/alerts/${id}/${what}`, { method: 'POST' })
  if (!answer.ok) return answer.reason
  const { body } = answer.value
  const alert = own(body, 'alert')
  if (!isObject(alert)) return cannotTell('The gate answered without an alert; is --gate right?')
  const out = isShown ? details(alert) : [`${SAID[what as Verdict]}: ${line(alert)}`]
  return { exitCode: EXIT.yes, json: body, out, err: [] }
}

const SAID: Readonly<Record<Verdict, string>> = {
  dismiss: 'Dismissed, and learned',
  release: 'Quarantine ended',
  suspend: 'Agent suspended',
}

const listed = async (
  { all, issuer, ...options }: AlertsOptions,
  around: Surroundings,
): Promise<Outcome> => {
  const query = { open: all ? undefined : 'true', issuer }
  const answer = await callAs(options, SCOPE, around, '/alerts', { query })
  if (!answer.ok) return answer.reason
  const { body } = answer.value
  const found = listOf(own(body, 'alerts')).filter(isObject)
  const more = own(body, 'cursor') === undefined ? [] : ['There are more, older ones.']
  const out = found.length > 0 ? found.map(line) : ['There is no alert.']
  return { exitCode: EXIT.yes, json: body, out, err: more }
}

/** An alert on one line. */
const line = (alert: JsonObject): string => {
  const quarantine = own(alert, 'quarantine')
  const stopped =
    isObject(quarantine) && own(quarantine, 'lifted') === undefined
      ? `, ${own(quarantine, 'throttle') ? `throttled to ${own(quarantine, 'throttle')} a minute` : 'quarantined'} until ${whenText({ time: own(quarantine, 'until') })}`
      : ''
  const verdict = textIn(alert, 'verdict')
  return [
    `${textIn(alert, 'id')}  ${whenText({ time: own(alert, 'at') })}  `,
    `${textIn(alert, 'agent_name') ?? textIn(alert, 'agent')}  ${textIn(alert, 'signal')}  `,
    `usual ${JSON.stringify(own(alert, 'usual'))}, seen ${JSON.stringify(own(alert, 'seen'))}`,
    stopped,
    verdict === undefined ? '' : `, ${verdict} by ${textIn(alert, 'judged_by')}`,
  ].join('')
}

const details = (alert: JsonObject): readonly string[] => [
  line(alert),
  ...listOf(own(alert, 'requests')).map((id) => `  edgewarden why ${id}`),
]

/** What a table of WATCH has learned of an agent, on one line. */
export function watchedText(watched: JsonObject): string {
  const of = (name: string) => textIn(watched, name) ?? ''
  const learning = listOf(own(watched, 'learning')).join(', ')
  return [
    `${of('watch')}: ${of('requests_an_hour')} requests an hour since ${of('since').slice(0, 10)}`,
    `${of('rules_and_tools')} rules and tools, ${of('scopes')} scopes`,
    `${of('countries')} countries, ${of('networks')} networks`,
    learning === '' ? 'all is learned' : `learning: ${learning}`,
  ].join('; ')
}
