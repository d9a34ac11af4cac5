/** The alphabet of cases: few words, so that policies, tokens and requests meet often. */
import type { Json } from '../reference/types.ts'

export const API = 'https://api.example.com'
export const FILES = 'https://files.example.com'
export const SCOPES = ['docs:read', 'docs:write', 'files:all', 'admin:all', 'mcp:connect']
export const TYPES = ['crawler', 'planner', 'ci']
export const WORKFLOWS = ['run-1', 'run-2', '7']
export const TENANTS = ['blue', 'red', 'b.1']
export const STEPS = ['step_1', 'step_2', 'step_3']
export const ACRS = ['urn:example:mfa', 'pwd']
export const IDS = ['7', '42', '74', '2', 'a.b', 'x-1', '~z']
export const ODD_IDS = [
  ...['a%20b', '%41', 'a%2Fb', 'a%2fb', 'é', '%C3%A9', '7;x', '..%20', '7.json', '7%3Ax', 'ADMIN'],
  ...['%EF%BD%81dmin', 'admin%E2%80%8B', '7%', '%zz', '7+', "o'x", '7%27', '(S(x))', '7::$DATA'],
  ...['...', '%2e%2e', '.', '%00', 'a%25', 'a%2541', 'a%FF', 'a,b', 'a@b', '7!', '"7"', 'a|b', '^'],
  '{id}',
]

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** The seconds of a duration of the policy. */
export function secondsOf(value: Json | undefined, otherwise: number): number {
  const [, count, unit = 's'] = (typeof value === 'string' && /^(\d+)([smhd])$/.exec(value)) || []
  return count === undefined ? otherwise : Number(count) * (UNITS[unit] ?? 1)
}
