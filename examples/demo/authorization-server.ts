import { createServer } from 'node:http'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { errors, Provider, type ResourceServer } from 'oidc-provider'
import { listenOnLoopback } from './loopback.ts'
import { ACCESS_TOKEN, addTokenExchange, TOKEN_EXCHANGE } from './token-exchange.ts'

const ALGORITHM = 'ES256'
const TOKEN_LIFETIME = 300
const TOKEN_TIMEOUT = 5000

/**
 * An agent that may ask for tokens by the client credentials grant (RFC 6749 §4.4), and exchange its own
 * for one of another agent (RFC 8693).
 */
export interface DemoClient {
  readonly clientId: string
  readonly clientSecret: string
  readonly scopes: readonly string[]
  /** Value of the `agent_type` claim; without it the token has none. */
  readonly agentType?: string
  /** Value of the `workflow_id` claim; without it the token has none. */
  readonly workflowId?: string
  /** Lifetime of this client's tokens in seconds, 300 by default. */
  readonly tokenLifetime?: number
}

/** Where to listen, the resources that tokens are for, one at a time (RFC 8707), and who may ask. */
export interface AuthorizationServerOptions {
  readonly port?: number
  /** What is meant where a request names none, and the only one that tokens are exchanged for. */
  readonly resource: string
  readonly furtherResources?: readonly string[]
  readonly clients: readonly DemoClient[]
}

/** What an agent sends to the token endpoint; without `resource` the server's own is meant. */
export interface TokenRequest {
  readonly clientId: string
  readonly clientSecret: string
  /** Scopes, separated by single spaces. */
  readonly scope: string
  readonly resource?: string
  /** A DPoP proof for the token endpoint: the token is then bound to its key (RFC 9449 §5). */
  readonly proof?: string
}

/** What an agent sends to have its token exchanged for one by which another agent acts. */
export interface ExchangeRequest extends TokenRequest {
  readonly subjectToken: string
  readonly actorToken: string
}

/** A running authorization server; `issuer` has no trailing slash. */
export interface AuthorizationServer {
  readonly issuer: string
  readonly jwksUri: string
  readonly tokenEndpoint: string
  /**
   * Asks for an access token over HTTP, as an agent would. Does not look into the token. A refusal
   * is an error whose `code` is the OAuth error code (RFC 6749 §5.2), `invalid_response` if the
   * answer is no OAuth answer.
   */
  readonly token: (request: TokenRequest) => Promise<string>
  /** Exchanges a token over HTTP (RFC 8693 §2.1); refusals are as those of `token`. */
  readonly exchange: (request: ExchangeRequest) => Promise<string>
  /** Stops listening and ends every connection, so that the process can exit. */
  readonly close: () => Promise<void>
}

/**
 * Starts oidc-provider on 127.0.0.1 with a signing key of its own. It issues JWT access tokens
 * (RFC 9068, ES256) and nothing else, to clients and in exchange for tokens of its own; keys and tokens end with the process.
 */
export async function startAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const key = await signingKey()
  const server = createServer()
  // The issuer holds the port, so the port comes first.
  const { url: issuer, close } = await listenOnLoopback(server, options.port ?? 0)
  try {
    const provider = createProvider(issuer, key, options)
    server.on('request', provider.callback())
    // Clients are only validated when they are first looked up; a mistake should show now.
    await Promise.all(options.clients.map(({ clientId }) => provider.Client.find(clientId)))
    const tokenEndpoint = provider.urlFor('token')
    return {
      issuer,
      jwksUri: provider.urlFor('jwks'),
      tokenEndpoint,
      token: (request) =>
        requestToken(tokenEndpoint, request, { grant_type: 'client_credentials' }),
      exchange: ({ subjectToken, actorToken, ...request }) =>
        requestToken(tokenEndpoint, request, {
          grant_type: TOKEN_EXCHANGE,
          subject_token: subjectToken,
          subject_token_type: ACCESS_TOKEN,
          actor_token: actorToken,
          actor_token_type: ACCESS_TOKEN,
        }),
      close,
    }
  } catch (cause) {
    await close()
    throw cause
  }
}

async function signingKey() {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { ...jwk, alg: ALGORITHM, use: 'sig', kid: await calculateJwkThumbprint(jwk) }
}

