import { describe, expect, it } from 'vitest'
import type { DoctorOptions } from '../../../src/command/doctor/doctor.ts'
import { agenticClaims, checksumOf } from '../../kit/agentic.ts'
import { createProofKey } from '../../kit/dpop.ts'
import type { Issuer } from '../../kit/issuer.ts'
import { createKey } from '../../kit/signing.ts'
import { folder, toml, write } from '../kit.ts'
import { examine, startIssuer } from './doctor-kit.ts'

const second = await createKey('ES256', 'second')

describe('a sample token', () => {
  const sample = async (
    change: (issuer: Issuer) => Promise<string>,
    options: DoctorOptions = {},
  ) => {
    const issuer = await startIssuer()
    const token = await change(issuer)
    const found = await examine(issuer.issuer, { token: '-', ...options }, `${token}\n`)
    for (const part of token.split('.')) expect(JSON.stringify(found)).not.toContain(part)
    return found
  }

  it('passes, however old it is', async () => {
    const found = await sample((issuer) => issuer.mint({ iat: 1_700_000_000 }))
    expect(found).toMatchObject({ exitCode: 0, problems: [] })
    expect(found.report.token).toMatchObject({
      typ: 'at+jwt',
      alg: 'ES256',
      profile: 'rfc9068',
      denial: null,
    })
    expect(found.report.profile?.name).toBe('rfc9068')
  })

  it('tells the profile where nothing else does', async () => {
    const keycloak = { azp: 'agent-1', typ: 'Bearer', client_id: undefined, jti: 'j' }
    const found = await sample((issuer) =>
      issuer.mint({ ...keycloak, sub: undefined }, { typ: 'JWT' }),
    )
    expect(found).toMatchObject({ exitCode: 0 })
    expect(found.report.token?.fits).toEqual(['generic'])
    expect(found.report.toml).toContain('profile = "generic"')
  })

  it('is of Agentic JWT by its claims, though no key is here to prove it with', async () => {
    const agent = {
      id: 'worker',
      checksum: checksumOf('a'),
      registration: 'reg_worker_1',
      key: await createProofKey(),
    }
    const claims = agenticClaims(agent)
    const found = await sample((issuer) => issuer.mint(claims, { typ: 'JWT' }))
    expect(found).toMatchObject({ exitCode: 0, problems: [] })
    expect(found.report.toml).toContain('profile = "agentic-jwt"')
    const broken = { ...claims, agent_proof: undefined }
    const options = { profile: 'agentic-jwt' }
    const refused = await sample((issuer) => issuer.mint(broken, { typ: 'JWT' }), options)
    expect(refused.err).toContain('agent_proof_malformed')
  })

  it.each<[string, (issuer: Issuer) => Promise<string>, DoctorOptions, string]>([
    [
      'a missing claim',
      (one) => one.mint({ jti: undefined }),
      { profile: 'rfc9068' },
      'claim_missing: jti',
    ],
    [
      'another type',
      (one) => one.mint({}, { typ: 'JWT' }),
      { profile: 'rfc9068' },
      'type_not_accepted',
    ],
    ['an unknown kid', (one) => one.mint({}, { kid: 'nobody' }), {}, 'key_unknown'],
    [
      'a foreign signature',
      (one) => one.mint({}, { kid: one.kid }, { key: second }),
      {},
      'signature_invalid',
    ],
    ['another issuer', (one) => one.mint({ iss: 'https://other.dev' }), {}, 'issuer_unknown'],
    ['no token at all', async () => 'nonsense', {}, 'token_malformed'],
  ])('is refused for %s', async (_, mint, options, code) => {
    const found = await sample(mint, options)
    expect(found).toMatchObject({ exitCode: 1, problems: ['token_refused'] })
    expect(found.err).toContain(code)
    expect(found.report.problems[0]?.fix).not.toBe('')
  })

  it('is judged by its table, beside the other ones', async () => {
    const directory = await folder()
    const issuer = await startIssuer()
    const tables = [
      `[vars.ISSUERS.acme]\nissuer = "${issuer.issuer}"\nallow_insecure_http = true`,
      'agent_prefix = "a/"\naudiences = ["https://other.dev"]\nclaims = { tier = "gold" }',
      'delegation = { issuers = ["second"] }',
      '[vars.ISSUERS.second]\nissuer = "https://second.dev"\nagent_prefix = "b/"',
    ]
    const file = await write(directory, 'wrangler.toml', toml({ issuer: tables.join('\n') }))
    const judge = async (tier: string) =>
      examine('acme', { config: file, token: '-' }, await issuer.mint({ tier }))
    expect(await judge('gold')).toMatchObject({ exitCode: 0, problems: [] })
    const refused = await judge('tin')
    expect(refused).toMatchObject({ exitCode: 1, problems: ['token_refused'] })
    expect(refused.err).toContain('(claim_rejected: tier)')
  })

  it('is not judged without keys', async () => {
    const issuer = await startIssuer()
    const token = await issuer.mint()
    await issuer.fail('empty')
    const found = await examine(issuer.issuer, { token: '-' }, token)
    expect(found).toMatchObject({ exitCode: 1, problems: ['no_keys'], report: { token: null } })
    expect(found.err).toContain('The sample token was not judged')
  })
})
