import type { JsonObject } from '../../gate/base/json.ts'
import { perObject } from '../../gate/base/memo.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import type { McpUse } from '../../gate/model/mcp.ts'
import { isArgument } from '../../gate/model/mcp-scopes.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { type Route, takesIssuer } from '../../gate/model/route.ts'
import { holesOf } from '../../gate/model/scope.ts'
import { isAbout } from '../../gate/policy/keys/route-keys.ts'
import { PARAM } from '../../gate/policy/reading/route-index.ts'
import { isReading } from '../../gate/policy/reading/rows.ts'
import { createPace, type Pace } from '../pace.ts'
import { ruleFor } from '../requests.ts'
import { ANY, type Described, isFree, type Only, waysOf } from './ways.ts'

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

/** How much a search may do. */
interface Effort {
  /** The most combinations of values per rule. */
  readonly most?: number
  /** Waits, so that other work can run between two parts of the search. */
  readonly pause?: () => Promise<void>
}

/** Steps to find the issuers and values of a rule, and to find the rule of one path. */
const [RULE, FIND] = [100, 50]

/**
 * The rules that allow some request of the described agent. Rules in shadow mode always pass. Checks only issuer,
 * scopes, agent type and workflow; for an MCP server, whether the agent may connect.
 */
export async function reachable(
  policy: Policy,
  described: Described,
  { most = 1_000, pause }: Effort = {},
): Promise<readonly Reach[]> {
  const found: Reach[] = []
  const pace = createPace(pause)
  for (const route of policy.routes) {
    await pace(RULE)
    const reach = await reachOf(policy, route, described, most, pace)
    if (reach) found.push(reach)
  }
  return found
}

const reachOf = async (
  policy: Policy,
  route: Route,
  described: Described,
  most: number,
  pace: Pace,
): Promise<Reach | undefined> => {
  const free = { route, isAnonymous: true, issuers: [], only: [], many: [] }
  if (!isReading(route) || route.mode === 'shadow') return free
  const { workflow, scopes } = route
  // A header or query names the workflow independently of the path.
  const start =
    workflow?.from === 'path' && described.workflow !== undefined
      ? { [workflow.name]: encodeURIComponent(described.workflow) }
      : {}
  const issuers: Issuer[] = []
  const passing = new Map<string, Only>()
  const many = new Set<string>()
  for (const issuer of policy.issuers.values()) {
    const { issuer: iss } = issuer
    if (!takesIssuer(route, iss) || (described.issuer ?? iss) !== iss) continue
    const found = waysOf(issuer, route, described, [start], policy)
    const ways = found?.some(isFree) ? [{}] : found
    if (!ways || ways.length > most) {
      issuers.push(issuer)
      for (const name of scopes.scopes.flatMap(holesOf)) many.add(name)
      continue
    }
    let isReached = false
    for (const way of ways) {
      if (!isFree(way) && !(await isServed(policy, route, way, route.methods, pace))) continue
      isReached = true
      passing.set(JSON.stringify(Object.entries(way).sort()), way)
    }
    if (isReached) issuers.push(issuer)
  }
  if (issuers.length === 0) return route.access === 'optional' ? free : undefined
  const only = least([...passing.values()])
  return {
    route,
    isAnonymous: false,
    issuers,
    only,
    many: passing.size > 0 && only.length === 0 ? [] : [...many],
  }
}

/** Removes alternatives that imply another alternative; the result is empty if one alternative needs nothing. */
const least = (ways: readonly Only[]): readonly Only[] => {
  const asks = (one: Only, other: Only) =>
    Object.entries(other).every(([name, value]) => one[name] === value)
  const kept = ways.filter((one) => !ways.some((other) => other !== one && asks(one, other)))
  return kept.some(isFree) ? [] : kept
}

/** An agent, and how it reaches the rule of a use. */
type Asking = Pick<Described, 'type' | 'scopes'> & Pick<Reach, 'route' | 'issuers' | 'only'>

/**
 * Whether the described agent could use something with some parameters and arguments, on a path
 * where it reaches the rule by POST. Does not evaluate `when`. With too many combinations, values
 * may differ between templates.
 */
export async function isUsable(use: McpUse, asking: Asking, policy: Policy): Promise<boolean> {
  const { route, issuers, only } = asking
  const start = only.length > 0 ? only : [{}]
  const ways = issuers.flatMap((issuer) => waysOf(issuer, use, asking, start, policy) ?? [{}])
  for (const way of new Map(ways.map((one) => [parametersText(one), one])).values()) {
    // MCP messages are sent by POST.
    if (await isServed(policy, route, way, ['POST'])) return true
  }
  return false
}

/** A text of the path parameters among some values. */
const parametersText = (way: Only): string =>
  JSON.stringify(
    Object.entries(way)
      .filter(([hole]) => !isArgument(hole))
      .sort(),
  )

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
  pace = createPace(undefined),
): Promise<boolean> {
  const paths = pathsOf(route, only, deepest(policy))
  const hosts = route.host === undefined ? policy.gate.hosts : [route.host]
  for (const host of hosts) {
    for (const method of methods) {
      for (const path of paths) {
        await pace(FIND)
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
 * Example paths for all that a rule matches with these values. Tries `*` empty and with parts, until the path has one
 * part more than `depth`, the number of parts of the longest path.
 */
export function pathsOf(
  { path }: Pick<Route, 'path'>,
  only: Only = {},
  depth = 0,
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

/** What a rule as shown asks of an agent, but for these keys. */
export function askedBy(rule: JsonObject, answered: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(rule).filter(
      ([key, value]) => isAbout(key, 'agent') && !answered.includes(key) && isAsked(value),
    ),
  )
}

const isAsked = (value: unknown): boolean =>
  typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : value !== undefined
