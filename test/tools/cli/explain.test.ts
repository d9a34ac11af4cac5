import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { explain } from '../../../src/command/operate/explain.ts'
import { GUARD } from '../../../src/gate/guard/guard.ts'
import { createKey, type Members } from '../../kit/signing.ts'
import { around, explainSetting, ISSUER, ISSUER_TABLE, NOW, RESOURCE } from './explain-kit.ts'
import { environmentToml, toml, write } from './kit.ts'

const { directory, key, config, token, ask } = await explainSetting()
const stranger = await createKey('ES256', key.kid)

const inlineKey = Object.entries(key.jwk)
  .map(([name, value]) => `${name} = "${value}"`)
  .join(', ')
const inline = await write(
  directory,
  'inline.toml',
  toml({ issuer: `${ISSUER_TABLE}\njwks = { keys = [{ ${inlineKey} }] }`, kv: '' }),
)

/** A line of the steps; what was found stands below each other. */
const passed = (stage: string, found: string) => `✓ ${stage.padEnd(WIDTH)}  ${found}`
const WIDTH = Math.max(...GUARD.stages.map(({ name }) => name.length))

describe('a request that is allowed', () => {
  it('is told stage by stage, and by whom it is allowed', async () => {
    const given = await token()
    const outcome = await ask('GET', '/a/7', { token: given })
    expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    expect(outcome.out).toEqual([
      passed('route', 'route="GET /a/{id}" path=/a/7 params={"id":"7"}'),
      '✓ address',
      passed('credential', `alg=ES256 typ=at+jwt kid=k1 claimed_issuer=${ISSUER}`),
      passed('issuer', `issuer=${ISSUER} entry=acme`),
      passed('signature', 'kid=k1'),
      passed(
        'claims',
        `aud=${RESOURCE} iat="2025-12-31 23:59:50 UTC" exp="2026-01-01 00:04:50 UTC" scopes=a:read,b:read`,
      ),
      '✓ agentic_jwt',
      passed('possession', 'possession=bearer'),
      expect.stringMatching(/^✓ delegation/),
      expect.stringMatching(/^✓ agent/),
      '✓ workflow',
      passed('scope', 'grant=a:read'),
      '✓ authorization_details',
      '✓ authentication',
      '✓ limit_precheck',
      '✓ in_flight',
      '✓ condition',
      '✓ holding',
      passed('operation', 'kind=http method=GET'),
      '✓ mcp_access',
      passed('use_scope', 'grant=a:read'),
      '✓ use_condition',
      '✓ signing',
      '✓ revocation_precheck',
      '✓ replay',
      '✓ limit',
      expect.stringMatching(/^✓ revocation +asked=/),
      '',
      `Allowed by the rule "GET /a/{id}", as acme/planner-7 of ${ISSUER}`,
      'Revocations are not known here: judged as if nothing were revoked.',
    ])
    expect(outcome.json).toMatchObject({
      allowed: true,
      mode: 'enforce',
      agent: { name: 'acme/planner-7' },
      route: { match: 'GET /a/{id}' },
      revocations: 'unknown',
      at: NOW,
    })
  })

  it.each([
    ['a public route', '/open', {}, 'Allowed by the rule "GET /open", without an identity'],
    ['no token where it is optional', '/maybe', {}, '"GET /maybe", without an identity'],
    [
      'a preflight',
      '/page',
      { header: ['Origin: https://app.acme.dev', 'Access-Control-Request-Method: GET'] },
      '"GET /page", without an identity',
    ],
  ])('ends early with %s', async (_, path, options, text) => {
    const outcome = await ask('header' in options ? 'OPTIONS' : 'GET', path, options)
    expect(outcome.exitCode).toBe(0)
    expect(outcome.out.join('\n')).toContain('asks for nothing more')
    expect(outcome.out.at(-1)).toContain(text)
    expect(outcome.json).toMatchObject({ allowed: true, revocations: 'unknown' })
  })
})

