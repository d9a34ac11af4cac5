import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Members } from './signing.ts'

/** A stream as its transmitter has it (SSF 1.0 §8.1.1). */
interface Stream {
  readonly stream_id: string
  readonly delivery: { readonly method: string; readonly endpoint_url: string }
  readonly [name: string]: unknown
}

/** What a stream API needs of its transmitter. */
interface StreamsOptions {
  /** The token of the receiver. */
  readonly token: string
  readonly audience: string
  /** Signs a SET of these claims. */
  readonly sign: (claims: Members) => Promise<string>
  /** Keeps a SET until it is polled for. */
  readonly hold: (jti: string, set: string) => void
  readonly pollEndpoint: string
}

/** The stream API of a transmitter, written from SSF 1.0 §7 and §8. */
export interface Streams {
  readonly issuer: string
  streams(): readonly Stream[]
  /** What the API was asked. */
  readonly requests: readonly { readonly method: string; readonly body: Members }[]
  /** What the receiver answered to events that were sent. */
  readonly answers: readonly { readonly status: number; readonly body: string }[]
  /** Lays these over its metadata, and over its new streams. */
  say(metadata: Members, stream?: Members): void
  /** Changes the claims of verification events. */
  verifyBy(change: (claims: Members, event: Members) => Members): void
  /** Forgets all streams, and what it was told. */
  anew(): void
  close(): Promise<void>
}

const PUSH = 'urn:ietf:rfc:8935'
const POLL = 'urn:ietf:rfc:8936'
const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification'

/** Starts the API. It allows one stream for each delivery method. */
export async function startStreams(options: StreamsOptions): Promise<Streams> {
  const streams = new Map<string, Stream & { readonly authorization?: string }>()
  const requests: { method: string; body: Members }[] = []
  const answers: { status: number; body: string }[] = []
  let [ofMetadata, ofStream]: [Members, Members] = [{}, {}]
  const asIs = (claims: Members, event: Members): Members => ({
    ...claims,
    events: { [VERIFICATION]: event },
  })
  let claimsOf = asIs
  let count = 0
  let issuer = ''

  const create = (body: Members): Stream | undefined => {
    const { delivery, events_requested } = body as { delivery: Members; events_requested: unknown }
    if ([...streams.values()].some((one) => one.delivery.method === delivery.method)) return
    const stream_id = `stream-${++count}`
    const endpoint_url = delivery.method === POLL ? options.pollEndpoint : delivery.endpoint_url
    const stream = {
      ...{ stream_id, iss: issuer, aud: options.audience },
      delivery: { method: String(delivery.method), endpoint_url: String(endpoint_url) },
      ...{ events_requested, events_delivered: events_requested },
      ...ofStream,
    }
    const { authorization_header: authorization } = delivery
    streams.set(stream_id, { ...stream, authorization: String(authorization) })
    return stream
  }
  const shown = () => [...streams.values()].map(({ authorization: _, ...stream }) => stream)

  /** Delivers a verification event, after the answer. */
  const verify = async ({ stream_id, state }: Members): Promise<void> => {
    const stream = streams.get(String(stream_id))
    if (!stream) return
    const jti = `verification-${++count}`
    const sub_id = { format: 'opaque', id: stream_id }
    const claims = { iss: issuer, aud: options.audience, jti, iat: Date.now() / 1000, sub_id }
    const set = await options.sign(claimsOf(claims, { state }))
    if (stream.delivery.method === POLL) return options.hold(jti, set)
    const { authorization = '' } = stream
    const headers = { 'content-type': 'application/secevent+jwt', authorization }
    const sent = { method: 'POST', headers, body: set }
    const answer = await fetch(stream.delivery.endpoint_url, sent)
    answers.push({ status: answer.status, body: await answer.text() })
  }

  const answer = (
    { method = '', url = '/', headers }: IncomingMessage,
    text: string,
    response: ServerResponse,
  ): void => {
    const { pathname, searchParams } = new URL(url, issuer)
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (pathname === '/.well-known/ssf-configuration/tenant') {
      return void json(200, {
        ...{ spec_version: '1_0', issuer, jwks_uri: `${issuer}/jwks` },
        delivery_methods_supported: [PUSH, POLL],
        configuration_endpoint: `${issuer}/stream`,
        verification_endpoint: `${issuer}/verify`,
        ...ofMetadata,
      })
    }
    if (headers.authorization !== `Bearer ${options.token}`) return void json(401, {})
    const body = text === '' ? {} : JSON.parse(text)
    requests.push({ method: `${method} ${pathname}`, body })
    switch (`${method} ${pathname}`) {
      case 'GET /tenant/stream':
        return void json(200, shown())
      case 'POST /tenant/stream': {
        const made = create(body)
        return void (made ? json(201, made) : json(409, {}))
      }
      case 'DELETE /tenant/stream': {
        const isGone = streams.delete(searchParams.get('stream_id') ?? '')
        response.writeHead(isGone ? 204 : 404).end()
        return
      }
      case 'POST /tenant/verify':
        response.writeHead(streams.has(body.stream_id) ? 204 : 404).end()
        void verify(body)
        return
      default:
        response.writeHead(404).end()
    }
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => answer(request, Buffer.concat(chunks).toString(), response))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tenant`
  return {
    issuer,
    streams: shown,
    requests,
    answers,
    say(metadata, stream = {}) {
      ofMetadata = metadata
      ofStream = stream
    },
    verifyBy(change) {
      claimsOf = change
    },
    anew() {
      streams.clear()
      requests.length = 0
      answers.length = 0
      claimsOf = asIs
      ofMetadata = {}
      ofStream = {}
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
