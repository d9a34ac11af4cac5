import type { ServerResponse } from 'node:http'
import type { JWK } from 'jose'
import { ISSUER_TOKENS, type IssuerTokens, mintLike } from './issuer-tokens.ts'
import { startOrigin } from './origin.ts'
import { type Algorithm, createKey, type Members, type SigningKey, sign } from './signing.ts'

/** A platform that signs for its workloads, on a loopback port: its documents are as the real one serves them. */
export interface WorkloadIssuer {
  readonly profile: string
  /** What `iss` says; of SPIFFE the trust domain. */
  readonly issuer: string
  /** The issuer's table for a policy, with what pins an owner. */
  readonly entry: Members
  readonly key: SigningKey
  /** The vectors that it mints: the documented shapes. */
  readonly tokens: IssuerTokens['tokens']
  /** A token of the shape of a vector, the first unless named, issued now by this issuer. */
  mint(changes?: Members, name?: string): Promise<string>
  /** Signs any claims with its key. */
  sign(claims: Members, header?: Members, key?: SigningKey): Promise<string>
  /** Serves these keys as well. */
  publish(...more: readonly JWK[]): void
  /** Where a job of GitHub asks for its token, and the bearer token for that. */
  readonly request: { readonly url: string; readonly token: string }
  close(): Promise<void>
}

interface Platform {
  readonly alg: Algorithm
  /** The path of `iss`. */
  readonly path: string
  readonly keys: string
  /** Content-Type of the keys. */
  readonly type?: string
  /** What the metadata says besides, by the server's URL. */
  readonly metadata: (url: string) => Members
  readonly claims?: Members
}

const JSON_TYPE = 'application/json'

const ID_TOKENS = {
  response_types_supported: ['id_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256'],
}

const PLATFORMS: Readonly<Record<string, Platform>> = {
  'github-actions': {
    alg: 'RS256',
    path: '',
    keys: '/.well-known/jwks',
    metadata: () => ({
      ...ID_TOKENS,
      subject_types_supported: ['public', 'pairwise'],
      claims_supported: ['sub', 'aud', 'exp', 'iat', 'iss', 'jti', 'repository_owner_id'],
      scopes_supported: ['openid'],
    }),
    claims: { repository_owner_id: '65' },
  },
  gitlab: {
    alg: 'RS256',
    path: '',
    keys: '/oauth/discovery/keys',
    metadata: (url) => ({
      ...ID_TOKENS,
      response_types_supported: ['code'],
      authorization_endpoint: `${url}/oauth/authorize`,
      token_endpoint: `${url}/oauth/token`,
      scopes_supported: ['openid', 'profile', 'email'],
    }),
    claims: { namespace_id: '72' },
  },
  kubernetes: {
    alg: 'RS256',
    path: '/id/EXAMPLED539D4633E53DE1B716D3041E',
    keys: '/id/EXAMPLED539D4633E53DE1B716D3041E/keys',
    type: 'application/jwk-set+json',
    metadata: () => ID_TOKENS,
    claims: { '/kubernetes.io/namespace': 'agents' },
  },
  gcp: {
    alg: 'RS256',
    path: '',
    keys: '/oauth2/v3/certs',
    metadata: (url) => ({
      ...ID_TOKENS,
      authorization_endpoint: `${url}/o/oauth2/v2/auth`,
      token_endpoint: `${url}/token`,
    }),
    claims: { sub: ['104029292853099978293'] },
  },
  aws: {
    alg: 'RS256',
    path: '',
    keys: '/.well-known/jwks.json',
    metadata: () => ({
      ...ID_TOKENS,
      id_token_signing_alg_values_supported: ['RS256', 'ES384'],
    }),
  },
  'azure-workload': {
    alg: 'RS256',
    path: '/cccc1111-2222-3333-4444-555566667777/v2.0',
    keys: '/cccc1111-2222-3333-4444-555566667777/discovery/v2.0/keys',
    metadata: (url) => ({
      ...ID_TOKENS,
      token_endpoint: `${url}/cccc1111-2222-3333-4444-555566667777/oauth2/v2.0/token`,
      cloud_instance_name: 'microsoftonline.com',
    }),
  },
  spiffe: { alg: 'RS256', path: '', keys: '/', metadata: () => ({}) },
}

/** The profiles that have such an issuer. */
export const WORKLOAD_PROFILES = Object.keys(PLATFORMS)

/** Starts the issuer of a profile; of SPIFFE the bundle endpoint of a trust domain, `spiffe://prod.example.org` unless given. */
export async function startWorkloadIssuer(
  profile: string,
  trustDomain?: string,
): Promise<WorkloadIssuer> {
  const platform = PLATFORMS[profile]
  const vectors = ISSUER_TOKENS.find(({ name }) => name === profile)
  if (!platform || !vectors) throw new Error(`no such platform: ${profile}`)
  const server = await startOrigin()
  const isSpiffe = profile === 'spiffe'
  const issuer = isSpiffe ? (trustDomain ?? vectors.issuer) : server.url + platform.path
  const key = await createKey(platform.alg, `${profile}-1`)
  const keys: JWK[] = [{ ...key.jwk, use: isSpiffe ? 'jwt-svid' : 'sig' }]
  const request = { url: `${server.url}/token?api-version=2.0`, token: 'request-token' }
  const bundle = isSpiffe && { spiffe_sequence: 12, spiffe_refresh_hint: 300 }
  server.on(platform.keys, (_req, res) => answer(res, { keys, ...bundle }, platform.type))
  if (!isSpiffe) {
    server.on(`${platform.path}/.well-known/openid-configuration`, (_req, res) =>
      answer(res, {
        issuer,
        jwks_uri: server.url + platform.keys,
        ...platform.metadata(server.url),
      }),
    )
  }
  const mint = (changes: Members = {}, name = vectors.tokens[0]?.name) => {
    const token = vectors.tokens.find((one) => one.name === name)
    if (!token) throw new Error(`no such token of ${profile}: ${name}`)
    const ours = token.payload.iss === vectors.issuer && { iss: issuer }
    return mintLike(token, key, Math.floor(Date.now() / 1000), { ...ours, ...changes })
  }
  server.on('/token', async (req, res) => {
    if (req.headers.authorization !== `Bearer ${request.token}`)
      return answer(res, {}, undefined, 401)
    const asked = new URL(req.url ?? '', server.url).searchParams.get('audience')
    const value = await mint({ aud: asked ?? 'https://github.com/octo-org' })
    return answer(res, { count: value.length, value })
  })
  server.on('*', (_req, res) => answer(res, {}, undefined, 404))
  return {
    profile,
    issuer,
    entry: {
      issuer,
      profile,
      agent_prefix: `${profile}/`,
      allow_insecure_http: true,
      ...(vectors.audiences && { audiences: vectors.audiences }),
      ...(isSpiffe && { jwks_uri: `${server.url}${platform.keys}` }),
      ...(platform.claims && { claims: platform.claims }),
    },
    key,
    tokens: vectors.tokens,
    mint,
    sign: (claims, header = {}, by = key) =>
      sign({ typ: 'JWT', kid: by.kid, ...header }, claims, by),
    publish: (...more) => {
      keys.push(...more)
    },
    request,
    close: server.close,
  }
}

const answer = (res: ServerResponse, body: object, type = JSON_TYPE, status = 200): void => {
  res.writeHead(status, { 'content-type': type })
  res.end(JSON.stringify(body))
}
