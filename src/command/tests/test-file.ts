import { dirname, resolve } from 'node:path'
import { type PlaceOf, readToml } from '../../compare/wrangler/places.ts'
import type { AskedOfMcp } from '../../gate/answer/mcp-explain.ts'
import { connectionField, toldConnection } from '../../gate/app/connection.ts'
import { decodeExplanation } from '../../gate/app/explain-request.ts'
import { isObject, type JsonObject, listOf, own } from '../../gate/base/json.ts'
import type { RequestHead } from '../../gate/base/request.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { isFieldName } from '../../gate/base/text.ts'
import type { GuardContext } from '../../gate/guard/guard.ts'
import { flag, text, word } from '../../gate/policy/reading/fields.ts'
import { type PolicyIssue, pathText, type Report, under } from '../../gate/policy/reading/issues.ts'
import {
  list,
  type Readable,
  reads,
  readTable,
  required,
  table,
} from '../../gate/policy/reading/table.ts'
import { given } from '../base/command.ts'
import { readToken } from '../base/explain-request.ts'
import { issueLine } from '../base/file-policy.ts'
import { readText } from '../base/files.ts'
import { instant } from '../base/times.ts'

/** `would_deny`: a rule in shadow mode lets a request through that it would deny. */
export const DECISIONS = ['allowed', 'denied', 'would_deny'] as const

/** `required`: nobody has approved the call. `granted`: a person has. */
export const APPROVALS = ['required', 'granted'] as const

/** What is expected of a decision, or the result of a decision. Absent members are not compared. */
export interface Expected {
  readonly decision?: (typeof DECISIONS)[number]
  readonly code?: string
  /** `match` of the rule. */
  readonly rule?: string
  /** Whether the call waits for a person, or is let through because one has approved it. */
  readonly approval?: (typeof APPROVALS)[number]
  /** Headers of the request to the origin: a value, or whether the header must be there. */
  readonly headers?: Readonly<Record<string, string | boolean>>
}

/** One request, and what the policy is expected to decide. */
export interface TestCase {
  readonly name: string
  readonly index: number
  /** Where it begins in its file. */
  readonly line: number
  readonly request: RequestHead
  readonly body?: string
  /** What it asks of an MCP server, as far as the file says. */
  readonly asked: AskedOfMcp | undefined
  /** Name of the issuer's table; without it the `iss` of the claims, or the first that the rule takes. */
  readonly issuer?: string
  /** What the token says beside what is filled in; without claims and token the request has none. */
  readonly claims?: JsonObject
  /** Claims that are not filled in. */
  readonly without: readonly string[]
  /** Taken as signed by its issuer. */
  readonly token?: string
  /** The token is bound to a key of this run, and a DPoP proof is sent. */
  readonly bound: boolean
  readonly around: Pick<GuardContext, 'caller' | 'connection'>
  /** Seconds since the epoch. */
  readonly at?: number
  /** Whether a person has approved the call; by default nobody has. */
  readonly approval?: (typeof APPROVALS)[number]
  readonly expect?: Expected
}

/** A file of cases, as it is written and as it is read. */
export interface TestFile {
  readonly file: string
  readonly text: string
  readonly placeOf: PlaceOf
  readonly cases: readonly TestCase[]
}

const some = text((value) => (value === '' ? fail('must not be empty') : ok(value)))
const tableField = reads<JsonObject>((value) =>
  isObject(value) ? ok(value) : fail('must be a table'),
)

const SHARED = {
  issuer: some,
  claims: tableField,
  bound: flag,
  connection: connectionField,
  at: reads<number>((value) => instant(String(value))),
}

const EXPECT = {
  decision: word(DECISIONS),
  code: some,
  rule: some,
  approval: word(APPROVALS),
  headers: reads<NonNullable<Expected['headers']>>((value) =>
    isObject(value) &&
    Object.entries(value).every(
      ([name, one]) => isFieldName(name) && ['string', 'boolean'].includes(typeof one),
    )
      ? ok(value as NonNullable<Expected['headers']>)
      : fail('must be a table of header → its value, or whether it is there: true or false'),
  ),
}

const FIELDS = {
  ...SHARED,
  name: required(some),
  request: required(
    reads<JsonObject>((value) => {
      const [, method, url] = /^(\S+) +(\S+)$/.exec(typeof value === 'string' ? value : '') ?? []
      if (isObject(value)) return ok(value)
      return url === undefined ? fail('must be "METHOD URL", or a table') : ok({ method, url })
    }),
  ),
  token: some,
  without: list(some),
  approval: word(APPROVALS),
  expect: table(EXPECT),
}

/**
 * Reads the cases of a TOML file. A URL that begins with `/` is one of `origin`. A failure is every mistake
 * in the file, each with its place.
 */
