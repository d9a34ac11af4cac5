import type { GatePorts } from '../../gate/app/platform/ports.ts'
import { utf8Decode } from '../../gate/base/bytes.ts'
import { type JsonObject, listOf, own, ownText, parseJsonObject } from '../../gate/base/json.ts'
import { decodeJwsPart, splitJws } from '../../gate/base/jws.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import { sendBounded, verifiedClaims } from './person-issuer.ts'

/** Cloudflare Access puts its token here. */
export const ASSERTION = 'cf-access-jwt-assertion'

interface Around {
  readonly ports: Pick<GatePorts, 'clock' | 'keys'>
  readonly caller: string | undefined
}

/**
 * Where Cloudflare Access ends its session and has the person authenticate again, who then comes to `back`. Access does
 * not document `returnTo`: a person who is not sent on opens the console again.
 */
export function logoutUrl(origin: string, back: string): string {
  return `${origin}/cdn-cgi/access/logout?returnTo=${encodeURIComponent(back)}`
}

/**
 * The claims of an assertion of Cloudflare Access for a person, and when they authenticated, in seconds. Verifies the
 * signature (RS256 only), `iss`, `aud`, `exp` and `type`. A service token is no person. The assertion itself does not say
 * when they authenticated: its `iat` changes whenever Access renews it. So the gate asks Access, which gives the time of
 * the login. `NaN` if Access does not say it. Rejects with `Unreachable`.
 */
export async function personOfAccess(
  assertion: string,
  issuer: Issuer,
  around: Around,
): Promise<
  Result<
    { readonly claims: JsonObject; readonly authenticated: number },
    'console_person_invalid' | 'console_person_refused'
  >
> {
  const invalid = fail('console_person_invalid' as const)
  const refused = fail('console_person_refused' as const)
  const header = decodeJwsPart(splitJws(assertion)?.header ?? '')
  if (!header || own(header, 'alg') !== 'RS256') return invalid
  const claims = await verifiedClaims(assertion, issuer, around)
  const isOurs =
    claims &&
    own(claims, 'iss') === issuer.issuer &&
    [own(claims, 'aud')].flat().some((one) => listOf(issuer.audiences).includes(one)) &&
    Number(own(claims, 'exp')) > around.ports.clock.now() / 1000 &&
    own(claims, 'type') === 'app'
  if (!isOurs) return invalid
  const subject = ownText(claims, 'sub')
  if (!subject || own(claims, 'common_name')) return refused
  const answer = await sendBounded(`${issuer.issuer}/cdn-cgi/access/get-identity`, {
    ...{ method: 'GET', body: undefined, redirect: 'manual' },
    headers: { cookie: `CF_Authorization=${assertion}` },
  })
  const identity = parseJsonObject(utf8Decode(new Uint8Array(await answer.arrayBuffer())) ?? '')
  const isTheirs =
    answer.status === 200 &&
    identity &&
    own(identity, 'user_uuid') === subject &&
    !own(identity, 'service_token_status') &&
    !own(identity, 'service_token_id')
  if (!isTheirs) return refused
  const time = own(identity, 'iat')
  return ok({ claims, authenticated: typeof time === 'number' ? time : Number.NaN })
}
