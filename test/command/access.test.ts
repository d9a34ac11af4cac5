import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { expect, it } from 'vitest'
import { callGate } from '../../src/command/base/gate-client.ts'
import { keygen } from '../../src/command/install/keygen.ts'
import { tokenFor } from '../../src/command/operate/access.ts'
import { revoke } from '../../src/command/operate/revoke.ts'
import { folder, write } from './kit.ts'
import { close, JSON_TYPE, listen, noWaiting, recordingGate } from './recording-gate.ts'

const { origin: gate, requests, state } = await recordingGate()
const directory = await folder()
const key = join(directory, 'ops.jwk')
await keygen({ issuer: 'ops', operator: true, out: key })

it('a gate on another machine gets a token for a resource of its own origin, and for no other', async () => {
  const remote = { origin: gate, prefix: '/.edgewarden', loopback: false }
  const tokenAt = (resource: string) => {
    state.answer = () => ({ status: 200, body: { resource } })
    return tokenFor(remote, { key }, 'edgewarden:revoke', { env: {}, now: () => 1_790_000_000 })
  }
  expect(await tokenAt('https://bank.dev')).toMatchObject({
    ok: false,
    reason: expect.stringContaining('says it is https://bank.dev'),
  })
  const token = await tokenAt(`${gate}/mcp`)
  expect(token.ok && decodeJwt(token.value).aud).toBe(`${gate}/mcp`)
})

it.each([false, true])(
  'a gate that does not answer to the end is given up (begins: %s)',
  async (begins) => {
    const { server, origin } = await listen((_, response) => {
      if (begins) response.writeHead(200, JSON_TYPE).write('{')
    })
    const address = { origin, prefix: '/.edgewarden', loopback: true }
    const reply = await callGate(address, { path: '/' }, 100)
    await close(server)
    expect(reply).toMatchObject({
      reason: { err: [`${origin} cannot be reached: no answer within 0.1 s.`] },
    })
  },
)

it('revoke --leaked asks somebody who is there, after it has said what there is', async () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: 'https://auth.acme.dev', jti: 'id-1', client_id: 'app', exp: 1_780_000_000 }
  const leaked = await write(directory, 'leaked', `${part({ kid: 'k' })}.${part(claims)}.c2ln`)
  const issuers = { acme: { issuer: claims.iss, agent_id: ['client_id'] } }
  const usual = state.answer
  state.answer = (seen) =>
    seen.url?.endsWith('/policy')
      ? { status: 200, body: { ...Object(usual(seen).body), issuers } }
      : usual(seen)
  const [asked, told]: [string[], string[]] = [[], []]
  const around = {
    env: { EDGEWARDEN_TOKEN: 't' },
    now: () => 1_790_000_000,
    converse: (talk: (ask: (question: string) => Promise<string>) => Promise<unknown>) =>
      talk(async (question) => {
        asked.push(question)
        return ' agent '
      }),
  }
  const waiting = { ...noWaiting, tell: (line: string) => void told.push(line) }
  const outcome = await revoke({ gate, kind: '', leaked }, around as never, waiting)
  expect(outcome.exitCode).toBe(0)
  expect(asked).toEqual(['Which to revoke (token, agent, client, key, issuer)? '])
  expect(told).toEqual([
    expect.stringMatching(/^This token expired at .*; its agent may have got others since\.$/),
    'Nothing in the token is verified. The token says that it is from https://auth.acme.dev, and names',
    '  token id-1',
    '  agent app',
    '  client app',
    '  key k',
    '  issuer (every token of it)',
  ])
  const [posted] = requests.filter(({ method }) => method === 'POST')
  expect(posted?.body).toMatchObject({ kind: 'agent', value: 'app' })
})
