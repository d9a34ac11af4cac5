import { type JsonObject, own, ownText } from '../../core/json.ts'
import type { Issuer } from '../../core/model/issuer.ts'
import type { Policy } from '../../core/model/policy.ts'
import { trustDomainOf } from '../../core/model/spiffe.ts'
import { entryOf } from '../../core/stages/issuer.ts'

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
