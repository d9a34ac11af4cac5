import { templatesOfMcp, valuesIn } from '../../compare/scopes.ts'
import type { ClaimGrant } from '../../gate/model/claims.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { Method, Route } from '../../gate/model/route.ts'
import type { ScopeTemplate } from '../../gate/model/scope.ts'
import { LONG_LIFETIME } from '../../gate/policy/keys/profiles.ts'
import { issueIf, type PolicyIssue, pathText, quote } from '../../gate/policy/reading/issues.ts'
import { type Segment, segmentsOf } from '../../gate/policy/reading/route-index.ts'
import { isReading } from '../../gate/policy/reading/rows.ts'
import { type PolicyVars, rulePath } from '../../gate/policy/reading/vars.ts'
import { showPolicy } from '../../gate/policy/show.ts'

const READS: readonly Method[] = ['GET', 'HEAD']
const WRITES: readonly Method[] = ['POST', 'PUT', 'PATCH', 'DELETE']

/** Words in scopes for administrators. */
const ADMINISTRATIVE: ReadonlySet<string> = new Set([
  ...['admin', 'administrator', 'manage', 'manager', 'owner', 'root', 'super', 'superuser', 'sudo'],
  '*',
])
/** Words in scopes that allow changes. */
const WRITING: ReadonlySet<string> = new Set([
  ...['write', 'create', 'update', 'delete', 'remove', 'edit', 'modify', 'publish', 'readwrite'],
  ...ADMINISTRATIVE,
])
/** Words in scopes for reading. */
const READING: ReadonlySet<string> = new Set(['read', 'readonly', 'list', 'view', 'get'])

/** Words that count only as a whole word: not in `root-cause`, `task_manager`, `price-list`. */
const ALONE: ReadonlySet<string> = new Set([
  ...['manager', 'owner', 'root', 'super', '*'],
  ...['list', 'view', 'get'],
])
/** Words that negate the word after them: `no-write`. */
const NEGATIONS: ReadonlySet<string> = new Set(['no', 'non', 'not', 'never', 'without'])

/** The parts of a scope without placeholders, each split into words. */
const partsOf = ({ parts }: ScopeTemplate): readonly (readonly string[])[] =>
  parts
    .filter((_, i) => i % 2 === 0)
    .flatMap((part) => part.toLowerCase().split(/[:./]/))
    .map((part) => part.split(/[-_]/).filter((word) => word !== ''))

const says = (template: ScopeTemplate, words: ReadonlySet<string>): boolean =>
  partsOf(template).some((part) => {
    if (part.length < 2) return part.some((word) => words.has(word))
    // `read-admin` and `list_admins` are for reading, whatever they read.
    if (words === ADMINISTRATIVE && part.some((word) => READING.has(word))) return false
    if (part.some((word) => NEGATIONS.has(word))) return false
    return part.some((word) => words.has(word) && !ALONE.has(word))
  })

/** A scope of a kind, if a token needs at least one of that kind. */
const mustHave = (
  { scopes: { mode, scopes } }: Route,
  isSo: (template: ScopeTemplate) => boolean,
): ScopeTemplate | undefined =>
  mode === 'all' || scopes.every(isSo) ? scopes.find(isSo) : undefined

/** Finds what is probably a mistake in a rule, as a message. */
type Lint = (route: Route, policy: Policy) => string | false | undefined

const adminToRead: Lint = (route) => {
  const isBroad = route.path.endsWith('/*') && route.methods.every((one) => READS.includes(one))
  const found =
    isBroad &&
    isReading(route) &&
    mustHave(route, (one) => says(one, ADMINISTRATIVE) && !says(one, READING))
  return (
    found &&
    `requires ${quote(found.source)} of agents that only read: to read all of ${quote(route.path)} they get a scope that allows more; require a scope for reading, and include it in SCOPES`
  )
}

