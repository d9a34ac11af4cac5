/**
 * The answers to denials, one row each. A check picks a row; it never writes a status or a challenge itself.
 *
 * `error` is a code of RFC 6750 §3.1, and of RFC 9470 §3 for `stepUp`. A row with `challenge` answers with
 * `WWW-Authenticate`. `unauthenticated` has no `error`, as RFC 6750 §3.1 says for requests without credentials.
 */
export const ANSWERS = {
  unauthenticated: { status: 401, challenge: true },
  invalidRequest: { status: 400, challenge: true, error: 'invalid_request' },
  badRequest: { status: 400 },
  invalidToken: { status: 401, challenge: true, error: 'invalid_token' },
  // RFC 9449 §7.1, §9: challenges of DPoP alone.
  proofRequired: { status: 401, challenge: true, error: 'invalid_token', scheme: 'DPoP' },
  invalidProof: { status: 401, challenge: true, error: 'invalid_dpop_proof', scheme: 'DPoP' },
  useNonce: { status: 401, challenge: true, error: 'use_dpop_nonce', scheme: 'DPoP' },
  stepUp: { status: 401, challenge: true, error: 'insufficient_user_authentication' },
  insufficientScope: { status: 403, challenge: true, error: 'insufficient_scope' },
  forbidden: { status: 403 },
  notFound: { status: 404 },
  notAllowed: { status: 405 },
  tooSlow: { status: 408 },
  conflict: { status: 409 },
  changed: { status: 412 },
  tooLarge: { status: 413 },
  unsupported: { status: 415 },
  misdirected: { status: 421 },
  conditionMissing: { status: 428 },
  tooMany: { status: 429 },
  unavailable: { status: 503, retryAfter: 5 },
  full: { status: 507, retryAfter: 60 },
  badOrigin: { status: 502 },
  originTimeout: { status: 504 },
} as const satisfies Record<string, AnswerRow>

/** The page of denials, unless configured: the `type` of a problem (RFC 9457 §3.1.1) is this, `#` and the code. */
export const DENIAL_DOCS = 'https://edgewarden.dev/denials'

interface AnswerRow {
  readonly status: number
  readonly challenge?: boolean
  readonly error?: string
  /** The only scheme that is challenged; absent: all. */
  readonly scheme?: string
  /** Seconds to wait before a retry (`Retry-After`). */
  readonly retryAfter?: number
}

export type Answer = keyof typeof ANSWERS

/** Status, error and challenge of an answer. */
export function answerRow(answer: Answer): AnswerRow {
  return ANSWERS[answer]
}

/**
 * A refusal as a value. `summary` is a constant of the code, and `hint` one of the code, the rule or the issuer's
 * profile; both are safe for strangers. `detail` may contain
 * configured values and claims; it goes to logs and explanations only, never into an answer. `params` are facts that
 * the answer may contain, such as required scopes.
 */
export interface Denial<Code extends string = string> {
  readonly code: Code
  readonly answer: Answer
  readonly summary: string
  readonly hint: string
  readonly detail?: Readonly<Record<string, unknown>>
  readonly params?: DenialParams
}

/** The only facts of a request that the answer to a denial may contain. */
export interface DenialParams {
  /** Scopes the route needs, all of them. */
  readonly requiredScopes?: readonly string[]
  /** Those of `requiredScopes` that the token does not have. */
  readonly missingScopes?: readonly string[]
  /** Scopes the route needs, one of them. */
  readonly anyOf?: readonly string[]
  /** The token's scopes that the resource of an MCP server offers: a client that steps up keeps them. */
  readonly heldScopes?: readonly string[]
  /** Methods that a 405 lists in `Allow` (RFC 9110 §15.5.6). */
  readonly allow?: readonly string[]
  /** Authentication context classes, one of which the token must have (RFC 9470 §3). */
  readonly acrValues?: readonly string[]
  /** Most seconds since the user was authenticated (RFC 9470 §3). */
  readonly maxAge?: number
  /** Seconds to wait before a retry; overrides the answer's own. */
  readonly retryAfter?: number
  /** The nonce for the next DPoP proof (RFC 9449 §9). */
  readonly nonce?: string
  /** The status and the request id of the first request with the same token, where it has failed. */
  readonly first?: { readonly status: number; readonly requestId: string }
  /** Set where only one call to an MCP server is refused; other calls may still be allowed. */
  readonly ofCall?: true
  /** Set where a forwarded request ended with its token before its answer began, and must not be sent again. */
  readonly wasForwarded?: true
  /** MCP revisions that the rule accepts. */
  readonly supported?: readonly string[]
  /** The requested MCP revision, truncated. */
  readonly requested?: string
  /** The approval that the call waits for, or that was refused with a person's reason. */
  readonly approval?: Readonly<Record<'id' | 'url' | 'expires', string>> & {
    readonly reason?: string
  }
}

/** A declared code: its answer, its meaning, and the agent's next step. */
export type DenialRow = readonly [answer: Answer, summary: string, hint: string]

/** The denial rows of one or more checks. */
export interface DenialTable<Code extends string> {
  readonly rows: Readonly<Record<Code, DenialRow>>
}

export interface Denier<Code extends string> extends DenialTable<Code> {
  /** A denial with one of the declared codes; any other code is a compile error. */
  <C extends Code>(code: C, detail?: Denial['detail'], params?: DenialParams): Denial<C>
}

/** The codes a check declares. */
export type CodeOf<D> = D extends DenialTable<infer Code> ? Code : never

const declared: DenialTable<string>[] = []

/** Every table that {@link denials} has made so far, in the files that are loaded. */
export function declaredDenials(): readonly DenialTable<string>[] {
  return declared
}

/** Declares the denial codes of one check, in its file. `src/command/base/denials.ts` lists tables that belong to no stage. */
export function denials<const Rows extends Readonly<Record<string, DenialRow>>>(
  rows: Rows,
): Denier<keyof Rows & string> {
  const deny = <C extends string>(code: C, detail?: Denial['detail'], params?: DenialParams) => {
    const [answer, summary, hint] = rows[code] as DenialRow
    return { code, answer, summary, hint, ...(detail && { detail }), ...(params && { params }) }
  }
  declared.push({ rows })
  return Object.assign(deny, { rows })
}

/** Merges tables, for a check that is made of other checks. */
export function joined<const All extends readonly DenialTable<never>[]>(
  ...all: All
): DenialTable<CodeOf<All[number]>> {
  return { rows: Object.assign({}, ...all.map(({ rows }) => rows)) }
}
