import { expect } from 'vitest'
import type { RawResponse } from '../kit/raw.ts'
import { AGENT, GONE, HOST, METADATA, SECRET, type World } from './world.ts'

/** What kind of challenge an answer has (RFC 6750 §3, RFC 9728 §5.1). */
export type Challenge =
  | 'none'
  | 'plain'
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'insufficient_user_authentication'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'token_bound'

/** Challenges of DPoP alone, and their `error`. */
const OF_DPOP: Partial<Record<Challenge, string>> = {
  invalid_dpop_proof: 'invalid_dpop_proof',
  use_dpop_nonce: 'use_dpop_nonce',
  token_bound: 'invalid_token',
}

const PARAMETERS = /([a-z_]+)="([^"\\]*)"/g
const ONE = /^(?:Bearer|DPoP) (?:[a-z_]+="[^"\\]*")(?:, [a-z_]+="[^"\\]*")*$/

/** The denial's form: problem details that agree with the status line, never cached, with an id. */
export function expectDenial(response: RawResponse, status: number, code: string): void {
  const problem = response.body === '' ? {} : JSON.parse(response.body)
  expect({ status: response.status, code: problem.code }).toEqual({ status, code })
  expect(problem).toMatchObject({
    type: `https://edgewarden.dev/denials#${code}`,
    status,
    title: expect.stringMatching(/\S/),
    hint: expect.stringMatching(/\S/),
    request_id: response.header('x-request-id'),
  })
  expectDenialHeaders(response, status)
  expect(response.header('content-type')).toBe('application/problem+json')
}

/** The form of a denial of one message to an MCP server: an error of JSON-RPC; its `data` says why. */
export function expectRpcDenial(
  response: RawResponse,
  status: number,
  { code, rpc, id = 1 }: { readonly code: string; readonly rpc: number; readonly id?: unknown },
): void {
  const answer = JSON.parse(response.body)
  expect({ status: response.status, code: answer.error?.data?.code }).toEqual({ status, code })
  expect(answer).toEqual({
    jsonrpc: '2.0',
    id,
    error: {
      code: rpc,
      message: expect.stringMatching(/\S/),
      data: expect.objectContaining({
        hint: expect.stringMatching(/\S/),
        request_id: response.header('x-request-id'),
      }),
    },
  })
  expectDenialHeaders(response, status)
  expect(response.header('content-type')).toBe('application/json')
}

/** What every denial has in its head, HEAD requests included. */
export function expectDenialHeaders(response: RawResponse, status: number): void {
  expect(response.status).toBe(status)
  expect(response.complete).toBe(true)
  expect(response.header('cache-control')).toBe('no-store')
  expect(response.header('x-request-id')).toMatch(/^[A-Za-z0-9._-]{8,64}$/)
}

/** The challenges, parsed: one of each scheme with the gate's realm and metadata, and the right `error`. */
export function expectChallenge(response: RawResponse, challenge: Challenge): void {
  const header = response.header('www-authenticate')
  if (challenge === 'none') {
    expect(header).toBeUndefined()
    return
  }
  const challenges = (header ?? '').split(/, (?=DPoP )/)
  const schemes = challenge in OF_DPOP ? ['DPoP'] : ['Bearer', 'DPoP']
  expect(challenges.map((one) => one.split(' ', 1)[0])).toEqual(schemes)
  for (const one of challenges) expectOne(one, challenge)
}

const expectOne = (text: string, challenge: Challenge): void => {
  expect(text).toMatch(ONE)
  const pairs = [...text.matchAll(PARAMETERS)].map(([, name, value]) => [name, value])
  const parameters = Object.fromEntries(pairs)
  expect(pairs).toHaveLength(Object.keys(parameters).length)
  expect(parameters).toMatchObject({ realm: HOST, resource_metadata: METADATA })
  const error = challenge === 'plain' ? undefined : challenge
  expect(parameters.error).toBe(OF_DPOP[challenge] ?? error)
  if (text.startsWith('DPoP ')) expect(parameters.algs).toMatch(/^ES256( \w+)*$/)
  if (challenge === 'insufficient_scope') expect(parameters.scope).toMatch(/^\S+( \S+)*$/)
  if (challenge === 'insufficient_user_authentication') {
    expect(parameters).toMatchObject({ acr_values: 'urn:x:mfa', max_age: '300' })
  }
}

/** Nothing of the token, of the agent or of the configuration is in the answer. */
export function expectNoLeak(response: RawResponse, world: World, token?: string): void {
  const text = response.raw.toString('latin1')
  const parts = (token ?? '').split('.').filter((part) => part.length > 8)
  const { acme, beta, ops, origin } = world
  const urls = [acme, beta, ops].map(({ issuer }) => new URL(issuer).host)
  for (const secret of [...parts, ...urls, origin.host, GONE, SECRET, AGENT]) {
    expect(text).not.toContain(secret)
  }
}
