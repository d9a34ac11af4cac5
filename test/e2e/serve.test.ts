import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request as httpRequest, type ServerResponse } from 'node:http'
import { createServer, request as httpsRequest, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { credentials, status } from '@grpc/grpc-js'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { runHere } from '../command/kit.ts'
import { grpcError } from '../kit/grpc.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { freePort } from '../kit/port.ts'
import { isSoak, rare } from '../kit/property.ts'
import { ROOT } from '../kit/repository.ts'
import { createProject, objectTables, type Project, type Served } from '../kit/serve.ts'
import type { Members } from '../kit/signing.ts'

const runFile = promisify(execFile)

const HOST = 'api.acme.dev'
const RESOURCE = `https://${HOST}`
const TLS = join(ROOT, 'test/kit/tls')
const [CERT, KEY] = [join(TLS, 'localhost.crt'), join(TLS, 'localhost.key')]

let issuer: Issuer
let origin: Origin
let project: Project
beforeAll(async () => {
  const all = [createIssuer(), startOrigin(), createProject()] as const
  ;[issuer, origin, project] = await Promise.all(all)
})
afterAll(() => Promise.all([issuer?.close(), origin?.close(), project?.remove()]))

const vars = (gate: Members = {}, rule: Members = {}): Members => ({
  GATE: { resource: RESOURCE, origin: origin.url, ...gate },
  ISSUERS: {
    acme: {
      issuer: issuer.issuer,
      jwks_uri: issuer.jwksUri,
      allow_insecure_http: true,
      admin: 'all',
    },
  },
  ROUTES: [{ match: 'GET /v1/*', scopes: ['chat:write'], ...rule }],
})

/** Asks by the proper name; over TLS the certificate is checked. */
const ask = async (port: number, path: string, token?: string, more: Members = {}) => {
  const isTls = more.ca !== undefined
  const { ca, ...headers } = more
  const sent = (isTls ? httpsRequest : httpRequest)({
    ...{ host: '127.0.0.1', port, path, agent: false, servername: HOST },
    ...(isTls && { ca: String(ca) }),
    headers: {
      host: HOST,
      ...headers,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    } as Record<string, string>,
  }).end()
  const [response] = await once(sent, 'response')
  return { status: response.statusCode as number, body: await text(response) }
}
const mint = (claims: Members = {}) => issuer.mint({ aud: RESOURCE, ...claims })

describe('does not start', () => {
  const start = async (args: readonly string[] = ['--listen', '127.0.0.1:0'], env = {}) => {
    const before = process.cwd()
    process.chdir(project.directory)
    try {
      const all = ['serve', '--bundle', inject('bundle'), ...args]
      const { code, stderr } = await runHere(all, { ...process.env, ...env })
      return { code, err: stderr }
    } finally {
      process.chdir(before)
    }
  }

  it('with a mistake in the policy, and says what check says', async () => {
    await project.write(vars({ origin: 'ftp://x' }, { scope: ['a'] }))
    const { code, err } = await start()
    const checked = await runHere(['check', join(project.directory, 'wrangler.toml')])
    expect([code, err]).toEqual([1, checked.stderr.replaceAll(`${project.directory}/`, '')])
    expect(err).toContain('GATE.origin')
    expect(err).toContain('ROUTES[0].scope')
  })

  it.each<[string, number, readonly string[], () => Members, Members?, Record<string, string>?]>([
    [
      'without a secret',
      1,
      ['needs the secret `ORIGIN_KEY`, which is not set', '.dev.vars; missing there: ORIGIN_KEY'],
      () => vars({}, { inject: { 'X-Key': `\${ORIGIN_KEY}` } }),
    ],
    [
      'with a secret that is no good',
      1,
      ['ASSERTION_KEYS'],
      vars,
      {},
      { ASSERTION_KEYS: '{"keys":[{"kty":"EC"}]}' },
    ],
    [
      'with bindings that only Cloudflare has',
      1,
      ['MODELS: is a service binding', 'RL: is a rate limit binding', 'FILES: is bound by a table'],
      () => vars({ origin: 'service:MODELS' }),
      {
        services: [{ binding: 'MODELS', service: 'models' }],
        ratelimits: [{ name: 'RL', namespace_id: '1', simple: { limit: 5, period: 60 } }],
        r2_buckets: [{ binding: 'FILES', bucket_name: 'files' }],
      },
    ],
    [
      'with a place for data that is not this disk',
      1,
      ['GATE.revocation.jurisdiction: is for Cloudflare', 'AUDIT.jurisdiction: is for Cloudflare'],
      () => ({
        ...vars({ revocation: { jurisdiction: 'eu' } }),
        AUDIT: { jurisdiction: 'eu' },
      }),
      objectTables({ AUDIT_LOG: 'AuditLog' }),
    ],
    ['where it would refuse every request', 2, ['--protocol-header X-Forwarded-Proto'], vars],
  ])('%s', async (_, expected, words, policy, tables = {}, env = {}) => {
    await project.write(policy(), tables)
    const { code, err } = await start(undefined, env)
    expect(code).toBe(expected)
    for (const word of words) expect(err).toContain(word)
  })

  it('with a certificate of another key, or half of TLS', async () => {
    await project.write(vars())
    const foreign = await start(['--cert', CERT, '--key', CERT])
    expect(foreign).toMatchObject({ code: 2, err: expect.stringContaining('private key') })
    const half = await start(['--cert', CERT])
    expect(half).toMatchObject({ code: 2, err: 'Give --cert and --key together.\n' })
    const none = await start(['--cert', CERT, '--key', 'none.pem'])
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining('there is no such file') })
  })

  it('without workerd', async () => {
    const bare = await createProject({ installed: false })
    await bare.write(vars())
    const served = bare.serve(['--cert', CERT, '--key', KEY])
    expect(await served.ended()).toBe(2)
    expect(served.stderr()).toContain('npm install --save-dev wrangler')
    await bare.remove()
  })

  it('without a bundle, and says what wrangler says', async () => {
    const broken = await createProject()
    await broken.write(vars(), { main: 'none.ts' })
    const toml = join(broken.directory, 'wrangler.toml')
    const json = JSON.stringify(parse(await readFile(toml, 'utf8')))
    await writeFile(join(broken.directory, 'wrangler.jsonc'), json)
    await rm(toml)
    const served = broken.serve(['--cert', CERT, '--key', KEY, '--data', 'none'], {}, '')
    expect(await served.ended()).toBe(2)
    expect(served.stderr()).toMatch(/^wrangler exited with 1\n.*entry-point.*none\.ts/s)
    expect(served.stderr()).toMatch(/--bundle FILE\.\n$/)
    await broken.remove()
  })

  it('with a listening address that is none, or one that is taken', async () => {
    await project.write(vars())
    const tls = ['--cert', CERT, '--key', KEY, '--data', 'taken']
    expect((await start(['--listen', '8080', ...tls])).code).toBe(2)
    const served = project.serve(['--listen', `127.0.0.1:${origin.port}`, ...tls])
    expect(await served.ended()).toBe(2)
    expect(served.stderr()).toContain('Address already in use')
  })
})

