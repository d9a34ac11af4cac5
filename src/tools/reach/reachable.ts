import { perObject } from '../../core/memo.ts'
import type { Issuer } from '../../core/model/issuer.ts'
import type { Policy } from '../../core/model/policy.ts'
import { type Route, takesIssuer } from '../../core/model/route.ts'
import type { AgentIdentity } from '../../core/model/token.ts'
import { agent, workflow as ofWorkflow } from '../../core/stages/agent.ts'
import { scope } from '../../core/stages/scope.ts'
import { ruleFor } from '../../diff/requests.ts'
import { counted, declaredScopes, valuesIn } from '../../diff/scopes.ts'
import { PARAM } from '../../policy/route-index.ts'
import { isReading } from '../../policy/rows.ts'

/** Required values of path parameters. */
export type Only = Readonly<Record<string, string>>

/** The known facts of an agent. Missing ones count as satisfied. */
export interface Described {
  /** The token's type; several entity profiles are separated by spaces. */
  readonly type?: string
  readonly scopes?: readonly string[]
  /** `iss` of its issuer. */
  readonly issuer?: string
  readonly workflow?: string
}

/** A rule that an agent reaches, and how. */
export interface Reach {
  readonly route: Route
  /** Whether it needs no token, or any token will do. */
  readonly isAnonymous: boolean
  /** The possible issuers of its token. */
  readonly issuers: readonly Issuer[]
  /** Alternatives, one of which is needed; empty if any path will do, or with `many`. */
  readonly only: readonly Only[]
  /**
   * Parameters with too many combinations to try: it is unknown which of them reach the rule. Empty
   * where `only` is complete.
   */
  readonly many: readonly string[]
}

/** The most combinations of values per rule. */
const MOST = 1_000

/**
 * The rules that some request of the described agent passes, by the stages themselves. Rules in
 * shadow mode always pass. Checks only issuer, scopes, agent type and workflow.
 */
export async function reachable(policy: Policy, described: Described): Promise<readonly Reach[]> {
  const found: Reach[] = []
  for (const route of policy.routes) {
    const reach = await reachOf(policy, route, described)
    if (reach) found.push(reach)
  }
  return found
}

const reachOf = async (
  policy: Policy,
  route: Route,
  described: Described,
): Promise<Reach | undefined> => {
  const free = { route, isAnonymous: true, issuers: [], only: [], many: [] }
  if (!isReading(route) || route.mode === 'shadow') return free
  const issuers: Issuer[] = []
  const ways = new Map<string, Only>()
  const many = new Set<string>()
  for (const issuer of policy.issuers.values()) {
    if (
      !takesIssuer(route, issuer.issuer) ||
      (described.issuer ?? issuer.issuer) !== issuer.issuer
    ) {
      continue
    }
    const { passing, untried } = await waysOf(policy, route, issuer, described)
    if (passing.length + untried.length > 0) issuers.push(issuer)
    for (const name of untried) many.add(name)
    for (const way of passing) ways.set(JSON.stringify(Object.entries(way).sort()), way)
  }
  if (issuers.length === 0) return route.access === 'optional' ? free : undefined
  const only = least([...ways.values()])
  const isFree = ways.size > 0 && only.length === 0
  return { route, isAnonymous: false, issuers, only, many: isFree ? [] : [...many] }
}

/** Removes alternatives that another one implies; empty if one needs nothing. */
const least = (ways: readonly Only[]): readonly Only[] => {
  const asks = (one: Only, other: Only) =>
    Object.entries(other).every(([name, value]) => one[name] === value)
  const kept = ways.filter((one) => !ways.some((other) => other !== one && asks(one, other)))
  return kept.some((one) => Object.keys(one).length === 0) ? [] : kept
}

interface Ways {
  /** Parameter values with which the agent passes; missing ones do not matter. */
  readonly passing: readonly Only[]
  /** Parameters with too many possible values. */
  readonly untried: readonly string[]
}

const waysOf = async (
  policy: Policy,
  route: Route,
  issuer: Issuer,
  described: Described,
): Promise<Ways> => {
  const names = route.path.split('/').flatMap((segment) => PARAM.exec(segment)?.[1] ?? [])
  const scopes = described.scopes && counted(described.scopes, issuer)
  const factsOf = (only: Only) => {
    const params = new Map(names.map((name) => [name, valueFor(only, name)]))
    return { policy, route, params, deciding: params }
  }
  // For an MCP server: whether the agent may connect.
  const isScoped = async (only: Only): Promise<boolean> =>
    scopes === undefined ||
    (await scope.run({ ...factsOf(only), access: { scopes, entry: issuer } }, undefined)).ok
  const isAgent = (only: Only) => passesAgent(factsOf(only), issuer, described)
  const values = valuesOf(policy, route, scopes, described.workflow)
  const all = combined(values)
  const passing: Only[] = []
  for (const only of all ?? [{}]) {
    const isFound = Object.keys(only).length === 0 || (await isServed(policy, route, only))
    if (isFound && (await isAgent(only)) && (await isScoped(only))) passing.push(only)
  }
  if (all || passing.length > 0) return { passing, untried: [] }
  const isPossible = await isAgent(Object.fromEntries(workflowValue(route, described.workflow)))
  return { passing, untried: isPossible ? [...values.keys()] : [] }
}