export async function readTestFile(
  file: string,
  origin: string,
): Promise<Result<TestFile, readonly string[]>> {
  const content = await readText(file)
  if (!content.ok) return fail([content.reason])
  const read = readToml(content.value)
  if ('mistake' in read) {
    const { line, column } = read.place
    return fail([`${file}:${line}:${column}: not valid TOML: ${read.mistake}`])
  }
  const { placeOf } = read
  const issues: string[] = []
  const report: Report = (path, message) => {
    const key = pathText('', path)
    const { line, column } = placeOf(key)
    issues.push(issueLine({ path: `${file}:${line}:${column}: ${key}`, message }))
  }
  const top = readTable(
    { defaults: table(SHARED), case: required(list(tableField)) },
    read.value,
    report,
  )
  const lines = content.value.split('\n')
  for (const path of [['defaults'], ...listOf(top.case).map((_, i) => ['case', i])]) {
    const { line, column } = placeOf(pathText('', [...path, 'at']))
    const text = lines[line - 1]?.slice(column - 1) ?? ''
    // The parser reads a day that is not in the calendar as another day.
    const [, day, time] = AT.exec(text) ?? []
    const moment = day === undefined ? ok(0) : instant(`${day}T${time}`)
    if (!moment.ok) report([...path, 'at'], moment.reason)
  }
  const cases = await Promise.all(
    listOf(top.case).map((one, index) => {
      const { line } = placeOf(`case[${index}]`)
      const place = { index, line, origin, file, defaults: top.defaults ?? {} }
      return readCase(one, place, under(report, 'case', index))
    }),
  )
  return issues.length > 0
    ? fail(issues)
    : ok({ file, text: content.value, placeOf, cases: cases.flatMap((one) => one ?? []) })
}

/** `at` with a date of TOML that is a moment. */
const AT =
  /^(?:[^=]*\.)?[ \t]*["']?at["']?[ \t]*=[ \t]*(\d{4}-\d\d-\d\d)[Tt ]([\d:.]+(?:[Zz]|[+-]\d\d:\d\d))/

interface Given extends Pick<TestCase, 'index' | 'line'> {
  readonly file: string
  readonly origin: string
  readonly defaults: Readable<typeof SHARED>
}

const readCase = async (
  value: unknown,
  { index, line, file, origin, defaults }: Given,
  report: Report,
): Promise<TestCase | undefined> => {
  const entry = readTable(FIELDS, value, report)
  const { name, request, token, without = [], approval, expect } = entry
  const isMinted = entry.claims !== undefined || entry.issuer !== undefined || entry.bound === true
  if (token !== undefined && isMinted)
    report(['token'], 'may not be written beside claims, issuer or bound')
  const head = request && readHead(request, origin, under(report, 'request'))
  if (head?.request.headers.has('authorization') && (isMinted || token !== undefined))
    report(['request', 'headers'], 'has an Authorization beside claims, issuer, bound or token')
  const sent = token === undefined ? undefined : await readToken(besides(file, token), noInput)
  if (sent && !sent.ok) report(['token'], sent.reason.replace('--token: ', ''))
  const at = entry.at ?? defaults.at
  const issuer = entry.issuer ?? defaults.issuer
  if (name === undefined || !head) return undefined
  return {
    name,
    index,
    line,
    ...head,
    ...given({ issuer, at, approval, expect, token: sent?.ok ? sent.value : undefined }),
    ...(isMinted && { claims: { ...defaults.claims, ...entry.claims } }),
    bound: isMinted && (entry.bound ?? defaults.bound ?? false),
    without,
    around: toldConnection({ ...defaults.connection, ...entry.connection }),
  }
}

const noInput = () => Promise.resolve('')

/** The path of a file with a token is relative to the file of the case. */
const besides = (file: string, token: string): string =>
  token.startsWith('@') ? `@${resolve(dirname(file), token.slice(1))}` : token

const readHead = (
  { body, ...rest }: JsonObject,
  origin: string,
  report: Report,
): Pick<TestCase, 'request' | 'body' | 'asked'> | undefined => {
  const url = own(rest, 'url')
  const whole = typeof url === 'string' && url.startsWith('/') ? origin + url : url
  for (const name of ['token', 'connection'].filter((one) => Object.hasOwn(rest, one)))
    report([name], 'belongs beside `request`, not in it')
  if (body !== undefined && typeof body !== 'string' && !isObject(body))
    report(['body'], 'must be text, or a table that is sent as JSON')
  if (body !== undefined && Object.hasOwn(rest, 'mcp'))
    report(['body'], 'is made from `mcp` in this case')
  const decoded = decodeExplanation({ ...rest, url: whole })
  if (!decoded.ok) {
    for (const { path, message } of decoded.reason as readonly PolicyIssue[])
      report([path], message)
    return undefined
  }
  const { request, asked } = decoded.value
  if (isObject(body) && !request.headers.has('content-type'))
    request.headers.set('content-type', 'application/json')
  return {
    request,
    asked,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  }
}
