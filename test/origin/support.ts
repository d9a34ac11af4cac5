import { createHash } from 'node:crypto'
import {
  AgentError,
  type AgentErrorCode,
  type VerifyOptions,
} from '../../packages/origin/src/index.ts'
import { ASSERTION_TYP } from '../../src/gate/model/assertion.ts'
import { createIssuer, type Issuer, type MintOptions } from '../kit/issuer.ts'
import type { Members } from '../kit/signing.ts'

export const AUDIENCE = 'https://origin.example.com'
export const AGENT_ISSUER = 'https://auth.example.com'
export const URL_ = `${AUDIENCE}/v1/documents/7`

/** A gate as an origin knows it: a key set over HTTP, and assertions signed with its key. */
export interface TestGate {
  readonly issuer: Issuer
  readonly options: VerifyOptions
  /** Claims of an `identity` assertion for {@link URL_} that lives a minute. */
  claims(changes?: Members): Members
  /** Signs them; a header of a good assertion unless changed. */
  assertion(changes?: Members, header?: Members, options?: MintOptions): Promise<string>
  close(): Promise<void>
}

export const openGate = async (now: () => number = Date.now): Promise<TestGate> => {
  const issuer = await createIssuer()
  const claims = (changes: Members = {}) => {
    const iat = Math.floor(now() / 1000)
    return {
      ...issuer.claims(),
      client_id: undefined,
      scope: undefined,
      aud: AUDIENCE,
      sub: 'agent-1',
      agent_iss: AGENT_ISSUER,
      iat,
      exp: iat + 60,
      route: 'GET,HEAD,POST /v1/documents/{id}',
      possession: 'bearer',
      ...changes,
    }
  }
  return {
    issuer,
    options: { gate: issuer.issuer, audience: AUDIENCE, jwksUri: issuer.jwksUri },
    claims,
    assertion: (changes, header, options) =>
      issuer.mint(claims(changes), { typ: ASSERTION_TYP, ...header }, options),
    close: issuer.close,
  }
}

/** A request as it arrives at the origin. */
export const requestWith = (
  assertion: string | undefined,
  { url = URL_, headers = {}, ...init }: RequestInit & { readonly url?: string } = {},
): Request => {
  const request = new Request(url, { headers, ...init })
  if (assertion !== undefined) request.headers.set('x-agent-assertion', assertion)
  return request
}

/** base64url SHA-256, as `bdh` has it. */
export const digestOf = (body: string | Uint8Array): string =>
  createHash('sha256').update(body).digest('base64url')

/** The code a promise rejects with; anything else fails the test. */
export const codeOf = async (promise: Promise<unknown>): Promise<AgentErrorCode | undefined> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof AgentError) return error.code
    throw error
  }
  return undefined
}
