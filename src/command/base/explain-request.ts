import { type AskedOfMcp, mcpField } from '../../gate/answer/mcp-explain.ts'
import { connectionField, toldConnection } from '../../gate/app/connection.ts'
import { type JsonObject, parseJsonObject } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { GuardContext } from '../../gate/guard/guard.ts'
import { pathText } from '../../gate/policy/reading/issues.ts'
import { type Field, readField } from '../../gate/policy/reading/table.ts'
import { readText } from './files.ts'

/** A request to explain, as the command line says it. */
export interface RequestOptions {
  /** The token itself, `@FILE`, or `-` for standard input. */
  readonly token?: string
  /** `name: value`, each. */
  readonly header?: readonly string[]
  /** Where it comes from, as JSON. */
  readonly connection?: string
  /** What is asked of an MCP server, as JSON. */
  readonly mcp?: string
}

/** A request to explain. `url` is the text as it was given; no parser has seen it. */
export interface AskedRequest {
  readonly method: string
  readonly url: string
  readonly token?: string
  /** All headers but the one that carries `token`. */
  readonly headers: Headers
  /** In the words of conditions, and as it was read from them. */
  readonly connection?: { readonly written: JsonObject } & Pick<
    GuardContext,
    'caller' | 'connection'
  >
  /** What is asked of an MCP server, as it was written, and as it was read. */
  readonly mcp?: { readonly written: JsonObject; readonly asked: AskedOfMcp }
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/
const HEADER = /^([\w!#$%&'*+.^`|~-]+):(.*)$/s
/** An access token of any form: one word. The gate checks whether the token is well-formed. */
const WORD = /^[\x21-\x7e]+$/

/**
 * Reads a request to explain. Refuses what no client can send, or what is surely a slip; the reason of a failure is
 * a sentence for people and repeats nothing that could be a token.
 */
export async function readRequest(
  method: string,
  url: string,
  { token: given, header = [], connection, mcp }: RequestOptions,
  stdin: () => Promise<string>,
): Promise<Result<AskedRequest, string>> {
  if (!TOKEN.test(method)) return fail('METHOD must be one word, such as GET')
  if (!/^https?:\/\/[^/]/i.test(url)) {
    return fail('URL must be whole, such as https://api.my-company.com/v1/documents/7')
  }
  if (url.includes('#')) return fail('URL must end before #: a fragment is never sent')
  const headers = readHeaders(header)
  if (!headers.ok) return headers
  const from = readJson('--connection', connection, connectionField, '{"country":"DE"}')
  if (!from.ok) return from
  const call = '{"method":"tools/call","name":"get_weather"}'
  const message = readJson('--mcp', mcp, mcpField, call)
  if (!message.ok) return message
  if (message.value && method.toUpperCase() !== 'POST') return fail('--mcp goes with method POST')
  const asked = {
    method: method.toUpperCase(),
    url,
    headers: headers.value,
    ...(from.value && {
      connection: { written: from.value.written, ...toldConnection(from.value.read) },
    }),
    ...(message.value && { mcp: { written: message.value.written, asked: message.value.read } }),
  }
  if (given === undefined) return ok(asked)
  if (headers.value.has('authorization')) {
    return fail('Give the credential with --token or with --header "authorization: …", not both.')
  }
  const token = await readToken(given, stdin)
  return token.ok ? ok({ ...asked, token: token.value }) : token
}

/** A token as it is given: itself, `@FILE`, or `-`. No reason of a failure repeats any of it. */
export async function readToken(
  given: string,
  stdin: () => Promise<string>,
): Promise<Result<string, string>> {
  const isFile = given.startsWith('@')
  const read = isFile ? await readText(given.slice(1)) : ok(given === '-' ? await stdin() : given)
  if (!read.ok) return fail(`--token: ${read.reason}`)
  const token = read.value.trim()
  if (WORD.test(token)) return ok(token)
  const place = isFile ? given.slice(1) : given === '-' ? 'standard input' : 'what is given'
  return fail(`--token: ${place} is not one token; write it alone, without the word Bearer`)
}

/** The headers of `--header`. */
export function readHeaders(texts: readonly string[]): Result<Headers, string> {
  const headers = new Headers()
  for (const text of texts) {
    const [, name, value] = HEADER.exec(text) ?? []
    if (name === undefined || value === undefined) {
      return fail('--header must be "name: value", such as "origin: https://app.my-company.com"')
    }
    try {
      headers.append(name, value)
    } catch {
      return fail(`--header: the value of ${name} has a character that no header can hold`)
    }
  }
  return ok(headers)
}

/** The JSON of an option, as it is written and as it is read; `undefined` without the option. */
const readJson = <Value>(
  option: string,
  text: string | undefined,
  schema: Field<Value>,
  example: string,
): Result<{ written: JsonObject; read: NonNullable<Value> } | undefined, string> => {
  if (text === undefined) return ok(undefined)
  const written = parseJsonObject(text)
  if (!written) return fail(`${option} must be JSON, such as '${example}'`)
  const wrong: string[] = []
  const read = readField(schema, written, (path, message) =>
    wrong.push(`${pathText('', path)}: ${message}`),
  )
  return wrong.length === 0 && read ? ok({ written, read }) : fail(`${option}: ${wrong.join('; ')}`)
}
