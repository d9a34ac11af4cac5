import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Surroundings } from '../../../src/command/base/command.ts'
import { type RevokeOptions, revoke as revokeAt } from '../../../src/command/operate/revoke.ts'
import { folder, runHere } from './kit.ts'
import {
  close,
  ENTRY,
  JSON_TYPE,
  listen,
  made,
  noWaiting,
  type Reply,
  recordingGate,
} from './recording-gate.ts'

const { origin: gate, requests, state } = await recordingGate()
const directory = await folder()

const NOW = 1_790_000_000
const around = { env: { EDGEWARDEN_TOKEN: 'token.of.env' }, now: () => NOW }
const AGENT: RevokeOptions = {
  gate,
  kind: 'agent',
  issuer: 'https://auth.acme.dev',
  value: 'a7',
  asId: true,
}
const REVOKED =
  'Revoked agent "a7" of https://auth.acme.dev, until lifted, id AAAAAAAAAAAAAAAAAAAAAA'

const revoke = (options: RevokeOptions, at: Surroundings) => revokeAt(options, at, noWaiting)

describe('revoke', () => {
  it('asks the gate once and says what is revoked, by which id, until when', async () => {
    const outcome = await revoke(AGENT, around)
    expect(outcome).toEqual({
      exitCode: 0,
      json: { ...Object(made.body), effect: { shards_ms: 0, bound_ms: 0, at: NOW } },
      out: [
        REVOKED,
        'In effect for every request from now on: every rule is strict. Open streams end within GATE.revocation.max_staleness',
      ],
      err: [],
    })
    expect(requests.filter(({ method }) => method !== 'GET')).toEqual([
      {
        method: 'POST',
        url: '/.edgewarden/revocations',
        authorization: 'Bearer token.of.env',
        body: { kind: 'agent', issuer: 'https://auth.acme.dev', value: 'a7', mode: 'block' },
      },
    ])
  })

  it.each<[string, Partial<RevokeOptions>, object]>([
    ['a moment', { mode: 'before', at: '1789999999' }, { mode: 'before', at: 1_789_999_999 }],
    ['an end', { expires: '1790000060' }, { expires: 1_790_000_060 }],
    ['an end by duration', { expires: '24h' }, { expires: NOW + 86_400 }],
    ['how long', { for: '1h' }, { expires: NOW + 3_600 }],
    ['how long, in whole seconds', { for: '1500ms' }, { expires: NOW + 2 }],
    ['a reason and force', { reason: 'leak', force: true }, { reason: 'leak', force: true }],
  ])('sends %s', async (_, options, expected) => {
    expect(await revoke({ ...AGENT, ...options }, around)).toMatchObject({ exitCode: 0 })
    expect(requests[0]?.body).toMatchObject(expected)
  })

  it('sends no value for an issuer', async () => {
    const { value: _, asId: __, ...rest } = AGENT
    await revoke({ ...rest, kind: 'issuer' }, around)
    expect(requests[0]?.body).toEqual({ kind: 'issuer', issuer: AGENT.issuer, mode: 'block' })
  })

  it('uses another prefix', async () => {
    await revoke({ ...AGENT, prefix: '/ops/gate' }, around)
    expect(requests[0]?.url).toBe('/ops/gate/revocations')
  })

  it('is pending while a shard has not said so', async () => {
    state.answer = () => ({
      status: 202,
      headers: { ...JSON_TYPE, location: '/.edgewarden/revocations/AAAA' },
      body: { revocations: [ENTRY], shards: { total: 4, acknowledged: 3 } },
    })
    const outcome = await revoke(AGENT, around)
    expect(outcome.exitCode).toBe(2)
    expect(outcome.out[0]).toMatch(/^Pending agent "a7"/)
    expect(outcome.err[0]).toContain('(3 of 4): ask /.edgewarden/revocations/AAAA')
    expect(outcome.json).toMatchObject({ pending: true, location: '/.edgewarden/revocations/AAAA' })
  })

  it('tells why the gate said no', async () => {
    state.answer = () => ({
      status: 400,
      headers: { 'content-type': 'application/problem+json' },
      body: {
        title: 'Not well said',
        code: 'revocation_invalid',
        hint: 'Correct it',
        request_id: 'r-12345678',
        problems: [{ path: 'issuer', message: 'is not an issuer of this gate' }],
      },
    })
    const outcome = await revoke(AGENT, around)
    expect(outcome.exitCode).toBe(1)
    expect(outcome.err).toEqual([
      'The gate refused: Not well said (revocation_invalid, 400)',
      '  issuer: is not an issuer of this gate',
      'What to do: Correct it',
      'Request id: r-12345678',
    ])
    expect(outcome.json).toMatchObject({ problem: { code: 'revocation_invalid' } })
  })

  it.each<[string, Reply, string]>([
    ['an error page', { status: 502, body: '<html>', headers: {} }, 'answered 502, but not as'],
    ['a page', { status: 200, body: '<html>', headers: {} }, 'answered 200, but not as'],
    ['JSON that is no answer', { status: 200, body: {} }, 'without naming what it revoked'],
    ['an error in plain JSON', { status: 404, body: {} }, 'answered 404, but not as'],
  ])('cannot tell from %s', async (_, reply, message) => {
    state.answer = () => reply
    const outcome = await revoke(AGENT, around)
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err[0]).toContain(message)
  })

  it('does not follow a redirect', async () => {
    state.answer = () => ({ status: 307, headers: { location: `${gate}/elsewhere` } })
    const outcome = await revoke(AGENT, around)
    expect(outcome.exitCode).toBe(2)
    expect(outcome.err[0]).toContain('redirect (307), which is not followed')
    expect(requests).toHaveLength(1)
  })

  it('cannot tell where nothing listens', async () => {
    const { server, origin } = await listen(() => {})
    await close(server)
    const outcome = await revoke({ ...AGENT, gate: origin }, around)
    expect(outcome.exitCode).toBe(2)
    expect(outcome.err).toEqual([`${origin} cannot be reached: nothing listens there.`])
  })

  it.each<[Partial<RevokeOptions>, string]>([
    [{ kind: '' }, 'KIND must be one of token, agent'],
    [{ value: '' }, 'VALUE is missing: which agent?'],
    [{ kind: 'issuer' }, 'kind issuer takes no VALUE'],
    [{ at: '1' }, '--at is only for --mode before'],
    [{ mode: 'before', at: '5m' }, '--at: "5m" is not a time'],
    [{ expires: '1790000000000' }, 'is in milliseconds'],
    [{ expires: '1789999999' }, '--expires is in the past'],
    [{ expires: 'never' }, '--expires: "never" is not a duration'],
    [{ for: '1790000060' }, '--for: "1790000060" is not a duration'],
    [{ for: '0s' }, '--for must be longer than zero'],
    [{ for: '1h', expires: '1h' }, '--for and --expires both set the end'],
    [{ gate: 'api.acme.dev' }, '--gate must be a URL'],
    [{ gate: 'http://api.acme.dev' }, '--gate must be https'],
    [{ gate: `${gate}/v1` }, 'scheme and host only'],
    [{ prefix: 'x' }, '--prefix must be a path'],
    [{ prefix: '/../x' }, '--prefix must be a path'],
    [{ tokenEnv: 'NOPE' }, 'variable NOPE is not set'],
    [{ tokenFile: 'x', key: 'y' }, 'Give one of'],
    [{ audience: 'https://x' }, '--audience is for'],
    [{ tokenFile: join(directory, 'none') }, 'there is no such file'],
  ])('asks nothing when used so: %j', async (options, message) => {
    const outcome = await revoke({ ...AGENT, ...options }, around)
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err[0]).toContain(message)
    expect(requests).toEqual([])
  })

  it.each([
    ['revoke', 'robot'],
    ['revoke', 'agent', 'a7', '--mode', 'later'],
    ['list', '--kind', 'agents'],
  ])('takes only kinds and modes that there are: %s %s', async (...args) => {
    await expect(runHere([...args, '--gate', gate])).rejects.toThrow('Allowed choices are')
    expect(requests).toEqual([])
  })

  it('asks for the issuer', async () => {
    const { issuer: _, ...rest } = AGENT
    expect((await revoke(rest, around)).err[0]).toContain('--issuer is missing')
  })
})
