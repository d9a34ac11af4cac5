import { startOrigin } from './origin.ts'
import type { RecordedRequest } from './recorded.ts'
import { createKey, type Members, type SigningKey, signRaw } from './signing.ts'

/** A team of Cloudflare Access: its signing keys, its assertions, and what it says of who has logged in. */
export interface AccessTeam {
  readonly url: string
  /** The AUD tag of the application. */
  readonly aud: string
  readonly key: SigningKey
  /** A second key of the team, which Access does not have. */
  readonly elliptic: SigningKey
  /** An assertion for a person, as an application of the team gets it; `undefined` leaves a claim out. */
  assertion(claims?: Members, header?: Members, key?: SigningKey | Uint8Array): Promise<string>
  /** What `get-identity` says, laid over a login of maria now, with this status. `cut`: the connection ends. */
  says(identity?: Members, status?: number | 'cut'): void
  /** Requests for an identity, since it was last said. */
  asked(): readonly RecordedRequest[]
  close(): Promise<void>
}

/** Seconds since the epoch. */
const now = () => Math.floor(Date.now() / 1000)

/** Starts a team on a loopback port. */
export async function startAccessTeam(): Promise<AccessTeam> {
  const [server, key, elliptic] = await Promise.all([
    startOrigin(),
    createKey('RS256', 'access-key'),
    createKey('ES256', 'elliptic-key'),
  ])
  const aud = '4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2'
  const IDENTITY = '/cdn-cgi/access/get-identity'
  let from = 0
  const json = (path: string, body: Members, status = 200) =>
    server.on(path, (_req, res) =>
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
    )
  json('/cdn-cgi/access/certs', { keys: [key.jwk, elliptic.jwk], public_certs: [] })
  return {
    ...{ url: server.url, aud, key, elliptic },
    assertion: (claims = {}, header = {}, signer = key) =>
      signRaw(
        { alg: 'RS256', kid: key.kid, typ: 'JWT', ...header },
        {
          ...{ iss: server.url, aud: [aud], sub: 'maria', email: 'maria@acme.example' },
          ...{ type: 'app', identity_nonce: 'a-nonce', country: 'PT' },
          ...{ iat: now(), nbf: now(), exp: now() + 3_600, ...claims },
        },
        signer,
      ),
    says(identity = {}, status = 200) {
      from = server.requests.length
      const body = {
        ...{ user_uuid: 'maria', email: 'maria@acme.example', iat: now() },
        ...{ service_token_id: '', service_token_status: false, ...identity },
      }
      if (status === 'cut') server.on(IDENTITY, (_req, res) => res.destroy())
      else json(IDENTITY, body, status)
    },
    asked: () => server.requests.slice(from).filter(({ url }) => url.startsWith(IDENTITY)),
    close: () => server.close(),
  }
}
