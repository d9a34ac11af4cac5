import { utf8Encode } from '../../core/bytes.ts'
import { isObject, type JsonObject, own } from '../../core/json.ts'
import type { Algorithm } from '../../core/model/issuer.ts'
import { type PublicKey, publicKeyOf } from '../../core/model/jwk.ts'
import type { Policy } from '../../core/model/policy.ts'
import { keyIdentity } from '../../keys/set.ts'
import { type PolicyIssue, pathText, quote } from '../../policy/issues.ts'
import { isPolicyVariable, type PolicyVars } from '../../policy/vars.ts'

/** Bytes of a variable at Cloudflare. */
const VARIABLE_BYTES = 5_120

/** Variables that are larger than Cloudflare takes, and how to split each. */
export function tooLarge(vars: JsonObject): readonly PolicyIssue[] {
  return Object.entries(vars).flatMap(([name, value]) => {
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