describe('the bundle that wrangler makes, over TLS', () => {
  let port: number
  let served: Served
  let ca: string
  let secured: Server
  beforeAll(async () => {
    port = await freePort()
    ca = await readFile(CERT, 'utf8')
    const key = await readFile(KEY, 'utf8')
    secured = createServer({ cert: ca, key }, (_, res) => res.end('here'))
    await once(secured.listen(0, '127.0.0.1'), 'listening')
    const { port: securePort } = secured.address() as AddressInfo
    const gate = { revocation: { shards: 8, consistency: 'strict' } }
    const { ROUTES, ...rest } = vars(gate, { inject: { 'X-Key': `\${ORIGIN_KEY}` } })
    const private_ = {
      match: 'GET /private',
      scopes: [],
      origin: `https://localhost:${securePort}`,
    }
    await project.write({ ...rest, ROUTES: [...(ROUTES as Members[]), private_] })
    await writeFile(join(project.directory, '.dev.vars'), 'ORIGIN_KEY="from-dev-vars"\nX=1\n')
    const args = ['--listen', `127.0.0.1:${port}`, '--cert', CERT, '--key', KEY, '--ca', CERT]
    served = project.serve(args, {}, '')
    await served.says('is served at')
  })
  afterAll(() => {
    served?.child.kill('SIGKILL')
    secured?.close()
  })

  it('asks issuers for their keys before any request, as a cron trigger would', async () => {
    await expect.poll(() => issuer.requests.length).toBeGreaterThan(0)
  })

  it('forwards what is allowed, with the secret of .dev.vars', async () => {
    const answer = await ask(port, '/v1/x', await mint(), { ca })
    expect(answer.status).toBe(200)
    const { header } = await origin.arrival(({ url }) => url === '/v1/x')
    expect(['x-agent-id', 'x-key', 'x-forwarded-proto'].map((name) => header(name))).toEqual([
      'agent-1',
      'from-dev-vars',
      'https',
    ])
  })

  it('refuses the rest, is ready, and reaches an origin of a private authority', async () => {
    expect((await ask(port, '/v1/x', undefined, { ca })).status).toBe(401)
    expect((await ask(port, '/.edgewarden/ready', undefined, { ca })).status).toBe(200)
    expect(await ask(port, '/private', await mint(), { ca })).toEqual({ status: 200, body: 'here' })
  })

  it('closes the connection of a client of native gRPC', async () => {
    const by = credentials.createSsl(Buffer.from(ca))
    const { code } = await grpcError(port, '/v1/kit.Agents/Get', { by, name: HOST })
    expect(code).toBe(status.UNAVAILABLE)
  })

  it('has one shard, whatever the policy says, and says so', async () => {
    const token = await mint({ scope: 'edgewarden:read' })
    const { body } = await ask(port, '/.edgewarden/policy', token, { ca })
    expect(JSON.parse(body).gate.revocation).toMatchObject({ shards: 1, consistency: 'strict' })
    expect(served.stderr()).toContain('warning: GATE.revocation.shards: is 8, and serve uses 1')
    expect(served.stdout()).not.toContain('policy_warnings')
  })

  it('writes the journal to stdout, with a version', async () => {
    const lines = served
      .stdout()
      .split('\n')
      .filter((line) => line.startsWith('{'))
    const line = JSON.parse(lines.find((one) => one.includes('"allowed"')) ?? '{}')
    expect(line).toMatchObject({
      decision: 'allowed',
      version: expect.stringMatching(/^[\da-f]{32}$/),
    })
  })

  it.runIf(isSoak())('leaves no other gate the same data', async () => {
    const args = ['--listen', '127.0.0.1:0', '--cert', CERT, '--key', KEY]
    const second = project.serve(args)
    expect(await second.ended()).toBe(2)
    expect(second.stderr()).toContain('Another gate runs on')
    expect((await ask(port, '/v1/x', await mint(), { ca })).status).toBe(200)
  })
})

