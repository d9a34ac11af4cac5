import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { GuardContext } from '../../core/guard.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { decodeJwsPart, splitJws } from '../../core/jws.ts'
import { LIMITS } from '../../core/limits.ts'
import type { RequestHead } from '../../core/request.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { connectionField, toldConnection } from '../../gateway/apps/connection.ts'
import { decodeExplanation } from '../../gateway/apps/explain-request.ts'
import type { AskedOfMcp } from '../../mcp/explain.ts'
import { flag, text } from '../../policy/fields.ts'
import { type PolicyIssue, pathText, type Report, under } from '../../policy/issues.ts'
import { field, readTable, required } from '../../policy/table.ts'
import { issueLine } from './file-policy.ts'
import { readText } from './files.ts'
import { cannotTell, EXIT, type Outcome } from './output.ts'
import { instant } from './times.ts'

/** A request with a token, and whether the conditions for it are to hold. */
export interface Example {
  /** Where it stands, with its name. */
  readonly path: string
  readonly claims: JsonObject
  readonly request: RequestHead
  /** What it asks of an MCP server, as far as it is told. */
  readonly asked: AskedOfMcp | undefined
  readonly around: Pick<GuardContext, 'caller' | 'connection'>
  /** Seconds since the epoch; by default when its token was issued, or now. */
  readonly at: number
  readonly expect: boolean | undefined
}

const claimsField = field<JsonObject>((value, report) => {
  if (isObject(value)) return value
  report([], 'must be a table of claims')
  return undefined as never
})

/** Its claims alone: an example proves nothing. */
const tokenField = text<JsonObject>((value) => {
  const parts = splitJws(value)
  const claims = parts && decodeJwsPart(parts.payload)
  return claims ? ok(claims) : fail('must be a signed token; or give its claims')
})

const FIELDS = {
  name: required(text((value) => (value === '' ? fail('must not be empty') : ok(value)))),
  claims: claimsField,
  token: tokenField,
  request: required(claimsField),
  connection: connectionField,
  at: text(instant),
  expect: flag,
}

/** Reads examples from a file; a failure is every mistake in it, or why it cannot be read. */
const readExamples = async (
  file: string,
  now: number,
): Promise<Result<readonly Example[], string | readonly PolicyIssue[]>> => {
  const content = await readText(file)
  if (!content.ok) return content
  const list = parseJson(content.value, LIMITS.messageDepth)
  if (list === undefined) return fail(`${file} is no JSON, or has a name twice in one object`)
  if (!Array.isArray(list))
    return fail(`${file} must be a list: [ { "name", "claims", "request" } ]`)
  const issues: PolicyIssue[] = []
  const report: Report = (path, message) => issues.push({ path: pathText(file, path), message })
  const examples = list.flatMap((one: unknown, i) =>
    readExample(one, i, file, now, under(report, i)),
  )
  return issues.length > 0 ? fail(issues) : ok(examples)
}

const readExample = (
  value: unknown,
  index: number,
  file: string,
  now: number,
  report: Report,
): readonly Example[] => {
  const entry = readTable(FIELDS, value, report)
  const { name, request, claims = entry.token, connection } = entry
  if (
    isObject(value) &&
    ['claims', 'token'].filter((key) => Object.hasOwn(value, key)).length !== 1
  )
    report([], 'must have either claims or token, and not both')
  const wanted = request && decodeExplanation(request)
  if (wanted && !wanted.ok)
    for (const { path, message } of wanted.reason) report(['request', path], message)
  if (name === undefined || !claims || !wanted?.ok) return []
  const issuedAt = own(claims, 'iat')
  return [
    {
      path: `${pathText(file, [index])} ${JSON.stringify(name)}`,
      claims,
      request: wanted.value.request,
      asked: wanted.value.asked,
      around: toldConnection(connection),
      at: entry.at ?? (typeof issuedAt === 'number' ? issuedAt : now),
      expect: entry.expect,
    },
  ]
}

/** What examples are called where no name is given. */
const USUAL = 'edgewarden.examples.json'

/**
 * The examples of a wrangler.toml: those of a file that is named, else of `edgewarden.examples.json`
 * beside it, if there is one. A failure is how the command ends.
 */
export async function examplesFor(
  config: string,
  given: string | undefined,
): Promise<Result<readonly Example[], Outcome>> {
  const file = given ?? join(dirname(config), USUAL)
  if (given === undefined && !existsSync(file)) return ok([])
  const read = await readExamples(file, Date.now() / 1000)
  if (read.ok) return read
  if (typeof read.reason === 'string') return fail(cannotTell(read.reason))
  return fail({
    exitCode: EXIT.no,
    json: { valid: false, file, error: 'The examples are not well formed', examples: read.reason },
    out: [],
    err: read.reason.map((issue) => issueLine(issue, '')),
  })
}
