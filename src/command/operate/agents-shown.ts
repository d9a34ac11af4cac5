import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { standingText, stoppedText } from '../../gate/model/agents.ts'
import { textIn } from '../base/decision-lines.ts'
import { columns, EXIT, type Outcome, present } from '../base/output.ts'
import { tomlValue } from '../base/toml.ts'
import { watchedText } from './alerts.ts'

/** The agent in an answer. Its change is pending until every shard has the change. */
export function shown(body: JsonObject): Outcome {
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
      : linesOf(name, value).map((text, i) => [i === 0 ? `  ${name}` : '', text]),
  )
  const status = standingText(agent)
  return {
    exitCode: isPending ? EXIT.unknown : EXIT.yes,
    json: body,
    out: [`${textIn(agent, 'agent_name') ?? textIn(agent, 'agent')}: ${status}`, ...columns(lines)],
    err: isPending
      ? ['Not every shard of the revocation set has the change yet; the gate sends it again.']
      : [],
  }
}

/** Agents as `--agent` takes them, and a line for each other object of a list. */
const linesOf = (name: string, value: unknown): readonly string[] => {
  const all = listOf(value)
  if (name === 'parents' || name === 'children') {
    const names = all.map(objectOf).map((one) => {
      const shown = textIn(one, 'agent_name') ?? textIn(one, 'agent')
      return stoppedText(one) ? `${shown} (${stoppedText(one)})` : shown
    })
    return [names.join(', ')]
  }
  if (all.some(isObject)) return all.map((one) => membersText(objectOf(one)))
  if (isObject(value)) return [membersText(value)]
  return [Array.isArray(value) ? value.join(', ') : String(value)]
}

const membersText = (value: JsonObject): string =>
  Object.entries(value)
    .map(([name, one]) => `${name} ${typeof one === 'string' ? one : JSON.stringify(one)}`)
    .join(', ')

/** The outcome of `adopt`: rules that allow what the agent has used. */
export function adoptedOutcome(body: JsonObject): Outcome {
  const scopes = objectOf(own(body, 'scopes'))
  const [used, unused] = ['used', 'unused'].map((name) => listOf(own(scopes, name)))
  const rules = listOf(own(body, 'rules')).map(objectOf)
  const out = rules.flatMap((rule) => {
    const tools = own(rule, 'tools')
    return present([
      own(rule, 'gone') === true && '# The policy does not have this rule any more.',
      '[[vars.ROUTES]]',
      `match = ${tomlValue(own(rule, 'match'))}`,
      `scopes = ${tomlValue(own(rule, 'scopes') ?? [])}`,
      tools !== undefined && `mcp = ${tomlValue({ tools })}`,
      '',
    ])
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
