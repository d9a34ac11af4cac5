import { isObject, type JsonObject, listOf, own } from '../../gate/base/json.ts'
import { USAGE_BY } from '../../gate/model/audit.ts'
import { type CommandRow, type Surroundings, withGate } from '../base/command.ts'
import { gapText, textIn, whenText } from '../base/decision-lines.ts'
import { cannotTell, columns, EXIT, type Outcome, present } from '../base/output.ts'
import { AUDIT_SCOPE, callAs } from './access.ts'
import { csvLines, type DecisionOptions, queryOf, withFilters } from './log.ts'

interface UsageOptions extends DecisionOptions {
  readonly by: string
  readonly every?: string
}

export const usageCommand: CommandRow<UsageOptions> = {
  usage: 'usage',
  description: 'Count the decisions that the audit of a running gate has stored.',
  example:
    'usage --gate https://api.my-company.com --key ops.jwk --by agent,rule --every hour --from 1d',
  options: (command) =>
    withFilters(withGate(command, AUDIT_SCOPE))
      .option(
        '--by <members>',
        `count by these, separated by commas: ${USAGE_BY.join(', ')}`,
        'agent',
      )
      .option('--every <span>', 'also count by minute, hour or day, in UTC'),
  help: `
p50 and p95 are milliseconds to the head of the answer: 50 and 95 of 100 decisions took no longer.`,
  run: (_, options, process) => usage(options, process),
}

const usage = async (options: UsageOptions, around: Surroundings): Promise<Outcome> => {
  const { every, csv } = options
  const by = options.by.replace(/\s/g, '')
  const query = queryOf(options, around.now())
  if (!query.ok) return cannotTell(query.reason)
  const asked = { query: { ...query.value, by, every } }
  const answer = await callAs(options, AUDIT_SCOPE, around, '/usage', asked)
  if (!answer.ok) return answer.reason
  const { body } = answer.value
  const groups = listOf(own(body, 'usage')).filter(isObject)
  const names = [
    ...(every === undefined ? [] : ['time']),
    ...by.split(',').flatMap((name) => (PERSONAL.includes(name) ? ['issuer', name] : [name])),
    ...['decisions', 'denied', 'p50', 'p95'],
  ]
  const columnsOf = [...new Set(names)]
  const cell = (group: JsonObject, name: string) =>
    (name === 'time' ? whenText(group) : (textIn(group, `${name}_name`) ?? textIn(group, name))) ??
    '–'
  const rows = groups.map((group) => columnsOf.map((name) => cell(group, name)))
  return {
    exitCode: EXIT.yes,
    json: body,
    out: csv
      ? csvLines(groups, columnsOf)
      : rows.length === 0
        ? ['No decision was found.']
        : columns([columnsOf, ...rows]),
    err: notesOf(body),
  }
}

/** Members that are names of an issuer. */
const PERSONAL = ['agent', 'subject']

/** What the counts lack. */
const notesOf = (body: JsonObject): readonly string[] => {
  const since = own(body, 'since')
  const leftOut = textIn(body, 'left_out')
  return present([
    since !== undefined &&
      `There are too many decisions to count: only those since ${whenText({ time: since })} are.`,
    leftOut !== undefined && `${leftOut} groups with few decisions are left out.`,
    ...listOf(own(body, 'dropped')).filter(isObject).map(gapText),
  ])
}
