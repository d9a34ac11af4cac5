import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { agentOf, expressAgent } from '../../packages/origin/src/express.ts'
import {
  createProcessReplays,
  refusal,
  type VerifiedAgent,
  type VerifyOptions,
  verifyAgent,
} from '../../packages/origin/src/index.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { JWKS } from './asserting.ts'
import { HOST, RESOURCE } from './setting.ts'

export const ORIGINS = ['express', 'fetch'] as const
export const BINDINGS = ['identity', 'request', 'body'] as const
export type OriginName = (typeof ORIGINS)[number]
export type BindingName = (typeof BINDINGS)[number]

/** What each origin answers to whom it believes. */
export interface Told {
  readonly agent: VerifiedAgent
  readonly assertion: string
  readonly body: string
}

/** Two issuers, three gates with one set of keys, and two origins that verify by it. */
export interface TwoOrigins {
  readonly issuers: Readonly<Record<'acme' | 'beta', Issuer>>
  readonly gates: Readonly<Record<BindingName, Gate>>
  readonly ports: Readonly<Record<OriginName, number>>
  close(): Promise<void>
}

/** An origin whose options are told once the gates are there, before it is asked. */
type OriginOf = (options: VerifyOptions) => RequestListener

const onExpress: OriginOf = (options) =>
  express()
    .use(express.raw({ type: () => true, inflate: false }))
    .use(expressAgent({ ...options, replays: createProcessReplays() }))
    .all('/{*path}', (req, res) => {
      const body = Buffer.isBuffer(req.body) ? req.body.toString() : ''
      res.json({ agent: agentOf(req), assertion: req.get('x-agent-assertion'), body })
    })

const onFetch: OriginOf = (options) => {
  const replays = createProcessReplays()
  const handle = async (request: Request): Promise<Response> => {
    const agent = await verifyAgent(request, { ...options, replays })
    const assertion = request.headers.get('x-agent-assertion')
    return Response.json({ agent, assertion, body: await request.text() })
  }
  return async (req, res) => {
    const response = await handle(await requestOf(req)).catch(refusal)
    res.writeHead(response.status, Object.fromEntries(response.headers))
    res.end(await response.text())
  }
}

const requestOf = async (req: IncomingMessage): Promise<Request> => {
  const { method = '', headers } = req
  const bytes = Buffer.concat(await req.toArray())
  const body = bytes.length > 0 ? { body: bytes } : {}
  const url = `http://${headers.host}${req.url}`
  return new Request(url, { method, headers: headers as Record<string, string>, ...body })
}

/** Listens now, and answers as the origin that comes. */
const listen = async () => {
  let listener: RequestListener = (_, res) => res.writeHead(500).end()
  const server = createServer((req, res) => listener(req, res))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    port,
    become(next: RequestListener) {
      listener = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

export const urlAt = (port: number): string => `http://127.0.0.1:${port}`

/** Starts all of them. Each origin has the same routes, under its name, which is taken away. */
export async function startTwoOrigins(): Promise<TwoOrigins> {
  const signing = { kid: 'one', defaults: { sub: 'alice', client_id: 'agent-7' } }
  const [acme, beta, onNode, onNodeToo] = await Promise.all([
    createIssuer(signing),
    createIssuer(signing),
    listen(),
    listen(),
  ])
  const ports = { express: onNode.port, fetch: onNodeToo.port }
  const trusted = ({ issuer, jwksUri }: Issuer) => ({
    issuer,
    jwks_uri: jwksUri,
    allow_insecure_http: true,
  })
  const vars = (assertion: BindingName) => ({
    GATE: {
      resource: RESOURCE,
      origin: urlAt(ports.express),
      hosts: [HOST, '127.0.0.1'],
      insecure_http: true,
      client_ip: 'none',
      // The origins read the issuer, too.
      shared_ids: true,
      assertion,
    },
    ISSUERS: { acme: trusted(acme), beta: trusted(beta) },
    ROUTES: ORIGINS.flatMap((name) => {
      const target = { strip_prefix: `/${name}`, origin: urlAt(ports[name]) }
      return [
        { match: `GET,POST /${name}/documents/{id}`, scopes: ['docs:read'], ...target },
        { match: `GET,POST,PUT /${name}/notes/{id}`, scopes: [], ...target },
      ]
    }),
  })
  const [, ...bound] = BINDINGS
  const identity = await startGate({
    vars: vars('identity'),
    beside: bound.map((binding) => ({ vars: vars(binding) })),
  })
  const [request = identity, body = identity] = identity.beside
  const options = (name: OriginName) => ({
    gate: RESOURCE,
    audience: urlAt(ports[name]),
    jwksUri: identity.url + JWKS,
  })
  onNode.become(onExpress(options('express')))
  onNodeToo.become(onFetch(options('fetch')))
  return {
    issuers: { acme, beta },
    gates: { identity, request, body },
    ports,
    async close() {
      await Promise.all([identity.stop(), onNode.close(), onNodeToo.close()])
      await Promise.all([acme.close(), beta.close()])
    },
  }
}
