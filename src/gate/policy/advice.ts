import { durationText } from '../base/duration.ts'
import type { Issuer } from '../model/issuer.ts'
import { LONG_LIFETIME, PROFILES, type Profile, type ProfileName } from './keys/profiles.ts'
import { type Path, quote } from './reading/issues.ts'

/** Hosts of Microsoft Entra ID at which the path names a tenant, and words there that name none. */
const ENTRA_HOST =
  /^(?:login\.(?:microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn)|sts\.windows\.net)$/
const NO_TENANT = /^\/(common|organizations|consumers)(?:\/|$)/i

/**
 * The mistake of an issuer that is an endpoint of all tenants of Entra: `iss` of a token has its
 * tenant's id. `undefined` for every other issuer.
 */
export function sharedEndpoint({ hostname, pathname }: URL): string | undefined {
  const name = ENTRA_HOST.test(hostname) ? NO_TENANT.exec(pathname)?.[1] : undefined
  return name === undefined
    ? undefined
    : `is shared by many tenants, so no token has it as iss: write the tenant's id in place of ${quote(name)}, and an entry for each tenant`
}

/**
 * What a valid issuer's entry allows that costs something, and what to do; paths within the entry.
 */
export function issuerAdvice({
  profile,
  maxLifetime,
  requiredClaims,
}: Issuer): readonly (readonly [path: Path, message: string])[] {
  const {
    shorten = 'have the issuer limit their lifetime to 15m or less',
    identify = 'have the issuer add jti, then require it',
  }: Profile = PROFILES[profile as ProfileName]
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
      `jti is not required: a token without one cannot be revoked by itself (only by agent, subject, client or key), and the journal cannot distinguish it from others; ${identify}`,
    ])
  }
  return found
}