/** The parameter value that must equal the agent's workflow. */
const workflowValue = (
  { workflow: source }: Route,
  workflow: string | undefined,
): readonly (readonly [name: string, value: string])[] =>
  source?.from === 'path' && workflow !== undefined
    ? [[source.name, encodeURIComponent(workflow)]]
    : []

/** The agent types in a token's type claim. */
export function typesIn(
  type: string,
  { entityProfiles }: Pick<Issuer, 'entityProfiles'>,
): readonly string[] {
  return entityProfiles ? type.split(' ') : [type]
}

const passesAgent = async (
  { route, params }: Pick<Reach, 'route'> & { readonly params: ReadonlyMap<string, string> },
  issuer: Issuer,
  { type, workflow }: Described,
): Promise<boolean> => {
  const { agentTypes, workflow: source, ...rest } = route
  const asked: Route = {
    ...rest,
    ...(type !== undefined && agentTypes && { agentTypes }),
    ...(workflow !== undefined && source && { workflow: source }),
  }
  // A header or query names the workflow independently of the path.
  const namedWorkflow =
    source?.from === 'path' ? decodeURIComponent(params.get(source.name) ?? '') : workflow
  const types = type === undefined ? [] : typesIn(type, issuer)
  const known = { type, types, workflowId: workflow }
  const identity = known as Partial<AgentIdentity> as AgentIdentity
  const facts = {
    route: asked,
    agent: identity,
    ...(namedWorkflow !== undefined && { namedWorkflow }),
  }
  return (await agent.run(facts, undefined)).ok && (await ofWorkflow.run(facts, undefined)).ok
}

type Values = ReadonlyMap<string, ReadonlySet<string>>

/** By parameter: values that the agent's scopes or workflow mention. */
const valuesOf = (
  policy: Policy,
  route: Route,
  scopes: readonly string[] | undefined,
  workflow: string | undefined,
): Values => {
  const values = new Map<string, Set<string>>()
  const add = (name: string, value: string) =>
    values.set(name, (values.get(name) ?? new Set()).add(value))
  for (const template of scopes ? route.scopes.scopes : []) {
    for (const one of [...(scopes ?? []), ...declaredScopes(policy)]) {
      for (const [name, value] of valuesIn(template, one) ?? []) add(name, value)
    }
  }
  for (const [name, value] of workflowValue(route, workflow)) add(name, value)
  return values
}

/** All combinations, partial ones included; `undefined` if there are too many. */
const combined = (values: Values): readonly Only[] | undefined => {
  const count = [...values.values()].reduce((product, some) => product * (some.size + 1), 1)
  if (count > MOST) return undefined
  let all: readonly Only[] = [{}]
  for (const [name, some] of values) {
    all = all.flatMap((one) => [one, ...[...some].map((value) => ({ ...one, [name]: value }))])
  }
  return all
}

/** A value that no scope, workflow or rule mentions. */
const ANY = 'x'.repeat(128)

/** The value of a parameter, by default {@link ANY}. */
const valueFor = (only: Only, name: string): string =>
  (Object.hasOwn(only, name) ? only[name] : undefined) ?? ANY

/**
 * Whether some path with these values reaches the rule by one of the methods, and no earlier rule.
 * Checks no credential.
 */
export async function isServed(
  policy: Policy,
  route: Route,
  only: Only,
  methods = route.methods,
): Promise<boolean> {
  const paths = pathsOf(route, only, deepest(policy))
  const hosts = route.host === undefined ? policy.gate.hosts : [route.host]
  for (const host of hosts) {
    for (const method of methods) {
      for (const path of paths) {
        if ((await ruleFor(policy, { method, host, path }))?.route === route) return true
      }
    }
  }
  return false
}

const partsOf = (path: string): readonly string[] => path.split('/')

/** The number of parts of the longest rule path. */
const deepest = perObject(({ routes }: Policy) =>
  routes.reduce((most, { path }) => Math.max(most, partsOf(path).length), 0),
)

/**
 * Example paths for all that a rule matches with these values. Tries `*` empty, and at every depth up to one below
 * `depth`, the number of parts of the longest path.
 */
export function pathsOf(
  { path }: Pick<Route, 'path'>,
  only: Only,
  depth: number,
): readonly string[] {
  const parts = partsOf(path).map((part) =>
    part.replace(PARAM, (_, name: string, suffix: string) => valueFor(only, name) + suffix),
  )
  const base = parts.slice(0, -1)
  if (parts.at(-1) !== '*') return [parts.join('/')]
  const rests = [[''], ...Array.from({ length: depth - base.length + 1 }, (_, n) => filled(n + 1))]
  return rests.map((rest) => [...base, ...rest].join('/'))
}

const filled = (length: number): readonly string[] => Array<string>(length).fill(ANY)
