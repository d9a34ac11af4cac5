import { perObject } from '../gate/base/memo.ts'
import { fail, ok, type Result } from '../gate/base/result.ts'
import type { Policy } from '../gate/model/policy.ts'
import { type Route, takesIssuer } from '../gate/model/route.ts'
import { holesOf } from '../gate/model/scope.ts'
import { isReading } from '../gate/policy/reading/rows.ts'
import { type ShownPolicy, showPolicy, showRoute } from '../gate/policy/show.ts'
import { callerExcess } from './callers.ts'
import { gateSettings, issuerSettings, readOtherwise, ruleSettings } from './compared.ts'
import { type Comparison, createFindings } from './findings.ts'
import { type Labelled, labelOf, specificity, unfitOf } from './labels.ts'
import { createPace, type Pace } from './pace.ts'
import { type Requests, requestsFor, ruleFor } from './requests.ts'
import type { Met } from './scopes.ts'
import { changesOf, GATE_TABLE, ISSUER_TABLE, RULE_TABLE } from './settings.ts'
import { headerChanges, ofFewerScopes, parentChanges, quotaChanges } from './shared.ts'

type Findings = ReturnType<typeof createFindings>

/** How much a comparison may do. */
interface Effort {
  /** The most sample requests. */
  readonly most?: number
  /** Waits, so that other work can run between two parts of the comparison. */
  readonly pause?: () => Promise<void>
}

/** The old and the new policy in words of the configuration, without their rules. */
type Both = readonly [ShownPolicy, ShownPolicy]

/** Steps to find the two rules of a sample request. */
const FIND = 50
/** Steps to compare the callers of two rules, besides one for each issuer. */
const CALLERS = 200

/**
 * Compares the requests that two policies allow, not their text: the order of rules counts only
 * where it matters. Differences that cannot be compared count as wider. Fails with a reason if
 * there are too many overlaps. Uses only the policies, not keys, tokens or origins.
 */
export async function comparePolicies(
  before: Policy,
  after: Policy,
  { most, pause }: Effort = {},
): Promise<Result<Comparison, string>> {
  const pace = createPace(pause)
  const tablesOf = (policy: Policy) => showPolicy({ ...policy, routes: [] })
  const shown = [tablesOf(before), tablesOf(after)] as const
  await pause?.()
  const requests = await requestsFor(before, after, pace, most)
  if (!requests)
    return fail('the rules overlap in too many ways to compare which requests they allow')
  const findings = createFindings()
  await compareRules(before, after, requests, findings, pace)
  await compareOwn(before, after, requests, findings)
  compareTables(before, after, shown, findings)
  return ok(findings.all())
}

const compareRules = async (
  before: Policy,
  after: Policy,
  { samples, placeholder }: Requests,
  findings: Findings,
  pace: Pace,
) => {
  const settings = ruleChanges(before, after)
  const pairs: (readonly [Route, Route])[] = []
  const ids = new Map([...before.routes, ...after.routes].map((route, i) => [route, i]))
  // Requests of the same two rules are one kind if their relevant parameters are equal.
  const kinds = new Map<string, Labelled & { readonly telling: number; readonly unfit: number }>()
  for (const sample of samples) {
    await pace(FIND)
    const [old, now] = [await ruleFor(before, sample), await ruleFor(after, sample)]
    if (!old && !now) continue
    if (old && now) pairs.push([old.route, now.route])
    const pair = [old, now].map((met) => met && [ids.get(met.route), ...askedOf(met)])
    const isOne = old?.route.name === now?.route.name
    const otherwise =
      old &&
      now &&
      readOtherwise(old, now) &&
      settings(old, now).map(({ key, directions }) => [key, directions])
    const key = JSON.stringify([...pair, isOne || sample.method, otherwise])
    const labelled = { sample, old, now, before, after, placeholder }
    const telling = specificity(labelled)
    if (telling > (kinds.get(key)?.telling ?? Number.NEGATIVE_INFINITY)) {
      kinds.set(key, { ...labelled, telling, unfit: unfitOf(labelled).length })
    }
  }
  const pairOf = ({ old, now }: Labelled) =>
    [old, now].map((met) => met && ids.get(met.route)).join()
  const fitPairs = new Set<string>()
  const said = new Set<string>()
  const sayCallers = (side: 'gains' | 'loses', labelled: Labelled, isFit: boolean) => {
    const { old, now } = labelled
    const [one, other] = side === 'gains' ? [now, old] : [old, now]
    for (const excess of callerExcess(one, other, placeholder)) {
      // A rule without a counterpart is reported with all callers if all values are compared.
      const { who, issuer } = other ? excess : { ...excess, who: '' }
      const key = JSON.stringify([side, pairOf(labelled), who, issuer])
      if (isFit) said.add(key)
      if (isFit || !said.has(key)) findings.callers(side, labelOf(labelled), excess)
    }
  }
  // Values not allowed in scopes come last: only their differences from the others are reported.
  const ordered = [...kinds.values()].sort((a, b) => a.unfit - b.unfit)
  const steps = CALLERS + before.issuers.size + after.issuers.size
  for (const labelled of ordered) {
    await pace(steps)
    const { old, now } = labelled
    const isFit = labelled.unfit === 0
    sayCallers('gains', labelled, isFit)
    sayCallers('loses', labelled, isFit)
    const pair = pairOf(labelled)
    if (isFit) fitPairs.add(pair)
    else if (fitPairs.has(pair)) continue
    if (!old || !now) continue
    for (const change of settings(old, now)) findings.setting(labelOf(labelled), change)
  }
  for (const change of quotaChanges(pairs)) findings.plain(...change)
}

