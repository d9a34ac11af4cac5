import { type ClaimRule, claimPathText } from '../../gate/model/claims.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { takesIssuer } from '../../gate/model/route.ts'
import { type PolicyIssue, pathText } from '../../gate/policy/reading/issues.ts'
import { type PolicyVars, rulePath } from '../../gate/policy/reading/vars.ts'

/** Claims that are text in every token. */
const TEXT = /^(?:iss|sub|jti|client_id|azp)$/
/** In tokens of workloads ids are text, also those that have only digits. */
const TEXT_OF_WORKLOADS = /(?:^|_)id$|^(?:oid|tid|appid)$/

/** Claims that are text in tokens, and must be numbers or flags by the policy: no token fits. */
export function textClaims({ issuers, routes }: Policy, vars: PolicyVars): readonly PolicyIssue[] {
  const all = [...issuers.values()]
  return [
    ...all.flatMap((issuer) => wrong(issuer.claims, [issuer], pathText('ISSUERS', [issuer.name]))),
    ...all.flatMap((issuer) =>
      (issuer.grants ?? []).flatMap(({ claims, name }) =>
        wrong(claims, [issuer], name, 'no token gets the grant'),
      ),
    ),
    ...routes.flatMap((route, i) => {
      const taken = all.filter(({ issuer }) => takesIssuer(route, issuer))
      return wrong(route.claims, taken, rulePath(vars, i))
    }),
  ]
}

const wrong = (
  claims: readonly ClaimRule[],
  issuers: readonly Issuer[],
  base: string,
  effect = 'every token is refused',
) =>
  claims.flatMap(({ path, expected }): readonly PolicyIssue[] => {
    const name = claimPathText(path)
    const isText =
      TEXT.test(name) || (issuers.every(({ workload }) => workload) && TEXT_OF_WORKLOADS.test(name))
    if (!isText || canBeText(expected)) return []
    const cure = typeof expected === 'number' ? `; write "${expected}"` : ''
    return [
      {
        path: pathText(base, ['claims', name]),
        message: `is text in tokens, and is compared exactly: ${effect}${cure}`,
      },
    ]
  })

const canBeText = (expected: ClaimRule['expected']): boolean =>
  Array.isArray(expected)
    ? expected.some((one) => typeof one === 'string')
    : typeof expected === 'string' || (typeof expected === 'object' && 'pattern' in expected)