function createProvider(
  issuer: string,
  key: Awaited<ReturnType<typeof signingKey>>,
  { resource, furtherResources = [], clients }: AuthorizationServerOptions,
): Provider {
  const resources = new Set([resource, ...furtherResources])
  const byId = new Map(clients.map((client) => [client.clientId, client]))
  const claimsOf = (clientId: string) => {
    const { agentType, workflowId } = byId.get(clientId) ?? {}
    return {
      ...(agentType !== undefined && { agent_type: agentType }),
      ...(workflowId !== undefined && { workflow_id: workflowId }),
    }
  }
  const infoOf = (
    scope: string,
    lifetime = TOKEN_LIFETIME,
    audience = resource,
  ): ResourceServer => ({
    audience,
    scope,
    accessTokenTTL: lifetime,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: ALGORITHM } },
  })
  const provider = new Provider(issuer, {
    // JWT access tokens are not stored: all that is ever looked up is a client nobody registered.
    // Proofs that were used are looked up, and not found: this server is for one walk.
    adapter: () => ({ find: async () => undefined, upsert: async () => undefined }),
    jwks: { keys: [key] },
    scopes: [...new Set(clients.flatMap((client) => client.scopes))],
    clients: clients.map((client) => ({
      client_id: client.clientId,
      client_secret: client.clientSecret,
      grant_types: ['client_credentials', TOKEN_EXCHANGE],
      response_types: [],
      redirect_uris: [],
      scope: client.scopes.join(' '),
    })),
    // The default is RS256, for which there is no key here.
    clientDefaults: { id_token_signed_response_alg: ALGORITHM },
    enabledJWA: { idTokenSigningAlgValues: [ALGORITHM] },
    ttl: {
      AccessToken: TOKEN_LIFETIME,
      ClientCredentials: (_context, token) =>
        token.resourceServer?.accessTokenTTL ?? TOKEN_LIFETIME,
    },
    clientBasedCORS: () => false,
    renderError: async (context, answer) => {
      context.body = answer
    },
    extraTokenClaims: async (context, token) => exchanged(context) ?? claimsOf(token.clientId),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => resource,
        getResourceServerInfo: async (context, indicator, { clientId }) => {
          if (!resources.has(indicator)) throw new errors.InvalidTarget()
          const client = byId.get(clientId)
          const scopes = new Set(client?.scopes)
          // Left alone, the provider drops a scope it does not know and issues the token.
          for (const scope of context.oidc.requestParamScopes) {
            if (!scopes.has(scope)) throw new errors.InvalidScope('scope is not allowed', scope)
          }
          return infoOf([...scopes].join(' '), client?.tokenLifetime, indicator)
        },
      },
    },
  })
  const { kty, crv, x, y, kid } = key
  const exchanged = addTokenExchange(provider, {
    resource,
    keys: { keys: [{ kty, crv, x, y, kid, alg: ALGORITHM } as JWK] },
    resourceServer: infoOf,
    claimsOf: (clientId) => {
      const { workflow_id: _, ...claims } = claimsOf(clientId)
      return claims
    },
  })
  // A caller that hangs up halfway is otherwise printed with its stack.
  provider.silent = true
  return provider
}

async function requestToken(
  endpoint: string,
  request: TokenRequest,
  grant: Readonly<Record<string, string>>,
): Promise<string> {
  const form = new URLSearchParams({ ...grant, scope: request.scope })
  if (request.resource !== undefined) form.set('resource', request.resource)
  // RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
  const [id, secret] = [request.clientId, request.clientSecret].map(encodeURIComponent)
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
      ...(request.proof !== undefined && { dpop: request.proof }),
    },
    body: form,
    redirect: 'error',
    signal: AbortSignal.timeout(TOKEN_TIMEOUT),
  })
  const answer = (await response.json().catch(() => undefined)) as
    | { readonly access_token?: unknown; readonly error?: unknown }
    | undefined
  if (response.ok && typeof answer?.access_token === 'string') return answer.access_token
  const code = typeof answer?.error === 'string' ? answer.error : 'invalid_response'
  throw Object.assign(new Error(`no token: ${code}`), { code })
}
