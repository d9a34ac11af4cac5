import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../kit/repository.ts'
import { createKey, type Members } from '../kit/signing.ts'
import { AGENT_ISSUER, AUDIENCE, digestOf, openGate, type TestGate, URL_ } from './support.ts'

const PYTHON = ['python3', '/usr/bin/python3'].find(
  (one) => spawnSync(one, ['-c', 'import cryptography, jwt.api_jwk']).status === 0,
)
const WHY = PYTHON === undefined ? ' (skipped: no python3 with PyJWT and cryptography)' : ''

/** Asks the example once for each line. */
const DRIVER = `
import json, sys
from verify_agent import AgentVerifier, Refused
used = set()
def replays(jti, expires):
    first = jti not in used
    used.add(jti)
    return first
verifier = AgentVerifier(**json.loads(sys.argv[1]), replays=replays)
for line in sys.stdin:
    method, path, headers, body, query = json.loads(line)
    try:
        claims = verifier.verify(method, path, headers, body.encode(), query)
        print(json.dumps([claims["sub"], claims["agent_iss"]]), flush=True)
    except Refused as refused:
        print(json.dumps(str(refused)), flush=True)
`

const PATH = '/v1/documents/7'
const { host: HOST } = new URL(AUDIENCE)

describe.skipIf(PYTHON === undefined)(`the check in Python${WHY}`, () => {
  let gate: TestGate
  const running: ChildProcessWithoutNullStreams[] = []
  let ask: Asking
  beforeAll(async () => {
    gate = await openGate()
    ask = start()
  })
  afterAll(async () => {
    await Promise.all(running.map((child) => once(child.stdin.end() && child, 'close')))
    await gate.close()
  })

  type Asking = (
    assertion: string | undefined,
    request?: Partial<Record<'method' | 'path' | 'body' | 'query' | 'host', string>>,
  ) => Promise<unknown>

  const start = (options: Members = {}): Asking => {
    const given = { gate: gate.issuer.issuer, audience: AUDIENCE, jwks_uri: gate.issuer.jwksUri }
    const child = spawn(
      PYTHON ?? '',
      ['-B', '-c', DRIVER, JSON.stringify({ ...given, ...options })],
      {
        cwd: join(ROOT, 'examples/origin'),
      },
    )
    running.push(child)
    child.stderr.pipe(process.stderr)
    const lines: Interface = createInterface(child.stdout)
    const answers = lines[Symbol.asyncIterator]()
    return async (
      assertion,
      { method = 'GET', path = PATH, body = '', query = '', host = HOST } = {},
    ) => {
      const headers = { host, ...(assertion !== undefined && { 'x-agent-assertion': assertion }) }
      child.stdin.write(`${JSON.stringify([method, path, headers, body, query])}\n`)
      return JSON.parse((await answers.next()).value ?? 'null')
    }
  }

  it('knows who calls, whatever the name', async () => {
    expect(await ask(await gate.assertion({ sub: 'acme/Zoë' }))).toEqual(['acme/Zoë', AGENT_ISSUER])
    expect(gate.issuer.requests).toHaveLength(1)
  })

  it('takes EdDSA', async () => {
    const ed25519 = await createKey('Ed25519')
    gate.issuer.setKeys([gate.issuer.jwk, { ...ed25519.jwk, alg: 'EdDSA' }])
    const header = { typ: 'agent-assertion+jwt', alg: 'EdDSA', kid: ed25519.kid }
    const assertion = await gate.issuer.mintRaw(header, gate.claims(), ed25519)
    expect(await start()(assertion)).toEqual(['agent-1', AGENT_ISSUER])
  })

  const now = () => Math.floor(Date.now() / 1000)
  it.each<[string, () => Promise<string | undefined>, string]>([
    ['nothing', async () => undefined, 'there must be one assertion'],
    ['two', async () => `${await gate.assertion()}, a.b.c`, 'there must be one assertion'],
    ['a word', async () => 'word', 'DecodeError'],
    ['an access token', () => gate.assertion({}, { typ: 'at+jwt' }), 'the JWT is no assertion'],
    // Newer versions of PyJWT refuse it themselves.
    ['crit', () => forged({ crit: ['exp'] }), 'the JWT is no assertion|InvalidTokenError'],
    ['a key of its own', () => forged({ jwk: gate.issuer.jwk }), 'the JWT is no assertion'],
    ['alg none', () => forged({ alg: 'none' }), 'InvalidAlgorithmError'],
    ['an HMAC', () => forged({ alg: 'HS256' }), 'InvalidAlgorithmError'],
    ['an unknown key', () => forged({ kid: 'nobody' }), 'the gate has no such key'],
    ['another key', () => foreign(), 'InvalidSignatureError'],
    ['another gate', () => gate.assertion({ iss: 'x' }), 'InvalidIssuerError'],
    ['another origin', () => gate.assertion({ aud: 'x' }), 'InvalidAudienceError'],
    ['a list of origins', () => gate.assertion({ aud: [AUDIENCE] }), 'InvalidAudienceError'],
    ['no jti', () => gate.assertion({ jti: undefined }), 'MissingRequiredClaimError'],
    [
      'the past',
      () => gate.assertion({ iat: now() - 99, exp: now() - 40 }),
      'ExpiredSignatureError',
    ],
    ['the future', () => gate.assertion({ iat: now() + 30 }), 'ImmatureSignatureError'],
    ['an hour', () => gate.assertion({ exp: now() + 3_600 }), 'the assertion lives too long'],
  ])('refuses %s', async (_, make, reason) => {
    expect(await ask(await make())).toMatch(new RegExp(`^(?:${reason})$`))
  })
  const forged = (header: Members) =>
    gate.issuer.mintRaw(
      { typ: 'agent-assertion+jwt', alg: 'ES256', kid: gate.issuer.kid, ...header },
      gate.claims(),
    )
  const foreign = async () =>
    gate.assertion({}, {}, { key: await createKey('ES256', gate.issuer.kid) })

  const ROUTES = [
    'GET /v1/{id}',
    'GET /v1/{+id}',
    'POST /v1/{m}:run',
    'GET /v1/*',
    'GET /',
    'GET /v1/a.b',
    'GET /v1/%2A',
  ]
  const TARGETS = `GET / | HEAD /v1/7 | POST /v1/7 | GET /v1/ | GET /v1 | GET /v1/a/b | GET /v1//b
    GET /v1/a%2Fb | GET /v1/a%2fb | GET /v1/%61 | GET /v1/.. | GET /v1/a/../b | GET /v1/a%2F.. | POST /v1/m:run
    POST /v1/:run | POST /v1/m%3Arun | GET /v1/Zo%C3%AB | GET /v1/%FF | GET /v1/a;b | GET /v1/a%5Cb | GET /v1/a%00
    GET /v1/axb | GET /v1/a.b | GET /v1/a%252Fb | GET /v1/a%25 | GET /v1/[a|b] | GET /v1/{id} | GET /v1/%C2%80 | GET /v1/*`
    .split(/\n|\|(?= )/)
    .map((text) => text.trim().split(' '))

  it.each(ROUTES)('finds the same requests under %s as the library', async (route) => {
    const { isUnderRoute } = await import('../../src/origin/route.ts')
    const assertion = await gate.assertion({ route })
    for (const [method = '', path = ''] of TARGETS) {
      const answer = await ask(assertion, { method, path })
      const refused = 'the assertion is for another method or path'
      const expected = isUnderRoute(route, method, path) ? ['agent-1', AGENT_ISSUER] : refused
      expect(answer, `${method} ${path}`).toEqual(expected)
    }
  })

  it('holds a request and its body against what they are bound to, once', async () => {
    const post = { method: 'POST', body: 'Zoë' }
    const bound = (changes: Members = {}) =>
      gate.assertion({ htm: 'POST', htu: URL_, bdh: digestOf('Zoë'), ...changes })
    const assertion = await bound()
    expect(await ask(assertion, { ...post, body: 'Zoe' })).toBe(
      'the assertion is bound to another body',
    )
    expect(await ask(assertion, post)).toEqual(['agent-1', AGENT_ISSUER])
    expect(await ask(assertion, post)).toBe('the assertion was used before')
    const another = 'the assertion is bound to another request'
    const others = [
      { htm: 'GET' },
      { htu: `${URL_}?a` },
      { htu: `${URL_}8` },
      { htu: URL_.replace('https', 'http') },
    ]
    for (const other of others) expect(await ask(await bound(other), post)).toBe(another)
    const elsewhere = await bound({ htu: URL_.replace('origin', 'other') })
    expect(await ask(elsewhere, post)).toBe('the assertion is for another host')
    const port = URL_.replace('.com', '.com:443')
    expect(await ask(await bound({ htu: port }), post)).toEqual(['agent-1', AGENT_ISSUER])
    const demanding = start({ require: 'body' })
    expect(await demanding(await bound({ bdh: undefined }), post)).toBe(
      'the assertion is not bound to the request',
    )
    expect(await demanding(await bound(), post)).toEqual(['agent-1', AGENT_ISSUER])
  })

  it('holds a query against its digest', async () => {
    const query = 'a=%27b%27&c'
    const another = 'the assertion is bound to another query'
    const digested = () => gate.assertion({ htm: 'GET', htu: URL_, htq: digestOf(query) })
    expect(await ask(await digested(), { query })).toEqual(['agent-1', AGENT_ISSUER])
    for (const other of ['', 'a', "a='b'&c", `${query}&d`]) {
      expect(await ask(await digested(), { query: other })).toBe(another)
    }
    expect(await ask(await gate.assertion({ htm: 'GET', htu: URL_ }), { query })).toBe(another)
    expect(await ask(await gate.assertion({ htq: digestOf(query) }), { query })).toBe(
      'the assertion is not bound to the request',
    )
    expect(await ask(await gate.assertion(), { query })).toEqual(['agent-1', AGENT_ISSUER])
  })

  it('holds the host against the one that is named', async () => {
    const another = 'the assertion is for another host'
    const at = async (host: string, how = ask) => how(await gate.assertion(), { host })
    expect(await at(`${HOST.toUpperCase()}:443`)).toEqual(['agent-1', AGENT_ISSUER])
    const others = ['other.example', '', `${HOST}:80`, `${HOST}:99999`, `a@${HOST}`, '[::::]']
    for (const host of others) expect(await at(host)).toBe(another)
    expect(await at('10.0.0.7', start({ host: null }))).toEqual(['agent-1', AGENT_ISSUER])
    expect(await at(HOST, start({ host: 'x-asked-host' }))).toBe(another)
  })

  it('asks once for a flood of unknown keys, and goes on through an outage', async () => {
    const verify = start()
    expect(await verify(await gate.assertion())).toEqual(['agent-1', AGENT_ISSUER])
    const before = gate.issuer.requests.length
    await gate.issuer.fail(503)
    for (let n = 0; n < 5; n++) await verify(await forged({ kid: `nobody-${n}` }))
    expect(gate.issuer.requests.length).toBe(before)
    expect(await verify(await gate.assertion())).toEqual(['agent-1', AGENT_ISSUER])
    expect(await start()(await gate.assertion())).toBe('the keys cannot be had')
    await gate.issuer.fail()
  })
})
