import { durationText } from '../gate/base/duration.ts'
import { acceptedAudiences } from '../gate/model/audience.ts'
import { claimPathText } from '../gate/model/claims.ts'
import type { DelegationRule, Issuer } from '../gate/model/issuer.ts'
import { longestLife, takesIssuer, type WorkflowSource } from '../gate/model/route.ts'
import { resolveScope } from '../gate/model/scope.ts'
import { needsOf } from '../gate/policy/reading/rows.ts'
import { plainResource } from './compared.ts'
import { implies, scalars } from './judges.ts'
import { asWritten, canBeCovered, type Met, type MetBy, scopeExcess } from './scopes.ts'
import { listed, valueText } from './words.ts'

/** The placeholder for issuers' names in a phrase. */
export const ISSUERS = '%'

/** Callers that one rule allows and another does not. */
export interface Excess {
  /** The callers in words; `%` is replaced by their issuers' names. */
  readonly who: string
  /** The name of their issuer, if they have a token. */
  readonly issuer?: string
  /** The other rule's requirement. */
  readonly asked?: string
  /** Whether it is unclear which rule allows more. */
  readonly isUnclear?: boolean
}

/**
 * Callers that a request's rule in one policy allows and its rule in the other does not. Without a
 * rule all are denied. Compares callers without a token, and the token properties a policy checks.
 * Does not compare conditions and limits, which are settings.
 */
export function callerExcess(
  one: Met | undefined,
  other: Met | undefined,
  placeholder: string,
): readonly Excess[] {
  if (!one || other?.route.access === 'public') return []
  const asked = other && { asked: askedBy(other) }
  const { access, mode } = one.route
  if (access === 'public') return [{ who: 'anyone, without a token,', ...asked }]
  const others = new Map(other && takenBy(other).map((entry) => [entry.issuer, entry]))
  const found: Excess[] = []
  if (mode === 'shadow' && other?.route.mode !== 'shadow') {
    found.push({ who: 'anyone, whatever their token (shadow mode),', ...asked })
  }
  if (access === 'optional' && other?.route.access !== 'optional') {
    found.push({ who: 'callers without a token', ...asked })
  }
  for (const issuer of takenBy(one)) {
    const { name, issuer: iss } = issuer
    const there = others.get(iss)
    const parts =
      other && there
        ? ROWS.flatMap((row) => row({ ...one, issuer }, { ...other, issuer: there }, placeholder))
        : [{ who: whoPasses(one), ...asked }]
    found.push(...parts.map((part) => ({ ...part, issuer: name })))
  }
  return found
}

/** Issuers with a possible token that a rule accepts. */
const takenBy = (met: Met): readonly Issuer[] =>
  [...met.policy.issuers.values()].filter(
    (issuer) => takesIssuer(met.route, issuer.issuer) && canBeCovered({ ...met, issuer }),
  )

const askedBy = (met: Met): string => {
  const { agentTypes } = met.route
  const names = takenBy(met).map(({ name }) => name)
  const types = agentTypes ? ` as ${listed(agentTypes)}` : ''
  return names.length === 0 ? 'nobody' : `${needsOf(met.route)} of ${listed(names)}${types}`
}

/** The tokens that a rule accepts, in words. */
const whoPasses = ({ route, params }: Met): string => {
  const { mode, scopes } = route.scopes
  const names = scopes
    .filter((template) => resolveScope(template, params) !== undefined)
    .map(({ source }) => `\`${source}\``)
  const types = route.agentTypes ? `${listed(route.agentTypes)} ` : ''
  const workflow = route.workflow ? ', of the workflow the request names,' : ''
  const held = names.length === 0 ? '' : ` with ${listed(names, mode === 'all' ? 'and' : 'or')}`
  return `${types}tokens of ${ISSUERS}${held}${workflow}`
}

type Part = Omit<Excess, 'issuer'>

/** Compares one token property: what one rule accepts beyond another. */
type Row = (one: MetBy, other: MetBy, placeholder: string) => readonly Part[]

const tokens = (rest: string, asked: string): Part => ({
  who: `tokens of ${ISSUERS} ${rest}`,
  asked,
})

const tokensIf = (holds: boolean, rest: string, asked: string): readonly Part[] =>
  holds ? [tokens(rest, asked)] : []

/** Members of a set that another lacks. An absent set contains everything. */
const surplus = (
  set: Iterable<string> | undefined,
  other: Iterable<string> | undefined,
): readonly string[] | 'all' => {
  if (!other) return []
  if (!set) return 'all'
  const known = new Set(other)
  return [...set].filter((one) => !known.has(one))
}

const scopes: Row = (one, other, placeholder) => {
  const found = scopeExcess(one, other)
  if (!found) return []
  const names = found.map((scope) => `\`${asWritten(scope, one, placeholder)}\``)
  const rest = names.length === 0 ? 'without a scope' : `with ${listed(names, 'and')}`
  const { mode, scopes } = other.route.scopes
  const asked = scopes.map(({ source }) => `\`${source}\``)
  return [tokens(rest, listed(asked, mode === 'all' ? 'and' : 'or') || 'any valid token')]
}

const types: Row = ({ route: one }, { route: other }) => {
  const found = surplus(one.agentTypes, other.agentTypes)
  const asked = `agents of type ${listed(other.agentTypes ?? [])}`
  return found === 'all'
    ? [tokens('of any agent type, or of none', asked)]
    : found.map((type) => ({ who: `${type} tokens of ${ISSUERS}`, asked }))
}

const NAMERS: Readonly<Record<WorkflowSource['from'], (name: string) => string>> = {
  path: (name) => `{${name}} of the path`,
  header: (name) => `the header ${name}`,
  query: (name) => `the query parameter ${name}`,
}

