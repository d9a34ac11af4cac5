import { sha256Name, utf8Decode } from '../../base/bytes.ts'
import { own, parseJson } from '../../base/json.ts'
import { membersOf, messageSpans, pastString, type Span } from '../../base/json-ranges.ts'
import { LIMITS } from '../../base/limits.ts'
import { readAddress } from '../../base/request.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import { sha256Of } from './body.ts'

/** A call that needs an approval. */
export interface ApprovableCall extends Pick<LineFacts, 'request' | 'route' | 'agent' | 'access'> {
  /** The body as the origin gets it. */
  readonly body: Uint8Array<ArrayBuffer>
  /** Names of the headers that the rule binds, beside {@link ALWAYS_BOUND}. */
  readonly headers: readonly string[]
  /** The hash of the policy. */
  readonly policy: string
  /** JSON of the values by which calls are alike; absent where all arguments have to be the same. */
  readonly values?: string | undefined
}

/** The digests of a call. */
export interface CallDigests {
  /** Of exactly this call. */
  readonly exact: string
  /** Of all calls like it. */
  readonly alike: string
}

/** Headers that say what the body is, and whether the request opens a WebSocket. */
const ALWAYS_BOUND = ['content-type', 'content-encoding', 'upgrade']

/** Members of `_meta` that change with each attempt, and that no tool acts on. */
const UNBOUND = /^(?:progressToken|traceparent|tracestate|baggage|io\.modelcontextprotocol\/.*)$/s

/**
 * The digests that approvals are bound to, base64url SHA-256: who calls, by which key, under which policy, and what the
 * origin would act on. Two calls have the same `exact` only if they ask for the same. Not bound: the token itself, the id
 * of a JSON-RPC message, and members of `_meta` that belong to one attempt. Calls with the same `alike` differ at most in
 * the workflow, and in the arguments or the body beside `values`. Fails for JSON that readers could read in two ways
 * (RFC 7493). Checks nothing else.
 */
export async function approvalDigests(
  call: ApprovableCall,
): Promise<Result<CallDigests, 'ambiguous'>> {
  const { request, route, agent, access, body, headers, policy, values } = call
  const address = readAddress(request)
  if (!address.ok) return fail('ambiguous')
  const asked = route.mcp ? messagesOf(body) : await bytesOf(call)
  if (asked === undefined) return fail('ambiguous')
  const { host, path, query } = address.value
  const bound = [...new Set([...ALWAYS_BOUND, ...headers])].sort()
  const digestOf = (...rest: readonly unknown[]) =>
    sha256Name(
      JSON.stringify([
        policy,
        [route.name, route.host],
        [agent.issuer, agent.id, agent.subject, agent.clientId],
        agent.actors.map(({ issuer, sub }) => [issuer, sub]),
        own(access.claims, 'cnf'),
        [request.method, host, path, query],
        bound.map((name) => [name, request.headers.get(name)]),
        ...rest,
      ]),
    )
  const isAnyArgument = values !== undefined
  const alike = route.mcp && isAnyArgument ? messagesOf(body, isNoArgument) : route.mcp && asked
  return ok({
    exact: await digestOf(agent.workflowId, asked),
    alike: await digestOf('alike', alike, values),
  })
}

/** Every byte, by its digest; `undefined` for JSON that a server could decode first, or that is not {@link isInteroperable}. */
const bytesOf = async ({ request: { headers }, body }: ApprovableCall): Promise<unknown> => {
  const type = headers.get('content-type') ?? ''
  if (JSON_TYPE.test(type) && body.length > 0) {
    const isDecoded = headers.has('content-encoding') || OTHER_CHARSET.test(type)
    if (isDecoded || interoperable(body) === undefined) return undefined
  }
  return sha256Of(body)
}

/** A media type of JSON, also as one of several: a server may take any of them. */
const JSON_TYPE = /[/+]json[ \t]*(?:[;,]|$)/i
const OTHER_CHARSET = /;[ \t]*charset[ \t]*=[ \t]*(?!"?utf-8"?[ \t]*(?:[;,]|$))/i

/** The text of JSON that all readers read alike. */
const interoperable = (body: Uint8Array): string | undefined => {
  const text = utf8Decode(body)
  if (text === undefined) return undefined
  return isInteroperable(parseJson(text, LIMITS.messageDepth)) ? text : undefined
}

/** Code points that I-JSON text must not have, also not as escapes (RFC 7493 §2.1). */
const UNFIT = /[\p{Cs}\p{Noncharacter_Code_Point}]/u

/** Whether a value of {@link parseJson} was I-JSON (RFC 7493): numbers that a double keeps exactly, and characters only. */
const isInteroperable = (value: unknown): boolean => {
  if (value === undefined || typeof value === 'number') return Number.isFinite(value)
  if (typeof value === 'string') return !UNFIT.test(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, one]) => !UNFIT.test(name) && isInteroperable(one))
}

type IsBound = (name: string) => boolean

const isAny: IsBound = () => true
const isNoArgument: IsBound = (name) => name !== 'arguments'

/**
 * The messages of a body, each as what its server acts on: all but the id, and of `_meta` what is bound; of `params` the
 * members that `isParam` names.
 */
const messagesOf = (body: Uint8Array, isParam = isAny): unknown => {
  if (body.length === 0) return []
  const text = interoperable(body)
  return text === undefined
    ? undefined
    : messageSpans(text).map((span) =>
        boundMembers(text, span, (name) => name !== 'id', inMessage(isParam)),
      )
}

type Inside = (name: string, text: string, value: Span) => unknown

/** The bound members of an object, in order: name and value. Values are compact source text, unless read by `inside`. */
const boundMembers = (
  text: string,
  [from]: Span,
  isBound: IsBound,
  inside: Inside = () => undefined,
): readonly unknown[] =>
  [...membersOf(text, from)]
    .filter(({ name }) => isBound(name))
    .map(({ name, value }) => [name, inside(name, text, value) ?? compact(text, value)])

const inMessage =
  (isParam: IsBound): Inside =>
  (name, text, value) =>
    name === 'params' ? boundMembers(text, value, isParam, inParams) : undefined

const inParams: Inside = (name, text, value) =>
  name === '_meta' ? boundMembers(text, value, (member) => !UNBOUND.test(member)) : undefined

/** Source text without white space outside of strings. */
const compact = (text: string, [from, to]: Span): string => {
  const parts: string[] = []
  for (let at = from; at < to; ) {
    const quote = text.indexOf('"', at)
    const start = quote < 0 || quote > to ? to : quote
    parts.push(text.slice(at, start).replace(/[ \t\n\r]+/g, ''))
    at = start < to ? pastString(text, start) : to
    parts.push(text.slice(start, at))
  }
  return parts.join('')
}
