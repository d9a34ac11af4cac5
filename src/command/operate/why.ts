import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { type CommandRow, type Surroundings, withGate } from '../base/command.ts'
import {
  decisionText,
  denialOf,
  textIn,
  whatText,
  whenText,
  whoText,
} from '../base/decision-lines.ts'
import { readFilePolicy } from '../base/file-policy.ts'
import { cannotTell, columns, EXIT, type Outcome, present } from '../base/output.ts'
import { AUDIT_SCOPE, callAs, type GateOptions } from './access.ts'
import { decisions } from './log.ts'
import { type Rejudged, rejudge, rejudgedText } from './rejudge.ts'

interface WhyOptions extends GateOptions {
  readonly config?: string
  readonly env?: string
}

export const whyCommand: CommandRow<WhyOptions> = {
  usage: 'why REQUEST_ID',
  description: 'Say why a running gate allowed or refused a request, from its audit.',
  example:
    'why 5b0c8f6e-0f0d-4f0e-9a0a-2f1f5f0d7c11 --gate https://api.my-company.com --key ops.jwk',
  options: (command) =>
    withGate(command, AUDIT_SCOPE)
      .argument('<request-id>', 'X-Request-Id of the answer, from the gate or from the origin')
      .option('--config <file>', 'also say what this wrangler.toml would decide')
      .option('--env <name>', 'decide by this environment of the file'),
  help: `
Callers choose request ids, so there may be several decisions.`,
  run: ([id], options, process) => why(id ?? '', options, process),
}

/** Decisions that are explained at most: a caller may reuse a request id. */
const MOST = 10

const why = async (id: string, options: WhyOptions, around: Surroundings): Promise<Outcome> => {
  if (id === '') return cannotTell('Which request? Give the id of the request, as in X-Request-Id.')
  const { config, env } = options
  const read = config === undefined ? undefined : await readFilePolicy({ file: config, env })
  if (read && !read.ok) return read.reason
  const { found, cursor, fault } = await decisions({ request_id: id }, MOST, options, around)
  if (fault) return fault
  if (found.length === 0) {
    const message = `No decision with the request id ${id} is stored, or this token may not see it.`
    return { exitCode: EXIT.no, json: { decisions: [] }, out: [], err: [message] }
  }
  const explained: Explained[] = []
  for (const record of found.toReversed()) {
    const path = `/decisions/${textIn(record, 'id')}`
    const answer = await callAs(options, AUDIT_SCOPE, around, path)
    if (!answer.ok) return answer.reason
    const { body } = answer.value
    const here = read && (await rejudge(read.value.policy, record))
    const today = own(body, 'today')
    explained.push({ decision: record, rule: own(body, 'rule'), today, ...(here && { here }) })
  }
  return {
    exitCode: EXIT.yes,
    json: { decisions: explained },
    out: explained.flatMap((one, i) => [...(i > 0 ? [''] : []), ...linesOf(one)]),
    err: present([
      cursor !== undefined && `Only the latest ${MOST} are shown; see edgewarden log --request-id.`,
    ]),
  }
}

/** A decision, its rule then and today, and what a file would decide. */
interface Explained extends JsonObject {
  readonly here?: Rejudged
}

const linesOf = (explained: Explained): readonly string[] => {
  const record = objectOf(own(explained, 'decision'))
  const rule = objectOf(own(explained, 'rule'))
  const denial = denialOf(textIn(record, 'code'))
  const rows: readonly (readonly [label: string, text: string | undefined])[] = [
    ['when', whenText(record)],
    ['who', whoText(record)],
    ['what', whatText(record)],
    ['approved by', approvedText(record)],
    ['refused by', denial?.stage],
    ['because', denial?.summary],
    ['found', pairs(objectOf(own(record, 'detail')))],
    ['what to do', denial?.hint],
    ['not stored', unstoredText(record)],
    ['rule then', Object.keys(rule).length > 0 ? JSON.stringify(rule) : undefined],
    ...todayRows(objectOf(own(explained, 'today')), rule),
    ['by this file', explained.here && rejudgedText(explained.here)],
    ...MEMBERS.map((name) => [name, textIn(record, name)] as const),
  ]
  const given = rows.filter((row): row is readonly [string, string] => Boolean(row[1]))
  return [decisionText(record), ...columns(given.map(([label, text]) => [`  ${label}`, text]))]
}

/** Who has approved the call, and by which approval. */
const approvedText = (record: JsonObject): string | undefined => {
  const by = objectOf(own(record, 'approved_by'))
  const subject = textIn(by, 'subject')
  return subject && `${subject} of ${textIn(by, 'issuer')}, approval ${textIn(record, 'approval')}`
}

/** Which values of the path a refusal may have been about, where the record has none of them. */
const unstoredText = (record: JsonObject): string | undefined => {
  const has = ['path', 'path_values'].some((name) => own(record, name) !== undefined)
  const names = textIn(record, 'route')?.match(/\{\w+\}/g) ?? []
  return textIn(record, 'decision') !== 'denied' || has || names.length === 0
    ? undefined
    : `the value of ${names.join(' and ')}: with audit_path = "values" of its rule, later records have it`
}

/** What differs today: the rule, and what is revoked. */
const todayRows = (today: JsonObject, then: JsonObject) => {
  const rule = objectOf(own(today, 'rule'))
  const isThere = Object.keys(rule).length > 0
  const isSame = JSON.stringify(rule) === JSON.stringify(then)
  const told = isThere
    ? isSame
      ? 'the same'
      : JSON.stringify(rule)
    : 'there is no rule of this name'
  const revoked = listOf(own(today, 'revocations'))
    .filter(isObject)
    .map((entry) => ['kind', 'value', 'id'].flatMap((name) => textIn(entry, name) ?? []).join(' '))
  return [
    ['rule today', own(today, 'changed') === true ? told : undefined],
    ['revoked now', revoked.join(', ')],
  ] as const
}

/** Members of the record that are shown as they are. */
const MEMBERS = [
  ...['issuer', 'claimed_issuer', 'jti', 'client', 'workflow'],
  ...['origin_status', 'origin_request_id', 'duration', 'policy', 'id'],
]

const pairs = (detail: JsonObject): string =>
  Object.entries(detail)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
