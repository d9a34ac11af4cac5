import { once } from 'node:events'
import { mkdtemp, realpath, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { WebSocket } from 'ws'
import { capnp, type WorkerService } from '../../src/command/serve/workerd-config.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { connectRaw, type Header, rawRequest } from '../kit/raw.ts'
import { deployment } from '../kit/repository.ts'
import { request } from '../kit/request.ts'
import { serve, type Workerd } from '../kit/workerd.ts'
import { outcome } from './setting.ts'

const HOST = 'api.example.com'

let issuer: Issuer
let workerd: Workerd
let token: string

beforeAll(async () => {
  issuer = await createIssuer()
  token = await issuer.mint()
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'edgewarden-binding-')))
  const path = join(directory, 'config.capnp')
  await writeFile(path, configIn(directory))
  workerd = await serve(path, ['gate', 'caller'], directory)
})
afterAll(async () => {
  await workerd.stop()
  await issuer.close()
})

const VARS = () => ({
  GATE: {
    resource: `https://${HOST}`,
    origin: 'service:MODELS',
    client_ip: 'none',
    assertion: 'request',
  },
  ISSUERS: {
    acme: { issuer: issuer.issuer, jwks: { keys: [issuer.jwk] }, allow_insecure_http: true },
  },
  ROUTES: [
    { match: 'GET /v1/socket', scopes: [] },
    { match: 'POST /v1/timed', scopes: [], timeout: '30s' },
    { match: 'GET,POST /v1/*', scopes: [] },
    { match: 'GET /tools/*', scopes: [], strip_prefix: '/tools' },
  ],
})

function configIn(directory: string): string {
  const { compatibilityDate, durableObjects } = deployment()
  const neighbours = relative(
    directory,
    fileURLToPath(new URL('../kit/neighbour-worker.js', import.meta.url)),
  )
  const worker = (name: string, rest: Partial<WorkerService>): WorkerService => ({
    name,
    modules: { 'worker.js': { path: neighbours } },
    compatibilityDate,
    bindings: [],
    classes: {},
    ...rest,
  })
  return capnp({
    workers: [
      worker('gate', {
        modules: { 'worker.js': { path: relative(directory, inject('bundle')) } },
        bindings: [
          ...Object.entries(VARS()).map(([name, json]) => ({ name, json })),
          { name: 'MODELS', service: 'models' },
          ...Object.entries(durableObjects).map(([name, durableObjectNamespace]) => ({
            name,
            durableObjectNamespace,
          })),
        ],
        classes: Object.fromEntries(Object.values(durableObjects).map((name) => [name, name])),
      }),
      worker('caller', { bindings: [{ name: 'GATE', service: 'gate' }] }),
      worker('models', {}),
    ],
    externals: {},
    sockets: {
      gate: { address: '127.0.0.1:0', service: 'gate' },
      caller: { address: '127.0.0.1:0', service: 'caller' },
    },
    disk: directory,
  })
}

/** Has the neighbour call the gate over its binding. */
const call = (url: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
  request(workerd.ports.caller ?? 0, '/', {
    ...init,
    headers: { 'x-target': url, 'x-host': 'none', authorization: `Bearer ${token}`, ...headers },
  })

interface Seen {
  readonly url: string
  readonly method: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

const seenOf = async (response: Response) => {
  expect(response.status).toBe(200)
  return (await response.json()) as Seen
}

describe('a caller and an origin over service bindings', () => {
  it('keeps scheme and host of the resource, and says Host', async () => {
    const seen = await seenOf(await call(`https://${HOST}/v1/x?q=1`))
    expect(seen.url).toBe(`https://${HOST}/v1/x?q=1`)
    expect(seen.headers).toMatchObject({
      host: HOST,
      'x-agent-id': 'agent-1',
      'x-forwarded-host': HOST,
      'x-forwarded-proto': 'https',
    })
    expect(seen.headers).not.toHaveProperty('authorization')
    expect(seen.headers).not.toHaveProperty('x-forwarded-for')
  })

  it('is told who is calling by an assertion for the binding, and the URL as it sees it', async () => {
    const { keys } = (await (
      await call(`https://${HOST}/.edgewarden/jwks.json`)
    ).json()) as JSONWebKeySet
    const seen = await seenOf(await call(`https://${HOST}/tools/x?q=1`))
    const { payload } = await jwtVerify(
      seen.headers['x-agent-assertion'] ?? '',
      createLocalJWKSet({ keys }),
      { typ: 'agent-assertion+jwt', issuer: `https://${HOST}`, audience: 'service:MODELS' },
    )
    expect(payload).toMatchObject({ route: 'GET,HEAD /*', htm: 'GET', htu: `https://${HOST}/x` })
    expect(seen.url).toBe(`https://${HOST}/x?q=1`)
  })

  it.each([
    ['/v1/timed', ['Content-Length', '1000'], 'hi', 400, 'body_incomplete'],
    ['/v1/timed', ['Transfer-Encoding', 'chunked'], '2\r\nhi\r\nZZ\r\n', 400, 'body_incomplete'],
    ['/v1/hung-up', ['Content-Length', '1000'], 'hi', 502, 'origin_unreachable'],
    ['/v1/hung-up', ['Transfer-Encoding', 'chunked'], '2\r\nhi\r\n', 502, 'origin_unreachable'],
  ] as const)('tells who broke a body off: %s, %j', async (path, framing, body, status, code) => {
    const headers: readonly Header[] = [
      ['Host', HOST],
      ['Authorization', `Bearer ${token}`],
      ['X-Target', `https://${HOST}${path}`],
      ['X-Host', 'none'],
      framing,
    ]
    const connection = await connectRaw(workerd.ports.caller ?? 0)
    connection.send(rawRequest({ method: 'POST', headers, body }))
    if (status === 400) connection.end()
    const answer = await connection.response()
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code])
    connection.close()
  })

  it.each([
    [10, 20_000, 0],
    [20_000, 10, 0],
    [20_000, 40_000, 0],
    [40_000, 20_000, 50],
    [5, 40_000, 50],
  ])('frames a body by its bytes: said %i, sent %i, in %i ms', async (said, sent, pause) => {
    const response = await call(`https://${HOST}/v1/said/${said}/${sent}/${pause}`)
    expect(response.status).toBe(200)
    expect((await response.arrayBuffer()).byteLength).toBe(sent)
  })

  it('is decided by the URL, whatever Host the caller sends along', async () => {
    const other = { 'x-host': 'kept', host: 'elsewhere.example' }
    const seen = await seenOf(await call(`https://${HOST}/v1/x`, other))
    expect(seen.headers.host).toBe(HOST)
    const answer = await outcome(await call('https://elsewhere.example/v1/x', { host: HOST }))
    expect(answer).toEqual({ status: 421, code: 'host_unknown' })
  })

  it('connects a WebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${workerd.ports.caller}/`, {
      headers: {
        'x-target': `https://${HOST}/v1/socket`,
        'x-host': 'none',
        authorization: `Bearer ${token}`,
      },
    })
    await once(socket, 'open')
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe(`https://${HOST}/v1/socket hello`)
    socket.terminate()
  })
})
