/** Conditions (`when`): the documented subset of CEL. docs/configuration/conditions.md */
import type { Json, JsonObject } from './types.ts'

/** What a condition may read. A member that is not known is left out. */
export interface Variables {
  /** All claims of the verified token, the very object that `readJson` returned. */
  token: JsonObject
  agent: {
    id?: string
    name?: string
    issuer?: string
    subject?: string
    client_id?: string
    type?: string
    types?: string[]
    workflow_id?: string
    step?: string
    actor?: { sub: string; issuer: string }
    depth: number
    scopes: string[]
  }
  request: {
    method: string
    host: string
    path: string
    params: Record<string, string>
    /** Only those that `headers` and `query` of the condition list. */
    headers: Record<string, string>
    query: Record<string, string>
    ip?: string
    country?: string
    asn?: number
    colo?: string
    tls?: string
    bot_score?: number
  }
  /** Milliseconds since 1970. */
  now: number
  /** Arguments of a call to a tool or of a prompt. */
  arguments?: JsonObject
}

/** What a condition says of a request. */
export type Outcome = true | false | 'error'

/** Evaluates a condition: true, false (403 `condition_failed`), or an error (403 `condition_error`). Throws if the condition is a mistake of the policy. */
export function evaluate(_source: string, _variables: Variables): Outcome {
  throw new Error('not written yet')
}

/** Why the condition is a mistake of the policy, or `undefined` if it is none. */
export function mistakeOf(_source: string): string | undefined {
  throw new Error('not written yet')
}

/** For arguments_ambiguous: the names after `arguments` that the condition reads, each as a list of literal names. */
export function argumentsRead(_source: string): string[][] {
  throw new Error('not written yet')
}

/** A value of the policy or the request, for `conditions` only. */
export type Known = Json
