import { parse } from 'smol-toml'
import { describe, expect, it, vi } from 'vitest'
import type { DoctorOptions } from '../../../src/command/doctor/doctor.ts'
import { system } from '../../../src/gate/platform/system.ts'
import { PROFILE_NAMES } from '../../../src/gate/policy/keys/profiles.ts'
import { createKey } from '../../kit/signing.ts'
import { folder, toml, write } from '../kit.ts'
import { examine, startIssuer, weakRsaKey } from './doctor-kit.ts'

const directory = await folder()
const second = await createKey('ES256', 'second')
const rsa = await createKey('RS256', 'rsa')
const weak = await weakRsaKey('weak')

describe('an issuer in order', () => {
  it('is told with its keys, how long they hold, and the table to paste', async () => {
    const issuer = await startIssuer({ kid: 'first' })
    issuer.setKeys([issuer.jwk, { ...rsa.jwk, use: 'enc' }])
    issuer.setHeaders({
      etag: '"v1"',
      'cache-control': 'public, max-age=300',
      age: '60',
    })
    const { exitCode, report, out, err } = await examine(issuer.issuer)
    expect([exitCode, err]).toEqual([0, ''])
    expect(report).toMatchObject({
      healthy: true,
      discovery: { documents: [{ status: 200, fault: null }], jwks_uri: issuer.jwksUri },
      keys: {
        usable: 1,
        entries: [
          { kid: 'first', kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', verifies: 'ES256' },
          { kid: 'rsa', bits: 2048, verifies: null, ignored: 'not_for_signatures' },
        ],
      },
      caching: { max_age_seconds: 240, fresh_seconds: 240, etag: '"v1"' },
      clock: { ahead_seconds: 0 },
      profile: { name: 'rfc9068', guess: null },
      problems: [],
      warnings: [],
    })
    expect(report).not.toHaveProperty('error')
    expect(out).toContain('etag: "v1"')
    expect(out).toContain('cache-control: public, max-age=300')
    expect(out).toContain('kept as fresh for 4m, renewed from 2m on\n')
    expect(out).toMatch(/first +EC P-256 +- +ES256 +sig +ES256\n/)
    expect(out).toContain('In order: the gate gets 1 usable key')
    expect(parse(report.toml ?? '')).toEqual({
      vars: {
        ISSUERS: {
          local: {
            issuer: issuer.issuer,
            agent_prefix: 'local/',
            algorithms: ['ES256'],
            profile: 'rfc9068',
            allow_insecure_http: true,
          },
        },
      },
    })
  })

  it('is one that OpenID discovery finds, and one whose key address is given', async () => {
    const issuer = await startIssuer()
    const { issuer: iss, jwksUri } = issuer
    const metadata = { issuer: iss, jwks_uri: jwksUri, token_endpoint: `${iss}/token` }
    issuer.setMetadata({ oauth: 404, openid: metadata })
    const found = await examine(iss)
    expect(found).toMatchObject({ exitCode: 0, problems: [], warnings: [] })
    expect(found.report.discovery.documents.map(({ status }) => status)).toEqual([404, 200])
    issuer.setMetadata({ openid: 404 })
    const given = await examine(iss, { jwksUri })
    expect(given).toMatchObject({ exitCode: 0, problems: [], warnings: [] })
    expect(given.report.discovery.documents).toEqual([])
    expect(given.report.toml).toContain(`jwks_uri = "${jwksUri}"`)
  })

  it('is warned of, where that is all', async () => {
    const issuer = await startIssuer()
    const { issuer: iss, jwksUri } = issuer
    issuer.setKeys([issuer.jwk, weak])
    issuer.setHeaders({ 'cache-control': 'no-store' })
    const other = {
      issuer: iss,
      jwks_uri: jwksUri,
    }
    issuer.setMetadata({ oauth: { ...other, issuer: 'https://other.dev' }, openid: other })
    const { exitCode, warnings, problems, err, out } = await examine(iss)
    expect([exitCode, problems]).toEqual([0, []])
    expect(warnings).toEqual([
      'key_weak_rsa',
      'metadata_disagrees',
      'token_endpoint_missing',
      'not_kept',
    ])
    expect(err).toContain('Warning: In the key set an RSA key has less than 2048 bits: "weak"')
    expect(out).toContain('In order: the gate gets 1 usable key, 4 warnings')
  })

  it.each(PROFILE_NAMES.filter((name) => name !== 'spiffe'))(
    'can be of profile %s',
    async (profile) => {
      const issuer = await startIssuer()
      const { exitCode, report } = await examine(issuer.issuer, { profile, algorithms: 'ES256' })
      expect(exitCode).toBe(0)
      expect(report.toml).toContain(`profile = "${profile}"`)
    },
  )
})

describe('a trust domain', () => {
  const ask = async (jwk: object) => {
    const issuer = await startIssuer()
    issuer.setKeys([{ ...issuer.jwk, ...jwk }])
    const given = { profile: 'spiffe', jwksUri: issuer.jwksUri, allowInsecureHttp: true }
    return examine('spiffe://prod.example.org', given)
  }

  it('is asked for its bundle', async () => {
    const { exitCode, report, out } = await ask({ use: 'jwt-svid' })
    expect([exitCode, report.keys.usable]).toEqual([0, 1])
    expect(report.toml).toMatch(
      /^\[vars\.ISSUERS\.prod\]\nissuer = "spiffe:\/\/prod\.example\.org"\n/,
    )
    expect(out).toContain('spiffe, as configured: by its host this is an issuer of spiffe')
  })

  it('has no use for the keys of an OIDC discovery provider', async () => {
    const { exitCode, report, out } = await ask({ use: 'sig' })
    expect([exitCode, report.problems.map(({ code }) => code)]).toEqual([1, ['no_usable_key']])
    expect(report.problems[0]?.fix).toContain('profile generic')
    expect(out).toContain('ignored: not for JWT-SVIDs')
  })

  it('needs the address of the bundle', async () => {
    const { exitCode, err } = await examine('spiffe://prod.example.org', { profile: 'spiffe' })
    expect([exitCode, err]).toEqual([1, expect.stringContaining('--jwks-uri is required')])
  })
})

it('an issuer that signs for everybody gets a table that lets nobody in yet', async () => {
  const { jwk } = await createKey('RS256', 'k1')
  const issuer = 'https://token.actions.githubusercontent.com'
  const jwks_uri = `${issuer}/.well-known/jwks`
  const documents: Readonly<Record<string, object>> = {
    [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri },
    [jwks_uri]: { keys: [jwk] },
  }
  const asked = vi.spyOn(system, 'fetch').mockImplementation(async (url) => {
    const document = documents[url]
    return document ? Response.json(document) : new Response(null, { status: 404 })
  })
  const { exitCode, report, warnings } = await examine(issuer)
  asked.mockRestore()
  expect([exitCode, warnings]).toEqual([0, []])
  expect(report.toml).toContain('[vars.ISSUERS.github-actions]')
  expect(report.toml).toContain('claims = { repository_owner_id = "OWNER_ID" }')
})

describe('an issuer of a wrangler.toml', () => {
  const config = (issuer: string, more = '') =>
    write(
      directory,
      'wrangler.toml',
      toml({ issuer: `[vars.ISSUERS.acme]\nissuer = "${issuer}"\n${more}` }),
    )

  it('is asked as its table says', async () => {
    const issuer = await startIssuer()
    issuer.setMetadata({ oauth: 404 })
    const more = `allow_insecure_http = true\njwks_uri = "${issuer.jwksUri}"\nalgorithms = ["RS256"]\njwks_cache = { max_fresh = "2m" }`
    const file = await config(issuer.issuer, more)
    const { exitCode, report, problems } = await examine('acme', { config: file })
    expect([exitCode, problems]).toEqual([1, ['no_usable_key']])
    expect(report).toMatchObject({ table: 'acme', toml: null, caching: { fresh_seconds: 120 } })
  })

  it.each([
    [{}, ['possession_unsupported'], ''],
    [{ dpop_signing_alg_values_supported: ['ES256', 'ES512'] }, [], 'DPoP proofs ES256 ES512'],
    [{ dpop_signing_alg_values_supported: ['EdDSA'] }, [], 'DPoP proofs EdDSA'],
    [{ dpop_signing_alg_values_supported: ['ES512'] }, ['proof_algorithms_differ'], 'ES512'],
    [{ tls_client_certificate_bound_access_tokens: true }, [], ''],
    [{ tls_client_certificate_bound_access_tokens: false }, ['possession_unsupported'], ''],
  ])('whose tokens must be bound, with metadata %j', async (said, expected, line) => {
    const issuer = await startIssuer()
    const { issuer: iss, jwksUri: jwks_uri } = issuer
    const metadata = { issuer: iss, jwks_uri, token_endpoint: `${iss}/token`, ...said }
    issuer.setMetadata({ oauth: metadata, openid: metadata })
    const file = await config(iss, 'allow_insecure_http = true\npossession = "required"')
    const { exitCode, warnings, out } = await examine('acme', { config: file })
    expect([exitCode, warnings]).toEqual([0, expected])
    expect(out).toContain(line)
  })

  it('is not found, or its file is wrong', async () => {
    const file = await config('https://auth.acme.dev')
    const missing = await examine('other', { config: file })
    expect(missing).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining('those it has: acme'),
    })
    const broken = await config('http://auth.acme.dev')
    const wrong = await examine('acme', { config: broken })
    expect(wrong).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining('ISSUERS.acme.issuer'),
    })
  })

  it('needs no network where its keys stand in the table', async () => {
    const members = Object.entries(second.jwk).map(([name, value]) => `${name} = "${value}"`)
    const file = await config(
      'https://auth.acme.dev',
      `jwks = { keys = [{ ${members.join(', ')} }] }`,
    )
    const { exitCode, report, out } = await examine('acme', { config: file })
    expect(exitCode).toBe(0)
    expect(report).toMatchObject({
      keys: { document: null, usable: 1 },
      caching: null,
      clock: null,
    })
    expect(out).toContain('not asked: the entry says where the keys are')
  })
})

