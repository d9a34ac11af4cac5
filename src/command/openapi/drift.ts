import { pathsOf } from '../../compare/reach/reachable.ts'
import { ruleFor } from '../../compare/requests.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { Method, Route } from '../../gate/model/route.ts'
import { needsOf } from '../../gate/policy/reading/rows.ts'
import type { Operation } from './operations.ts'
import { HOST, type ImportedRule } from './rules.ts'

/** A difference between a policy and a document. */
export interface Drift {
  readonly kind: 'no_rule' | 'scopes' | 'access' | 'no_operation'
  /** JSON pointer of the operation. */
  readonly pointer?: string
  /** The rule, and where it is written. */
  readonly rule?: string
  readonly path?: string
  readonly message: string
}

/** A document and a policy to compare. */
export interface Compared {
  /** The rules of a document, and the policy with these rules. */
  readonly rules: readonly ImportedRule[]
  readonly document: Policy
  readonly policy: Policy
  /** Where each rule of the policy is written. */
  readonly paths: readonly string[]
}

/**
 * The differences between a policy and a document, by the routers of both: operations that no rule allows, rules that
 * match no operation, access, and scopes if the document names them. Does not compare rules for MCP servers, nor other
 * requirements of rules. Only rules whose place begins with `variable` must match an operation.
 */
export async function driftOf(
  { rules, document, policy, paths }: Compared,
  variable: string,
): Promise<readonly Drift[]> {
  const drift = new Map<string, Drift>()
  const met = new Map<Route, Set<Method>>()
  const tell = (kind: Drift['kind'], message: string, of: Partial<Drift>) =>
    void drift.set(message, { kind, ...of, message })
  const placeOf = (route: Route) => paths[policy.routes.indexOf(route)] ?? ''
  const nameOf = (route: Route) => `${placeOf(route)} \`${route.name}\``
  const compare = (asked: Route, route: Route, { pointer, isOpen, isTold }: Operation) => {
    const of = { pointer, rule: route.name, path: placeOf(route) }
    if (route.access !== 'required' && !isOpen) {
      tell('access', `${pointer}: needs a token, but ${nameOf(route)} is ${route.access}`, of)
    } else if (route.access !== 'public' && isTold && scopesKey(asked) !== scopesKey(route)) {
      const needs = `needs ${needsOf(asked)}, but ${nameOf(route)} asks for ${needsOf(route)}`
      tell('scopes', `${pointer}: ${needs}`, of)
    }
  }
  for (const [i, { operations }] of rules.entries()) {
    const asked = document.routes[i]
    for (const operation of asked ? operations : []) {
      const { method, pointer } = operation
      const [path = ''] = pathsOf(operation)
      const hosts = [...policy.gate.hosts]
      const found = await Promise.all(hosts.map((host) => ruleFor(policy, { method, host, path })))
      const routes = new Set(found.flatMap((one) => one?.route ?? []))
      if (routes.size === 0) {
        tell('no_rule', `${pointer}: no rule allows ${method} ${operation.path}`, { pointer })
      }
      for (const route of routes) {
        met.set(route, (met.get(route) ?? new Set()).add(method))
        if (asked) compare(asked, route, operation)
      }
    }
  }
  const depth = Math.max(...document.routes.map(({ path }) => path.split('/').length))
  for (const route of policy.routes) {
    const [path, known] = [placeOf(route), met.get(route)]
    // A rule that ends in `*` may match more than the document on purpose.
    if (route.mcp || !path.startsWith(variable) || (known && route.path.endsWith('*'))) continue
    const methods = route.methods.filter((one) => one !== 'HEAD' || !route.methods.includes('GET'))
    const unknown: Method[] = []
    for (const method of methods.filter((one) => !known?.has(one))) {
      const samples = pathsOf(route, {}, depth)
      const found = await Promise.all(
        samples.map((sample) => ruleFor(document, { method, host: HOST, path: sample })),
      )
      const asked = found.find((one) => one)?.route
      const operation = asked && rules[document.routes.indexOf(asked)]?.operations[0]
      if (asked && operation) compare(asked, route, operation)
      else unknown.push(method)
    }
    if (unknown.length > 0) {
      const isAll = unknown.length === methods.length
      const what = isAll ? 'matches no operation' : `no operation for ${unknown.join(', ')}`
      tell('no_operation', `${nameOf(route)}: ${what}`, { rule: route.name, path })
    }
  }
  return [...drift.values()]
}

/** A text that is equal for rules that ask for the same scopes. */
const scopesKey = ({ scopes: { mode, scopes } }: Route): string => {
  const names = [...new Set(scopes.map(({ source }) => source))].sort()
  return JSON.stringify([names.length > 1 && mode, names])
}