const workflow: Row = (one, other) => {
  // The source of the workflow; of a path its value, since parameter names may differ.
  const [ours, theirs] = [one, other].map(({ route: { workflow }, params }) =>
    workflow?.from === 'path'
      ? `path ${params.get(workflow.name)}`
      : workflow && `${workflow.from} ${workflow.name}`,
  )
  if (theirs === undefined || ours === theirs) return []
  const [namer, asked = ''] = [one, other].map(
    ({ route: { workflow } }) => workflow && NAMERS[workflow.from](workflow.name),
  )
  const rest = namer ? `of the workflow that ${namer} names` : 'of any workflow, or of none'
  return [tokens(rest, `the one that ${asked} names`)]
}

const lifetime: Row = (one, other) => {
  const ours = longestLife(one.issuer, one.route)
  const theirs = longestLife(other.issuer, other.route)
  const upTo = (seconds: number) => `up to ${durationText(seconds)}`
  return tokensIf(ours > theirs, `that live ${upTo(ours)}`, upTo(theirs))
}

const audiences: Row = (one, other) => {
  const of = ({ issuer, route }: MetBy) => acceptedAudiences(issuer, route).map(plainResource)
  const found = surplus(of(one), of(other))
  const isBound = one.issuer.audienceClaim === 'client_id'
  const [ours, theirs] = [one.route.resource, other.route.resource]
  return [
    ...tokensIf(found.length > 0, `for ${listed(found)}`, `tokens for ${listed(of(other))}`),
    // With client ids as audience, a token may also name the resource (RFC 8707).
    ...tokensIf(
      isBound && plainResource(ours) !== plainResource(theirs),
      `bound to ${ours}`,
      `bound to ${theirs}`,
    ),
  ]
}

const claimsOf = ({ issuer, route }: MetBy) =>
  [...issuer.claims, ...route.claims].map(({ path, expected }) => ({
    path: claimPathText(path),
    expected,
  }))

const claims: Row = (one, other) => {
  const ours = claimsOf(one)
  return claimsOf(other).flatMap(({ path, expected }): readonly Part[] => {
    const same = ours.filter((rule) => rule.path === path)
    const allowed = scalars(expected)
    const text = valueText(expected)
    if (same.length === 0) return [tokens(`whatever their claim \`${path}\` is`, text)]
    if (same.some((rule) => implies(rule.expected, expected))) return []
    const is = same.map((rule) => valueText(rule.expected)).join(' and ')
    const isClear = allowed && same.length === 1 && same.every((rule) => scalars(rule.expected))
    return [{ ...tokens(`whose claim \`${path}\` is ${is}`, text), isUnclear: !isClear }]
  })
}

/** The intersection of the lists; absent lists are ignored. */
const common = (
  lists: readonly (Iterable<string> | undefined)[],
): ReadonlySet<string> | undefined =>
  lists.reduce<ReadonlySet<string> | undefined>(
    (all, list) => (list ? new Set([...list].filter((item) => all?.has(item) ?? true)) : all),
    undefined,
  )

const MAY_ACT = [undefined, 'if_present', 'required']

/** The combined delegation limits of an issuer and a rule. */
const limitsOf = ({ issuer, route }: MetBy) => {
  const rules = [issuer.delegation, route.delegation].filter((rule) => rule !== undefined)
  const actors = ({ actors }: DelegationRule) =>
    actors?.map((one) => `${one.sub} of ${one.issuer ?? issuer.issuer}`)
  const subjects = ({ subjects }: DelegationRule) =>
    subjects?.flatMap((one) => ((one.issuer ?? issuer.issuer) === issuer.issuer ? one.sub : []))
  return {
    depth: Math.min(...rules.map(({ maxDepth }) => maxDepth)),
    requireActor: rules.some(({ requireActor }) => requireActor),
    actors: common(rules.map(actors)),
    subjects: common(rules.map(subjects)),
    issuers: common(rules.map(({ issuers }) => issuers)),
    mayAct: Math.max(...rules.map(({ mayAct }) => MAY_ACT.indexOf(mayAct))),
  }
}

/** Chains of actors (RFC 8693 §4.1). */
const delegation: Row = (one, other) => {
  const [ours, theirs] = [limitsOf(one), limitsOf(other)]
  const more = (
    key: 'actors' | 'subjects' | 'issuers',
    who: string,
    asked: (names: string) => string,
  ) => {
    const found = surplus(ours[key], theirs[key])
    const names = found === 'all' ? 'anybody' : listed(found)
    return tokensIf(found.length > 0, `${who} ${names}`, asked(listed(theirs[key] ?? [])))
  }
  return [
    ...tokensIf(
      ours.depth > theirs.depth,
      `that passed through up to ${ours.depth} agents`,
      `up to ${theirs.depth}`,
    ),
    ...tokensIf(theirs.requireActor && !ours.requireActor, 'without an actor', 'an actor'),
    ...(ours.depth === 0
      ? []
      : [
          ...more('actors', 'whose actor is', (names) => `the actor ${names}`),
          ...more('issuers', 'with actors of', (names) =>
            names === '' ? 'actors of its own' : `actors of ${names} or its own`,
          ),
        ]),
    ...more('subjects', 'on behalf of', (names) => `the subject ${names}`),
    ...tokensIf(
      ours.mayAct < theirs.mayAct,
      ours.mayAct === 0 ? 'whatever their may_act says' : 'without may_act',
      theirs.mayAct === 2 ? 'may_act' : 'a may_act that fits, if any',
    ),
  ]
}

const ROWS: readonly Row[] = [scopes, types, workflow, lifetime, audiences, claims, delegation]
