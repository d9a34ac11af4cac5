import { utf8Encode } from '../../gate/base/bytes.ts'
import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { parseUrl } from '../../gate/base/url.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import { publicKeyOf } from '../../gate/model/jwk.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { issueIf, type PolicyIssue, pathText, quote } from '../../gate/policy/reading/issues.ts'
import { isPolicyVariable, type PolicyVars, rulePath } from '../../gate/policy/reading/vars.ts'
import type { WranglerEnvironment } from '../base/wrangler-file.ts'
import { keyFactsOf } from '../doctor/keys.ts'
import { STAND_INS } from '../doctor/profile.ts'

/** The most bytes of a variable at Cloudflare. */
export const VARIABLE_BYTES = 5_120

/** Variables that are larger than Cloudflare allows, and how to split each. */
export function tooLarge(table: JsonObject): readonly PolicyIssue[] {
  return Object.entries(objectOf(own(table, 'vars'))).flatMap(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    const bytes = utf8Encode(text).length
    return issueIf(
      bytes > VARIABLE_BYTES,
      name,
      `is ${thousands(bytes)} bytes of JSON, and a variable can have ${thousands(VARIABLE_BYTES)}; ${splitAdvice(name)}`,
    )
  })
}

const thousands = (count: number): string => count.toLocaleString('en-US')

const splitAdvice = (name: string): string => {
  const base = name.split('_', 1)[0] ?? name
  if (base === 'ROUTES' || base === 'GRANTS') {
    return `move ${base === 'ROUTES' ? 'rules' : 'grants'} to [[vars.${base}_01]], [[vars.${base}_02]], …, which are read after ${base} in that order`
  }
  return isPolicyVariable(name)
    ? `move entries to [vars.${base}_01…], [vars.${base}_02…], which are read together with ${base}`
    : 'make it smaller'
}

/**
 * Warnings about a valid policy that need its variables, in addition to those of the policy's reader: inline keys that
 * do not fit, tokens that are sent on, and `approved` that has no effect.
 */
export async function lint(policy: Policy, vars: PolicyVars): Promise<readonly PolicyIssue[]> {
  const keys = [...policy.issuers.values()].map((issuer) => inlineKeyIssues(issuer, vars))
  return [
    ...(await Promise.all(keys)).flat(),
    ...listOf(vars.ROUTES).flatMap((rule, i) => [
      ...issueIf(
        own(objectOf(rule), 'forward_token') === true,
        `${rulePath(vars, i)}.forward_token`,
        "THE AGENT'S TOKEN IS SENT ON: whoever runs or reads the logs of that origin can act as the agent until the token ends; leave it out if the X-Agent- headers are enough",
      ),
      ...issueIf(
        own(objectOf(rule), 'agents') === 'approved' &&
          own(objectOf(rule), 'access') === 'optional',
        `${rulePath(vars, i)}.agents`,
        'has no effect with access = "optional": an agent that is not approved can call without its token; write access = "required"',
      ),
    ]),
  ]
}

/** Algorithms without an inline key, and inline keys that tokens cannot choose between. */
const inlineKeyIssues = async (
  issuer: Issuer,
  { ISSUERS }: PolicyVars,
): Promise<readonly PolicyIssue[]> => {
  const { name, keys, algorithms, trustDomain } = issuer
  if (keys.kind !== 'inline') return []
  const table = objectOf(own(objectOf(ISSUERS), name))
  const isWritten = own(table, 'algorithms') !== undefined
  const there = keys.keys.map((key) => publicKeyOf(key, algorithms, trustDomain)?.algorithm)
  const keyless = isWritten ? algorithms.filter((one) => !there.includes(one)) : []
  const { entries = [] } = (await keyFactsOf(keys, issuer)) ?? {}
  const ambiguous = entries.flatMap(({ ignored, kid = '' }) => {
    if (ignored === 'same_kid') return `the kid ${quote(kid)}`
    return ignored === 'no_kid' ? 'no kid' : []
  })
  const path = pathText('ISSUERS', [name, 'jwks'])
  return [
    ...issueIf(
      keyless.length > 0,
      path,
      `no inline key is for ${keyless.join(', ')}: tokens signed so are refused; add the key or leave the algorithm out`,
    ),
    ...[...new Set(ambiguous)].map((one) => ({
      path,
      message: `one of several keys has ${one}, so it is unclear which key a token means, and the token is refused as key_ambiguous; give each key a kid of its own`,
    })),
  ]
}

/** Keys whose values contain hosts. */
const HOST_KEYS: ReadonlySet<string> = new Set([
  'resource',
  'origin',
  'issuer',
  'jwks_uri',
  'host',
  'hosts',
  'audiences',
  'origins',
  'issuers',
  'locations',
])

/** Example hosts of documents (RFC 2606 §2, §3). */
const PLACEHOLDER = /(?:^|[/@.])(?:example\.com|[a-z0-9-]+\.example)\.?(?=$|[:/?#*])/i

/** Placeholders that the documentation uses in policies, and that doctor prints. */
const WORD =
  /(?<![\w-])(?:TENANT-ID|(?:API-|APP-)?CLIENT[-_]ID|[a-z]{2}(?:-[a-z]+)+-\d_POOL|your-(?:tenant|org))(?![\w-])/

/** Whether a URL or host still has a name from the documentation. */
export function isPlaceholder(text: string): boolean {
  const host = parseUrl(text)?.host ?? text.split('/', 1)[0] ?? ''
  return PLACEHOLDER.test(host)
}

/** Placeholders in the policy and in the addresses the environment is deployed to. */
export function placeholders(
  { routes }: WranglerEnvironment,
  vars: PolicyVars,
): readonly PolicyIssue[] {
  const texts = [
    ...policyTexts(vars, HOST_KEYS),
    ...policyTexts(vars).filter(({ text }) => STAND_INS.includes(text)),
    ...routes.map(({ path, message }) => ({ path, text: message })),
  ]
  return texts.flatMap(({ path, text }) => {
    const word = STAND_INS.includes(text) ? text : WORD.exec(text)?.[0]
    if (word !== undefined) {
      return [{ path, message: `"${text}" has the placeholder ${word}; write your own` }]
    }
    return isPlaceholder(text)
      ? [{ path, message: `"${text}" is a placeholder; write your own host` }]
      : []
  })
}

interface Text {
  readonly path: string
  readonly text: string
}

/** Each text of a policy, with its place; with `keys`, only those below one of these keys. */
export function policyTexts(vars: PolicyVars, keys?: ReadonlySet<string>): readonly Text[] {
  return [
    ...textsOf(vars.GATE, 'GATE', keys),
    ...textsOf(vars.ISSUERS, 'ISSUERS', keys),
    ...listOf(vars.ROUTES).flatMap((rule, i) => textsOf(rule, rulePath(vars, i), keys)),
    ...listOf(vars.GRANTS).flatMap((grant, i) =>
      textsOf(grant, vars.grantPaths?.[i] ?? `GRANTS[${i}]`, keys),
    ),
  ]
}

const textsOf = (
  value: unknown,
  path: string,
  keys?: ReadonlySet<string>,
  key = '',
): readonly Text[] => {
  if (typeof value === 'string') return keys?.has(key) === false ? [] : [{ path, text: value }]
  if (Array.isArray(value)) {
    return value.flatMap((one, i) => textsOf(one, pathText(path, [i]), keys, key))
  }
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, one]) =>
    textsOf(one, pathText(path, [name]), keys, name),
  )
}
