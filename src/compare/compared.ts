import { type JsonObject, objectOf } from '../gate/base/json.ts'
import { perObject } from '../gate/base/memo.ts'
import type { ApprovalRule } from '../gate/model/approval-rule.ts'
import { claimPathText } from '../gate/model/claims.ts'
import type { Condition } from '../gate/model/condition.ts'
import type { DetailRule } from '../gate/model/details.ts'
import type { Issuer } from '../gate/model/issuer.ts'
import { MCP_KINDS, type McpRule, type McpUse } from '../gate/model/mcp.ts'
import { isArgument } from '../gate/model/mcp-scopes.ts'
import type { Gate, Policy } from '../gate/model/policy.ts'
import type { CorsRule, RouteMatch } from '../gate/model/route.ts'
import type { ScopeTemplate } from '../gate/model/scope.ts'
import { writtenCondition } from '../gate/policy/conditions/field.ts'
import { showApproval } from '../gate/policy/keys/approval.ts'
import type { Shown } from '../gate/policy/keys/show-parts.ts'
import { originText } from '../gate/policy/reading/rows.ts'
import { type ShownPolicy, showGrants } from '../gate/policy/show.ts'
import { asSet, sameText } from './judges.ts'
import { type Met, templatesOfMcp } from './scopes.ts'
import type { Compared } from './settings.ts'
import { strippedBeside } from './shared.ts'

/** Settings in the form in which they are compared, if that differs from the form in which they are shown. */

/**
 * GATE's settings to compare: the parts of `assertion`, and the names of `strip_headers` that the
 * other policy forwards.
 */
export function gateSettings(
  { gate: shown, watch, transmit }: ShownPolicy,
  gate: Gate,
  other: Gate,
): Compared {
  const { assertion } = shown
  return {
    shown: {
      ...shown,
      ...(watch && { watch }),
      ...(transmit && { transmit }),
      ...(typeof assertion === 'string' && { assertion: { binding: assertion } }),
    },
    hidden: { strip_headers: strippedBeside(gate, other) },
  }
}

/**
 * An issuer's settings to compare: with its keys and their full address, which are not shown, and its grants. Only
 * grants that the other policy does not have are shown.
 */
export function issuerSettings(shown: Shown, issuer: Issuer, other: Issuer): Compared {
  const { keys, decrypt, grants = [] } = issuer
  const [written = [], others = []] = [issuer, other].map((one) =>
    Object.values(showGrants(one)).map(({ issuer: _, ...grant }) => grant),
  )
  const known = others.map(sameText)
  return {
    shown: { ...shown, grants: written.filter((one) => !known.includes(sameText(one))) },
    hidden: {
      grants: grants.map(({ claims }, i) => ({
        ...written[i],
        claims: claims.map(({ path, expected }) => [claimPathText(path), expected]),
      })),
      ...(keys.kind === 'inline' && { jwks: keys.keys }),
      ...(keys.kind === 'uri' && { jwks_uri: keys.uri }),
      ...(decrypt && {
        decrypt: {
          ...objectOf(shown.decrypt),
          key_management: asSet(decrypt.keyManagement),
          content_encryption: asSet(decrypt.contentEncryption),
        },
      }),
    },
  }
}

/**
 * A rule's settings to compare for one request. `revocation` is its delay; `inject` its templates
 * and values; `mcp` also has the scopes that cover its own. Lists of `cors` are sets, and
 * parameters are resolved.
 */
export function ruleSettings(shown: Shown, met: Met): Compared {
  const { access, revocation, inject, cors, mcp, target } = met.route
  const { consistency, maxStaleness } = revocation
  const readings = readingsOf(met)
  const lateBy = consistency === 'strict' ? '0ms' : `${maxStaleness}ms`
  return {
    shown: {
      ...shown,
      origin: target.audience,
      ...(access !== 'public' && { revocation: { late_by: lateBy } }),
    },
    hidden: {
      ...readings,
      ...(inject.length > 0 && {
        inject: Object.fromEntries(inject.map(([header, ...text]) => [header, text])),
      }),
      ...(cors && { cors: corsFor(cors) }),
      ...(mcp && {
        mcp: { ...objectOf(shown.mcp), ...objectOf(readings.mcp), ...besideNeeds(mcp, met) },
      }),
    },
  }
}

