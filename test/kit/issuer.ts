import { randomUUID } from 'node:crypto'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { CryptoKey, JWK } from 'jose'
import { type Failure, type Fault, faultOf } from './issuer-faults.ts'
import { type RecordedRequest, startOrigin } from './origin.ts'
import {
  type Algorithm,
  createKey,
  type Members,
  type Part,
  type SigningKey,
  sign,
  signRaw,
  unsigned,
} from './signing.ts'

/** What a test issuer is made of. */
export interface IssuerOptions {
  /** ES256 unless given. */
  readonly alg?: Algorithm
  readonly kid?: string
  /** `iss` and the metadata's issuer, the server's own URL unless given; a path is fine. */
  readonly issuer?: string
  /** Laid over the default claims of every token. */
  readonly defaults?: Members
}

/** Metadata to serve: an object as JSON, a text as it is, a number as the status. */
export type Metadata = Members | string | number

/** An issuer whose key signs whatever a test wants; it has no token endpoint. */
export interface Issuer {
  readonly issuer: string
  readonly jwksUri: string
  /** The key that signs now; `rotate` changes it. */
  readonly key: SigningKey
  readonly kid: string
  readonly jwk: JWK
  readonly privateKey: CryptoKey
  readonly privateJwk: JWK
  /** Fetches of the key set, in order. */
  readonly requests: readonly RecordedRequest[]
  /** Fetches of metadata, in order. */
  readonly discoveries: readonly RecordedRequest[]
  /** The claims of a good RFC 9068 token that lives five minutes. */
  claims(overrides?: Members): Members
  /** Signs those claims; by another key where a test needs a foreign one. */
  mint(claims?: Members, header?: Members, options?: MintOptions): Promise<string>
  /** Signs exactly this header and payload; bytes for a key mean HMAC-SHA-256. */
  mintRaw(header: Part, payload: Part, key?: SigningKey | Uint8Array): Promise<string>
  /** A compact JWS with this third part, empty unless given. */
  unsigned(header: Part, payload: Part, signature?: string): string
  /** Serves these keys (anything may stand among them). */
  setKeys(keys: readonly unknown[]): void
  /** Serves this text as the key set. */
  setDocument(text: string): void
  /** Headers of the key set. An `etag` makes a matching If-None-Match a 304. */
  setHeaders(headers: OutgoingHttpHeaders): void
  /** Misbehaves in this way until called without an argument; only `down` needs to be awaited. */
  fail(failure?: Failure): Promise<void>
  /** Changes what the well-known documents say; 404 for `openid` unless set. */
  setMetadata(metadata: { readonly oauth?: Metadata; readonly openid?: Metadata }): void
  /** Signs with a new key from now on; the old one stays published unless `keep` is false. */
  rotate(options?: { readonly keep?: boolean }): Promise<SigningKey>
  /** As it was at first: its first key, no fault, and no fetch so far. */
  anew(): Promise<void>
  close(): Promise<void>
}

/** How a token is signed. */
export interface MintOptions {
  readonly key?: SigningKey
}

/** Starts an issuer on a loopback port. */
export async function createIssuer(options: IssuerOptions = {}): Promise<Issuer> {
  const server = await startOrigin()
  const issuer = options.issuer ?? server.url
  const jwksUri = `${server.url}/jwks`
  const first = await createKey(options.alg, options.kid)
  let key = first
  let keys: readonly unknown[] = [first.jwk]
  let document: string | undefined
  let headers: OutgoingHttpHeaders = {}
  let fault: Fault | undefined
  const METADATA: { readonly oauth: Metadata; readonly openid: Metadata } = {
    oauth: {
      issuer,
      jwks_uri: jwksUri,
      authorization_endpoint: `${server.url}/authorize`,
      token_endpoint: `${server.url}/token`,
      response_types_supported: ['code'],
    },
    openid: 404,
  }
  let metadata = METADATA

  const asked = () => server.requests.filter(({ url }) => url.startsWith('/jwks'))
  const published = () => ({
    issuer,
    jwksUri,
    document: document ?? JSON.stringify({ keys }),
    privateJwk: key.privateJwk,
    asked: asked().length,
  })
  const giveKeys = (req: IncomingMessage, res: ServerResponse) => {
    if (fault && 'keys' in fault) return fault.keys(res, published())
    if (headers.etag !== undefined && req.headers['if-none-match'] === headers.etag) {
      return res.writeHead(304, headers).end()
    }
    res.writeHead(200, { 'content-type': 'application/jwk-set+json', ...headers })
    return res.end(published().document)
  }
  const path = new URL(issuer).pathname.replace(/\/$/, '')
  const wellKnown = {
    // RFC 8414 §3.1 puts the issuer's path behind the suffix, OpenID Discovery §4 before it.
    oauth: [`/.well-known/oauth-authorization-server${path}`],
    openid: [
      `/.well-known/openid-configuration${path}`,
      `${path}/.well-known/openid-configuration`,
    ],
  } as const
  const serve = () => {
    server.on('/jwks', giveKeys)
    for (const kind of ['oauth', 'openid'] as const) {
      for (const at of wellKnown[kind]) {
        server.on(at, (_req, res) =>
          fault && 'metadata' in fault
            ? fault.metadata(res, published())
            : answer(res, metadata[kind]),
        )
      }
    }
    server.on('*', (_req, res) => answer(res, 404))
  }
  serve()

  const claims = (overrides: Members = {}): Members => {
    const now = Math.floor(Date.now() / 1000)
    const given: Members = { ...options.defaults, ...overrides }
    const iat = given.iat ?? now
    return {
      iss: issuer,
      sub: 'agent-1',
      client_id: 'agent-1',
      aud: 'https://api.example.com',
      iat,
      exp: typeof iat === 'number' ? iat + 300 : now + 300,
      jti: randomUUID(),
      scope: 'chat:write',
      ...given,
    }
  }
  return {
    issuer,
    jwksUri,
    get key() {
      return key
    },
    get kid() {
      return key.kid
    },
    get jwk() {
      return key.jwk
    },
    get privateKey() {
      return key.privateKey
    },
    get privateJwk() {
      return key.privateJwk
    },
    get requests() {
      return asked()
    },
    get discoveries() {
      return server.requests.filter(({ url }) => url.includes('/.well-known/'))
    },
    claims,
    mint: (overrides, header, { key: by = key } = {}) =>
      sign({ typ: 'at+jwt', kid: by.kid, ...header }, claims(overrides), by),
    mintRaw: (header, payload, by = key) => signRaw(header, payload, by),
    unsigned,
    setKeys(next) {
      keys = next
      document = undefined
    },
    setDocument(text) {
      document = text
    },
    setHeaders(next) {
      headers = next
    },
    fail(next) {
      fault = next === undefined ? undefined : faultOf(next)
      return server.accept(!(fault && 'connections' in fault))
    },
    setMetadata: (next) => {
      metadata = { ...metadata, ...next }
    },
    async rotate({ keep = true } = {}) {
      key = await createKey(key.alg)
      keys = keep ? [...keys, key.jwk] : [key.jwk]
      document = undefined
      return key
    },
    async anew() {
      key = first
      keys = [first.jwk]
      document = undefined
      headers = {}
      fault = undefined
      metadata = METADATA
      await server.anew()
      serve()
    },
    close: server.close,
  }
}

function answer(res: ServerResponse, content: Metadata): void {
  if (typeof content === 'number') {
    res.writeHead(content).end()
    return
  }
  res.writeHead(200, { 'content-type': 'application/json' })
  res.end(typeof content === 'string' ? content : JSON.stringify(content))
}