const writesOfAnyType: Lint = (route, { routes }) => {
  if (route.agentTypes || !isReading(route) || !routes.some(({ agentTypes }) => agentTypes)) return
  const found =
    route.methods.some((one) => WRITES.includes(one)) &&
    mustHave(route, (one) => says(one, WRITING))
  return (
    found &&
    `has no agent_types, while other rules have: agents of any type may write here with ${quote(found.source)}; name the types that may`
  )
}

const longLife: Lint = ({ maxLifetime = 0 }) =>
  maxLifetime > LONG_LIFETIME &&
  `lets tokens live ${maxLifetime / 60} minutes, and a stolen one works as long unless it is revoked; 15m is enough for an agent that can get a new one`

/** Lints by the key of a rule that they are about. */
const LINTS = { '.scopes': adminToRead, '': writesOfAnyType, '.max_lifetime': longLife }

/** Whether a rule requires a scope, or one that a `prefix*` includes. */
const isAsked = (scope: string, templates: readonly ScopeTemplate[]): boolean =>
  templates.some((one) =>
    one.parts.length === 1
      ? one.source === scope || (scope.endsWith('*') && one.source.startsWith(scope.slice(0, -1)))
      : valuesIn(one, scope),
  )

/** All scopes that a rule requires, for every call or for some. */
const askedBy = (route: Route): readonly ScopeTemplate[] => [
  ...route.scopes.scopes,
  ...templatesOfMcp(route),
]

/** Declared, included and granted scopes that allow nothing: no rule requires them or what they include. */
const unused = ({ issuers, routes, scopes, includedBy }: Policy): readonly PolicyIssue[] => {
  const templates = routes.filter(isReading).flatMap(askedBy)
  const opening = [...scopes].flatMap(([scope, included]) => [
    ...included.filter((one) => isAsked(one, templates)),
    ...([scope, ...included].some((one) => isAsked(one, templates)) ? [scope] : []),
  ])
  const useful = new Set([...opening, ...opening.flatMap(includedBy)])
  const message =
    'opens nothing: no rule requires it or a scope that it includes; perhaps a rule misspells it'
  const granted = [...issuers.values()].flatMap(({ grants = [] }) =>
    grants.flatMap(({ name, scopes }) =>
      scopes.flatMap((one, i) =>
        issueIf(
          !useful.has(one) && !isAsked(one, templates),
          pathText(name, ['scopes', i]),
          `${quote(one)} ${message}`,
        ),
      ),
    ),
  )
  const declared = [...scopes].flatMap(([scope, included]) => {
    if (!useful.has(scope)) return [{ path: pathText('SCOPES', [scope]), message }]
    return included.flatMap((one, i) =>
      issueIf(
        !useful.has(one) && !scopes.has(one),
        pathText('SCOPES', [scope, i]),
        `${quote(one)} ${message}`,
      ),
    )
  })
  return [...declared, ...granted]
}

/** Grants of one issuer that can make the same id from different claims. */
const alikeIds = ({ issuers }: Policy): readonly PolicyIssue[] =>
  [...issuers.values()].flatMap(({ grants = [] }) =>
    grants.flatMap(({ name, agentId }, i) => {
      const other = grants
        .slice(0, i)
        .find((one) => one.agentId && agentId && isAlike(one.agentId, agentId))
      return issueIf(
        other,
        pathText(name, ['agent_id']),
        `makes the same id as ${other?.name} from other claims, if their values are equal: begin one of the two ids with another text`,
      )
    }),
  )

/** Whether two templates differ only in their claims. */
const isAlike = (one: Template, other: Template): boolean => {
  const written = ({ parts }: Template, isHole: boolean) =>
    JSON.stringify(parts.filter((_, i) => i % 2 === Number(isHole)))
  return (
    written(one, false) === written(other, false) && written(one, true) !== written(other, true)
  )
}

type Template = NonNullable<ClaimGrant['agentId']>

/** The most rules that are compared with earlier ones. */
const MOST_RULES = 2_000

interface Rule {
  readonly route: Route
  readonly segments: readonly Segment[]
  /** All its settings but `match` and `host`. */
  readonly rest: string
}

