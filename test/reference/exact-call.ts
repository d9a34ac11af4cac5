/** What an approval is bound to: a text that only the same call has (docs/approvals.md). */
import type { Asked } from './asked.ts'
import { bytesOf } from './body.ts'
import { headerOf } from './credential.ts'
import { inexactMembers, LEVELS_OF_BODY, readJson, readJsonBytes } from './json.ts'
import type { Operation } from './mcp-types.ts'
import { canonicalPath } from './paths.ts'
import type { Rule } from './rule.ts'
import type { Json, Request } from './types.ts'
import type { Verified } from './verification.ts'

/** Whether all servers read the body alike: JSON must be I-JSON in UTF-8, without a coding. */
export function isAlike(request: Request, isMcp: boolean): boolean {
  const bytes = bytesOf(request)
  const type = headerOf(request, 'content-type') ?? ''
  const types = type.split(',').map((one) => one.split(';').map((part) => part.trim()))
  const isJson = isMcp || types.some(([name = '']) => /[/+]json$/i.test(name))
  if (!isJson || bytes.length === 0) return true
  if (headerOf(request, 'content-encoding') !== undefined) return false
  const charsets = types.flat().filter((part) => /^charset\s*=/i.test(part))
  if (!charsets.every((part) => /^charset\s*=\s*("?)utf-8\1$/i.test(part))) return false
  const read = readJsonBytes(bytes, LEVELS_OF_BODY)
  return read.ok && isInteroperable(read.value) && !isInexact(Buffer.from(bytes).toString())
}

/** A text that is one number: numbers within objects and lists are in `inexactMembers`. */
const isInexact = (text: string): boolean => {
  const read = readJson(`[${text}]`, LEVELS_OF_BODY + 1)
  return !read.ok || inexactMembers(read.value as Json[]).size > 0
}

/** No halves of characters, no noncharacters, and only numbers that a double keeps exactly (RFC 7493 §2). */
function isInteroperable(value: Json | undefined): boolean {
  if (typeof value === 'string') return isText(value)
  if (typeof value !== 'object' || value === null) return true
  if (inexactMembers(value).size > 0) return false
  return Object.entries(value).every(([name, one]) => isText(name) && isInteroperable(one))
}

const isText = (text: string): boolean =>
  [...text].every((character) => {
    const code = character.codePointAt(0) ?? 0
    const isHalf = code >= 0xd800 && code <= 0xdfff
    return !isHalf && (code & 0xfffe) !== 0xfffe && !(code >= 0xfdd0 && code <= 0xfdef)
  })

/** A text that only calls have for which the same approval counts. */
export function callText(
  { policy, request, host, target }: Asked,
  rule: Rule,
  { identity }: Verified,
  headers: string[],
  operation: Operation | undefined,
): string {
  const { issuer, id, subject, client, workflow, actors, claims } = identity
  const always = ['content-type', 'content-encoding', 'upgrade']
  const named = [...always, ...headers.map((name) => name.toLowerCase())]
  const body = operation?.body ?? Buffer.from(bytesOf(request)).toString('latin1')
  return JSON.stringify([
    [issuer.issuer, id, subject ?? null, actors, client ?? null, workflow ?? null],
    claims.cnf ?? null,
    [rule.match, rule.host ?? null, policy.text],
    [request.method, host, canonicalPath(target.path), target.query ?? null],
    [...new Set(named)].sort().map((name) => [name, headerOf(request, name) ?? null]),
    operation && body !== '' ? withoutAttempt(operation.body ?? textOf(request)) : body,
  ])
}

const textOf = (request: Request) => Buffer.from(bytesOf(request)).toString('utf8')

/** A text of JSON in its parts, without the white space between them. */
const partsOf = (text: string): string[] =>
  text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g) ?? []

/** A part with all that belongs to it. */
type Tree = string | Tree[] | [name: string, value: Tree][]

/** A message, or each of a batch, without its id and without what belongs to one attempt in `_meta`. */
function withoutAttempt(text: string): Json {
  const parts = partsOf(text)
  let at = 0
  const isMember = (path: string[], name: string): boolean => {
    if (path.length === 0) return name !== 'id'
    return path.join() !== 'params,_meta' || !OF_ATTEMPT.test(name)
  }
  /** The value that begins here. Below `path` members are left out; `undefined` where all stay. */
  const value = (path: string[] | undefined): Tree => {
    const part = parts[at++] ?? ''
    if (part !== '{' && part !== '[') return part
    const end = part === '{' ? '}' : ']'
    const all: unknown[] = [part]
    while (parts[at] !== end) {
      if (parts[at] === ',') at++
      if (part === '[') {
        // A batch is a list of messages.
        all.push(value(path?.length === 0 && at === 1 ? path : undefined))
        continue
      }
      const source = parts[at] ?? ''
      at += 2
      const name: string = JSON.parse(source)
      const inside = value(path && [...path, name])
      // The names of a message's own members count as they are read.
      if (path === undefined) all.push([source, inside])
      else if (isMember(path, name)) all.push([name, inside])
    }
    at++
    return all as Tree
  }
  return value([]) as Json
}

/** docs/approvals.md, "What an approval is bound to". */
const OF_ATTEMPT =
  /^(?:progressToken|traceparent|tracestate|baggage|io\.modelcontextprotocol\/.*)$/s
