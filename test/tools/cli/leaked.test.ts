import { describe, expect, it } from 'vitest'
import type { Ask, Process } from '../../../src/command/base/command.ts'
import { type RevokeOptions, revoke } from '../../../src/command/operate/revoke.ts'
import { folder, write } from './kit.ts'
import { ENTRY, made, noWaiting, policyWith, recordingGate } from './recording-gate.ts'

const { origin: gate, requests, state } = await recordingGate()
const directory = await folder()
const NOW = 1_790_000_000
const ISSUER = 'https://auth.acme.dev'

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const tokenOf = (claims: object): string =>
  `${part({ alg: 'ES256', kid: 'key-1' })}.${part(claims)}.c2lnbmF0dXJl`
const CLAIMS = { iss: ISSUER, jti: 'id-1', agent: { id: 'bot' }, client_id: 'app', sub: 'alice' }

/** A gate whose policy has one issuer, with an agent id of its own. */
const withPolicy = (): void => {
  const { status, body } = policyWith({ consistency: 'strict' })
  const issuers = {
    acme: { issuer: ISSUER, agent_id: ['agent.id', 'client_id'], workflow_id: 'w' },
  }
  state.answer = ({ url }) =>
    url?.endsWith('/policy') ? { status, body: { ...Object(body), issuers } } : made
}

const told: string[] = []
const run = (options: Partial<RevokeOptions>, more: Partial<Process> = {}) => {
  withPolicy()
  told.length = 0
  const around = { env: { EDGEWARDEN_TOKEN: 'token.of.env' }, now: () => NOW, ...more }
  const waiting = { ...noWaiting, tell: (line: string) => void told.push(line) }
  return revoke({ gate, kind: '', ...options }, around, waiting)
}
const leaked = async (claims: object = CLAIMS) => write(directory, 'leaked', `${tokenOf(claims)}\n`)
const posted = () => requests.find(({ method }) => method === 'POST')?.body

describe('revoke --leaked', () => {
  it.each([
    ['token', { value: 'id-1' }],
    ['agent', { value: 'bot' }],
    ['client', { value: 'app' }],
    ['subject', { value: 'alice' }],
    ['key', { value: 'key-1' }],
    ['issuer', {}],
  ])('revokes the %s that a token names', async (kill, value) => {
    const outcome = await run({ leaked: await leaked(), kill })
    expect(outcome.exitCode).toBe(0)
    expect(posted()).toEqual({ kind: kill, issuer: ISSUER, mode: 'block', ...value })
    expect(JSON.stringify([outcome, told])).not.toContain('c2lnbmF0dXJl')
  })

  it('asks somebody who is there, after it has said what there is', async () => {
    const asked: string[] = []
    const ask: Ask = async (question) => {
      asked.push(question)
      return ' agent '
    }
    const outcome = await run(
      { leaked: await leaked({ ...CLAIMS, exp: NOW - 60 }) },
      { converse: (dialogue) => dialogue(ask) },
    )
    expect(outcome.exitCode).toBe(0)
    expect(asked).toEqual(['Which to revoke (token, agent, client, subject, key, issuer)? '])
    expect(told).toEqual([
      expect.stringMatching(/^This token expired at .*; its agent may have got others since\.$/),
      `Nothing in the token is verified. The token says that it is from ${ISSUER}, and names`,
      '  token id-1',
      '  agent bot',
      '  client app',
      '  subject alice',
      '  key key-1',
      '  issuer (every token of it)',
    ])
    expect(posted()).toMatchObject({ kind: 'agent', value: 'bot' })
  })

  it('takes a token from standard input, also behind Bearer', async () => {
    const stdin = async () => `Bearer ${tokenOf(CLAIMS)}\n`
    expect((await run({ leaked: '-', kill: 'token' }, { stdin })).exitCode).toBe(0)
    expect(posted()).toMatchObject({ kind: 'token', value: 'id-1' })
  })

  it.each<[string, string, Partial<RevokeOptions>, string]>([
    [
      'nobody is there to ask',
      tokenOf(CLAIMS),
      {},
      'Say which to revoke: --kill token|agent|client',
    ],
    [
      'it names none',
      tokenOf({ iss: ISSUER }),
      { kill: 'token' },
      'names no token; it names: key, issuer',
    ],
    ['it is not a JWT', 'opaque', { kill: 'token' }, 'This is not a JWT.'],
    ['it is encrypted', 'a.b.c.d.e', { kill: 'token' }, 'The token is encrypted'],
    [
      'it is of another issuer',
      tokenOf({ iss: 'https://other.dev' }),
      { kill: 'issuer' },
      'from none of the issuers',
    ],
    [
      'a kind is given too',
      tokenOf(CLAIMS),
      { kind: 'agent' },
      'With --leaked the token says what to revoke',
    ],
  ])('revokes nothing where %s', async (_, token, options, says) => {
    const outcome = await run({ leaked: await write(directory, 'no', token), ...options })
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err[0]).toContain(says)
    expect(outcome.err.join()).not.toContain(token)
    expect(posted()).toBeUndefined()
  })

  it('needs no --kill without it', async () => {
    expect((await run({ kill: 'token' })).err).toEqual(['--kill is for --leaked.'])
  })
})

describe('revoke --issuer', () => {
  it.each([
    ['acme', ISSUER],
    ['other', 'other'],
    [ISSUER, ISSUER],
  ])('takes %s for %s', async (issuer, sent) => {
    const outcome = await run({ kind: 'agent', value: 'a7', issuer })
    expect(outcome.exitCode).toBe(0)
    expect(posted()).toMatchObject({ kind: 'agent', issuer: sent, value: 'a7' })
    expect(outcome.out[0]).toContain(`of ${ENTRY.issuer}`)
  })
})