/**
 * Rules of which an earlier, less specific rule takes a part: some of their methods, their path on one host, or some
 * paths below it. A rule that takes all requests of a later rule is reported as a mistake elsewhere. A rule with equal
 * settings does no harm.
 */
const shadowed = (policy: Policy, vars: PolicyVars): readonly PolicyIssue[] => {
  const shown = showPolicy(policy).routes
  const rules = policy.routes.slice(0, MOST_RULES).map((route, i) => {
    const { match: _, host: __, ...rest } = shown[i] ?? {}
    return { route, segments: segmentsOf(route.path), rest: JSON.stringify(rest) }
  })
  return rules.flatMap((later, index) => {
    for (const earlier of rules.slice(0, index)) {
      const message = earlier.rest === later.rest ? undefined : takenFrom(later, earlier)
      if (message !== undefined) return [{ path: `${rulePath(vars, index)}.match`, message }]
    }
    return []
  })
}

const takenFrom = (later: Rule, earlier: Rule): string | undefined => {
  const { host } = earlier.route
  if (host !== undefined && later.route.host !== undefined && host !== later.route.host) return
  if (!isMoreSpecific(later.segments, earlier.segments)) return
  const methods = later.route.methods.filter((one) => earlier.route.methods.includes(one))
  if (methods.length === 0) return
  const isOneHost = host !== undefined && later.route.host === undefined
  // A rule for everything else on one host is meant to do so.
  if (isOneHost && earlier.route.path === '/*') return
  const name = quote(earlier.route.name) + (host === undefined ? '' : ` on ${host}`)
  const what = methods.length < later.route.methods.length ? named(methods) : 'a part of it'
  return `${name} comes before ${quote(later.route.name)}, which is more specific, and matches ${what}${isOneHost ? ' there' : ''}; put ${quote(later.route.name)} first, or narrow that rule to the rest`
}

const named = (methods: readonly Method[]): string =>
  methods.filter((one) => one !== 'HEAD' || !methods.includes('GET')).join(', ')

/** Whether both match some path, and the first is more specific wherever they differ. */
const isMoreSpecific = (one: readonly Segment[], other: readonly Segment[]): boolean => {
  let isMore = false
  for (let i = 0; i < Math.max(one.length, other.length); i++) {
    const [mine, theirs] = [one[i], other[i]]
    if (isRest(theirs)) return mine !== undefined && (isMore || !isRest(mine))
    // One of the paths is longer, so no path matches both.
    if (!mine || !theirs) return false
    if (isRest(mine)) return isMore && other.slice(i).every((segment) => 'param' in segment)
    if ('literal' in theirs) {
      if (!('literal' in mine) || mine.literal !== theirs.literal) return false
      continue
    }
    const isIn =
      'literal' in mine
        ? mine.literal.length > theirs.suffix.length && mine.literal.endsWith(theirs.suffix)
        : mine.suffix.endsWith(theirs.suffix)
    if (!isIn) return false
    if ('literal' in mine || mine.suffix !== theirs.suffix) isMore = true
  }
  return isMore
}

const isRest = (segment: Segment | undefined): boolean =>
  segment !== undefined && 'literal' in segment && segment.literal === '*'

/**
 * What a valid policy allows, probably by mistake: broad reading with a scope that allows more, writing by agents of
 * any type although other rules have types, long lifetimes, scopes that allow nothing, ids that two grants make, and
 * rules that take a part of a later rule's requests.
 */
export function boundaryWarnings(policy: Policy, vars: PolicyVars): readonly PolicyIssue[] {
  return [
    ...policy.routes.flatMap((route, i) =>
      Object.entries(LINTS).flatMap(([key, lint]) => {
        const message = lint(route, policy)
        return message ? [{ path: rulePath(vars, i) + key, message }] : []
      }),
    ),
    ...unused(policy),
    ...alikeIds(policy),
    ...shadowed(policy, vars),
  ]
}
