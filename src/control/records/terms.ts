import { shortHash } from '../../gate/base/bytes.ts'
import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../../gate/base/json.ts'
import { FURTHER } from '../../gate/model/agents.ts'
import type { Counts, DecisionFilter, DecisionQuery } from '../../gate/model/audit.ts'

/** What finds a stored row: a filter, or a record's id. */
type Term = DecisionFilter | 'id'

/** The mark of each term, a character that no hash has, and the members of a record that it compares. */
const TERMS: Readonly<Record<Term, readonly [mark: string, ...members: readonly string[]]>> = {
  id: ['.', 'id'],
  request_id: ['~', 'request_id', 'origin_request_id'],
  agent: ['!', 'agent'],
  issuer: ['*', 'issuer'],
  subject: [':', 'subject'],
  code: [';', 'code'],
  rule: [',', 'route'],
  workflow: ['=', 'workflow'],
  jti: ['+', 'jti'],
  decision: ['@', 'decision'],
  kind: ['#', 'kind', 'act'],
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** 24 bits of a hash, as four characters. If another text has the same hash, a row is read in vain. */
const hashOf = (text: string): string => {
  const hash = shortHash(text)
  return [26, 20, 14, 8].map((shift) => DIGITS[(hash >>> shift) & 63]).join('')
}

/** A term as rows have it. */
export function termText(term: Term, value: string): string {
  return TERMS[term][0] + hashOf(value)
}

const valuesOf = (record: JsonObject, term: Term): readonly unknown[] => {
  const [, ...members] = TERMS[term]
  return members.map((member) => own(record, member)).filter((value) => value !== undefined)
}

/** The people that a record names. Each finds it as its subject does, so that each can be erased from it. */
const personsOf = (record: JsonObject): readonly unknown[] => [
  ...listOf(own(record, 'actors')).map((actor) => isObject(actor) && own(actor, 'sub')),
  ...listOf(own(record, 'entries')).map(
    (entry) => isObject(entry) && own(entry, 'kind') === 'subject' && own(entry, 'value'),
  ),
]

/** Whether a term is of one request, so that nearly each record has another. */
export function isOwnTerm(text: string): boolean {
  return text.startsWith(TERMS.id[0]) || text.startsWith(TERMS.request_id[0])
}

/** The terms of some records, without duplicates. `ids`: those of one request. Each value is hashed once. */
export function termsOf(records: readonly JsonObject[]) {
  const terms = new Set<string>()
  for (const [term, [, ...members]] of Object.entries(TERMS)) {
    const values = new Set<unknown>()
    for (const member of members) for (const record of records) values.add(own(record, member))
    values.delete(undefined)
    for (const value of values) terms.add(termText(term as Term, String(value)))
  }
  for (const name of new Set(records.flatMap(personsOf))) {
    if (typeof name === 'string') terms.add(termText('subject', name))
  }
  const all = [...terms]
  return {
    terms: all.filter((text) => !isOwnTerm(text)).join(''),
    ids: all.filter(isOwnTerm).join(''),
  }
}

/** Upper bounds of the buckets of `duration`, in milliseconds. The last bucket has no bound. */
export const BUCKETS_MS: readonly number[] = [
  5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
]

/**
 * Counts the records that say the same. Acts are not counted. A name is words with a space between them: decision, code and
 * status; `origin` and its status; `rule`, decision and rule; `type`, decision and a type of the agent; `ms`, decision,
 * the bound of a bucket and the rule; `sum`, decision and rule, with the milliseconds of all. Rules and types may have
 * spaces.
 * @example countsOf([{ decision: 'allowed', status: 200 }])['allowed - 200'] // 1
 */
export function countsOf(records: readonly JsonObject[]): Counts {
  const counts: Record<string, number> = {}
  const count = (name: string, more = 1) => {
    counts[name] = (counts[name] ?? 0) + more
  }
  for (const record of records) {
    const { decision, code = '-', status = '-', origin_status: origin, route = '-' } = record
    if (origin !== undefined) count(`origin ${origin}`)
    if (decision === undefined) continue
    count(`${decision} ${code} ${status}`)
    count(`rule ${decision} ${route}`)
    for (const type of new Set(listOf(record.agent_types))) count(`type ${decision} ${type}`)
    const { duration } = record
    if (typeof duration !== 'number') continue
    const bound = BUCKETS_MS.find((most) => duration <= most) ?? '+Inf'
    count(`ms ${decision} ${bound} ${route}`)
    count(`sum ${decision} ${route}`, Math.max(0, Math.round(duration)))
  }
  return counts
}

/** Most rules, and most types of agents, that are counted by name. */
const MOST_NAMED = { rule: 200, type: 50 } as const
/** How many words come before the name of a rule or type, and what is named. */
const NAMED = {
  rule: { words: 2, by: 'rule' },
  type: { words: 2, by: 'type' },
  ms: { words: 3, by: 'rule' },
  sum: { words: 2, by: 'rule' },
} as const

/** The words of a name of {@link countsOf}; a rule or type is one word. */
export function wordsOf(name: string): readonly string[] {
  const all = name.split(' ')
  const { words = 3 } = NAMED[all[0] as keyof typeof NAMED] ?? {}
  return [...all.slice(0, words), ...(all.length > words ? [all.slice(words).join(' ')] : [])]
}

/**
 * Returns a function that adds counts to these, in place. Rules and types beyond a bound are counted together, as
 * {@link FURTHER}, and so is a type of which no request was allowed: an issuer may sign any type.
 */
export function adder(counts: Record<string, number>) {
  const seen = { rule: new Set<string>(), type: new Set<string>() }
  const nameOf = (name: string): string => {
    const words = wordsOf(name)
    const { by } = NAMED[words[0] as keyof typeof NAMED] ?? {}
    const last = words.at(-1) ?? ''
    if (by === undefined || seen[by].has(last)) return name
    const isNamed = seen[by].size < MOST_NAMED[by] && (by === 'rule' || words[1] === 'allowed')
    if (!isNamed) return [...words.slice(0, -1), FURTHER].join(' ')
    seen[by].add(last)
    return name
  }
  const names = Object.keys(counts)
  // Allowed ones first: they name the types.
  for (const name of names.sort()) nameOf(name)
  return (more: Counts): void => {
    for (const [name, times] of Object.entries(more)) {
      const counted = name in counts ? name : nameOf(name)
      counts[counted] = (counts[counted] ?? 0) + times
    }
  }
}

/** The filters of a query with their values. */
export function givenFilters({ filters }: Pick<DecisionQuery, 'filters'>) {
  return Object.entries(filters) as readonly (readonly [DecisionFilter, string])[]
}

/** A function that reads a stored text if it is a record of a query, and else returns `undefined`. It parses few others. */
export function finderOf(query: Omit<DecisionQuery, 'limit' | 'cursor'>) {
  const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY, withoutOwn } = query
  const given = givenFilters(query)
  const marks = given.map(([, value]) => JSON.stringify(value))
  return (text: string): JsonObject | undefined => {
    if (!marks.every((mark) => text.includes(mark))) return undefined
    const record = readRecord(text)
    const time = timeOf(record)
    const fits = given.every(([name, value]) => valuesOf(record, name).includes(value))
    if (withoutOwn !== undefined && isOwnCall(record, withoutOwn)) return undefined
    if (query.on && !isActOn(record, query.on)) return undefined
    return fits && time >= from && time < until ? record : undefined
  }
}

