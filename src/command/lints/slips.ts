/** Mistakes in a valid policy that show only when a request is refused. They are found by the file alone. */

import { usesOf } from '../../compare/scopes.ts'
import { isObject, listOf, own } from '../../gate/base/json.ts'
import { parseUrl } from '../../gate/base/url.ts'
import { isSameResource } from '../../gate/model/audience.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { Route } from '../../gate/model/route.ts'
import type { ScopeRule } from '../../gate/model/scope.ts'
import { PROFILES, type Profile, type ProfileName } from '../../gate/policy/keys/profiles.ts'
import {
  distance,
  issueIf,
  type PolicyIssue,
  pathText,
  quote,
  quoteAll,
} from '../../gate/policy/reading/issues.ts'
import { isReading } from '../../gate/policy/reading/rows.ts'
import { type PolicyVars, rulePath } from '../../gate/policy/reading/vars.ts'
import type { WranglerEnvironment } from '../base/wrangler-file.ts'
import { guessProfile } from '../doctor/profile.ts'
import { policyTexts } from './lint.ts'

/** A policy under which nobody can revoke anything, although it accepts tokens. */
export function revokers({ issuers, routes }: Policy): readonly PolicyIssue[] {
  return issueIf(
    [...issuers.values()].every(({ admin }) => admin === false) && routes.some(isReading),
    'ISSUERS',
    'none has admin, so nobody can revoke a token or an agent, nor ask why a request was refused; make a key for that: npx edgewarden keygen --operator --name YOU --issuer ops',
  )
}

/**
 * Secrets that a deploy may lack. wrangler refuses a deploy without those that `[secrets]` requires. If one of these has
 * nearly the name, one of the two names may be a slip.
 */
export function missingSecrets(
  { table, name }: Pick<WranglerEnvironment, 'table' | 'name'>,
  secrets: ReadonlySet<string>,
  vars: PolicyVars,
): { readonly mistakes: readonly PolicyIssue[]; readonly warnings: readonly PolicyIssue[] } {
  const declared = own(table, 'secrets')
  const required = isObject(declared) ? listOf(own(declared, 'required')) : undefined
  const slips = [...secrets].flatMap((one) => {
    const meant = required?.find((other) => distance(one, `${other}`, 2) !== undefined)
    const use = policyTexts(vars).find(({ text }) => text === one || text.includes(`\${${one}}`))
    const message = `names the secret ${quote(one)}, and secrets.required has ${quote(`${meant}`)}; write the same name in both, or add this one there`
    return required?.includes(one) || !meant || !use ? [] : { name: one, path: use.path, message }
  })
  const missing = [...secrets]
    .filter((one) => !required?.includes(one) && !slips.some((slip) => slip.name === one))
    .sort()
  const inside = name === undefined ? '' : `env.${name}.`
  const named = `${quoteAll(missing)}, which the policy names`
  return {
    mistakes: [
      ...slips.map(({ path, message }) => ({ path, message })),
      ...issueIf(
        missing.length > 0 && required,
        'secrets.required',
        `lacks ${named}: without it every request is 503; add it`,
      ),
    ],
    warnings: issueIf(
      missing.length > 0 && !required,
      'secrets',
      `are not declared: no deploy is refused without ${named}, and every request is 503 then; write [${inside}secrets] with required = ${JSON.stringify([...secrets].sort())}`,
    ),
  }
}

/** Secrets that a file for local development lacks, by the names at the beginnings of its lines. */
export function missingDevVars(
  file: string,
  text: string,
  secrets: ReadonlySet<string>,
): readonly PolicyIssue[] {
  const set = new Set([...text.matchAll(/^\s*(?:export\s+)?([\w.-]+)\s*=/gm)].map(([, one]) => one))
  return [...secrets]
    .filter((name) => !set.has(name))
    .map((name) => ({
      path: file,
      message: `lacks ${name}=…, which the policy names: under wrangler dev every request is 503`,
    }))
}

/** A name, and where it is written. */
interface Use {
  readonly name: string
  readonly path: string
}

/** Scopes and agent types that the policy has once, and that nearly equal another one. */
export function misspelt({ routes, scopes }: Policy, vars: PolicyVars): readonly PolicyIssue[] {
  const rules = routes.map((route, i) => [route, rulePath(vars, i)] as const)
  const included = [...scopes].flatMap(([name, names]) => [
    { name, path: pathText('SCOPES', [name]) },
    ...names.map((one, i) => ({ name: one, path: pathText('SCOPES', [name, i]) })),
  ])
  return [
    ...nearly('scope', [...rules.flatMap(([route, path]) => scopesOf(route, path)), ...included]),
    ...nearly(
      'agent type',
      rules.flatMap(([route, path]) => typesOf(route, path)),
    ),
  ]
}

const placedUses = (route: Route) =>
  usesOf(route).map(({ kind, use }) => ({ ...use, at: ['mcp', kind, use.pattern] }))

const scopesOf = (route: Route, base: string): readonly Use[] => {
  const written = ({ mode, scopes }: ScopeRule, path: string) =>
    scopes.map(({ source }, i) => ({
      name: source,
      path: pathText(path, mode === 'any' ? ['any', i] : [i]),
    }))
  return [
    ...written(route.scopes, `${base}.scopes`),
    ...placedUses(route).flatMap(({ scopes, at }) => written(scopes, pathText(base, at))),
  ]
}