describe('a request that is denied', () => {
  it.each<[string, string, string, Members, string, ...string[]]>([
    ['no rule', 'GET', '/none', {}, 'route', 'route_unknown, 404'],
    ['a path with two readings', 'GET', '/a/../a/7', {}, 'route', 'path_ambiguous, 400'],
    ['an encoded path, as it was given', 'GET', '/a/%2e%2e', {}, 'route', 'path_ambiguous, 400'],
    ['another issuer', 'GET', '/a/7', { iss: 'https://x.dev' }, 'issuer', 'issuer_unknown, 401'],
    ['an old token', 'GET', '/a/7', { iat: NOW - 400, exp: NOW - 100 }, 'claims', 'token_expired'],
    ['another audience', 'GET', '/a/7', { aud: 'https://x.dev' }, 'claims', 'audience_mismatch'],
    [
      'scopes, all of them',
      'POST',
      '/a',
      {},
      'scope',
      'scope_missing, 403',
      'Scopes it needs, all of them: a:write a:admin',
    ],
    [
      'one of the scopes',
      'GET',
      '/any',
      {},
      'scope',
      'scope_missing, 403',
      'Scopes it needs, one of them: x:read y:read',
    ],
  ])('stops at %s and says what to do', async (_, method, path, claims, stage, ...texts) => {
    const outcome = await ask(method, path, { token: await token(claims) })
    expect(outcome).toMatchObject({ exitCode: 1, err: [] })
    const end = outcome.out.indexOf('')
    expect(outcome.out[end - 1]).toMatch(new RegExp(`^✗ ${stage} +code=`))
    expect(outcome.out.slice(0, end - 1).every((line) => line.startsWith('✓ '))).toBe(true)
    const rest = outcome.out.slice(end + 1).join('\n')
    expect(rest).toMatch(/^Denied: /)
    expect(rest).toContain('\nWhat to do: ')
    for (const text of texts) expect(rest).toContain(text)
    expect(rest).not.toContain('Revocations are not known')
    expect(outcome.json).toMatchObject({ allowed: false, denial: { code: expect.any(String) } })
  })

  it('by a signature that is not of the key', async () => {
    const outcome = await ask('GET', '/a/7', { token: await token({}, stranger) })
    expect(outcome.exitCode).toBe(1)
    expect(outcome.json).toMatchObject({ denial: { code: 'signature_invalid' } })
  })

  it('goes on in shadow mode, and is denied all the same', async () => {
    const outcome = await ask('GET', '/shadow', { token: await token() })
    expect(outcome.exitCode).toBe(1)
    expect(outcome.out.at(-1)).toContain('shadow mode: the request is forwarded all the same')
    expect(outcome.json).toMatchObject({ allowed: false, mode: 'shadow' })
  })

  it('without any token, or with another credential', async () => {
    const none = await ask('GET', '/a/7')
    expect(none.json).toMatchObject({ denial: { code: 'credential_missing', status: 401 } })
    const basic = await ask('GET', '/a/7', { header: ['authorization: Basic YTpi'] })
    expect(basic.json).toMatchObject({ denial: { code: 'scheme_unsupported' } })
    const broken = await ask('GET', '/a/7', { token: 'no-token' })
    expect(broken.json).toMatchObject({ denial: { code: 'token_malformed' } })
  })

  it('in lower case, and with a query that is read as it is', async () => {
    const outcome = await ask('get', '/a/7?access_token=x', { token: await token() })
    expect(outcome.json).toMatchObject({ denial: { code: 'credential_in_query' } })
  })
})