/** The parameters that decide which callers are allowed. */
const askedOf = ({ route, params }: Met): readonly unknown[] => {
  const isAsked = (name: string) =>
    (route.workflow?.from === 'path' && route.workflow.name === name) ||
    route.scopes.scopes.some((template) => holesOf(template).includes(name))
  return [...params].filter(([name]) => isAsked(name))
}

/** Finds the settings of two rules that differ for a request. */
const ruleChanges = (before: Policy, after: Policy) => {
  const shownIn = ({ issuers }: Policy) => {
    const all = [...issuers.values()]
    return perObject((route: Route) => showRoute(route, all))
  }
  const [old, now] = [shownIn(before), shownIn(after)]
  return (one: Met, other: Met) => {
    const table = isReading(one.route) && isReading(other.route) ? RULE_TABLE : PUBLIC_TABLE
    return changesOf(
      table,
      ruleSettings(old(one.route), one),
      ruleSettings(now(other.route), other),
    )
  }
}

/** For pairs with a public rule: it allows everybody, so the keys about the end of a token do not matter. */
const PUBLIC_TABLE = {
  ...RULE_TABLE,
  'revocation.late_by': () => [],
  on_revocation: () => [],
  on_expiry: () => [],
}

/** The gate's own endpoints, one per required scope. */
const OWN = ['/policy', '/revocations']

const compareOwn = async (
  before: Policy,
  after: Policy,
  { placeholder }: Requests,
  findings: Findings,
) => {
  for (const path of OWN) {
    const met = (policy: Policy): Met | undefined => {
      const { gate, router } = policy
      const [host = ''] = gate.hosts
      const { match } = router.find('GET', host, gate.prefix + path)
      return match && { ...match, policy }
    }
    const [old, now] = [met(before), met(after)]
    const of = `GET ${after.gate.prefix}${path}`
    for (const excess of callerExcess(now, old, placeholder)) findings.callers('gains', of, excess)
    for (const excess of callerExcess(old, now, placeholder)) findings.callers('loses', of, excess)
  }
}

const compareTables = (before: Policy, after: Policy, [old, now]: Both, findings: Findings) => {
  const gate = changesOf(
    GATE_TABLE,
    gateSettings(old, before.gate, after.gate),
    gateSettings(now, after.gate, before.gate),
  )
  for (const change of gate) findings.setting('GATE', change)
  for (const change of headerChanges(before.gate, after.gate)) findings.plain(...change)
  for (const [iss, issuer] of after.issuers) {
    const known = before.issuers.get(iss)
    const isTaken =
      issuer.admin !== false || after.routes.some((one) => isReading(one) && takesIssuer(one, iss))
    if (!known || !isTaken) continue
    const changes = changesOf(
      ISSUER_TABLE,
      issuerSettings(old.issuers[known.name] ?? {}, known, issuer),
      issuerSettings(now.issuers[issuer.name] ?? {}, issuer, known),
    )
    const of = `issuer ${issuer.name}`
    for (const change of changes) findings.setting(of, ofFewerScopes(change, issuer, after))
    if (!known.parentScope || !issuer.parentScope) continue
    for (const change of parentChanges(before, after, issuer)) findings.plain(...change)
  }
}