const corsFor = ({ origins, methods, headers, expose, ...rule }: CorsRule): unknown => ({
  ...rule,
  origins: asSet(origins),
  methods: asSet(methods),
  headers: asSet(headers.map((name) => name.toLowerCase())),
  expose: asSet(expose.map((name) => name.toLowerCase())),
})

/**
 * More of `mcp` to compare: its lists as sets, and for each scope all that cover it. With templates
 * the scopes are unknown, so all of SCOPES is included.
 */
const besideNeeds = (
  { methods, revisions, origins }: McpRule,
  { route, params, policy: { scopes, includedBy } }: Met,
): JsonObject => {
  const templates = templatesOfMcp(route)
  const texts = templates.map((template) => scopeFor(template, params))
  return {
    methods: asSet(methods),
    revisions: asSet(revisions),
    origins: asSet(origins),
    covers: Object.fromEntries(texts.map((text) => [text, asSet(includedBy(text))])),
    ...(templates.some(({ parts }) => parts.length > 1) && { includes: inclusions(scopes) }),
  }
}

/** One text for each pair of a scope and a scope that it includes. */
const inclusions = perObject((scopes: Policy['scopes']) =>
  asSet([...scopes].flatMap(([scope, all]) => all.map((one) => JSON.stringify([scope, one])))),
)

type Params = RouteMatch['params']

/**
 * Settings of a rule resolved for one request, where the same text may differ in meaning between
 * rules. Parameters depend on the path, details without `locations` on the resource, and the host
 * of a service on the origin. Arguments of MCP stay as written.
 */
const readingsOf = ({ route, params }: RouteMatch): Readonly<Record<string, unknown>> => {
  const { when, approval, mcp, authorizationDetails, resource, target } = route
  return {
    ...(approval && { approval: approvalFor(approval, params) }),
    ...(when && { when: conditionFor(when, params) }),
    ...(mcp && {
      mcp: Object.fromEntries(
        MCP_KINDS.map((kind) => [
          kind,
          Object.fromEntries(mcp.names[kind].all.map((use) => [use.pattern, needFor(use, params)])),
        ]),
      ),
    }),
    ...(authorizationDetails && {
      authorization_details: authorizationDetails.map((rule) => detailFor(rule, params, resource)),
    }),
    origin: { at: `${originText(target)} ${target.url.href}`, as: target.audience },
  }
}

/** Whether a setting of two rules means different things for one request. */
export function readOtherwise(one: RouteMatch, other: RouteMatch): boolean {
  return JSON.stringify(readingsOf(one)) !== JSON.stringify(readingsOf(other))
}

const needFor = (
  { scopes: { mode, scopes }, agentTypes, when, approval }: McpUse,
  params: Params,
) => {
  const texts = asSet(scopes.map((template) => scopeFor(template, params)))
  return {
    scopes: mode === 'all' || texts.length === 1 ? texts : { any: texts },
    ...(agentTypes && { agent_types: asSet(agentTypes) }),
    ...(when && { when: conditionFor(when, params) }),
    ...(approval && { approval: approvalFor(approval, params) }),
  }
}

/** A scope or identifier with its path parameters filled in. */
const scopeFor = ({ parts }: ScopeTemplate, params: Params): string =>
  parts
    .map((part, i) => {
      if (i % 2 === 0) return part
      return isArgument(part) ? `{${part}}` : (params.get(part) ?? '')
    })
    .join('')

/** A condition, and the values of the path parameters it reads. */
const conditionFor = (condition: Condition, params: Params): unknown => [
  writtenCondition(condition),
  condition.params.map((name) => [name, params.get(name) ?? '']),
]

const approvalFor = (rule: ApprovalRule, params: Params): unknown => ({
  ...showApproval(rule),
  headers: asSet(rule.headers ?? []),
  ...(rule.unless && { unless: conditionFor(rule.unless, params) }),
})

const detailFor = (
  { type, identifier, locations, ...lists }: DetailRule,
  params: Params,
  resource: string,
): unknown => ({
  type,
  ...Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, asSet(list)])),
  ...(identifier && { identifier: scopeFor(identifier, params) }),
  ...(locations ? { locations: asSet(locations) } : { resource: plainResource(resource) }),
})

/** Removes a slash that is the whole path (RFC 3986 §6.2.3), for comparison. */
export function plainResource(resource: string): string {
  return resource.replace(/^(https?:\/\/[^/]+)\/$/, '$1')
}
