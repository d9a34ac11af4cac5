import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { JWK } from 'jose'

/** What an issuer would say, were nothing wrong with it. */
export interface Published {
  readonly issuer: string
  readonly jwksUri: string
  /** The key set as it stands. */
  readonly document: string
  /** The private half of the key that signs. */
  readonly privateJwk: JWK
  /** How often the key set has been asked for, this time included. */
  readonly asked: number
}

type Answer = (res: ServerResponse, published: Published) => unknown

/** What goes wrong: with the key set, with the metadata, or with every connection. */
export type Fault =
  | { readonly keys: Answer }
  | { readonly metadata: Answer }
  | { readonly connections: 'refused' }

const JWK_SET = { 'content-type': 'application/jwk-set+json' }
const SIZE = 10 * 1024 * 1024

const say =
  (text: (published: Published) => string, headers: OutgoingHttpHeaders = JWK_SET): Answer =>
  (res, published) =>
    res.writeHead(200, headers).end(text(published))

const metadata = (changes: (published: Published) => object): Answer =>
  say(
    (published) => {
      const { issuer, jwksUri: jwks_uri } = published
      return JSON.stringify({ issuer, jwks_uri, ...changes(published) })
    },
    { 'content-type': 'application/json' },
  )

/** The ways of an issuer to misbehave, by name. */
export const FAULTS = {
  /** Nobody listens. */
  down: { connections: 'refused' },
  /** The connection is dropped before an answer. */
  destroy: { keys: (res) => res.req.socket.destroy() },
  /** There is never an answer. */
  hang: { keys: () => undefined },
  /** The whole answer comes after half a minute. */
  slow: {
    keys(res, { document }) {
      const timer = setTimeout(() => res.writeHead(200, JWK_SET).end(document), 30_000)
      res.once('close', () => clearTimeout(timer))
    },
  },
  /** The answer begins at once and goes on by one byte each tenth of a second. */
  dribble: {
    keys(res, { document }) {
      let sent = 0
      res.writeHead(200, JWK_SET)
      const timer = setInterval(() => {
        res.write(document.charAt(sent++))
        if (sent >= document.length) res.end()
      }, 100)
      res.once('close', () => clearInterval(timer))
    },
  },
  error: { keys: (res) => res.writeHead(500).end('{"keys":[]}') },
  /** Every second question fails, beginning with the next one or the one after. */
  flapping: {
    keys: (res, { asked, document }) =>
      asked % 2 === 0 ? res.writeHead(503).end() : res.writeHead(200, JWK_SET).end(document),
  },
  /** A redirect to another origin, which does serve the set. */
  elsewhere: {
    keys(res, { jwksUri, document }) {
      const { host } = new URL(jwksUri.replace('127.0.0.1', 'localhost'))
      if (res.req.headers.host === host) res.writeHead(200, JWK_SET).end(document)
      else res.writeHead(302, { location: `http://${host}/jwks` }).end()
    },
  },
  /** A redirect to itself. */
  loop: { keys: (res, { jwksUri }) => res.writeHead(307, { location: jwksUri }).end() },
  /** The set as a page, which is how whatever stands before a server answers in its place. */
  page: { keys: say(({ document }) => document, { 'content-type': 'text/html; charset=utf-8' }) },
  /** Content-Length promises more than comes before the connection ends. */
  truncated: {
    keys(res, { document }) {
      res.writeHead(200, { ...JWK_SET, 'content-length': document.length + 100 })
      res.write(document, () => res.destroy())
    },
  },
  /** Ten megabytes of whitespace before the set's last brace. */
  huge: { keys: say(({ document }) => `${document.slice(0, -1)}${' '.repeat(SIZE)}}`) },
  /** Half of the set's JSON, as whole as HTTP can tell. */
  broken: { keys: say(({ document }) => document.slice(0, document.length / 2)) },
  /** An object that is no set. */
  keyless: { keys: say(() => '{}') },
  /** A set without a key. */
  empty: { keys: say(() => '{"keys":[]}') },
  /** The signing key's private half stands before the set's own keys, under another name. */
  private: {
    keys: say(({ document, privateJwk }) => {
      const { keys } = JSON.parse(document)
      return JSON.stringify({ keys: [{ ...privateJwk, kid: 'private' }, ...keys] })
    }),
  },
  /** Metadata of another issuer. */
  stranger: { metadata: metadata(({ issuer }) => ({ issuer: `${issuer}/` })) },
  /** Metadata that names a host without an address. */
  nowhere: { metadata: metadata(() => ({ jwks_uri: 'https://nowhere.invalid/jwks' })) },
} as const satisfies Readonly<Record<string, Fault>>

/** A way to misbehave that has a name. */
export type FaultName = keyof typeof FAULTS

/** What an issuer does instead of what it should: a named fault, or the key set as a status. */
export type Failure = FaultName | number

/** The fault behind a name or status. */
export const faultOf = (failure: Failure): Fault =>
  typeof failure === 'number' ? { keys: (res) => res.writeHead(failure).end() } : FAULTS[failure]
