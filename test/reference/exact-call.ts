/** What an approval is bound to: a text that only the same call has (docs/approvals.md). */
import type { Asked } from './asked.ts'
import { bytesOf } from './body.ts'
import { headerOf } from './credential.ts'
import { inexactMembers, LEVELS_OF_BODY, readJson, readJsonBytes } from './json.ts'
import { checkArguments } from './mcp-arguments.ts'
import type { ApprovalTable } from './mcp-types.ts'
import { canonicalPath } from './paths.ts'
import type { Rule } from './rule.ts'
import type { Approval, Json, Request } from './types.ts'
import type { Verified } from './verification.ts'

/** Whether all servers read the body alike: JSON must be I-JSON in UTF-8, without a coding. */
export function isAlike(
  request: Request,
  isMcp: boolean,
  { shows }: Pick<ApprovalTable, 'shows'> = {},
): boolean {
  const bytes = bytesOf(request)
  const type = headerOf(request, 'content-type') ?? ''
  const types = type.split(',').map((one) => one.split(';').map((part) => part.trim()))
  const isJson = isMcp || types.some(([name = '']) => /[/+]json$/i.test(name))
  const isShown = !isMcp && shows !== undefined
  if (isShown && !/^application\/json\s*(;\s*charset=("?)utf-8\2\s*)?$/i.test(type)) return false
  if (!isShown && (!isJson || bytes.length === 0)) return true
  if (headerOf(request, 'content-encoding') !== undefined) return false
  const charsets = types.flat().filter((part) => /^charset\s*=/i.test(part))
  if (!charsets.every((part) => /^charset\s*=\s*("?)utf-8\1$/i.test(part))) return false
  const read = readJsonBytes(bytes, LEVELS_OF_BODY)
  if (isShown && !(read.ok && isReadable(read.value, shows))) return false
  return read.ok && isInteroperable(read.value) && !isInexact(Buffer.from(bytes).toString())
}

/** Whether a body is an object, of which all readers find the same members. */
const isReadable = (body: Json | undefined, shows: string[]): boolean =>
  typeof body === 'object' &&
  body !== null &&
  !Array.isArray(body) &&
  checkArguments(body, [], undefined, { shows })

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

/** Texts of a call: `call` is of the same call only, `alike` of calls that a standing approval of it covers. */
export function textsOf(
  { policy, request, host, target, operation }: Asked,
  rule: Rule,
  { identity }: Verified,
  { headers = [], shows }: ApprovalTable,
): Pick<Approval, 'call' | 'alike'> {
  const { issuer, id, subject, client, workflow, actors, claims } = identity
  const always = ['content-type', 'content-encoding', 'upgrade']
  const named = [...always, ...headers.map((name) => name.toLowerCase())]
  const text = operation?.body ?? Buffer.from(bytesOf(request)).toString('latin1')
  const body = operation && text !== '' ? withoutAttempt(operation.body ?? textOf(request)) : text
  const bound = [
    [issuer.issuer, id, subject ?? null, actors, client ?? null],
    claims.cnf ?? null,
    [rule.match, rule.host ?? null, policy.text],
    [request.method, host, canonicalPath(target.path), target.query ?? null],
    [...new Set(named)].sort().map((name) => [name, headerOf(request, name) ?? null]),
  ]
  const ofBody = shows ? valuesIn(withoutAttempt(textOf(request)), shows) : null
  const alike = operation ? (shows ? withOnly(body, shows) : body) : ofBody
  return {
    call: JSON.stringify([bound, body, workflow ?? null]),
    alike: JSON.stringify([bound, alike]),
  }
}

const textOf = (request: Request) => Buffer.from(bytesOf(request)).toString('utf8')

/** A text of JSON in its parts, without the white space between them. */
const partsOf = (text: string): string[] =>
  text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g) ?? []

/** A part with all that belongs to it: a list begins with `[`, an object with `{` before its members. */
type Tree = string | Tree[]
type Member = [name: string, value: Tree]

/** The members of an object that is in no list, their names as they are read. */
const membersOf = (tree: Tree | undefined): Member[] | undefined =>
  Array.isArray(tree) && tree[0] === '{' ? (tree.slice(1) as Member[]) : undefined

const memberOf = (tree: Tree | undefined, name: string): Tree | undefined =>
  membersOf(tree)?.find(([own]) => own === name)?.[1]

/** What is at the paths in an object, and how far each leads. */
function valuesIn(args: Tree | undefined, shows: string[]): Tree {
  return shows.map((path) => {
    const [, ...names] = path.split('.')
    // All of what is in the place of an object is shown, and that it is there.
    let value = args
    let depth = 0
    for (; depth < names.length && membersOf(value); depth++) {
      value = memberOf(value, names[depth] ?? '')
    }
    return [String(depth), value ?? '']
  })
}

/** The message without its arguments, but with the values of those that are shown. */
function withOnly(message: Tree, shows: string[]): Tree {
  const values = valuesIn(memberOf(memberOf(message, 'params'), 'arguments'), shows)
  const isOther = ([name]: Member) => name !== 'arguments'
  const rest = (membersOf(message) ?? []).map(([name, value]) => {
    const members = name === 'params' ? membersOf(value) : undefined
    return [name, members ? ['{', ...members.filter(isOther)] : value]
  })
  return [rest, values]
}

/** A message, also one alone in a batch, without its id and without what belongs to one attempt in `_meta`. */
function withoutAttempt(text: string): Tree {
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
  const whole = value([])
  // A message alone in a batch is the same call as the message.
  return whole[0] === '[' && whole.length === 2 ? (whole[1] as Tree) : whole
}

/** docs/approvals.md, "What an approval is bound to". */
const OF_ATTEMPT =
  /^(?:progressToken|traceparent|tracestate|baggage|io\.modelcontextprotocol\/.*)$/s
