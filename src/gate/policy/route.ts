import { deepFreeze } from '../base/json.ts'
import type { DelegationRule, Issuer } from '../model/issuer.ts'
import type { Route, Target } from '../model/route.ts'
import { corsOf } from './keys/cors.ts'
import { DEEPEST, delegationOf, type IssuerNames } from './keys/delegation.ts'
import { DEFAULT_IDENTITY_PREFIX, type GateEntry } from './keys/gate.ts'
import { injectionsOf, recognised } from './keys/inject.ts'
import { termsOf } from './keys/revocation.ts'
import { ROUTE_KEYS, type RouteEntry } from './keys/route-keys.ts'
import type { PolicyEnv } from './reading/env.ts'
import type { Origin } from './reading/fields.ts'
import { type Report, under } from './reading/issues.ts'
import { keptOf } from './reading/kept.ts'
import { readTable } from './reading/table.ts'

/** Reads one table of ROUTES by itself. */
export function readRoute(value: unknown, report: Report): RouteEntry {
  return readTable(ROUTE_KEYS, value, report)
}

export interface Surroundings {
  readonly gate: GateEntry
  readonly hosts: ReadonlySet<string>
  /** Every issuer's table that has a readable `issuer`, by its name. */
  readonly issuers: ReadonlyMap<string, Issuer>
  readonly names: IssuerNames
  /** Every table of ISSUERS, readable or not. */
  readonly declared: ReadonlySet<string>
  readonly env: PolicyEnv
}

/** The issuers whose tokens a rule takes. */
export function takenIssuers(
  { issuers: chosen }: RouteEntry,
  { issuers }: Pick<Surroundings, 'issuers'>,
): readonly Issuer[] {
  return chosen
    ? chosen.flatMap((name) => issuers.get(name) ?? []).filter(({ rules }) => rules !== false)
    : [...issuers.values()].filter(({ rules }) => rules === undefined)
}

const takesNotAll = ({ issuers }: Surroundings): boolean =>
  [...issuers.values()].some(({ rules }) => rules !== undefined)

/** Where a rule's requests go; over a service binding they keep the resource's scheme and host. */
export function targetOf(
  origin: Origin,
  resource: string,
  stripPrefix: string,
  timeout: number | undefined,
  via?: string,
): Target {
  return {
    url: origin.kind === 'url' ? origin.url : new URL('/', resource),
    audience: origin.text,
    ...(origin.kind === 'service' && { service: origin.name }),
    ...(via !== undefined && { via }),
    stripPrefix,
    ...(timeout !== undefined && { timeout }),
  }
}

/** The binding that reaches a rule's origin. The binding in GATE is for GATE's origin only. */
export function viaOf(entry: RouteEntry, gate: GateEntry): string | undefined {
  return entry.origin_via ?? (entry.origin ? undefined : gate.origin_via)
}

const delegationRule = (
  entry: RouteEntry,
  around: Surroundings,
  report: Report,
): DelegationRule | undefined => {
  if (!entry.delegation) return undefined
  const taken = takenIssuers(entry, around).flatMap(({ delegation }) => [...delegation.issuers])
  const unset = { maxDepth: DEEPEST, issuers: new Set(taken) }
  return delegationOf(entry.delegation, unset, around.names, under(report, 'delegation'))
}

/** Seconds. */
const DEFAULT_FINISH = 5 * 60

/** What an expired token ends under a rule: a strict one is strict about expiry too. */
export function onExpiryOf(entry: RouteEntry, gate: GateEntry): 'finish' | 'cut' {
  const { consistency } = termsOf(entry.revocation ?? gate.revocation)
  return entry.on_expiry ?? gate.on_expiry ?? (consistency === 'strict' ? 'cut' : 'finish')
}

const finishWithinOf = (entry: RouteEntry, gate: GateEntry): number =>
  entry.access === 'public' || onExpiryOf(entry, gate) === 'cut'
    ? 0
    : (entry.finish_within ?? gate.finish_within ?? DEFAULT_FINISH)

/** The rule with every default filled in; `undefined` where the gate or the match is unreadable. */
export function routeOf(
  entry: RouteEntry,
  around: Surroundings,
  report: Report,
): Route | undefined {
  const { gate } = around
  const delegation = delegationRule(entry, around, report)
  const inject = injectionsOf(
    entry.inject ?? [],
    gate.identity_prefix ?? DEFAULT_IDENTITY_PREFIX,
    around.env,
    under(report, 'inject'),
  )
  const resource = (entry.resource ?? gate.resource)?.text
  const origin = entry.origin ?? gate.origin
  if (!entry.match || resource === undefined || !origin) return undefined
  const { text: name, methods, path } = entry.match
  const timeout = entry.timeout ?? gate.timeout
  return deepFreeze({
    ...keptOf(ROUTE_KEYS, entry),
    name,
    methods,
    path,
    resource,
    ...((entry.issuers || takesNotAll(around)) && {
      issuers: new Set(takenIssuers(entry, around).map((one) => one.issuer)),
    }),
    ...(entry.agent_types && { agentTypes: new Set(entry.agent_types) }),
    ...(entry.steps && { steps: new Set(entry.steps) }),
    ...(delegation && { delegation }),
    ...((entry.acr_values || entry.max_age !== undefined) && {
      authentication: {
        ...(entry.acr_values && { acrValues: entry.acr_values }),
        ...(entry.max_age !== undefined && { maxAge: entry.max_age }),
      },
    }),
    ...(entry.cors && { cors: corsOf(entry.cors, methods, entry) }),
    revocation: termsOf(entry.revocation ?? gate.revocation),
    onRevocation: entry.on_revocation ?? gate.on_revocation ?? 'end-streams',
    finishWithin: finishWithinOf(entry, gate),
    ...(entry.single_use && { singleUse: true }),
    ...(entry.possession === 'required' && { possession: 'required' }),
    ...(entry.agents === 'approved' && { agents: 'approved' }),
    ...(entry.replay === 'window' && { replay: 'window' }),
    // Never in shadow mode: behind an injected credential or MCP the origin does not check agents itself, and nothing
    // that a person must approve goes on without.
    mode:
      entry.inject || entry.mcp || entry.approval
        ? 'enforce'
        : (entry.mode ?? gate.mode ?? 'enforce'),
    target: targetOf(origin, resource, entry.strip_prefix ?? '', timeout, viaOf(entry, gate)),
    removedFromAnswers: entry.remove_response_headers ?? [],
    inject,
    secrets: recognised(entry.inject ?? [], inject, around.env),
    ...(entry.audit_path !== undefined &&
      entry.audit_path !== 'template' && { auditPath: entry.audit_path }),
    ...(entry.audit_mask && { auditMask: entry.audit_mask }),
    ...(entry.ambiguous_paths === 'allow' && { ambiguousPaths: 'allow' }),
  })
}
