import { answerRow, DENIAL_DOCS, type Denial } from '../base/denial.ts'
import type { Limited } from '../guard/stages/limit.ts'
import type { Operation } from '../guard/stages/operation.ts'
import type { Route } from '../model/route.ts'
import { challenge } from './challenge.ts'
import { limitHeaders } from './limit-headers.ts'

export interface ProblemContext {
  readonly requestId: string
  /** The request's method: HEAD gets no body. */
  readonly method: string
  /** The rule the request matches, once known. */
  readonly route?: Route | undefined
  /** The page of denials, where a policy is known. */
  readonly docs?: string | undefined
  /** The state of the rule's limit, if it was checked. */
  readonly limited?: Limited | undefined
  /** The operation, once it is known. */
  readonly operation?: Operation | undefined
  /** The form of the body; by default it is the problem. */
  readonly formOf?: ((problem: object) => Refused) | undefined
}

/** The body of a refusal in another form than a problem, and another status, if there is one. */
export interface Refused {
  readonly body: string | Uint8Array<ArrayBuffer>
  /** Content-Type. */
  readonly type: string
  readonly status?: number
  /** Further headers. */
  readonly headers?: readonly (readonly [name: string, value: string])[]
}

/**
 * The answer to a denial: problem details (RFC 9457) and the challenge, never cached. The answer contains
 * nothing of the token and the policy but needed scopes and the metadata URL. `extra` members are for the
 * gate's own endpoints.
 */
export function problem(
  denial: Denial,
  { requestId, method, route, docs = DENIAL_DOCS, limited, formOf = asProblem }: ProblemContext,
  extra: Readonly<Record<string, unknown>> = {},
): Response {
  const row = answerRow(denial.answer)
  const { allow, nonce, retryAfter = row.retryAfter } = denial.params ?? {}
  const headers = new Headers({
    'Cache-Control': 'no-store',
    'X-Request-Id': requestId,
  })
  const authenticate = route && challenge(denial, route)
  if (authenticate) headers.set('WWW-Authenticate', authenticate)
  if (retryAfter !== undefined) headers.set('Retry-After', String(retryAfter))
  if (nonce !== undefined) headers.set('DPoP-Nonce', nonce)
  if (allow) headers.set('Allow', allow.join(', '))
  for (const [name, value] of limitHeaders(limited)) headers.set(name, value)
  const {
    body,
    type,
    status = row.status,
    headers: more = [],
  } = formOf({
    type: `${docs}#${denial.code}`,
    title: denial.summary,
    status: row.status,
    code: denial.code,
    error: errorOf(denial),
    ...requiredBy(denial),
    ...firstOf(denial),
    ...(denial.params?.approval && { approval: denial.params.approval }),
    request_id: requestId,
    hint: denial.hint,
    ...extra,
  })
  for (const [name, value] of more) headers.set(name, value)
  headers.set('Content-Type', type)
  return new Response(method === 'HEAD' ? null : body, { status, headers })
}

const asProblem = (problem: object): Refused => ({
  body: JSON.stringify(problem),
  type: 'application/problem+json',
})

/**
 * The text that clients show: what is wrong, the scopes that are missing, how the first request has failed or the
 * approval, what to do, and the code.
 */
export function messageOf({ code, summary, hint, params }: Denial): string {
  const { missingScopes, anyOf, first, approval } = params ?? {}
  const scopes = missingScopes?.join(', ') ?? anyOf?.join(' or ')
  const failed = first && `the first request was answered with ${first.status}, ${first.requestId}`
  const facts = scopes || failed || approval?.reason || approval?.url
  return `${summary}${facts ? `: ${facts}` : ''}. ${hint} (${code})`
}

const firstOf = ({ params }: Denial) =>
  params?.first && {
    first_status: params.first.status,
    first_request_id: params.first.requestId,
  }

/** The `error` member of answers and streams, as clients of OpenAI and Anthropic read it. */
export function errorOf(denial: Denial) {
  const { status } = answerRow(denial.answer)
  const type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')
  return { message: messageOf(denial), type, code: denial.code, param: null }
}

/** Types of errors that both APIs document, by status. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
}

/** The scopes a denial requires, all or one of them, as members of answers and journal lines. */
export function requiredBy({ params }: Denial): {
  readonly required_scopes?: readonly string[]
  readonly any_of?: readonly string[]
} {
  return {
    ...(params?.requiredScopes && { required_scopes: params.requiredScopes }),
    ...(params?.anyOf && { any_of: params.anyOf }),
  }
}