/** Whether a record is of a call of the gate's own endpoints. Acts, which such calls do, are not. */
const isOwnCall = (record: JsonObject, prefix: string): boolean =>
  own(record, 'decision') !== undefined && String(own(record, 'route')).includes(` ${prefix}/`)

/** Whether a record is of an act on an agent. An alert is about its own agent; other acts name whom they hit. */
const isActOn = (record: JsonObject, { issuer, agent }: Required<DecisionQuery>['on']): boolean => {
  const hit =
    own(record, 'act') === 'alert'
      ? [{ issuer: own(record, 'issuer'), value: own(record, 'agent') }]
      : listOf(own(record, 'entries')).filter(isObject)
  return hit.some(
    (one) =>
      (own(one, 'kind') ?? 'agent') === 'agent' &&
      own(one, 'issuer') === issuer &&
      own(one, 'value') === agent,
  )
}

/** When a record's request came, in milliseconds since the epoch. */
export function timeOf(record: JsonObject): number {
  return Date.parse(String(own(record, 'time')))
}

/**
 * The messages of a record's request, by the tool of an MCP server that they call: `undefined` for messages that call
 * none, and {@link FURTHER} for messages that the record has no room for. A request without messages counts as one.
 */
export function toolsOf(record: JsonObject): ReadonlyMap<string | undefined, number> {
  const mcp = objectOf(own(record, 'mcp'))
  const batch = own(mcp, 'batch')
  const tools = new Map<string | undefined, number>()
  const add = (tool: string | undefined, times: unknown) =>
    tools.set(tool, (tools.get(tool) ?? 0) + (typeof times === 'number' ? times : 1))
  for (const message of batch === undefined ? [mcp] : listOf(batch).filter(isObject)) {
    const isCall = own(message, 'method') === 'tools/call'
    add(isCall ? ownText(message, 'name') : undefined, own(message, 'times'))
  }
  const leftOut = own(mcp, 'left_out')
  if (leftOut !== undefined) add(FURTHER, leftOut)
  return tools
}

/** A record: its text, and its members. */
export interface Written {
  readonly text: string
  readonly record: JsonObject
}

/** Reads a record's text. Throws as {@link readRecord} does. */
export function writtenOf(text: string): Written {
  return { text, record: readRecord(text) }
}

/** A stored record. Throws for text that is not a record: only this gate writes it. */
export function readRecord(text: string): JsonObject {
  const record: unknown = JSON.parse(text)
  if (!isObject(record)) throw new Error('no record')
  return record
}