describe('behind a proxy that ends TLS', () => {
  let port: number
  beforeAll(async () => {
    port = await freePort()
    await project.write(vars({ client_ip: 'x-real-ip' }))
  })

  const start = async (data: string, args: readonly string[] = [], env = {}) => {
    const listen = ['--listen', `127.0.0.1:${port}`, '--protocol-header', 'X-Forwarded-Proto']
    const served = project.serve([...listen, '--data', data, ...args], env)
    await served.says('is served at')
    return served
  }
  const secure = { 'x-forwarded-proto': 'https' }

  /** A request that the origin has, and does not answer yet. */
  const hold = async () => {
    origin.clear()
    let response: ServerResponse | undefined
    origin.on('/v1/slow', (_, res) => {
      response = res
    })
    const answer = ask(port, '/v1/slow', await mint(), secure)
    answer.catch(() => {})
    await origin.arrival(({ url }) => url === '/v1/slow')
    return { answer, finish: () => response?.end('whole') }
  }

  it.each<NodeJS.Signals>(['SIGTERM', ...rare<NodeJS.Signals>('SIGINT')])(
    'believes its header, finishes slow answers after %s, and has every decision',
    async (signal) => {
      const tables = objectTables({ AUDIT_LOG: 'AuditLog' })
      await project.write({ ...vars({ client_ip: 'x-real-ip' }), AUDIT: {} }, tables)
      const data = `flushed-${signal}`
      const first = await start(data)
      const token = await mint()
      expect((await ask(port, '/v1/x', token)).status).toBe(403)
      const ids = Array.from({ length: 20 }, (_, i) => `${signal}-${i}`)
      const askAs = (id: string) => ask(port, '/v1/x', token, { ...secure, 'x-request-id': id })
      // One is answered after the signal.
      const { answer, finish } = await hold()
      for (const id of ids) expect((await askAs(id)).status).toBe(200)
      first.child.kill(signal)
      await first.says(signal)
      finish()
      expect(await answer).toEqual({ status: 200, body: 'whole' })
      expect(await first.ended()).toBe(0)
      const second = await start(data)
      const reading = await mint({ scope: 'edgewarden:audit:read' })
      const path = '/.edgewarden/decisions?rule=GET+/v1/*'
      const { decisions } = JSON.parse((await ask(port, path, reading, secure)).body)
      expect(decisions).toHaveLength(ids.length + 2)
      expect(decisions.map((one: Members) => one.request_id)).toEqual(expect.arrayContaining(ids))
      second.child.kill('SIGTERM')
      await second.ended()
      await project.write(vars({ client_ip: 'x-real-ip' }))
    },
  )

  it.skipIf(process.platform === 'win32')(
    'closes a data folder that others may read, and what it writes there',
    async () => {
      const data = join(project.directory, 'open')
      await mkdir(data)
      await chmod(data, 0o755)
      const served = await start('open')
      expect((await ask(port, '/v1/x', await mint(), secure)).status).toBe(200)
      const entries = await readdir(data, { recursive: true })
      const modes = await Promise.all(
        ['', ...entries].map(async (name) => {
          // SQLite removes files of its own meanwhile.
          const found = await stat(join(data, name)).catch(() => ({ mode: 0 }))
          return [name, found.mode & 0o077]
        }),
      )
      expect(entries.some((name) => name.endsWith('.sqlite'))).toBe(true)
      expect(modes.filter(([, others]) => others !== 0)).toEqual([])
      // Private keys must not be committed by somebody who adds all files.
      await runFile('git', ['init', '-q', project.directory])
      const added = await runFile('git', ['-C', project.directory, 'add', '-An'])
      expect(added.stdout).toContain('wrangler.toml')
      expect(added.stdout).not.toContain('open/')
      await rm(join(project.directory, '.git'), { recursive: true })
      served.child.kill('SIGTERM')
      expect(await served.ended()).toBe(0)
    },
  )

  it.runIf(process.getuid?.() === 0)('refuses a data folder of somebody else', async () => {
    const data = join(project.directory, 'foreign')
    await mkdir(data)
    await chown(data, 65_534, 65_534)
    const args = ['--listen', `127.0.0.1:${port}`, '--protocol-header', 'X-Forwarded-Proto']
    const served = project.serve([...args, '--data', 'foreign'])
    expect(await served.ended()).toBe(2)
    expect(served.stderr()).toContain('belongs to another user')
    expect((await stat(data)).uid).toBe(65_534)
  })

  it('cuts what does not finish in time', async () => {
    const served = await start('cut', ['--grace', '0s'])
    const { answer } = await hold()
    served.child.kill('SIGTERM')
    await expect(answer).rejects.toThrow()
    expect(await served.ended()).toBe(0)
    expect(served.stderr()).toContain('Not every request finished in time.')
  })
})
