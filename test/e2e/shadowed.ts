import { expect } from 'vitest'
import { GUARD } from '../../src/gate/guard/guard.ts'
import { bodyDenials } from '../../src/gate/guard/operation/body.ts'
import type { RecordedRequest } from '../kit/origin.ts'
import type { Header, RawResponse } from '../kit/raw.ts'
import { IDENTITY, OTHERS } from './attacks/header-names.ts'
import { CASES, type Case } from './denial-cases.ts'
import { type Ask, SECRET } from './world.ts'

/** What the route stage finds when it already knows the rule; all the other stages know it. */
const ROUTED = ['insecure_transport', 'parameter_ambiguous', 'preflight_refused']
const [, ...AFTER_ROUTE] = GUARD.stages

const codesOf = ({ denials }: (typeof GUARD.stages)[number]): readonly string[] =>
  denials.flatMap(({ rows }) => Object.keys(rows))

/** Stages that say anything of MCP servers only, whose rules are always enforced. */
const OF_SERVERS = ['operation', 'mcp_access']

/** Shadow mode reads no bodies and spends no quota, token or proof. The gate's own endpoints are always enforced. */
const NEVER: readonly string[] = [
  ...Object.keys(bodyDenials.rows),
  ...GUARD.stages.filter(({ name }) => OF_SERVERS.includes(name)).flatMap(codesOf),
  'rate_limited',
  'token_replayed',
  'proof_replayed',
  'admin_not_allowed',
  // Plain workerd verifies no client certificate.
  'certificate_mismatch',
]

/** Every code that a rule in shadow mode lets through. */
export const SHADOWED: readonly string[] = [
  ...ROUTED,
  ...AFTER_ROUTE.flatMap(codesOf).filter((code) => !NEVER.includes(code)),
]

/** Every other code. */
export const ENFORCED = Object.keys(CASES).filter((code) => !SHADOWED.includes(code))

/** The request that brings a code about. */
export function caseOf(code: string): Case {
  const found = CASES[code]
  if (!found) throw new Error(`${code} has no case`)
  return found
}

const FORGERY = 'forged-value'

/** What a stranger sends so that an origin takes it for the gate's word. */
export const FORGED = [...IDENTITY, ...OTHERS]
  .filter((name) => !/^(?:dpop|proxy-authorization)$/i.test(name))
  .map((name): Header => [name, FORGERY])

/** The `Authorization` that an origin must get of a request: what was sent, joined if twice. */
export function authorizationOf({ token, headers = [] }: Ask): string | undefined {
  const own = headers.filter(([name]) => name === 'Authorization').map(([, value]) => value)
  const all = token === undefined ? own : [`Bearer ${token}`, ...own]
  return all.length === 0 ? undefined : all.join(', ')
}

/** Nothing that was forged arrived. */
export function expectNoForgery({ rawHeaders }: RecordedRequest): void {
  expect(rawHeaders.filter(([, value]) => value.includes(FORGERY))).toEqual([])
}

/** No identity arrived, in any spelling, and no credential of the gate's own. */
export function expectNoIdentity(request: RecordedRequest): void {
  const folded = request.rawHeaders.map(([name]) => name.toLowerCase().replace(/[^a-z0-9]/g, '-'))
  expect(folded.filter((name) => name.startsWith('x-agent-'))).toEqual([])
  expect(JSON.stringify(request.rawHeaders)).not.toContain(SECRET)
}

/** How the origin asks for its own credentials. */
export const CHALLENGES = {
  'www-authenticate': 'Basic realm="origin"',
  'proxy-authenticate': 'Basic realm="proxy"',
  'dpop-nonce': 'nonce-1',
}

/** An answer that nothing but the origin gives: status, headers, body. */
export const ORIGIN: readonly [number, Record<string, string>, string] = [
  203,
  { 'x-origin': 'yes', 'content-type': 'text/plain' },
  'answer of the origin',
]

/** The agent got that answer. */
export function expectOrigins(response: RawResponse): void {
  const [status, headers, body] = ORIGIN
  expect({ status: response.status, body: response.body }).toEqual({ status, body })
  for (const [name, value] of Object.entries(headers)) expect(response.header(name)).toBe(value)
}
