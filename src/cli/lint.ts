import { utf8Encode } from '../base/bytes.ts'
import { isObject, type JsonObject, own } from '../base/json.ts'
import { parseUrl } from '../base/url.ts'
import { publicKeyOf } from '../model/jwk.ts'
import type { Policy } from '../model/policy.ts'
import { type PolicyIssue, pathText } from '../policy/issues.ts'
import { isPolicyVariable, type PolicyVars } from '../policy/vars.ts'
import type { WranglerEnvironment } from './wrangler-file.ts'

/** Bytes of a variable at Cloudflare. */
const VARIABLE_BYTES = 5_120

/** Keys whose values name hosts that must exist. */
const HOST_KEYS: ReadonlySet<string> = new Set([
  'resource',
  'origin',
  'issuer',
  'jwks_uri',
  'host',
  'hosts',
])

/** Hosts that stand for one's own in documents (RFC 2606 §2, §3). */
const PLACEHOLDER = /(?:^|[/@.])(?:example\.com|[a-z0-9-]+\.example)\.?(?=$|[:/?#*])/i

/** Whether a URL or host still has a name from the documentation. */
export const isPlaceholder = (text: string): boolean => {
  const host = parseUrl(text)?.host ?? text.split('/', 1)[0] ?? ''
  return PLACEHOLDER.test(host)
}

/** Placeholder hosts in the policy and in the addresses the environment is deployed to. */
export const placeholders = (
  { routes }: WranglerEnvironment,
  vars: PolicyVars,
): readonly PolicyIssue[] => {
  const rules = Array.isArray(vars.ROUTES) ? vars.ROUTES : []
  const texts = [
    ...hostTexts(vars.GATE, 'GATE'),
    ...hostTexts(vars.ISSUERS, 'ISSUERS'),
    ...rules.flatMap((rule, i) => hostTexts(rule, vars.routePaths?.[i] ?? `ROUTES[${i}]`)),
    ...routes,
  ]
  return texts
    .filter(({ message }) => isPlaceholder(message))
    .map(({ path, message }) => ({
      path,
      message: `"${message}" is a placeholder; write your own host`,
    }))
}

/** Each text below a host key, with its path; `message` holds the text. */
const hostTexts = (value: unknown, path: string, inside = false): readonly PolicyIssue[] => {
  if (typeof value === 'string') return inside ? [{ path, message: value }] : []
  if (Array.isArray(value)) {
    return value.flatMap((one, i) => hostTexts(one, pathText(path, [i]), inside))
  }
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([key, one]) =>
    hostTexts(one, pathText(path, [key]), HOST_KEYS.has(key)),
  )
}

/** Variables that are larger than Cloudflare takes, and how to split each. */
export const tooLarge = (vars: JsonObject): readonly PolicyIssue[] =>
  Object.entries(vars).flatMap(([name, value]) => {
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

/** What is allowed but costs something in a file, for a policy that is valid; beside what the policy's own reader warns of. */
export const lint = (policy: Policy, vars: PolicyVars): readonly PolicyIssue[] => [
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
    return when(keyless.length > 0, {
      path: pathText('ISSUERS', [issuer.name, 'jwks']),
      message: `no inline key is for ${keyless.join(', ')}: tokens signed so are refused; add the key or leave the algorithm out`,
    })
  }),
  ...(Array.isArray(vars.ROUTES) ? vars.ROUTES : []).flatMap((rule: unknown, i) =>
    when(isObject(rule) && own(rule, 'forward_token') === true, {
      path: `${vars.routePaths?.[i] ?? `ROUTES[${i}]`}.forward_token`,
      message:
        "THE AGENT'S TOKEN IS SENT ON: whoever runs or reads the logs of that origin can act as the agent until the token ends; leave it out if the X-Agent- headers are enough",
    }),
  ),
]

const when = (holds: boolean, issue: PolicyIssue): readonly PolicyIssue[] => (holds ? [issue] : [])
