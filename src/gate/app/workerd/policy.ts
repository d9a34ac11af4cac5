import { isObject, own } from '../../base/json.ts'
import type { Policy } from '../../model/policy.ts'
import { provideConditions } from '../../policy/conditions/field.ts'
import { DEFAULT_PREFIX } from '../../policy/keys/gate.ts'
import { readPolicy } from '../../policy/policy.ts'
import { workerEnv } from '../../policy/reading/env.ts'
import type { PolicyIssue } from '../../policy/reading/issues.ts'
import { isPolicyVariable, readVars } from '../../policy/reading/vars.ts'
import { variablesOf } from '../../revocation/object/variables.ts'
import type { Env } from './env.ts'

/** The policy of an environment. `prefix` is set even if the policy is invalid. */
export interface LoadedPolicy {
  readonly policy: Policy | undefined
  readonly prefix: string
}

/**
 * Loads policies and keeps the last one. It is reused only for identical inputs, since an isolate
 * may outlive a change of variables. Mistakes are logged once per configuration.
 */
export function createPolicyLoader(log: (event: Record<string, unknown>) => void) {
  let slot: { env: Env; inputs: readonly unknown[]; loaded: LoadedPolicy } | undefined
  return (env: Env): LoadedPolicy => {
    if (slot?.env === env) return slot.loaded
    const inputs = inputsOf(env)
    const unchanged =
      slot?.inputs.length === inputs.length && slot.inputs.every((one, i) => one === inputs[i])
    slot = { env, inputs, loaded: slot && unchanged ? slot.loaded : load(env, log) }
    return slot.loaded
  }
}

/** The names of all bindings, with the values of policy variables and secrets. */
const inputsOf = (env: Env): readonly unknown[] =>
  Object.keys(env)
    .sort()
    .flatMap((name) => {
      const value = env[name]
      return [name, isPolicyVariable(name) || typeof value === 'string' ? value : undefined]
    })

/**
 * Loads the compiler of conditions if a rule has a condition. Few policies have one, and the compiler takes as long to
 * load as the rest of the Worker. To be awaited before the policy is read, which is invalid otherwise.
 */
export async function loadConditions(env: Env): Promise<void> {
  if (!hasConditions(readVars(variablesOf(env)).vars.ROUTES)) return
  provideConditions((await import('../../policy/conditions/compile.ts')).compileCondition)
}

const hasConditions = (rules: unknown): boolean => {
  try {
    return /"(?:when|unless)":/.test(JSON.stringify(rules))
  } catch {
    // The value is nested too deep; reading the policy reports that.
    return true
  }
}

const load = (env: Env, log: (event: Record<string, unknown>) => void): LoadedPolicy => {
  const read = readPolicy(variablesOf(env), workerEnv(env))
  if (read.ok) {
    const { policy, warnings } = read.value
    if (warnings.length > 0) log({ event: 'policy_warnings', warnings: warnings.map(asText) })
    return { policy, prefix: policy.gate.prefix }
  }
  log({ event: 'policy_invalid', mistakes: read.reason.map(asText) })
  return { policy: undefined, prefix: prefixIn(readVars(env).vars.GATE) ?? DEFAULT_PREFIX }
}

/** The prefix of an invalid policy, so that the health check keeps its path. */
const prefixIn = (gate: unknown): string | undefined => {
  const prefix = isObject(gate) ? own(gate, 'prefix') : undefined
  return typeof prefix === 'string' && /^\/.*[^/]$/.test(prefix) ? prefix : undefined
}

const asText = ({ path, message }: PolicyIssue): string => `${path}: ${message}`