/** Agent types in conditions: values that `agent.type` is compared with. */
const TYPE = /\bagent\.type\s*[!=]=\s*["']([^"']+)["']|["']([^"']+)["']\s+in\s+agent\.types\b/g

const typesOf = (route: Route, base: string): readonly Use[] =>
  [{ ...route, at: [] }, ...placedUses(route)].flatMap(({ agentTypes, when, at }) => [
    ...[...(agentTypes ?? [])].map((name) => ({
      name,
      path: pathText(base, [...at, 'agent_types']),
    })),
    ...[...(when?.source.matchAll(TYPE) ?? [])].map(([, one, other]) => ({
      name: one ?? other ?? '',
      path: pathText(base, [...at, 'when']),
    })),
  ])

const nearly = (what: string, uses: readonly Use[]): readonly PolicyIssue[] => {
  const paths = new Map<string, readonly string[]>()
  for (const { name, path } of uses) paths.set(name, [...(paths.get(name) ?? []), path])
  const names = [...paths.keys()]
  return uses.flatMap(({ name, path }) => {
    if (paths.get(name)?.length !== 1) return []
    // If both names occur once, the first is taken to be right.
    const isMeant = (one: string, i: number) =>
      (i < names.indexOf(name) || (paths.get(one)?.length ?? 0) > 1) && isNear(one, name)
    const meant = names.find((one, i) => one !== name && isMeant(one, i))
    if (meant === undefined) return []
    const message = `the ${what} ${quote(name)} is written only here, and is nearly ${quote(meant)} of ${paths.get(meant)?.[0]}; did you mean that?`
    return [{ path, message }]
  })
}

/** In a part of a name with fewer letters, a difference is as likely another name as a slip. */
const SHORT = 4
/** A part with as many letters may have two slips. */
const LONG = 8

/** Whether two names differ only by case, by hyphens, or by a slip in the letters of one part. */
const isNear = (a: string, b: string): boolean => {
  const [plain, other] = [a, b].map((one) => one.toLowerCase().replace(/[-_]/g, ''))
  if (plain === other) return true
  const [left = [], right = []] = [a, b].map((one) => one.split(/[:./_-]/))
  const differing = left.flatMap((part, i) => (part === right[i] ? [] : [[part, right[i] ?? '']]))
  const [[one = '', two = ''] = []] = differing
  if (left.length !== right.length || differing.length !== 1) return false
  if (Math.min(one.length, two.length) < SHORT) return false
  if (one.replace(/\d/g, '') === two.replace(/\d/g, '')) return false
  return distance(one, two, one.length < LONG ? 1 : 2) !== undefined
}

const bare = (text: string): string => text.replace(/\/$/, '')

/** Issuers that are written with a slash at the end which their service's tokens do not have, or without. */
export function issuerSlashes({ issuers }: Policy): readonly PolicyIssue[] {
  return [...issuers.values()].flatMap(({ name, profile, issuer }) => {
    // Entra's tokens of version 1.
    const isFirst = parseUrl(issuer)?.hostname === 'sts.windows.net'
    const { slash }: Profile = PROFILES[guessProfile(issuer).profile ?? (profile as ProfileName)]
    const hasSlash = isFirst || slash
    const meant = hasSlash ? `${bare(issuer)}/` : bare(issuer)
    return issueIf(
      hasSlash !== undefined && meant !== issuer,
      pathText('ISSUERS', [name, 'issuer']),
      `tokens of this service have iss ${hasSlash ? 'with' : 'without'} a / at the end, and it is compared exactly; write ${quote(meant)}`,
    )
  })
}

const isIssuer = (path: string): boolean => /\.issuers?(?:\[\d+\])?$/.test(path)

const COMPARED: ReadonlySet<string> = new Set(['resource', 'issuer', 'audiences', 'issuers'])

/**
 * Issuers, resources and audiences that differ from one before only by the slash at the end. One list may have
 * both, and of a resource or audience without a path the slash does not count.
 */
export function slashes(vars: PolicyVars): readonly PolicyIssue[] {
  const all = policyTexts(vars, COMPARED).filter(({ text }) => text.includes('://'))
  const told = new Set<string>()
  return all.flatMap(({ text, path }, i) => {
    const list = path.replace(/\[\d+\]$/, '')
    const isEqual = (one: (typeof all)[number]) =>
      isSameResource(one.text, text) && !isIssuer(one.path) && !isIssuer(path)
    const twin = all
      .slice(0, i)
      .find((one) => one.text !== text && bare(one.text) === bare(text) && !isEqual(one))
    const isBoth = all.some((one) => one.text === twin?.text && one.path.startsWith(`${list}[`))
    if (!twin || isBoth || told.has(text)) return []
    told.add(text)
    const message = `${quote(text)} differs from ${quote(twin.text)} of ${twin.path} only by the / at the end, and both are compared exactly with what tokens say; write one of them everywhere`
    return [{ path, message }]
  })
}
