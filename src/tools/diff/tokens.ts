import { acceptedAudiences } from '../../core/model/audience.ts'
import { type ClaimExpectation, type ClaimRule, claimPathText } from '../../core/model/claims.ts'
import { longestLife, type WorkflowSource } from '../../core/model/route.ts'
import { delegationExcess } from './delegation.ts'
import { type Excess, ISSUERS, listed, type MetBy, plainResource, surplus } from './matched-rule.ts'
import { sameText } from './same.ts'
import { asWritten, scopeExcess } from './scopes.ts'
import { lifeText, valueText } from './words.ts'

type Part = Omit<Excess, 'issuer'>

/** What one rule takes of an issuer's tokens beyond another, seen from one side. */
type Row = (one: MetBy, other: MetBy, placeholder: string) => readonly Part[]

const tokens = (rest: string, asked: string): Part => ({
  who: `tokens of ${ISSUERS} ${rest}`,
  asked,
})

const writtenScopes = ({ route }: MetBy): string => {
  const { mode, scopes } = route.scopes
  const names = scopes.map(({ source }) => `\`${source}\``)
  return names.length === 0 ? 'any valid token' : listed(names, mode === 'all' ? 'and' : 'or')
}

const scopes: Row = (one, other, placeholder) => {
  const found = scopeExcess(one, other)
  if (!found) return []
  const names = found.map((scope) => `\`${asWritten(scope, one, placeholder)}\``)
  return [
    tokens(
      names.length === 0 ? 'without a scope' : `with ${listed(names, 'and')}`,
      writtenScopes(other),
    ),
  ]
}

const types: Row = ({ route: one }, { route: other }) => {
  const found = surplus(one.agentTypes, other.agentTypes)
  if (found.length === 0) return []
  const asked = `agents of type ${listed(other.agentTypes ?? [])}`
  return found === 'all'
    ? [tokens('of any agent type, or of none', asked)]
    : found.map((type) => ({ who: `${type} tokens of ${ISSUERS}`, asked }))
}

/** What names the workflow: of a path its value, however the parameter is called. */
const sourceOf = ({ route: { workflow }, params }: MetBy): string | undefined =>
  workflow &&
  (workflow.from === 'path'
    ? `path ${params.get(workflow.name)}`
    : `${workflow.from} ${workflow.name}`)

const NAMERS: Readonly<Record<WorkflowSource['from'], (name: string) => string>> = {
  path: (name) => `{${name}} of the path`,
  header: (name) => `the header ${name}`,
  query: (name) => `the query parameter ${name}`,
}

const namerOf = ({ route: { workflow } }: MetBy): string =>
  workflow ? NAMERS[workflow.from](workflow.name) : 'nothing'

const workflow: Row = (one, other) => {
  const [ours, theirs] = [sourceOf(one), sourceOf(other)]
  if (theirs === undefined || ours === theirs) return []
  const asked = `the one that ${namerOf(other)} names`
  if (ours === undefined) return [tokens('of any workflow, or of none', asked)]
  return [tokens(`of the workflow that ${namerOf(one)} names`, asked)]
}

const lifeOf = ({ issuer, route }: MetBy): number => longestLife(issuer, route)

const lifetime: Row = (one, other) => {
  const [ours, theirs] = [lifeOf(one), lifeOf(other)]
  return ours > theirs
    ? [tokens(`that live up to ${lifeText(ours)}`, `up to ${lifeText(theirs)}`)]
    : []
}

const audiencesOf = ({ issuer, route }: MetBy): readonly string[] =>
  acceptedAudiences(issuer, route).map(plainResource)

const audiences: Row = (one, other) => {
  const [ours, theirs] = [audiencesOf(one), audiencesOf(other)]
  const found = surplus(ours, theirs)
  const isBound = one.issuer.audienceClaim === 'client_id'
  const asked = `tokens for ${listed(theirs)}`
  return [
    ...(found.length > 0 ? [tokens(`for ${listed(found)}`, asked)] : []),
    // Beside a client's id the resource counts where a token names one (RFC 8707).
    ...(isBound && plainResource(one.route.resource) !== plainResource(other.route.resource)
      ? [tokens(`bound to ${one.route.resource}`, `bound to ${other.route.resource}`)]
      : []),
  ]
}

const scalars = (expected: ClaimExpectation): readonly unknown[] | undefined =>
  Array.isArray(expected) ? expected : typeof expected === 'object' ? undefined : [expected]

const claimsOf = ({ issuer, route }: MetBy) =>
  [...issuer.claims, ...route.claims].map(({ path, expected }: ClaimRule) => ({
    path: claimPathText(path),
    expected,
    whole: sameText(expected),
    text: valueText(expected),
  }))

const claims: Row = (one, other) => {
  const ours = claimsOf(one)
  return claimsOf(other).flatMap(({ path, expected, whole, text }): readonly Part[] => {
    const same = ours.filter((rule) => rule.path === path)
    const allowed = scalars(expected)
    if (same.length === 0) return [tokens(`whatever their claim \`${path}\` is`, text)]
    const isNarrower = same.some(
      (rule) =>
        rule.whole === whole || scalars(rule.expected)?.every((value) => allowed?.includes(value)),
    )
    if (isNarrower) return []
    const now = tokens(
      `whose claim \`${path}\` is ${same.map((rule) => rule.text).join(' and ')}`,
      text,
    )
    const isClear = allowed && same.length === 1 && same.every((rule) => scalars(rule.expected))
    return [{ ...now, ...(!isClear && { isUnclear: true }) }]
  })
}

const ROWS: readonly Row[] = [scopes, types, workflow, lifetime, audiences, claims]

/** Tokens of one issuer that the one rule takes and the other does not. */
export function tokenExcess(one: MetBy, other: MetBy, placeholder: string): readonly Excess[] {
  return [
    ...ROWS.flatMap((row) =>
      row(one, other, placeholder).map((part) => ({ ...part, issuer: one.issuer.name })),
    ),
    ...delegationExcess(one, other),
  ]
}
