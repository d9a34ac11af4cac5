import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Denial } from '../base/denial.ts'
import type { Act } from '../model/audit.ts'
import type { Policy } from '../model/policy.ts'
import type { AccessToken, AgentIdentity } from '../model/token.ts'
import type { AgentVariables } from './guard-middleware.ts'
import type { GatePorts, Opened } from './platform/ports.ts'

/** Values a request carries through the gate's apps. */
export interface GateVariables extends AgentVariables {
  policy: Policy
  ports: GatePorts
  /** The caller's address, from the source the policy names. */
  clientIp: string | undefined
  /** Set on the gate's own endpoints that require a token. */
  agent: AgentIdentity
  access: AccessToken
  /** Answers a denial in the gate's own form; `extra` members are added to the body. */
  deny: (denial: Denial, extra?: Readonly<Record<string, unknown>>) => Response
  /** The act of the caller, which is stored with what it changes; `undefined` without an audit. */
  act: (() => Act | undefined) | undefined
  /** The names of the filters with which the request read the audit. */
  read: readonly string[]
  /** Whether to write no journal line: the request was not decided. */
  isUnwritten: boolean
  /** Ids of the revocations the request made or lifted, for the journal. */
  revocations: readonly string[]
  denial: Denial
}

export interface GateEnv {
  Bindings: Opened
  Variables: GateVariables
}

/** A request to an endpoint of the gate that requires a token. */
export type Admin = Context<GateEnv>

/** Ends the request: the app answers with this denial. See `deny` of {@link GateVariables}. */
export function refuse(c: Admin, ...denied: Parameters<GateVariables['deny']>): never {
  const res = c.get('deny')(...denied)
  throw new HTTPException(res.status as ContentfulStatusCode, { res })
}

/**
 * The value of a call. If the call fails, the request is refused with the denial of its error. The call may refuse the
 * request itself.
 */
export async function called<Value>(
  c: Admin,
  call: () => Promise<Value>,
  denialOf: (error: unknown) => Denial,
): Promise<Value> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof HTTPException) throw error
    return refuse(c, denialOf(error))
  }
}

/** An answer in JSON that no cache stores. */
export function answer(
  c: Admin,
  body: object,
  status: ContentfulStatusCode = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return c.json(body, status, { 'cache-control': 'no-store', ...headers })
}

const reachOf = (c: Admin) => c.get('policy').issuers.get(c.get('access').issuer)?.admin ?? false

/**
 * Whether the caller may administer an issuer. Does not check that the issuer exists, nor the
 * caller's scopes.
 */
export function isReached(c: Admin, issuer: unknown): boolean {
  return reachOf(c) === 'all' || (reachOf(c) === 'own' && issuer === c.get('access').issuer)
}

/**
 * The caller, as revocations name their creator: the issuer, and the operator that the policy names or else the agent
 * and, if it is not the agent, the subject.
 */
export function callerName(c: Admin): string {
  const { id, issuer, subject } = c.get('agent')
  const { operator } = c.get('access').entry
  if (operator !== undefined) return `${issuer} ${operator}`
  return [issuer, id, ...(subject === undefined || subject === id ? [] : [subject])].join(' ')
}

/** Whether the caller has a scope, or one that includes it. Does not check which issuers the caller reaches. */
export function holds(c: Admin, scope: string): boolean {
  const { scopes } = c.get('access')
  return c
    .get('policy')
    .includedBy(scope)
    .some((one) => scopes.includes(one))
}

/** The default issuer of a list; `undefined` for administrators of every issuer. */
export function ownIssuer(c: Admin): string | undefined {
  return reachOf(c) === 'all' ? undefined : c.get('access').issuer
}
