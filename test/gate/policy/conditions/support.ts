import type { ConditionFacts } from '../../../../src/gate/model/condition.ts'
import { compileCondition } from '../../../../src/gate/policy/conditions/compile.ts'
import { accessOf, admissionFor, agentOf } from '../../../kit/facts.ts'

/** Monday, 2026-01-05T08:30:00Z. */
export const MONDAY = Date.UTC(2026, 0, 5, 8, 30)

export const ALLOWED = { headers: ['x-data-class'], query: ['region'] }

export interface Changes extends Partial<Omit<ConditionFacts, 'request'>> {
  readonly claims?: object
  readonly headers?: Readonly<Record<string, string>>
}

export const factsOf = ({
  claims = {},
  headers = {},
  ...changes
}: Changes = {}): ConditionFacts => ({
  admission: admissionFor(),
  access: accessOf({ claims: { sub: 'alice', ...claims }, scopes: ['docs:read', 'docs:write'] }),
  agent: agentOf({ actors: [{ sub: 'planner', issuer: 'https://auth.example.com' }] }),
  request: { method: 'GET', url: 'https://api.example.com/', headers: new Headers(headers) },
  host: 'api.example.com',
  path: '/docs/7',
  query: '?region=eu',
  params: new Map([['id', '7%20a']]),
  caller: '10.1.2.3',
  connection: { country: 'DE', asn: 3320, colo: 'FRA', tls: 'TLSv1.3', botScore: 99 },
  now: MONDAY,
  ...changes,
})

export const compile = (source: string, allowed = ALLOWED) => {
  const read = compileCondition(source, allowed)
  if (!read.ok) throw new Error(`${source}: ${read.reason}`)
  return read.value
}

/** What a condition comes to: true, false, or the word of its fault. */
export const verdict = (source: string, changes?: Changes): boolean | string => {
  const judged = compile(source).evaluate(factsOf(changes))
  return judged.ok ? judged.value : judged.reason
}

/** The mistake of a condition. */
export const mistakeOf = (source: string, allowed = ALLOWED): string => {
  const read = compileCondition(source, allowed)
  return read.ok ? '' : read.reason.join('; ')
}
