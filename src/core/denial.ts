/**
 * What a denial looks like on the wire: a closed set, one row each. A check picks a row; it never
 * writes a status or a challenge of its own.
 *
 * `error` is the RFC 6750 §3.1 code; a row with `challenge` answers with `WWW-Authenticate`
 * (RFC 6750 §3 forbids an `error` where no credential was sent, so `unauthenticated` has none).
 * That of `stepUp` is of RFC 9470 §3.
 */
export const ANSWERS = {
  unauthenticated: { status: 401, challenge: true },
  invalidRequest: { status: 400, challenge: true, error: 'invalid_request' },
  badRequest: { status: 400 },
  invalidToken: { status: 401, challenge: true, error: 'invalid_token' },
  stepUp: { status: 401, challenge: true, error: 'insufficient_user_authentication' },
  insufficientScope: { status: 403, challenge: true, error: 'insufficient_scope' },
  forbidden: { status: 403 },
  notFound: { status: 404 },
  notAllowed: { status: 405 },
  tooSlow: { status: 408 },
  conflict: { status: 409 },
  tooLarge: { status: 413 },
  unsupported: { status: 415 },
  misdirected: { status: 421 },
  tooMany: { status: 429 },
  unavailable: { status: 503, retryAfter: 5 },
  full: { status: 507, retryAfter: 60 },
  badOrigin: { status: 502 },
  originTimeout: { status: 504 },
} as const satisfies Record<string, AnswerRow>

interface AnswerRow {
  readonly status: number
  readonly challenge?: boolean
  readonly error?: string
  /** Seconds a caller should wait before it tries again. */
  readonly retryAfter?: number
}

export type Answer = keyof typeof ANSWERS

/** Status, error and challenge of an answer. */
export function answerRow(answer: Answer): AnswerRow {
  return ANSWERS[answer]
}

/**
 * A refusal as a value. `summary` and `hint` are constants of the code and safe for a stranger;
 * `detail` may hold configured values and claims and goes to logs and explanations only, never
 * into an answer. `params` are the few facts an answer may carry (the scopes a route needs).
 */
export interface Denial<Code extends string = string> {
  readonly code: Code
  readonly answer: Answer
  readonly summary: string
  readonly hint: string
  readonly detail?: Readonly<Record<string, unknown>>
  readonly params?: DenialParams
}

/** The only request-specific facts that may leave with a denial. */
export interface DenialParams {
  /** Scopes the route needs, all of them. */
  readonly requiredScopes?: readonly string[]
  /** Scopes the route needs, one of them. */
  readonly anyOf?: readonly string[]
  /** RFC 9110 §15.5.6: methods a 405 names. */
  readonly allow?: readonly string[]
  /** RFC 9470 §3: one of the ways in which the user has to have been authenticated. */
  readonly acrValues?: readonly string[]
  /** RFC 9470 §3: seconds since the user was authenticated, at most. */
  readonly maxAge?: number
  /** Seconds a caller should wait before it tries again, where its answer has no time of its own. */
  readonly retryAfter?: number
  /** Of an MCP server: one call is refused, and no other one for that. */
  readonly ofCall?: true
  /** Revisions of MCP that would do. */
  readonly supported?: readonly string[]
  /** The revision that was asked for, cut short. */
  readonly requested?: string
}

/** One declared code: how it is answered, what it means, what the agent should do next. */
export type DenialRow = readonly [answer: Answer, summary: string, hint: string]

/** The rows of one or more checks. */
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

/** Every table that {@link denials} has made so far, in the files that are loaded. For tests. */
export function declaredDenials(): readonly DenialTable<string>[] {
  return declared
}

/** Declares the denial codes of one check beside the check. `src/denials.ts` lists tables that belong to no stage. */
export function denials<const Rows extends Readonly<Record<string, DenialRow>>>(
  rows: Rows,
): Denier<keyof Rows & string> {
  const deny = <C extends keyof Rows & string>(
    code: C,
    detail?: Denial['detail'],
    params?: DenialParams,
  ): Denial<C> => {
    const [answer, summary, hint] = rows[code] as DenialRow
    return {
      code,
      answer,
      summary,
      hint,
      ...(detail && { detail }),
      ...(params && { params }),
    }
  }
  declared.push({ rows })
  return Object.assign(deny, { rows })
}

/** One table of several, for a check that is made of others. */
export function joined<const All extends readonly DenialTable<never>[]>(
  ...all: All
): DenialTable<CodeOf<All[number]>> {
  return {
    rows: Object.assign({}, ...all.map(({ rows }) => rows)),
  }
}
