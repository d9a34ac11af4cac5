import { describe, expect, it } from 'vitest'
import { guessProfile, isOktaOrg, nameOf } from '../../../src/command/doctor/profile.ts'

const OWN = 'https://id.acme.dev'

describe('the profile an issuer seems to have', () => {
  it.each([
    ['https://acme.eu.auth0.com/', 'auth0', 'acme'],
    ['https://acme.okta.com/oauth2/default', 'okta', 'acme'],
    ['https://acme.oktapreview.com', 'okta', 'acme'],
    ['https://login.microsoftonline.com/11111111-2222/v2.0', 'entra', 'entra'],
    ['https://sts.windows.net/11111111-2222/', 'entra', 'entra'],
    ['https://acme.ciamlogin.com/11111111-2222/v2.0', 'entra', 'entra'],
    ['https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12', 'cognito', 'cognito'],
    ['https://able-cat-1.clerk.accounts.dev', 'clerk', 'able-cat-1'],
    ['https://clerk.acme.dev', 'clerk', 'acme'],
    ['https://acme.authkit.app', 'workos', 'acme'],
    ['https://acme.customers.stytch.com', 'stytch', 'acme'],
    ['https://authkit.app.acme.dev', undefined, 'authkit'],
    ['https://sso.acme.dev/realms/agents', 'keycloak', 'acme'],
    ['https://sso.acme.dev/auth/realms/agents', 'keycloak', 'acme'],
    ['https://token.actions.githubusercontent.com', 'github-actions', 'github-actions'],
    ['https://token.actions.acme.ghe.com', 'github-actions', 'github-actions'],
    ['https://gitlab.com', 'gitlab', 'gitlab'],
    ['https://gitlab.acme.dev', undefined, 'gitlab'],
    ['https://oidc.eks.eu-west-1.amazonaws.com/id/ABC', 'kubernetes', 'kubernetes'],
    [
      'https://container.googleapis.com/v1/projects/p/locations/l/clusters/c',
      'kubernetes',
      'kubernetes',
    ],
    ['https://westeurope.oic.prod-aks.azure.com/1111/2222/', 'kubernetes', 'kubernetes'],
    ['https://accounts.google.com', 'gcp', 'gcp'],
    ['https://abc-1.tokens.sts.global.api.aws', 'aws', 'aws'],
    ['https://tokens.sts.global.api.aws.acme.dev', undefined, 'tokens'],
    ['spiffe://prod.example.org', 'spiffe', 'prod'],
    ['https://auth.acme.dev', undefined, 'acme'],
    ['https://auth0.com.acme.dev/', undefined, 'auth0'],
    ['https://notauth0.com/', undefined, 'notauth0'],
    ['https://acme.dev/oauth2/default', undefined, 'acme'],
    ['https://acme.dev/realms/a/b', undefined, 'acme'],
    ['http://127.0.0.1:8788', undefined, 'local'],
    ['http://[::1]:8788', undefined, 'local'],
  ])('%s: %s, named %s', (issuer, profile, name) => {
    expect(guessProfile(issuer).profile).toBe(profile)
    expect(nameOf(issuer)).toBe(name)
  })

  it.each([
    ['auth0', `${OWN}/`, { mfa_challenge_endpoint: `${OWN}/mfa/challenge` }],
    ['okta', `${OWN}/oauth2/a1`, { token_endpoint: `${OWN}/oauth2/a1/v1/token` }],
    ['entra', OWN, { cloud_instance_name: 'microsoftonline.com' }],
    [
      'actor',
      OWN,
      { actor_profile_token_types_supported: ['urn:ietf:params:oauth:token-type:jwt'] },
    ],
    ['agentic-jwt', OWN, { grant_types_supported: ['client_credentials', 'agent_checksum'] }],
    [
      'agentic-jwt',
      OWN,
      { grant_types_supported: ['urn:ietf:params:oauth:grant-type:agent_checksum'] },
    ],
    [undefined, OWN, { grant_types_supported: [{ toString: 1 }, 'no_agent_checksum'] }],
    [undefined, OWN, { actor_profile_token_types_supported: true }],
    [undefined, `${OWN}/`, { mfa_challenge_endpoint: 'https://other.dev/mfa/challenge' }],
    [undefined, OWN, { token_endpoint: `${OWN}/v1/token` }],
    [undefined, OWN, { token_endpoint: `${OWN}/token`, cloud_instance_name: 7 }],
  ])('by metadata: %s', (profile, issuer, metadata) => {
    expect(guessProfile(issuer, metadata).profile).toBe(profile)
  })

  it('tells an Okta org from its authorization servers', () => {
    expect(isOktaOrg('https://acme.okta.com')).toBe(true)
    expect(isOktaOrg('https://acme.okta.com/oauth2/default')).toBe(false)
    expect(isOktaOrg(OWN)).toBe(false)
  })
})
