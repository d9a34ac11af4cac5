import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import type { Surroundings } from '../../../src/command/base/command.ts'
import { keygen } from '../../../src/command/install/keygen.ts'
import { tokenFor } from '../../../src/command/operate/access.ts'
import { type RevokeOptions, revoke as revokeAt } from '../../../src/command/operate/revoke.ts'
import { folder, write } from './kit.ts'
import { noWaiting, type Reply, recordingGate, willing } from './recording-gate.ts'

const { origin: gate, requests, state } = await recordingGate()
const directory = await folder()
const key = join(directory, 'ops.jwk')
await keygen({ issuer: 'ops', operator: true, out: key })
const tokenFile = await write(directory, 'token', 'of.file\n')

const NOW = 1_790_000_000
const around = { env: { EDGEWARDEN_TOKEN: 'token.of.env' }, now: () => NOW }
const AGENT: RevokeOptions = {
  gate,
  kind: 'agent',
  issuer: 'https://auth.acme.dev',
  value: 'a7',
  asId: true,
}

const revoke = (options: RevokeOptions, at: Surroundings) => revokeAt(options, at, noWaiting)

describe('the token', () => {
  it.each([
    ['a variable', { tokenEnv: 'OTHER' }, 'Bearer of.other'],
    ['a file', { tokenFile }, 'Bearer of.file'],
  ])('comes from %s', async (_, options, expected) => {
    const env = { ...around.env, OTHER: 'of.other' }
    await revoke({ ...AGENT, ...options }, { ...around, env })
    expect(requests[0]?.authorization).toBe(expected)
  })

  it('is asked for where there is none', async () => {
    const outcome = await revoke(AGENT, { ...around, env: {} })
    expect(outcome.err[0]).toContain('No token: give --key FILE')
    expect(requests).toEqual([])
  })

  it('is not shown where it is none', async () => {
    const env = { EDGEWARDEN_TOKEN: 'sesame open' }
    const outcome = await revoke(AGENT, { ...around, env })
    expect(outcome.err).toEqual(['EDGEWARDEN_TOKEN does not contain one token.'])
  })

  it('is signed for the resource that is given, for a minute', async () => {
    await revoke({ ...AGENT, key, audience: 'https://api.acme.dev' }, around)
    expect(requests.map(({ url }) => url)).toEqual([
      '/.edgewarden/revocations',
      '/.edgewarden/policy',
    ])
    for (const { authorization } of requests) {
      expect(decodeJwt(authorization?.slice(7) ?? '')).toMatchObject({
        iss: 'https://ops.ops.invalid',
        aud: 'https://api.acme.dev',
        scope: 'edgewarden:revoke edgewarden:read',
        iat: NOW,
        exp: NOW + 60,
      })
    }
  })

  const naming = (resource: string) => {
    state.answer = (seen) =>
      seen.url?.startsWith('/.well-known/') ? { status: 200, body: { resource } } : willing(seen)
  }

  it.each(['http://localhost:8787', 'http://127.0.0.1:9', `${gate}/mcp`])(
    'is signed for %s, which a gate on this machine names',
    async (resource) => {
      naming(resource)
      expect(await revoke({ ...AGENT, key }, around)).toMatchObject({ exitCode: 0 })
      expect(requests.slice(0, 2).map(({ url }) => url)).toEqual([
        '/.well-known/oauth-protected-resource',
        '/.edgewarden/revocations',
      ])
      expect(requests[0]?.authorization).toBeUndefined()
      expect(decodeJwt(requests[1]?.authorization?.slice(7) ?? '').aud).toBe(resource)
    },
  )

  it.each(['https://api.acme.dev', 'https://localhost.acme.dev', 'no address'])(
    'is not signed for %s, which whatever listens on this machine names',
    async (resource) => {
      naming(resource)
      const outcome = await revoke({ ...AGENT, key }, around)
      expect(outcome).toMatchObject({
        exitCode: 2,
        err: [expect.stringMatching(/says it is .* give the resource of the gate with --audience/)],
      })
      expect(requests.map(({ url, authorization }) => [url, authorization])).toEqual([
        ['/.well-known/oauth-protected-resource', undefined],
      ])
    },
  )

  it.each<[string, Reply]>([
    ['no metadata', { status: 404, body: '', headers: {} }],
    ['metadata without a resource', { status: 200, body: {} }],
  ])('is not signed from %s', async (_, reply) => {
    state.answer = () => reply
    expect(await revoke({ ...AGENT, key }, around)).toMatchObject({ exitCode: 2 })
    expect(requests).toHaveLength(1)
  })
})

describe('a gate that is not on this machine', () => {
  const remote = { origin: gate, prefix: '/.edgewarden', loopback: false }

  it('gets no token for the resource of another', async () => {
    state.answer = () => ({ status: 200, body: { resource: 'https://bank.dev' } })
    const token = await tokenFor(remote, { key }, 'edgewarden:revoke', around)
    expect(token).toMatchObject({
      ok: false,
      reason: expect.stringContaining('says it is https://bank.dev'),
    })
  })

  it('gets one for a resource of its own origin', async () => {
    state.answer = () => ({ status: 200, body: { resource: `${gate}/mcp` } })
    const token = await tokenFor(remote, { key }, 'edgewarden:revoke', around)
    expect(token.ok && decodeJwt(token.value).aud).toBe(`${gate}/mcp`)
  })
})
