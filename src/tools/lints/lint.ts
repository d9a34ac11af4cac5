import { utf8Encode } from '../../core/bytes.ts'
import { isObject, type JsonObject, own } from '../../core/json.ts'
import type { Algorithm } from '../../core/model/issuer.ts'
import { type PublicKey, publicKeyOf } from '../../core/model/jwk.ts'
import type { Policy } from '../../core/model/policy.ts'
import { parseUrl } from '../../core/url.ts'
import { keyIdentity } from '../../keys/set.ts'
import { type PolicyIssue, pathText, quote } from '../../policy/issues.ts'
import { isPolicyVariable, type PolicyVars } from '../../policy/vars.ts'
import type { WranglerEnvironment } from '../cli/wrangler-file.ts'

/** Bytes of a variable at Cloudflare. */
export const VARIABLE_BYTES = 5_120

/** Variables that are larger than Cloudflare takes, and how to split each. */
export function tooLarge(table: JsonObject): readonly PolicyIssue[] {
  const vars = own(table, 'vars')
  return Object.entries(isObject(vars) ? vars : {}).flatMap(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    const bytes = utf8Encode(text).length
    return bytes <= VARIABLE_BYTES
      ? []
      : [
          {
            path: name,
            message: `is ${thousands(bytes)} bytes of JSON, and a variable holds ${thousands(VARIABLE_BYTES)}; ${splitAdvice(name)}`,
          },
        ]
  })
}

const thousands = (count: number): string => count.toLocaleString('en-US')

const splitAdvice = (name: string): string => {
  const base = name.split('_', 1)[0] ?? name
  if (base === 'ROUTES') {
    return 'move rules to [[vars.ROUTES_01]], [[vars.ROUTES_02]], …, which are read after ROUTES in that order'
  }
  return isPolicyVariable(name)
    ? `move entries to [vars.${base}_01…], [vars.${base}_02…], which are read together with ${base}`
    : 'make it smaller'
}

/**
 * What is allowed but costs something in a file, for a policy that is valid; beside what the
 * policy's own reader warns of.
 */
export function lint(policy: Policy, vars: PolicyVars): readonly PolicyIssue[] {
  return [
    ...[...policy.issuers.values()].flatMap((issuer) => {
      const { keys, algorithms } = issuer
      const table = isObject(vars.ISSUERS) ? own(vars.ISSUERS, issuer.name) : undefined
      const isWritten = isObject(table) && own(table, 'algorithms') !== undefined
      const keyless =
        keys.kind === 'inline' && isWritten
          ? algorithms.filter(
              (one) => !keys.keys.some((key) => publicKeyOf(key, algorithms)?.algorithm === one),
            )
          : []
      const path = pathText('ISSUERS', [issuer.name, 'jwks'])
      return [
        ...when(keyless.length > 0, {
          path,
          message: `no inline key is for ${keyless.join(', ')}: tokens signed so are refused; add the key or leave the algorithm out`,
        }),
        ...(keys.kind === 'inline' ? ambiguous(keys.keys, algorithms) : []).map((message) => ({
          path,
          message,
        })),
      ]
    }),
    ...(Array.isArray(vars.ROUTES) ? vars.ROUTES : []).flatMap((rule: unknown, i) =>
      when(isObject(rule) && own(rule, 'forward_token') === true, {
        path: `${vars.routePaths?.[i] ?? `ROUTES[${i}]`}.forward_token`,
        message:
          "THE AGENT'S TOKEN IS SENT ON: whoever runs or reads the logs of that origin can act as the agent until the token ends; leave it out if the X-Agent- headers are enough",
      }),
    ),
  ]
}

/** What is said of inline keys among which a token's own cannot be told; one key twice is one. */
const ambiguous = (
  entries: readonly JsonObject[],
  algorithms: readonly Algorithm[],
): readonly string[] => {
  const keys = new Map<string, PublicKey>()
  for (const entry of entries) {
    const key = publicKeyOf(entry, algorithms)
    if (key) keys.set(keyIdentity(key), key)
  }
  const names = new Map<string, string>()
  for (const [identity, { algorithm, kid }] of keys) {
    const isShared = [...keys].some(
      ([other, key]) =>
        other !== identity && key.algorithm === algorithm && (kid ?? key.kid) === key.kid,
    )
    if (!isShared) continue
    const name = kid === undefined ? 'no kid' : `the kid ${quote(kid)}`
    names.set(JSON.stringify([algorithm, kid]), `${name} for ${algorithm}`)
  }
  return [...names.values()].map(
    (name) =>
      `one of several keys has ${name}, so that tokens do not tell which is meant and are refused as key_ambiguous; give each key a kid of its own`,
  )
}

const when = (holds: boolean, issue: PolicyIssue): readonly PolicyIssue[] => (holds ? [issue] : [])

/** Keys whose values name hosts, of one's own or of others. */
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

/** Hosts that stand for one's own in documents (RFC 2606 §2, §3). */
const PLACEHOLDER = /(?:^|[/@.])(?:example\.com|[a-z0-9-]+\.example)\.?(?=$|[:/?#*])/i

/** What stands for one's own in the entries of the documentation, and in those doctor prints. */
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
  const rules = Array.isArray(vars.ROUTES) ? vars.ROUTES : []
  const texts = [
    ...textsOf(vars.GATE, 'GATE'),
    ...textsOf(vars.ISSUERS, 'ISSUERS'),
    ...rules.flatMap((rule, i) => textsOf(rule, vars.routePaths?.[i] ?? `ROUTES[${i}]`)),
    ...routes.map(({ path, message }) => ({ path, text: message })),
  ]
  return texts.flatMap(({ path, text }) => {
    const word = WORD.exec(text)?.[0]
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

/** Each text below one of some keys, with its place. */
export function textsOf(
  value: unknown,
  path: string,
  keys: ReadonlySet<string> = HOST_KEYS,
  key = '',
): readonly Text[] {
  if (typeof value === 'string') return keys.has(key) ? [{ path, text: value }] : []
  if (Array.isArray(value)) {
    return value.flatMap((one, i) => textsOf(one, pathText(path, [i]), keys, key))
  }
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, one]) =>
    textsOf(one, pathText(path, [name]), keys, name),
  )
}
