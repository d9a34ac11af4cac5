import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeEach } from 'vitest'

/** A request as a gate would see it. */
export interface Recorded {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly authorization: string | undefined
  readonly body: unknown
}

export interface Reply {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export const JSON_TYPE = { 'content-type': 'application/json' }

/** An entry as a gate answers it. */
export const ENTRY = {
  id: 'AAAAAAAAAAAAAAAAAAAAAA',
  kind: 'agent',
  issuer: 'https://auth.acme.dev',
  value: 'a7',
  mode: 'block',
  created: 1_790_000_000,
  created_by: 'x',
}

export const made: Reply = {
  status: 200,
  body: { revocations: [ENTRY], shards: { total: 4, acknowledged: 4 } },
}

/** For a command that is not to wait for anything. */
export const noWaiting = {
  elapsed: () => 0,
  sleep: async () => {
    throw new Error('it waits')
  },
  tell: () => {},
}

/** What a gate tells of its policy, with these terms of GATE and of its rules. */
export const policyWith = (gate: object, ...rules: readonly object[]): Reply => ({
  status: 200,
  body: {
    gate: { revocation: gate, lift: [] },
    issuers: {},
    routes: rules.map((rule, i) => ({ match: `GET /v${i + 1}/x`, mode: 'enforce', ...rule })),
    scopes: {},
  },
})

const STRICT = policyWith({ consistency: 'strict' })

/** What a gate answers that does as it is told and is strict everywhere. */
export const willing = ({ url }: Recorded): Reply => (url?.endsWith('/policy') ? STRICT : made)

/** Starts a server on this machine; the caller closes it. */
export const listen = async (
  listener: RequestListener,
): Promise<{ readonly server: Server; readonly origin: string }> => {
  const server = createServer(listener)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** Cuts every connection and stops listening. */
export const close = (server: Server): Promise<unknown> => {
  server.closeAllConnections()
  return new Promise<unknown>((closed) => server.close(closed))
}

const record = async (request: IncomingMessage): Promise<Recorded> => {
  const body = await text(request)
  return {
    method: request.method,
    url: request.url,
    authorization: request.headers.authorization,
    body: body === '' ? undefined : JSON.parse(body),
  }
}

/** A stand-in for a gate that records what it is asked, afresh in each test of the file. */
export const recordingGate = async () => {
  const requests: Recorded[] = []
  const state: { answer: (seen: Recorded) => Reply } = { answer: willing }
  const { server, origin } = await listen(async (request, response) => {
    const seen = await record(request)
    requests.push(seen)
    const { status, body, headers = JSON_TYPE } = state.answer(seen)
    response.writeHead(status, headers)
    response.end(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body))
  })
  afterAll(() => close(server))
  beforeEach(() => {
    requests.length = 0
    state.answer = willing
  })
  return { origin, requests, state }
}