describe('an address or option', () => {
  it.each<[string, DoctorOptions, number, string]>([
    ['http://auth.acme.dev', {}, 1, 'must be an https URL'],
    ['https://127.0.0.1/', {}, 1, 'is a private address'],
    [
      'https://auth.acme.dev',
      { allowInsecureHttp: true },
      1,
      'only for an issuer on a loopback host',
    ],
    ['https://auth.acme.dev?x', {}, 1, 'without a query'],
    ['https://login.microsoftonline.com/common/v2.0', {}, 1, 'ISSUER is shared by many tenants'],
    [
      'https://auth.acme.dev',
      { jwksUri: 'http://keys.acme.dev' },
      1,
      '--jwks-uri must be an https URL',
    ],
    ['https://auth.acme.dev', { profile: 'okta2' }, 2, '--profile unknown value'],
    ['https://auth.acme.dev', { algorithms: 'HS256' }, 2, '--algorithms'],
    [
      'https://auth.acme.dev',
      { config: 'a.toml' },
      2,
      '--config is for an issuer of a wrangler.toml',
    ],
    [
      'acme',
      { jwksUri: 'https://a.dev' },
      2,
      '--jwks-uri is for an issuer that is given by its URL',
    ],
    ['acme', { config: 'none.toml' }, 2, 'Cannot read none.toml'],
  ])('%s %j', async (asked, options, exitCode, message) => {
    const found = await examine(asked, options)
    expect(found.exitCode).toBe(exitCode)
    expect(found.err).toContain(message)
    expect('error' in found.report).toBe(exitCode === 2)
  })
})
