import { type JsonObject, own } from '../../gate/base/json.ts'
import { getOrMake } from '../../gate/base/memo.ts'
import { type Parts, whole } from '../../gate/base/parts.ts'
import { fail, type Result } from '../../gate/base/result.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import { type PolicyBundle, policyParts } from '../../gate/policy/parse.ts'
import type { PolicyEnv } from '../../gate/policy/reading/env.ts'
import type { PolicyIssue } from '../../gate/policy/reading/issues.ts'
import { isPolicyVariable, type PolicyVars, readVars } from '../../gate/policy/reading/vars.ts'
import type { Warn } from '../../gate/policy/secret-warnings.ts'
import { warningsOf } from '../../gate/policy/warnings.ts'
import { objectAdvice } from './durable-objects.ts'
import type { Environment } from './environments.ts'
import { strayed } from './strayed.ts'

/** The policy of one environment, and what it needs. */
export interface PolicyReading {
  readonly vars: PolicyVars
  /** Mistakes in the variables that are found before the policy is read. */
  readonly variableIssues: readonly PolicyIssue[]
  readonly parsed: Result<PolicyBundle, readonly PolicyIssue[]>
  /** Secrets the policy names; a file cannot say whether they are set. */
  readonly secrets: ReadonlySet<string>
  /** Durable Object bindings the policy needs, present or not. */
  readonly objects: ReadonlySet<string>
}

/**
 * Reads the policy of one environment as the Worker would, with the variables and bindings that the file gives it.
 * A secret counts as set, and its value is unknown unless a variable has its name. With `known`, only those secrets
 * are set. `isBound` says which bindings exist, in place of the file. `warn` finds the warnings.
 */
export function readEnvironment(...given: Parameters<typeof environmentParts>): PolicyReading {
  return whole(environmentParts(...given))
}

/** As {@link readEnvironment}, in parts of about a rule. */
export function* environmentParts(
  environment: Environment,
  known?: Readonly<Record<string, string>>,
  isBound?: PolicyEnv['has'],
  warn: Warn = warningsOf,
): Parts<PolicyReading> {
  const given: JsonObject = { ...environment.vars, ...environment.bound, ...known }
  const { vars, issues } = readVars(given)
  const secrets = new Set<string>()
  const objects = new Set<string>()
  const { bindings } = environment
  const env: PolicyEnv = {
    secret(name) {
      const value = own(given, name)
      if (typeof value !== 'string') return undefined
      secrets.add(name)
      return value
    },
    has(kind, name) {
      if (kind === 'durable_object') objects.add(name)
      if (kind !== 'secret') return isBound?.(kind, name) ?? bindings[kind].has(name)
      const isUnknown = !Object.hasOwn(given, name)
      const canBeSet = isUnknown ? known === undefined : typeof given[name] === 'string'
      if (canBeSet) secrets.add(name)
      return canBeSet
    },
  }
  const parsed = yield* policyParts(vars, env, warn)
  const misnamed = secretIssues(
    [...secrets].filter((name) => !Object.hasOwn(given, name)),
    parsed.ok ? [...parsed.value.policy.issuers.values()] : [],
  )
  for (const { path } of misnamed) secrets.delete(path)
  return {
    vars,
    variableIssues: [...issues, ...misnamed],
    secrets,
    objects,
    parsed: parsed.ok ? parsed : fail(causes(strayed(advised(parsed.reason, environment)))),
  }
}

/**
 * Secrets that have the name of a variable of the policy, so that the Worker would read them as one. Their values are
 * unknown: variables with keys inside are assumed to be JSON, others not.
 */
const secretIssues = (
  names: readonly string[],
  issuers: readonly Issuer[],
): readonly PolicyIssue[] => {
  const keys = new Set(issuers.map(({ decrypt }) => decrypt?.secret))
  return names.flatMap((name) => {
    const value = keys.has(name) && !isPolicyVariable(name) ? '{}' : ''
    return readVars({ [name]: value }).issues
  })
}

const SHADOWED = /^can never match: (.*) matches all its requests first; .*$/

/** The mistakes, with one for all rules of a variable that the same rule takes all requests of. */
const causes = (issues: readonly PolicyIssue[]): readonly PolicyIssue[] => {
  const groups = new Map<string, PolicyIssue[]>()
  for (const issue of issues) {
    const [, by] = SHADOWED.exec(issue.message) ?? []
    const key = by === undefined ? '' : `${by} ${issue.path.split('[', 1)[0]}`
    if (key !== '') getOrMake(groups, key, () => []).push(issue)
  }
  const [firsts, others] = [new Map<PolicyIssue, string>(), new Set<PolicyIssue>()]
  for (const [first, ...more] of groups.values()) {
    if (!first || more.length === 0) continue
    const [, by] = SHADOWED.exec(first.message) ?? []
    const last = more.at(-1)?.path.replace(/\.match$/, '')
    firsts.set(
      first,
      `can never match, like ${more.length} more up to ${last}: ${by} matches all their requests first; put it behind them, or remove it`,
    )
    for (const one of more) others.add(one)
  }
  return issues
    .filter((issue) => !others.has(issue))
    .map((issue) => ({ ...issue, message: firsts.get(issue) ?? issue.message }))
}

/** The mistakes. Mistakes about a missing binding also say what to write. */
const advised = (
  issues: readonly PolicyIssue[],
  environment: Environment,
): readonly PolicyIssue[] => {
  const inside = environment.name === undefined ? '' : `env.${environment.name}.`
  const advice: Readonly<Record<string, string>> = {
    'bindings.JWKS_CACHE': `write [[${inside}kv_namespaces]] with binding = "JWKS_CACHE"`,
    ...objectAdvice(issues, environment, inside),
  }
  return issues.map(({ path, message }) =>
    Object.hasOwn(advice, path)
      ? { path, message: `${message}; ${advice[path]}` }
      : { path, message },
  )
}
