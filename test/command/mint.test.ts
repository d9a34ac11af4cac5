import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { keygen } from '../../src/command/install/keygen.ts'
import { type MintOptions, mint } from '../../src/command/install/mint.ts'
import { check } from '../../src/command/policy/check.ts'
import { checksumOf, hashOf } from '../kit/agentic.ts'
import { folder, toml, write } from './kit.ts'

const directory = await folder()
const NOW = 1_790_000_000
const AUDIENCE = 'https://api.acme.dev'

let count = 0
const makeKey = async (url?: string) => {
  const out = join(directory, `key-${count++}.jwk`)
  const outcome = await keygen({
    issuer: 'ops',
    operator: true,
    out,
    ...(url !== undefined && { url }),
  })
  const file = parse(outcome.out.join('\n')) as unknown as {
    vars: { ISSUERS: { ops: { issuer: string; jwks: JSONWebKeySet } } }
  }
  return { out, outcome, issuer: file.vars.ISSUERS.ops }
}

const shared = await makeKey()
const minted = (options: Partial<MintOptions>) =>
  mint({ key: shared.out, audience: AUDIENCE, ...options }, NOW)

describe('keygen', () => {
  it('prints the table of an issuer that may administer, and no private key', () => {
    const { outcome, issuer } = shared
    expect(outcome.exitCode).toBe(0)
    expect(outcome.out[0]).toBe('[vars.ISSUERS.ops]')
    expect(issuer).toEqual({
      issuer: 'https://ops.ops.invalid',
      algorithms: ['ES256'],
      admin: 'all',
      rules: false,
      jwks: {
        keys: [
          {
            kty: 'EC',
            crv: 'P-256',
            x: expect.any(String),
            y: expect.any(String),
            kid: expect.any(String),
            alg: 'ES256',
            use: 'sig',
          },
        ],
      },
    })
  })

  it('puts the person who has it into the table of an operator, and into no other', async () => {
    const out = join(directory, 'maria.jwk')
    const made = await keygen({ issuer: 'ops', operator: true, name: 'maria', out })
    expect(made.json).toMatchObject({ table: { operator: 'maria', admin: 'all', rules: false } })
    const more = made.out.join('\n')
    const file = await write(directory, 'with-maria.toml', toml({ more }))
    expect(await check({ file })).toMatchObject({ exitCode: 0, err: [] })
    expect(shared.outcome.err.join()).toContain('add operator = "…" to the table')
    const others = [
      [{ agent: true, name: 'maria' }, '--name is for --operator'],
      [{ operator: true, name: '' }, '--name must be a name of 1 to 128 characters'],
      [{ operator: true, name: ' maria' }, '--name must be a name of 1 to 128 characters'],
      [{ operator: true, name: 'a\nb' }, '--name must be a name of 1 to 128 characters'],
      [{ operator: true, name: 'm'.repeat(129) }, '--name must be a name of 1 to 128 characters'],
    ] as const
    for (const [what, says] of others) {
      const refused = await keygen({ issuer: 'ops', out: join(directory, 'no.jwk'), ...what })
      expect(refused).toMatchObject({ exitCode: 2, out: [] })
      expect(refused.err[0]).toContain(says)
    }
  })

  it('shows the private key nowhere but in the file', async () => {
    const { d } = JSON.parse(await readFile(shared.out, 'utf8')) as { d: string }
    expect(d).toMatch(/^[\w-]{43}$/)
    expect(JSON.stringify(shared.outcome)).not.toContain(d)
  })

  it('writes a file that only its owner can read', async () => {
    expect((await stat(shared.out)).mode & 0o777).toBe(0o600)
  })

  it('prints a table that check takes beside another issuer', async () => {
    const more = shared.outcome.out.join('\n')
    const file = await write(directory, 'with-ops.toml', toml({ more }))
    const outcome = await check({ file })
    expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    expect(outcome.out).toContain('  issuer   https://ops.ops.invalid')
  })

  it('for agents says that another issuer then needs a prefix, which check asks for', async () => {
    const out = join(directory, 'agents.jwk')
    const { out: lines, err } = await keygen({ issuer: 'bots', agent: true, out })
    const more = lines.join('\n')
    expect(more).not.toMatch(/admin|rules/)
    expect(err.join()).toContain('It may not: revoke, list, lift or explain.')
    expect(err.join()).toMatch(/agent_prefix.*GATE\.shared_ids = true/)
    const { exitCode } = await check({ file: await write(directory, 'bare.toml', toml({ more })) })
    expect(exitCode).toBe(1)
  })

  it('never overwrites a file', async () => {
    const out = await write(directory, 'there.jwk', 'precious')
    const outcome = await keygen({ issuer: 'ops', operator: true, out })
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err[0]).toContain('it already exists and is not overwritten')
    expect(await readFile(out, 'utf8')).toBe('precious')
  })

  it.each([{}, { operator: true, agent: true }])('asks what the key is for: %j', async (what) => {
    const outcome = await keygen({ issuer: 'ops', out: join(directory, 'unsaid.jwk'), ...what })
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err[0]).toMatch(
      /^Say what the key is for: --operator .*, --agent .* or --canary /,
    )
    await expect(stat(join(directory, 'unsaid.jwk'))).rejects.toThrow('ENOENT')
  })

  it.each([
    ['Ops', undefined, 'cannot name an issuer'],
    ['a b', undefined, 'cannot name an issuer'],
    ['../ops', undefined, 'cannot name an issuer'],
    ['', undefined, 'cannot name an issuer'],
    ['ops', 'http://ops.acme.dev', '--url must be an https URL'],
    ['ops', 'ops', '--url must be an https URL'],
  ])('refuses the name %j with the URL %j', async (issuer, url, message) => {
    const out = join(directory, 'refused.jwk')
    const outcome = await keygen({ issuer, agent: true, out, ...(url !== undefined && { url }) })
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err[0]).toContain(message)
    await expect(stat(out)).rejects.toThrow('ENOENT')
  })
})

