/** Headers and query parameters that a rule reads: each must have one reading (`parameter_ambiguous`). */
import { decode } from './paths.ts'
import { type Rule, readWhen } from './rule.ts'
import { type Request, refuse } from './types.ts'
import { isReadAsName, spelling } from './values.ts'

/** What a rule reads of a request, beside its path. */
export interface Parameters {
  /** Headers that the rule's condition lists, if the request has them. */
  headers: Record<string, string>
  /** Query parameters that the rule's condition lists, if the request has them. */
  query: Record<string, string>
  /** The workflow that the request names, if the rule asks for one. */
  workflow: string | undefined
}

const MOST_PARAMETERS = 100

/** Reads everything that the rule reads, or refuses. */
export function readParameters(
  rule: Rule,
  request: Request,
  query: string | undefined,
  params: Record<string, string>,
): Parameters {
  const conditions = conditionsOf(rule)
  const headers: Record<string, string> = {}
  for (const name of conditions.flatMap((when) => when.headers)) {
    const value = readHeader(request, name)
    if (value?.includes(',')) refuse('parameter_ambiguous')
    if (value !== undefined) headers[name] = value
  }
  const names = conditions.flatMap((when) => when.query)
  const form = readForm(rule, names, query)
  const asked: Record<string, string> = {}
  for (const name of names) {
    const value = form[name]
    if (value !== undefined) asked[name] = value
  }
  return { headers, query: asked, workflow: readWorkflow(rule, request, form, params) }
}

/** Those of the rule, and of all that may be used of an MCP server, whatever a request uses. */
function conditionsOf({ when, mcp, approval }: Rule): NonNullable<Rule['when']>[] {
  const needs = [mcp?.tools, mcp?.prompts, mcp?.resources].flatMap((all) =>
    Object.values(all ?? {}),
  )
  const uses = needs.flatMap((need) => ('when' in need && need.when ? [readWhen(need.when)] : []))
  const approvals = needs.flatMap((need) => ('approval' in need ? (need.approval ?? []) : []))
  const read = [...(approval ? [approval] : []), ...approvals].flatMap((one) => [
    ...(one.unless === undefined ? [] : [readWhen(one.unless)]),
    // The headers that an approval is bound to are read as well.
    { condition: '', headers: one.headers ?? [], query: [] },
  ])
  return [...(when ? [when] : []), ...uses, ...read]
}

function readWorkflow(
  rule: Rule,
  request: Request,
  form: Record<string, string>,
  params: Record<string, string>,
): string | undefined {
  if (rule.workflow === undefined) return undefined
  const { from, name } = rule.workflow
  if (from === 'path') return params[name]
  const value = from === 'query' ? form[name] : readHeader(request, name)
  if (value === undefined || value === '') refuse('parameter_ambiguous')
  if (from === 'header' && value.includes(',')) refuse('parameter_ambiguous')
  return value
}

/** The value of a header that the request has at most once and in one spelling. */
function readHeader(request: Request, name: string): string | undefined {
  const same = request.headers.filter(([other]) => spelling(other) === spelling(name))
  const [first, second] = same
  if (second !== undefined) refuse('parameter_ambiguous')
  const connection = request.headers
    .filter(([other]) => other.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((each) => spelling(each.trim())))
  if (connection.includes(spelling(name))) refuse('parameter_ambiguous')
  if (first === undefined) return undefined
  if (first[0].toLowerCase() !== name.toLowerCase()) refuse('parameter_ambiguous')
  if (!/^[\x20-\x7e\t]*$/.test(first[1])) refuse('parameter_ambiguous')
  return first[1].trim()
}

/** Reads the query as a form, if the rule reads a parameter of it: the values of the names that it reads. */
function readForm(rule: Rule, names: string[], query: string | undefined): Record<string, string> {
  const read = [...names, ...(rule.workflow?.from === 'query' ? [rule.workflow.name] : [])]
  const values: Record<string, string> = {}
  if (read.length === 0 || query === undefined || query === '') return values
  if (/[^\x21-\x7e]|[;?]/.test(query)) refuse('parameter_ambiguous')
  const pairs = query.split('&')
  if (pairs.length > MOST_PARAMETERS) refuse('parameter_ambiguous')
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    const [rawName, rawValue] =
      equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
    const name = formText(rawName)
    const value = formText(rawValue)
    if (rawValue.includes(']=') || name.startsWith('[')) refuse('parameter_ambiguous')
    if (/\p{Cc}/u.test(name) || /%[0-9A-Fa-f]{2}/.test(name)) refuse('parameter_ambiguous')
    for (const asked of read) {
      if (name === asked) {
        if (asked in values || /\p{Cc}/u.test(value)) refuse('parameter_ambiguous')
        values[asked] = value
      } else if (isReadAsName(name, asked)) refuse('parameter_ambiguous')
    }
  }
  return values
}

/** Decodes a name or a value of a form. */
function formText(text: string): string {
  const plain = text.replaceAll('+', ' ')
  if (/%(?![0-9A-Fa-f]{2})/.test(plain)) refuse('parameter_ambiguous')
  return decode(plain) ?? refuse('parameter_ambiguous')
}
