import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { denialGroups } from './denials.ts'
import { utc } from './times.ts'

/** The text of a member; `undefined` where it has none. */
export function textIn(record: JsonObject, name: string): string | undefined {
  const value = own(record, name)
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

/** When a decision was made: in UTC and, where that differs, on this machine's clock. */
export function whenText(record: JsonObject): string {
  const date = new Date(String(own(record, 'time')))
  const text = utc(date.getTime() / 1000)
  if (Number.isNaN(date.getTime()) || date.getTimezoneOffset() === 0) return text
  return `${text} (${date.toTimeString().slice(0, 'HH:mm:ss'.length)} here)`
}

const USED_UP: Readonly<Record<string, string>> = {
  rows_a_day: 'rows of the day (AUDIT.rows_a_day)',
  bytes_a_day: 'bytes of the day (half of AUDIT.max_size)',
}

/** What the audit did not store, and why. */
export function gapText(gap: JsonObject): string {
  const [since, until] = ['since', 'until'].map((name) => whenText({ time: own(gap, name) }))
  const records = textIn(gap, 'records')
  const missing =
    records === undefined ? 'Decisions are missing' : `At least ${records} decisions are missing`
  const issuer = textIn(gap, 'issuer')
  const strangers = own(gap, 'share') === 'strangers' ? ' for strangers' : ''
  const whose = issuer === undefined ? strangers : ` for ${issuer}`
  const used = USED_UP[textIn(gap, 'reason') ?? '']
  return used === undefined
    ? `More decisions${whose} were made than the audit could store. ${missing} between ${since} and ${until}.`
    : `The audit stopped${whose} at ${since}, because its ${used} were used up. ${missing} until ${until}.`
}

/** Who acted: the person who decided, or the operator whose key it was; or the agent, and for whom: the further actors of the chain, and the subject. */
export function whoText(record: JsonObject): string {
  const person = textIn(objectOf(own(record, 'decided_by')), 'subject')
  const operator = person ?? textIn(record, 'operator')
  if (operator !== undefined) return operator
  const agent = textIn(record, 'agent_name') ?? textIn(record, 'agent')
  if (textIn(record, 'act') === 'policy') return 'a deployment'
  // An alert has the agent that it is about.
  const isOfGate = agent === undefined || textIn(record, 'act') === 'alert'
  if (isOfGate && isAct(record)) return 'the gate'
  if (agent === undefined) return textIn(record, 'issuer') === undefined ? 'a stranger' : 'nobody'
  const actors = listOf(own(record, 'actors'))
    .filter(isObject)
    .flatMap((actor) => textIn(actor, 'sub') ?? [])
  const names = [...actors, textIn(record, 'subject')].filter((name) => name !== undefined)
  const others = names.filter((name) => name !== textIn(record, 'agent') && name !== agent)
  return [agent, ...new Set(others)].join(' for ')
}

/** Whether a record is of an administrator's act, and not of a call. */
const isAct = (record: JsonObject): boolean =>
  textIn(record, 'kind') === 'act' && textIn(record, 'decision') === undefined

/** Digits of a hash that are shown. */
const DIGITS = 8

/** A version and its policy. */
export function deploymentText(record: JsonObject): string {
  const version = textIn(record, 'version')
  const policy = `policy ${textIn(record, 'policy')?.slice(0, DIGITS)}`
  return version === undefined ? policy : `version ${version}, ${policy}`
}

/** The policy before a deployment. */
const beforeText = (record: JsonObject): string => {
  const before = textIn(record, 'before')
  if (before === undefined) return 'the one before is not known'
  return before === textIn(record, 'policy') ? 'as before' : `before: ${before.slice(0, DIGITS)}`
}

/** What an act has changed, whom it hit, and why. */
const changeText = (record: JsonObject): string => {
  const isAlert = textIn(record, 'act') === 'alert'
  if (textIn(record, 'act') === 'policy') {
    return `${deploymentText(record)} (${beforeText(record)})`
  }
  const about = { kind: 'agent', value: own(record, 'agent'), issuer: own(record, 'issuer') }
  const entries = isAlert ? [about] : listOf(own(record, 'entries')).filter(isObject)
  const keys = Object.entries(objectOf(own(record, 'keys'))).flatMap(([name, kids]) =>
    listOf(kids).map((kid) => `key ${kid} ${name}`),
  )
  const records = textIn(record, 'records')
  const named = entries.map((entry) => {
    const what = ['kind', 'value'].flatMap((name) => textIn(entry, name) || []).join(' ')
    return `${what} of ${textIn(entry, 'issuer')}`
  })
  const reasons = new Set(entries.flatMap((entry) => textIn(entry, 'reason') ?? []))
  return [
    ...(isAlert ? [textIn(record, 'signal') ?? ''] : []),
    ...named,
    ...keys,
    ...(records === undefined ? [] : [`${records} records`]),
    ...[...reasons].map((reason) => `reason: ${reason}`),
    ...[textIn(record, 'approval') ?? []].flat().map((id) => `approval ${id}`),
  ].join(', ')
}

/** What was asked for, or changed: the rule with the recorded values of its path, and what was used of an MCP server. */
export function whatText(record: JsonObject): string {
  if (isAct(record)) return changeText(record)
  const method = textIn(record, 'method')
  const route = textIn(record, 'route')
  if (route === undefined) return 'no rule'
  const path = route.slice(route.indexOf(' ') + 1)
  const called = textIn(record, 'path')
  const values = Object.entries(objectOf(own(record, 'path_values')))
  const mcp = objectOf(own(record, 'mcp'))
  const [batch, leftOut] = [listOf(own(mcp, 'batch')).filter(isObject), textIn(mcp, 'left_out')]
  const messages = [mcp, ...batch].flatMap((message) => {
    const times = textIn(message, 'times')
    const names = ['method', 'name'].flatMap((name) => textIn(message, name) ?? [])
    return [...names, ...(times === undefined ? [] : [`×${times}`])]
  })
  return [
    `${method ?? route.split(' ')[0]} ${called === undefined ? path : `${called} (${path})`}`,
    ...values.map(([name, value]) => `${name}=${value}`),
    ...messages,
    ...(leftOut === undefined ? [] : [`and ${leftOut} messages more`]),
  ].join(' ')
}

/** The decision with its code; for an act, what was done. */
export function decisionText(record: JsonObject): string {
  if (isAct(record)) return `act ${textIn(record, 'act')}`
  const shadowed = own(record, 'would_deny') === true ? ['would deny'] : []
  return [textIn(record, 'decision') ?? '', ...shadowed, textIn(record, 'code') ?? '']
    .filter((text) => text !== '')
    .join(' ')
}

/** What this version of the command says about a code, and the stage that has this code. */
export function denialOf(code: string | undefined) {
  return denialGroups()
    .flatMap(({ title, rows }) =>
      rows.map(([name, [, summary, hint]]) => ({ name, stage: title, summary, hint })),
    )
    .find(({ name }) => name === code)
}