describe('mint', () => {
  it('signs an access token that the printed key verifies', async () => {
    const outcome = await minted({ scope: 'a:read b:write' })
    expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    const { payload, protectedHeader } = await jwtVerify(
      String(outcome.out[0]),
      createLocalJWKSet(shared.issuer.jwks),
      {
        issuer: shared.issuer.issuer,
        audience: AUDIENCE,
        algorithms: ['ES256'],
        typ: 'at+jwt',
        currentDate: new Date(NOW * 1000),
      },
    )
    expect(protectedHeader).toEqual({
      alg: 'ES256',
      typ: 'at+jwt',
      kid: shared.issuer.jwks.keys[0]?.kid,
    })
    expect(payload).toEqual({
      iss: 'https://ops.ops.invalid',
      aud: AUDIENCE,
      sub: 'edgewarden-cli',
      client_id: 'edgewarden-cli',
      iat: NOW,
      exp: NOW + 300,
      jti: expect.stringMatching(/^[\w-]{36}$/),
      scope: 'a:read b:write',
    })
  })

  it('says what it is asked to say', async () => {
    const claim = ['agent_type="planner"', 'act={"sub":"x=y"}', '__proto__=[1]', 'jti="fixed"']
    const outcome = await minted({ subject: 's', client: 'c', lifetime: '1h', claim })
    const claims = decodeJwt(String(outcome.out[0]))
    expect(claims).toMatchObject({ sub: 's', client_id: 'c', exp: NOW + 3600, jti: 'fixed' })
    expect(claims).toMatchObject({ agent_type: 'planner', act: { sub: 'x=y' } })
    expect(Object.getOwnPropertyDescriptor(claims, '__proto__')?.value).toEqual([1])
    expect(claims).not.toHaveProperty('scope')
    expect(outcome.err[0]).toContain('max_lifetime')
  })

  it('signs an Agentic JWT with a checksum that it is given', async () => {
    const [dpop, checksum] = [join(directory, 'agent.jwk'), checksumOf('7')]
    const given = { client: 'patcher', agentic: checksum, dpop, scope: 'repo:write' }
    const { out } = await minted({ ...given, workflow: 'w', steps: 'a,b', chain: 'x,y' })
    const { d, ...publicJwk } = JSON.parse(await readFile(dpop, 'utf8'))
    expect(decodeJwt(out[0] as string)).toMatchObject({
      sub: 'patcher',
      scope: 'repo:write',
      cnf: { jwk: publicJwk },
      intent: {
        workflow_id: 'w',
        workflow_step: 'b',
        executed_by: 'patcher',
        delegation_chain: hashOf(['x', 'y', 'patcher']),
        step_sequence_hash: hashOf(['a', 'b']),
      },
      agent_proof: { agent_checksum: checksum, registration_id: 'reg_patcher_0' },
    })
    expect(out.join('')).not.toContain(d)
    const { out: free } = await minted(given)
    expect(decodeJwt(free[0] as string).intent).not.toHaveProperty('workflow_step')
  })

  it.each([
    ['--agentic needs --dpop', { agentic: checksumOf('7') }],
    ['--workflow, --steps and --chain need --agentic', { steps: 'a' }],
    ['cnf comes from --dpop', { agentic: 'x', dpop: 'x', claim: ['cnf={}'] }],
  ])('says %s', async (said, options) => {
    const { exitCode, err } = await minted(options)
    expect(exitCode).toBe(2)
    expect(err.join('')).toContain(said)
  })

  it.each<[Partial<MintOptions>, string]>([
    [{ lifetime: '25h' }, 'between 1s and 24h'],
    [{ lifetime: '0s' }, 'between 1s and 24h'],
    [{ lifetime: '5' }, 'is not a duration'],
    [{ lifetime: 'soon' }, 'is not a duration'],
    [{ scope: 'a"b' }, 'is not a scope'],
    [{ audience: '' }, '--audience is empty'],
    [{ claim: ['x'] }, 'is not name=json'],
    [{ claim: ['=1'] }, 'is not name=json'],
    [{ claim: ['x=y'] }, 'the value of x is not JSON'],
    [{ claim: ['x=1', 'x=2'] }, 'x is given twice'],
    [{ claim: ['iss="https://other"'] }, 'iss comes from the key file'],
    [{ claim: ['exp=1'] }, 'exp comes from --lifetime'],
    [{ key: join(directory, 'none.jwk') }, 'there is no such file'],
  ])('cannot: %j', async (options, message) => {
    const outcome = await minted(options)
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err[0]).toContain(message)
  })

  it('refuses key files that are none, and shows nothing of them', async () => {
    const jwk = JSON.parse(await readFile(shared.out, 'utf8')) as Record<string, unknown>
    const { d: _, ...publicOnly } = jwk
    const { iss: __, ...nameless } = jwk
    const broken = { ...jwk, d: 'c2VjcmV0' }
    const cases = [
      ['not json', 'is not a JSON object'],
      [JSON.stringify(publicOnly), 'is not an ES256 private key'],
      [JSON.stringify(nameless), 'does not name its issuer'],
      [JSON.stringify({ ...jwk, crv: 'P-384' }), 'is not an ES256 private key'],
      [JSON.stringify(broken), 'is a broken key'],
    ] as const
    for (const [text, message] of cases) {
      const path = join(directory, 'odd.jwk')
      await writeFile(path, text)
      const outcome = await minted({ key: path })
      expect(outcome).toMatchObject({ exitCode: 2, out: [] })
      expect(outcome.err[0]).toContain(message)
      expect(outcome.err.join()).not.toContain(String(jwk.d))
    }
  })
})
