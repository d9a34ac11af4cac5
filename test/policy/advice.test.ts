import { describe, expect, it } from 'vitest'
import { PROFILE_NAMES, type ProfileName } from '../../src/gate/policy/keys/profiles.ts'
import { ACME, mistakes, parse } from './support.ts'

const warnings = (entry: object): readonly (readonly [path: string, message: string])[] => {
  const parsed = parse({ ISSUERS: { acme: { ...ACME, ...entry } } })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value.warnings.map(({ path, message }) => [path, message])
}

/** What is said of an entry that has only a profile: its lifetime, and whether jti is missed. */
const SAID: Readonly<Record<ProfileName, readonly [life: string | undefined, noJti: boolean]>> = {
  rfc9068: [undefined, false],
  actor: [undefined, false],
  auth0: ['24h', true],
  okta: ['1h', false],
  entra: ['90m', true],
  keycloak: [undefined, false],
  cognito: ['1h', false],
  clerk: ['24h', false],
  workos: ['1h', false],
  stytch: ['1h', false],
  'agentic-jwt': [undefined, false],
  generic: [undefined, true],
  'github-actions': [undefined, false],
  gitlab: ['1h', false],
  kubernetes: ['1h', true],
  gcp: ['1h', true],
  aws: ['1h', false],
  'azure-workload': ['25h', true],
  spiffe: [undefined, true],
}

/** Where each issuer's console has the lifetime. */
const WORDS: Readonly<Record<ProfileName, RegExp>> = {
  rfc9068: /have the issuer limit their lifetime to 15m or less/,
  actor: /have the issuer limit their lifetime to 15m or less/,
  auth0: /Maximum Access Token Lifetime.*900/,
  okta: /Access Policies.*15 minutes/,
  entra: /token lifetime policy.*28 hours/,
  keycloak: /Access Token Lifespan/,
  cognito: /Access token expiration/,
  clerk: /have the issuer limit their lifetime to 15m or less/,
  workos: /have the issuer limit their lifetime to 15m or less/,
  stytch: /have the issuer limit their lifetime to 15m or less/,
  'agentic-jwt': /have the issuer limit their lifetime to 15m or less/,
  generic: /have the issuer limit their lifetime to 15m or less/,
  'github-actions': /have the issuer limit their lifetime to 15m or less/,
  gitlab: /timeout of the job to 15 minutes/,
  kubernetes: /expirationSeconds.*900/,
  gcp: /live an hour/,
  aws: /--duration-seconds 900/,
  'azure-workload': /live a day/,
  spiffe: /have the issuer limit their lifetime to 15m or less/,
}
/** What an entry of a profile has to say. */
const NEEDED: Readonly<Partial<Record<ProfileName, object>>> = {
  cognito: { audiences: ['client'] },
  spiffe: { issuer: 'spiffe://prod.example.org', jwks_uri: 'https://bundle.prod.example.org/' },
}

describe.each(PROFILE_NAMES)('an entry with profile %s', (profile) => {
  const needed = NEEDED[profile] ?? {}
  const [life, noJti] = SAID[profile]

  it('is warned of what its defaults cost', () => {
    const found = warnings({ profile, ...needed })
    expect(found.map(([path]) => path)).toEqual([
      ...(life === undefined ? [] : ['ISSUERS.acme.max_lifetime']),
      ...(noJti ? ['ISSUERS.acme'] : []),
    ])
    if (life !== undefined) expect(found[0]?.[1]).toContain(`tokens may live ${life}, and`)
    if (noJti) expect(found.at(-1)?.[1]).toContain('cannot be revoked by itself')
  })

  it('is told how to make them live shorter at that issuer', () => {
    const [first] = warnings({ profile, ...needed, max_lifetime: '16m' })
    expect(first?.[0]).toBe('ISSUERS.acme.max_lifetime')
    expect(first?.[1]).toMatch(WORDS[profile])
    expect(first?.[1]).toMatch(/then set max_lifetime = "15m"$/)
  })

  it('is told how to come to jti, unless it is required', () => {
    const required = (names: readonly string[]) =>
      warnings({ profile, ...needed, max_lifetime: '15m', required_claims: names })
    expect(required(['jti'])).toEqual([])
    expect(required(['iss'])).toEqual([
      ['ISSUERS.acme', expect.stringMatching(/^jti is not required: .* from others; ./)],
    ])
  })
})

it.each([
  ['901s', 'live 901s,'],
  ['16m', 'live 16m,'],
  ['60m', 'live 1h,'],
  ['90m', 'live 90m,'],
  ['120m', 'live 2h,'],
])('a lifetime of %s is written %s', (max_lifetime, text) => {
  expect(warnings({ max_lifetime })[0]?.[1]).toContain(text)
})

describe('an endpoint that tenants of Entra share', () => {
  const said = (issuer: string, more: object = {}) =>
    mistakes({ ISSUERS: { entra: { issuer, ...more } } })

  it.each([
    ['https://login.microsoftonline.com/common/v2.0', 'common'],
    ['https://login.microsoftonline.com/organizations/v2.0', 'organizations'],
    ['https://login.microsoftonline.com/consumers/v2.0', 'consumers'],
    ['https://login.microsoftonline.us/common/v2.0', 'common'],
    ['https://login.partner.microsoftonline.cn/common/v2.0', 'common'],
    ['https://sts.windows.net/common/', 'common'],
    ['https://login.microsoftonline.com/Common', 'Common'],
  ])('is no issuer: %s', (issuer, name) => {
    for (const profile of ['entra', 'generic']) {
      expect(said(issuer, { profile })).toEqual([
        expect.stringContaining(
          `ISSUERS.entra.issuer: is shared by many tenants, so no token has it as iss: write the tenant's id in place of \`${name}\``,
        ),
      ])
    }
  })

  it.each([
    'https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0',
    'https://login.microsoftonline.com/commons/v2.0',
    'https://login.acme.dev/common/v2.0',
  ])('is not %s', (issuer) => {
    expect(said(issuer)).toEqual([])
  })
})
