import { stringify } from 'smol-toml'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { folder, PARTS, runHere, toml, write } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { type Members, sign } from '../kit/signing.ts'
import { type Streams, startStreams } from '../kit/streams.ts'
import { startTransmitter, type Transmitter } from '../kit/transmitter.ts'
import { type Setting, startSetting } from './setting.ts'

const PUSH = 'Bearer push-7f1d2c9ab34e4a0f8e'
const POLL = 'Bearer poll-7f1d2c9ab34e4a0f8e'
const TOKEN = 'of-the-receiver'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'

let idp: Issuer
let held: Transmitter
let pushing: Streams
let polling: Streams
let setting: Setting
let file: string
const AUDIENCE = 'https://receiver.example'
/** The table of a transmitter. */
const pushed = (): Members => ({
  ...{ issuer: pushing.issuer, audience: AUDIENCE, jwks_uri: idp.jwksUri, authorization: 'PUSH' },
})
const polled = (): Members => ({
  ...{ issuer: polling.issuer, audience: AUDIENCE, jwks_uri: idp.jwksUri },
  poll: { endpoint: held.endpoint, authorization: 'POLL' },
})
const withEvents = async (name: string, events: readonly Members[]) => {
  const acme = { issuer: setting.issuer.issuer, jwks_uri: setting.issuer.jwksUri }
  const table = { ...acme, allow_insecure_http: true, admin: 'all', events }
  const objects = PARTS.objects.replace(
    'bindings = [',
    'bindings = [{ name = "AUDIT_LOG", class_name = "AuditLog" },',
  )
  const issuer = stringify({ vars: { ISSUERS: { acme: table } } })
  return write(await folder(), name, toml({ objects, issuer }))
}
beforeAll(async () => {
  idp = await createIssuer({ kid: 'idp', alg: 'RS256' })
  held = await startTransmitter(POLL)
  const api = {
    ...{ token: TOKEN, audience: AUDIENCE, pollEndpoint: held.endpoint, hold: held.hold },
    sign: (claims: Members) => sign({ typ: 'secevent+jwt', kid: 'idp' }, claims, idp.key),
  }
  ;[pushing, polling] = await Promise.all([startStreams(api), startStreams(api)])
  setting = await startSetting({
    ...{ durableObjects: WITH_AUDIT, cron: true, secrets: { PUSH, POLL } },
    issuer: { admin: 'all', events: [pushed(), polled()] },
  })
  file = await withEvents('wrangler.toml', [pushed(), polled()])
})
beforeEach(() => {
  for (const one of [pushing, polling]) {
    one.anew()
    one.say({ jwks_uri: idp.jwksUri })
  }
})
afterAll(async () => {
  await setting.close()
  await Promise.all([idp, held, pushing, polling].map((one) => one.close()))
})

const events = async (
  action: string,
  of: Streams | undefined,
  { args = [], env = {} }: { args?: readonly string[]; env?: Members } = {},
) => {
  const scope = 'edgewarden:audit:read'
  const all = { EDGEWARDEN_TRANSMITTER_TOKEN: TOKEN, PUSH, POLL, ...env }
  const token = await setting.token({ scope, sub: 'maria' })
  return runHere(
    [
      ...['events', action, ...(of ? [of.issuer] : []), '--config', file],
      ...['--gate', setting.gate.url, ...args],
    ],
    { EDGEWARDEN_TOKEN: token, ...all } as Record<string, string>,
  )
}
const CAEP = RISC.replace('risc', 'caep')
const URIS = [
  ...['account-disabled', 'account-enabled', 'account-purged', 'sessions-revoked'].map(
    (name) => RISC + name,
  ),
  ...['session-revoked', 'token-claims-change', 'credential-change'].map((name) => CAEP + name),
  ...['assurance-level-change', 'device-compliance-change'].map((name) => CAEP + name),
]

describe('events connect', () => {
  it('makes a stream with push, once', async () => {
    const endpoint = `${setting.gate.url}/.edgewarden/events`
    const { code, stdout, stderr } = await events('connect', pushing)
    expect([code, stderr]).toEqual([0, ''])
    const [stream] = pushing.streams()
    expect(stdout).toBe(
      `Stream ${stream?.stream_id} of ${pushing.issuer} is made: push to ${endpoint}.\nNext: npx edgewarden events verify\n`,
    )
    const delivery = { method: 'urn:ietf:rfc:8935', endpoint_url: endpoint }
    expect(stream).toMatchObject({ delivery, events_requested: URIS })
    const made = pushing.requests.find(({ method }) => method === 'POST /tenant/stream')
    expect(made?.body).toMatchObject({ delivery: { ...delivery, authorization_header: PUSH } })
    const again = await events('connect', pushing)
    expect([again.code, again.stdout]).toEqual([0, stdout.replace('is made', 'is there already')])
    expect(pushing.streams()).toHaveLength(1)
  })

  it('makes a stream with poll, and says what the policy must have', async () => {
    expect(await events('connect', polling)).toMatchObject({ code: 0, stderr: '' })
    expect(polling.requests.at(-1)?.body).toMatchObject({
      delivery: { method: 'urn:ietf:rfc:8936' },
      events_requested: URIS,
    })
    polling.anew()
    const delivery = { method: 'urn:ietf:rfc:8936', endpoint_url: 'https://idp.example/poll' }
    const stream = { delivery, aud: ['a', 'b'], iss: 'https://i.example', events_delivered: [] }
    polling.say({ jwks_uri: 'https://idp.example/keys' }, stream)
    const { code, stderr } = await events('connect', polling)
    expect(code).toBe(1)
    const table = 'In the table of the transmitter'
    expect(stderr.trimEnd().split('\n')).toEqual([
      `${table} audience must be the stream's aud: ["a","b"]`,
      `${table} issuer must be the stream's iss: "https://i.example"`,
      `${table} poll.endpoint must be "https://idp.example/poll"`,
      `${table} jwks_uri must be "https://idp.example/keys"`,
      ...URIS.map((uri) => `warning: the transmitter does not deliver ${uri}`),
    ])
  })
})

