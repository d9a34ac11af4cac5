/**
 * The codes of {@link AgentError}. 401: the assertion; 403: a missing scope; 503: an unavailable
 * key set or store; 400, 408 and 413: the body; 500: the origin's own fault.
 */
export const AGENT_ERRORS = {
  assertion_missing: [401, 'The request has no assertion of the gate'],
  assertion_repeated: [401, 'The request has more than one assertion'],
  assertion_malformed: [401, 'The assertion is not a signed JWT with exactly one reading'],
  type_wrong: [401, 'The JWT is not an assertion'],
  algorithm_refused: [401, 'The assertion is signed with an algorithm that is not accepted'],
  key_unknown: [401, 'The gate has no key that matches the assertion'],
  keys_unavailable: [503, "The gate's keys are not available at the moment"],
  signature_invalid: [401, "The assertion's signature does not verify with the gate's key"],
  issuer_mismatch: [401, 'The assertion comes from another gate'],
  audience_mismatch: [401, 'The assertion is for another origin'],
  assertion_expired: [401, 'The assertion has expired'],
  assertion_early: [401, 'The assertion is not valid yet'],
  lifetime_exceeded: [401, "The assertion's lifetime is longer than is accepted"],
  claims_invalid: [401, 'The assertion lacks a claim, or has one with an invalid value'],
  identity_mismatch: [401, 'The identity headers do not match the assertion'],
  route_mismatch: [401, 'The assertion is for another method or path'],
  host_mismatch: [401, 'The assertion is for another host'],
  binding_missing: [401, 'The assertion is not bound to the request as this origin requires'],
  method_mismatch: [401, 'The assertion is bound to another method'],
  url_mismatch: [401, 'The assertion is bound to another URL'],
  query_mismatch: [401, 'The assertion is bound to another query'],
  body_mismatch: [401, 'The assertion is bound to another body'],
  body_too_large: [413, 'The body is larger than this origin reads to check its digest'],
  body_too_slow: [408, 'The body did not arrive in time'],
  body_broken: [400, 'The body broke off before its end'],
  body_unavailable: [500, 'The body cannot be read to check its digest'],
  assertion_replayed: [401, 'The assertion has been used before'],
  replays_unavailable: [503, 'The origin cannot find out whether the assertion was used before'],
  scope_missing: [403, 'The agent lacks a scope that this request needs'],
  verification_failed: [500, 'The assertion could not be checked'],
} as const satisfies Readonly<Record<string, readonly [status: number, title: string]>>

export type AgentErrorCode = keyof typeof AGENT_ERRORS

/**
 * A refusal. `code` is stable; `message` says the same in a sentence. Neither they nor `detail` contain a token
 * or a key.
 * @example
 * ```ts
 * import { AgentError, type VerifiedAgent } from 'edgewarden-origin'
 *
 * export function requireAny({ scopes }: VerifiedAgent, needed: readonly string[]) {
 *   if (!needed.some((scope) => scopes.includes(scope))) throw new AgentError('scope_missing')
 * }
 * ```
 */
export class AgentError extends Error {
  override readonly name = 'AgentError'
  readonly code: AgentErrorCode
  /** The status of the answer. */
  readonly status: number
  /** The expected value or the failure, for logs. Not for answers. */
  readonly detail?: string

  constructor(
    code: AgentErrorCode,
    { detail, cause }: { readonly detail?: string; readonly cause?: unknown } = {},
  ) {
    const [status, title] = AGENT_ERRORS[code]
    super(title, cause === undefined ? {} : { cause })
    this.code = code
    this.status = status
    if (detail !== undefined) this.detail = detail
  }

  /** {@link problemOf} as a response. Hono calls it for errors of handlers. */
  getResponse(): Response {
    const { status, headers, body } = problemOf(this)
    return new Response(body, { status, headers })
  }
}

/** An error's answer in parts, for servers without `Response`. */
export interface Problem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Problem details (RFC 9457) of an error, never cached.
 * @example
 * ```ts
 * import { type AgentError, problemOf } from 'edgewarden-origin'
 * import type { ServerResponse } from 'node:http'
 *
 * export function answer(error: AgentError, response: ServerResponse) {
 *   const { status, headers, body } = problemOf(error)
 *   response.writeHead(status, headers).end(body)
 * }
 * ```
 */
export function problemOf({ code, status, message }: AgentError): Problem {
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      // RFC 9110 §11.6.1: a 401 needs a challenge.
      ...(status === 401 && { 'WWW-Authenticate': 'Agent-Assertion' }),
      ...(status === 503 && { 'Retry-After': '5' }),
    },
    body: JSON.stringify({
      type: `https://edgewarden.dev/origin/verify#${code}`,
      title: message,
      status,
      code,
    }),
  }
}

/**
 * Answers an {@link AgentError} with {@link problemOf}; throws any other error again.
 * @example
 * ```ts
 * import { refusal, verifyAgent } from 'edgewarden-origin'
 *
 * const options = { gate: 'https://api.example.com', audience: 'https://origin.example.com' }
 * export const handle = (request: Request) =>
 *   verifyAgent(request, options).then((agent) => Response.json({ by: agent.id }), refusal)
 * ```
 */
export function refusal(error: unknown): Response {
  if (error instanceof AgentError) return error.getResponse()
  throw error
}
