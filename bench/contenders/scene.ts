import { createGuard, type Facts, type Guard } from '../../src/index.ts'
import { readPolicy } from '../../src/policy/parse.ts'
import { policyVars, USUAL_RULES } from '../policy.ts'
import type { BenchEnv } from './env.ts'

/** What the gate has at hand where a single step of it is measured; made once. */
export interface Scene {
  readonly guard: Guard
  /** Of the first request; its agent is every request's. */
  readonly decision: Extract<Awaited<ReturnType<Guard>>, { readonly outcome: 'passed' }>
  readonly known: Facts
}

/**
 * A policy as the gate has, a guard whose ports live in memory, and a decision. Throws when the
 * request does not carry a good token.
 */
export const setScene = async (request: Request, { KEYS }: BenchEnv): Promise<Scene> => {
  const vars = policyVars(KEYS, USUAL_RULES)
  const read = readPolicy(vars, { has: () => true, secret: () => undefined })
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  const guard = createGuard(read.value.policy)
  const decision = await guard(request)
  if (decision.outcome !== 'passed') throw new Error(decision.outcome)
  return { guard, decision, known: decision.known }
}