describe('events verify', () => {
  it('says how long a verification event took by push', async () => {
    await events('connect', pushing)
    const { code, stdout, stderr } = await events('verify', pushing)
    expect(stdout).toMatch(
      /^The gate has the verification event of stream stream-\d+ after [\d.]+ s\.$/m,
    )
    expect(stderr).toContain('waiting for up to 30 s')
    expect(code).toBe(0)
    expect(pushing.answers).toEqual([{ status: 202, body: '' }])
  })

  it('says how long a verification event took by poll', async () => {
    await events('connect', polling)
    const waits = events('verify', polling, { args: ['--json'] })
    await expect.poll(() => held.held()).toHaveLength(1)
    await setting.gate.cron()
    const { code, stdout } = await waits
    const [{ stream_id } = { stream_id: '' }] = polling.streams()
    expect(JSON.parse(stdout)).toMatchObject({ verified: true, stream: stream_id })
    expect(code).toBe(0)
    expect(held.held()).toEqual([])
  })

  it.each<[string, (claims: Members, event: Members) => Members, string]>([
    [
      'another state',
      (claims) => ({
        ...claims,
        events: { [`${RISC.replace('risc', 'ssf')}verification`]: { state: 'x' } },
      }),
      'invalid_state',
    ],
    [
      'another stream',
      (claims, event) => ({
        ...claims,
        sub_id: { format: 'opaque', id: 'another' },
        events: { [`${RISC.replace('risc', 'ssf')}verification`]: event },
      }),
      'invalid_state',
    ],
  ])('fails for an event with %s', async (_what, change, err) => {
    await events('connect', pushing)
    pushing.verifyBy(change)
    const { code, stderr } = await events('verify', pushing, { args: ['--wait', '1'] })
    expect(code).toBe(1)
    expect(stderr).toContain('No verification event came within 1 s.')
    expect(stderr).toContain('with the header in the secret PUSH')
    expect(JSON.parse(pushing.answers[0]?.body ?? '{}')).toMatchObject({ err })
  })

  it('fails with the secret of another gate, and asks for nothing without the scope', async () => {
    await events('connect', pushing)
    const other = await events('verify', pushing, {
      args: ['--wait', '1'],
      env: { PUSH: 'Bearer of-another-gate-0123' },
    })
    expect(other.code).toBe(1)
    const asked = pushing.requests.length
    const token = await setting.token({ scope: 'edgewarden:agents' })
    const refused = await events('verify', pushing, { env: { EDGEWARDEN_TOKEN: token } })
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('scope_missing')
    expect(pushing.requests.slice(asked).map(({ method }) => method)).toEqual([
      'GET /tenant/stream',
    ])
  })
})

it('events disconnect removes the stream', async () => {
  await events('connect', pushing)
  const [stream] = pushing.streams()
  const { code, stdout } = await events('disconnect', pushing)
  expect([code, stdout]).toEqual([
    0,
    `Stream ${stream?.stream_id} of ${pushing.issuer} is removed. What its events revoked stays revoked.\n`,
  ])
  expect(pushing.streams()).toEqual([])
  const again = await events('disconnect', pushing)
  expect(again).toMatchObject({ code: 2 })
  expect(again.stderr).toContain('None delivers to this gate')
})

describe('events says what is missing:', () => {
  const unset = { EDGEWARDEN_TRANSMITTER_TOKEN: '' }
  it.each<[string, () => Promise<{ code: number; stderr: string }>, string]>([
    ['which transmitter', () => events('connect', undefined), 'Which transmitter? The policy has'],
    ['its token', () => events('connect', pushing, { env: unset }), 'EDGEWARDEN_TRANSMITTER_TOKEN'],
    ['its secret', () => events('connect', pushing, { env: { PUSH: '' } }), 'PUSH is not set'],
    [
      'a good token',
      () => events('connect', pushing, { env: { EDGEWARDEN_TRANSMITTER_TOKEN: 'bad' } }),
      'answered 401: give a token of the transmitter with scope ssf.manage',
    ],
    [
      'seconds',
      () => events('verify', pushing, { args: ['--wait', 'x'] }),
      '--wait must be seconds',
    ],
    [
      'its own metadata',
      () => {
        pushing.say({ issuer: 'https://x.example' })
        return events('connect', pushing)
      },
      'is not about',
    ],
    [
      'a way to deliver',
      () => {
        pushing.say({ delivery_methods_supported: ['urn:ietf:rfc:8936'] })
        return events('connect', pushing)
      },
      'does not deliver by push: set poll',
    ],
    [
      'a way to verify',
      async () => {
        pushing.say({ verification_endpoint: undefined })
        await events('connect', pushing)
        return events('verify', pushing)
      },
      'names no verification_endpoint',
    ],
    [
      'an https address',
      () => {
        pushing.say({ configuration_endpoint: 'http://x.example/stream' })
        return events('connect', pushing)
      },
      'is not an https URL',
    ],
    [
      'a stream of its own',
      () => events('verify', pushing, { args: ['--stream', 'nobody'] }),
      'answered 404',
    ],
  ])('%s', async (_what, run, says) => {
    const { code, stderr } = await run()
    expect(stderr).toContain(says)
    expect(code).toBe(2)
    for (const secret of [PUSH, POLL, TOKEN]) expect(stderr).not.toContain(secret)
  })
})
