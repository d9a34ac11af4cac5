import { fail, ok } from '../base/result.ts'
import type { DelegationRule, Issuer } from '../model/issuer.ts'
import type { Route, Target, WorkflowSource } from '../model/route.ts'
import { claimHeaders } from './claim-headers.ts'
import { claimRules } from './claim-rules.ts'
import { corsField, corsOf } from './cors.ts'
import { ANY_DEPTH, delegationField, delegationOf, type IssuerNames } from './delegation.ts'
import type { PolicyEnv } from './env.ts'
import {
  bindingName,
  flag,
  hostName,
  isCredentialHeader,
  isHeaderName,
  literalPath,
  milliseconds,
  nameList,
  type Origin,
  originField,
  resourceField,
  seconds,
  text,
  word,
} from './fields.ts'
import { DEFAULT_IDENTITY_PREFIX, DEFAULT_TIMEOUT, type GateEntry, modeField } from './gate.ts'
import { injectField, injectionsOf, recognised } from './inject.ts'
import { quote, type Report, under } from './issues.ts'
import { revocationField, termsOf } from './revocation.ts'
import { type Match, parseMatch } from './router.ts'
import { scopeRule } from './scopes.ts'
import { list, type Readable, readTable } from './table.ts'

const match = text<Match & { readonly text: string }>((value) => {
  const reading = parseMatch(value)
  return reading.ok ? ok({ ...reading.value, text: value }) : reading
})

const workflow = text<WorkflowSource>((value) => {
  const [, from, name = ''] = /^(path|header|query):(.+)$/.exec(value) ?? []
  if (from === 'header' && !isHeaderName(name)) return fail(`${quote(name)} is no header name`)
  if (from === 'header' && isCredentialHeader(name)) {
    return fail(`${quote(name)} holds a credential, and names no workflow`)
  }
  if (from === 'query' && name.toLowerCase() === 'access_token') {
    return fail('`access_token` in a query is refused as a credential (RFC 6750 §2.3)')
  }
  if (from === 'path' || from === 'header' || from === 'query') {
    return ok(Object.freeze({ from, name: from === 'header' ? name.toLowerCase() : name }))
  }
  return fail('must be `path:NAME`, `header:NAME` or `query:NAME`')
})

/** What frames an answer, keeps it from other agents, or is the gate's own. */
const KEPT = [
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'vary',
  'x-request-id',
]

const removable = text((value) => {
  const name = value.toLowerCase()
  if (!isHeaderName(value)) return fail(`${quote(value)} is no header name (RFC 9110 §5.1)`)
  return KEPT.includes(name) ? fail(`${quote(name)} has to stay in an answer`) : ok(name)
})

const FIELDS = {
  match,
  host: hostName,
  resource: resourceField,
  scopes: scopeRule,
  access: word(['required', 'public', 'optional']),
  issuers: nameList,
  audiences: nameList,
  max_lifetime: seconds(),
  claims: claimRules,
  agent_types: nameList,
  workflow,
  delegation: delegationField,
  cors: corsField,
  origin: originField,
  origin_via: bindingName,
  forward_claims: claimHeaders,
  remove_response_headers: list(removable),
  strip_prefix: literalPath,
  timeout: milliseconds(),
  inject: injectField,
  forward_token: flag,
  encoded_slash: flag,
  mode: modeField,
  revocation: revocationField,
}

/** One table of ROUTES as configured, without what could not be read. */
export type RouteEntry = Readable<typeof FIELDS>

/** Reads one table of ROUTES by itself. */
export const readRoute = (value: unknown, report: Report): RouteEntry =>
  readTable(FIELDS, ['match'], value, report)

/** What rules are judged against. */
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
export const takenIssuers = (
  { issuers: chosen }: RouteEntry,
  { issuers }: Pick<Surroundings, 'issuers'>,
): readonly Issuer[] =>
  chosen ? chosen.flatMap((name) => issuers.get(name) ?? []) : [...issuers.values()]

/** Where a rule's requests go; over a service binding they keep the resource's scheme and host. */
export const targetOf = (
  origin: Origin,
  resource: string,
  stripPrefix: string,
  timeout: number,
  via?: string,
): Target =>
  Object.freeze({
    url: origin.kind === 'url' ? origin.url : new URL('/', resource),
    audience: origin.text,
    ...(origin.kind === 'service' && { service: origin.name }),
    ...(via !== undefined && { via }),
    stripPrefix,
    timeout,
  })

/** The binding of GATE is for GATE's origin. */
export const viaOf = (entry: RouteEntry, gate: GateEntry): string | undefined =>
  entry.origin_via ?? (entry.origin ? undefined : gate.origin_via)

const delegationRule = (
  entry: RouteEntry,
  around: Surroundings,
  report: Report,
): DelegationRule | undefined => {
  if (!entry.delegation) return undefined
  const taken = takenIssuers(entry, around).flatMap(({ delegation }) => [...delegation.issuers])
  const unset = { maxDepth: ANY_DEPTH, issuers: new Set(taken) }
  return delegationOf(entry.delegation, unset, around.names, under(report, 'delegation'))
}

/** The rule with every default filled in; `undefined` where the gate or the match is unreadable. */
export const routeOf = (
  entry: RouteEntry,
  around: Surroundings,
  report: Report,
): Route | undefined => {
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
  const timeout = entry.timeout ?? gate.timeout ?? DEFAULT_TIMEOUT
  return Object.freeze({
    name,
    methods: Object.freeze(methods),
    path,
    ...(entry.host !== undefined && { host: entry.host }),
    resource,
    access: entry.access ?? 'required',
    scopes: entry.scopes ?? Object.freeze({ mode: 'all', scopes: [] }),
    ...(entry.issuers && {
      issuers: new Set(takenIssuers(entry, around).map((one) => one.issuer)),
    }),
    ...(entry.audiences && { audiences: Object.freeze(entry.audiences) }),
    ...(entry.max_lifetime !== undefined && { maxLifetime: entry.max_lifetime }),
    claims: Object.freeze(entry.claims ?? []),
    ...(entry.agent_types && { agentTypes: new Set(entry.agent_types) }),
    ...(entry.workflow && { workflow: entry.workflow }),
    ...(delegation && { delegation }),
    ...(entry.cors && { cors: corsOf(entry.cors, methods) }),
    revocation: termsOf(entry.revocation ?? gate.revocation),
    // The origin's own credential is for requests that were allowed, and for nothing else.
    mode: entry.inject ? 'enforce' : (entry.mode ?? gate.mode ?? 'enforce'),
    target: targetOf(origin, resource, entry.strip_prefix ?? '', timeout, viaOf(entry, gate)),
    forwardClaims: entry.forward_claims ?? Object.freeze([]),
    removedFromAnswers: Object.freeze(entry.remove_response_headers ?? []),
    inject,
    secrets: recognised(entry.inject ?? [], inject, around.env),
    forwardToken: entry.forward_token ?? false,
    encodedSlash: entry.encoded_slash ?? false,
  })
}