describe('keys', () => {
  it('are not fetched: without them nothing can be told', async () => {
    const outcome = await explain(
      'GET',
      `${RESOURCE}/a/7`,
      { config, token: await token() },
      around(),
    )
    expect(outcome).toMatchObject({ exitCode: 2, err: [] })
    const text = outcome.out.join('\n')
    expect(text).toContain('✗ signature   code=keys_unavailable')
    expect(text).toContain('Cannot tell: ')
    expect(text).toMatch(/What to do: .*--jwks FILE.*--gate URL/)
    expect(outcome.json).toMatchObject({
      allowed: false,
      error: expect.any(String),
      denial: { code: 'keys_unavailable', hint: expect.stringContaining('--jwks FILE') },
    })
  })

  it('may stand in the policy, and then no others count', async () => {
    const other = JSON.stringify({ keys: [stranger.jwk] })
    const options = { config: inline, jwks: await write(directory, 'other.json', other) }
    const url = `${RESOURCE}/a`
    const good = await explain('GET', url, { ...options, token: await token() }, around())
    expect(good.exitCode).toBe(0)
    expect(good.err).toEqual(['--jwks was not used: the keys of that issuer are in the policy.'])
    const bad = await explain(
      'GET',
      url,
      { ...options, token: await token({}, stranger) },
      around(),
    )
    expect(bad).toMatchObject({ exitCode: 1, json: { denial: { code: 'signature_invalid' } } })
    const plain = await explain('GET', url, { config: inline, token: await token() }, around())
    expect(plain).toMatchObject({ exitCode: 0, err: [] })
  })

  it.each([
    ['is not there', undefined, 'there is no such file'],
    ['is not JSON', 'keys', 'is not a JWK set'],
    ['is one key', JSON.stringify(key.jwk), 'is not a JWK set'],
    ['is empty', '{"keys":[]}', 'contains no public key'],
    ['holds private keys', JSON.stringify({ keys: [key.privateJwk] }), 'contains no public key'],
  ])('are not taken from a file that %s', async (what, text, message) => {
    const name = `${what.replaceAll(' ', '-')}.json`
    const path = text === undefined ? join(directory, name) : await write(directory, name, text)
    const outcome = await ask('GET', '/a/7', { token: await token(), jwks: path })
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err.join()).toContain(message)
    expect(outcome.err.join()).not.toContain(String(key.privateJwk.d))
  })
})

describe('the moment', () => {
  it.each([
    ['seconds', String(NOW + 400), 1],
    ['a date', '2026-01-01T00:06:40Z', 1],
    ['a date of another zone', '2026-01-01T01:00:00+01:00', 0],
  ])('may be another one, in %s', async (_, at, exitCode) => {
    const outcome = await ask('GET', '/a/7', { token: await token(), at })
    expect(outcome.exitCode).toBe(exitCode)
    expect(outcome.out.join('\n')).toContain('Judged as at 2026-01-01 00:0')
  })

  it.each([
    'tomorrow',
    '2026-01-01',
    '2026-01-01T00:00:00',
    '2026-13-01T00:00:00Z',
    String(NOW * 1000),
  ])('is not %s', async (at) => {
    const outcome = await ask('GET', '/a/7', { at })
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err.join()).toMatch(/^--at: /)
  })
})

describe('the policy', () => {
  it('may be that of an environment', async () => {
    const file = await write(
      directory,
      'env.toml',
      environmentToml('staging').replace('//staging.acme.dev', '//api.acme.dev'),
    )
    const options = { config: file, token: await token() }
    const top = await ask('GET', '/a', options)
    expect(top).toMatchObject({ exitCode: 2, out: [] })
    expect(top.err.at(-1)).toContain('for another environment: --env staging')
    expect(await ask('GET', '/a', { ...options, env: 'staging' })).toMatchObject({ exitCode: 0 })
  })

  it('that is broken or not there decides nothing', async () => {
    const broken = await ask('GET', '/a', { config: await write(directory, 'broken.toml', '') })
    expect(broken).toMatchObject({ exitCode: 2, out: [], json: { valid: false } })
    expect(broken.err.join()).toContain('GATE.resource: is required')
    const none = await ask('GET', '/a', { config: join(directory, 'none.toml') })
    expect(none).toMatchObject({
      exitCode: 2,
      json: { error: expect.stringContaining('none.toml') },
    })
  })
})
