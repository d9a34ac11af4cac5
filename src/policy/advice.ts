import type { Issuer } from '../core/model/issuer.ts'
import { type Path, quote } from './issues.ts'
import { LONG_LIFETIME, type ProfileName } from './profiles.ts'

interface Advice {
  /** How its tokens are made to live shorter. */
  readonly shorten: string
  /** How its tokens come to have `jti`. */
  readonly identify: string
}

const ANY: Advice = {
  shorten: 'have the issuer make them live 15m or less',
  identify: 'have the issuer add jti, then require it',
}

/** Where tokens have `jti` already. */
const hasId = (tokens: string) => ({
  identify: `${tokens} have it: write it into required_claims`,
})

/** What can be set at an issuer, in the words of its own console. */
const ADVICE: Readonly<Partial<Record<ProfileName, Advice>>> = {
  auth0: {
    shorten:
      'in Auth0, Applications > APIs > the API > Settings, set Maximum Access Token Lifetime (once called Token Expiration) to 900 seconds, and Implicit / Hybrid Flow Access Token Lifetime to no more',
    identify:
      'in Auth0, Applications > APIs > the API > Settings, choose RFC 9068 as JSON Web Token (JWT) Profile, whose tokens have it, then write it into required_claims',
  },
  okta: {
    shorten:
      'in Okta, Security > API > Authorization Servers > the server > Access Policies, set "Access token lifetime is" in every rule to 15 minutes (5 is the least)',
    ...hasId('tokens of Okta'),
  },
  entra: {
    shorten:
      'in Entra, give the app registration of the API a token lifetime policy with AccessTokenLifetime "00:15:00" (10 minutes is the least; clients with continuous access evaluation get tokens of up to 28 hours all the same, which max_lifetime refuses)',
    identify:
      'Entra has none (its uti names a token too, but is nothing to revoke by here): keep lifetimes short',
  },
  keycloak: {
    shorten:
      "in Keycloak, Realm settings > Tokens, set Access Token Lifespan to 5 minutes, and look for a longer one in the clients' Advanced settings",
    ...hasId('tokens of Keycloak'),
  },
  cognito: {
    shorten:
      'in Cognito, App clients > the client > Edit, set Access token expiration to 15 minutes (5 is the least), for each client in audiences',
    ...hasId('tokens of Cognito'),
  },
  clerk: { ...ANY, ...hasId('OAuth access tokens of Clerk') },
  workos: { ...ANY, ...hasId('access tokens of WorkOS Connect') },
  stytch: { ...ANY, ...hasId("access tokens of Stytch's Connected Apps") },
}

/** Hosts of Microsoft Entra ID at which the path names a tenant, and words there that name none. */
const ENTRA_HOST =
  /^(?:login\.(?:microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn)|sts\.windows\.net)$/
const NO_TENANT = /^\/(common|organizations|consumers)(?:\/|$)/i

/**
 * What is wrong with an issuer that is an endpoint many tenants of Entra share: no token names it,
 * since `iss` has the tenant's own id. `undefined` for every other.
 */
export function sharedEndpoint({ hostname, pathname }: URL): string | undefined {
  const name = ENTRA_HOST.test(hostname) ? NO_TENANT.exec(pathname)?.[1] : undefined
  return name === undefined
    ? undefined
    : `is shared by tenants, and no token names it: write the tenant's id for ${quote(name)}, as iss has it, with an entry for each tenant`
}

/**
 * What a valid issuer's entry allows that costs something, and what to do; paths within the entry.
 */
export function issuerAdvice({
  profile,
  maxLifetime,
  requiredClaims,
}: Issuer): readonly (readonly [path: Path, message: string])[] {
  const { shorten, identify } = ADVICE[profile as ProfileName] ?? ANY
  const found: (readonly [Path, string])[] = []
  if (maxLifetime > LONG_LIFETIME) {
    found.push([
      ['max_lifetime'],
      `tokens may live ${durationText(maxLifetime)}, and a stolen one works as long unless it is revoked; ${shorten}, then set max_lifetime = "15m"`,
    ])
  }
  if (!requiredClaims.includes('jti')) {
    found.push([
      [],
      `jti is not required: a token without one cannot be revoked by itself (only by agent, subject, client or key) nor told apart in the journal; ${identify}`,
    ])
  }
  return found
}

const HOUR = 3_600

const durationText = (seconds: number): string => {
  if (seconds > HOUR && seconds % HOUR === 0) return `${seconds / HOUR}h`
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`
}
