import type { Policy } from '../../core/model/policy.ts'
import type { Method, Route } from '../../core/model/route.ts'
import { type PolicyIssue, quote } from '../../policy/issues.ts'
import { type Segment, segmentsOf } from '../../policy/route-index.ts'
import { showPolicy } from '../../policy/show.ts'
import { type PolicyVars, rulePath } from '../../policy/vars.ts'

/** Rules of which the earlier ones are looked at: among more than these a person finds nothing. */
const MOST_RULES = 2_000

interface Rule {
  readonly route: Route
  readonly segments: readonly Segment[]
  /** All that it says beside what it is for. */
  readonly rest: string
}

/**
 * Rules that are more specific than an earlier one which takes a part of them all the same: some of
 * their methods, their path on one host, or some of what is below it. What takes all of a rule is
 * a mistake already, and one that asks for the same does no harm.
 */
export function shadowed(policy: Policy, vars: PolicyVars): readonly PolicyIssue[] {
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
  // A last rule for all the rest of one host is meant to take it.
  if (isOneHost && earlier.route.path === '/*') return
  const name = quote(earlier.route.name) + (host === undefined ? '' : ` on ${host}`)
  const what = methods.length < later.route.methods.length ? named(methods) : 'a part of it'
  return `${name} comes before ${quote(later.route.name)}, which is more specific, and takes ${what}${isOneHost ? ' there' : ''}; put ${quote(later.route.name)} first, or leave out what it does not get`
}

const named = (methods: readonly Method[]): string =>
  methods.filter((one) => one !== 'HEAD' || !methods.includes('GET')).join(', ')

/** Whether some path is in both, and one says more of it wherever they differ. */
const isMoreSpecific = (one: readonly Segment[], other: readonly Segment[]): boolean => {
  let isMore = false
  for (let i = 0; i < Math.max(one.length, other.length); i++) {
    const [mine, theirs] = [one[i], other[i]]
    if (isRest(theirs)) return mine !== undefined && (isMore || !isRest(mine))
    // One that goes on where the other has ended, or leaves more open where that does not.
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
