import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { render } from '../../src/command/base/output.ts'
import { doctor } from '../../src/command/doctor/doctor.ts'
import { examine } from '../command/doctor/doctor-kit.ts'
import { runHere } from '../command/kit.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { startOrigin } from '../kit/origin.ts'

const RESOURCE = 'http://127.0.0.1:8787'
const CLIENT = { clientId: 'planner', clientSecret: 'secret', scopes: ['chat:write'] }

/** What a terminal acts on, and what reorders the text around it. */
const ACTS = /[^\P{C}\n]/u

describe("doctor and the demo's issuer", () => {
  let server: AuthorizationServer
  let directory: string

  beforeAll(async () => {
    server = await startAuthorizationServer({ resource: RESOURCE, clients: [CLIENT] })
    directory = await mkdtemp(join(tmpdir(), 'edgewarden-doctor-'))
  })
  afterAll(async () => {
    await server.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('finds it in order, without a warning', async () => {
    const { exitCode, out, err } = await examine(server.issuer)
    expect([exitCode, err]).toEqual([0, ''])
    expect(out).toMatch(/oauth-authorization-server +status 200, issuer equal\n/)
    expect(out).toMatch(/EC P-256 +- +ES256 +sig +ES256\n {2}1 usable key\n/)
    expect(out).toContain('as the clock of this machine, within ')
    expect(out).toContain(
      `[vars.ISSUERS.local]\nissuer = "${server.issuer}"\nagent_prefix = "local/"\n`,
    )
    expect(out).toMatch(/\n\nIn order: the gate gets 1 usable key$/)
  })

  it('tries one of its tokens, and does not show it', async () => {
    const token = await server.token({ ...CLIENT, scope: 'chat:write' })
    const file = join(directory, 'token.txt')
    await writeFile(file, token)
    const { code, stdout, stderr } = await runHere([
      'doctor',
      server.issuer,
      '--token',
      `@${file}`,
      '--json',
    ])
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({
      healthy: true,
      keys: { usable: 1 },
      token: { typ: 'at+jwt', profile: 'rfc9068', denial: null },
      problems: [],
    })
    for (const part of token.split('.')) expect(stdout).not.toContain(part)
  })
})

describe('doctor and issuers that are not in order', () => {
  let issuer: Issuer

  beforeAll(async () => {
    issuer = await createIssuer({ kid: 'mine' })
  })
  afterAll(() => issuer.close())

  it('names a published private key, and shows none of it', async () => {
    await issuer.fail('private')
    const found = await examine(issuer.issuer)
    await issuer.fail()
    expect(found).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining('Replace these keys NOW'),
      out: expect.stringContaining('Not in order: 1 problem'),
      report: { healthy: false, problems: [{ code: 'key_private', certain: true }] },
    })
    const text = JSON.stringify(found)
    expect(text).not.toContain(issuer.privateJwk.d)
    expect(text).not.toContain(issuer.jwk.x)
  })

  it('lets nothing of theirs act on the terminal, nor fill it', async () => {
    const hostile = '\u001b[2J\u009b31m\u202e\u2028\r\n\ud800'
    const long = 'x'.repeat(20_000)
    const origin = await startOrigin()
    const key = { ...issuer.jwk, kid: hostile }
    const document = {
      keys: [
        key,
        { kty: hostile, alg: long, use: hostile, crv: hostile, kid: hostile },
        { ...key, kid: hostile, x: 7 },
      ],
    }
    const json = { 'content-type': 'application/json' }
    origin.on('/.well-known/oauth-authorization-server', (_req, res) =>
      res
        .writeHead(200, json)
        .end(JSON.stringify({ issuer: hostile + long, jwks_uri: origin.url })),
    )
    origin.on('/.well-known/openid-configuration', (_req, res) =>
      res.writeHead(200, json).end(
        JSON.stringify({
          issuer: origin.url,
          jwks_uri: `${origin.url}/jwks`,
          id_token_signing_alg_values_supported: [hostile, long, 7, null],
          token_endpoint: [hostile],
        }),
      ),
    )
    origin.on('/jwks', (_req, res) =>
      res
        .writeHead(200, {
          ...json,
          etag: `"${'e'.repeat(250)}"`,
          'cache-control': long.slice(0, 9_000),
          'last-modified': '\u009b31m',
        })
        .end(JSON.stringify(document)),
    )
    const outcome = await doctor(origin.url, {}, async () => '')
    await origin.close()
    expect(outcome.exitCode).toBe(0)
    const [plain, machine] = [render(outcome, false), render(outcome, true)]
    expect(plain.stdout).toContain('\\u001b[2J\\u009b31m\\u202e')
    expect(JSON.parse(machine.stdout).keys.entries[0].kid).toBe(hostile)
    for (const text of [plain.stdout, plain.stderr, machine.stdout]) {
      expect(text).not.toMatch(ACTS)
      expect(text.length).toBeLessThan(8_000)
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(1_200)
    }
  })
})
