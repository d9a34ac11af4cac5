import { type JsonObject, own, ownText } from '../../gate/base/json.ts'
import { entryOf } from '../../gate/guard/stages/issuer.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { trustDomainOf } from '../../gate/model/spiffe.ts'

/** The issuer whose token these claims would be, chosen as the gate does: by `iss`, or by the trust domain of `sub`. */
export function claimedIssuer(
  policy: Pick<Policy, 'issuers'>,
  claims: JsonObject,
): Issuer | undefined {
  const trustDomain = trustDomainOf(own(claims, 'sub'))
  return entryOf(policy, {
    claimedIssuer: ownText(claims, 'iss') ?? '',
    ...(trustDomain !== undefined && { trustDomain }),
  })
}
