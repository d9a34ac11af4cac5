import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'
import { type Loopback, listenOnLoopback } from '../../../examples/demo/loopback.ts'

/** What the server knows. */
export interface InteractiveOptions {
  readonly resources: readonly string[]
  readonly scopes: readonly string[]
  /** The address that codes are sent to. */
  readonly redirectUri: string
  /** Whether clients get refresh tokens. Each is good for once: used again, it revokes the grant. */
  readonly refreshing?: boolean
  /** Seconds that access tokens live, by the id of each client; without it there is {@link CLIENT_ID}. */
  readonly lifetimes?: Readonly<Record<string, number>>
  /** Milliseconds that a token takes to come, as over a network. */
  readonly tokenMs?: number
  /** Those to whom the server grants no scope of a resource. */
  readonly scopeless?: readonly string[]
}

/** A running server. */
export interface InteractiveServer extends Loopback {
  /** Why it refused a client tokens, each time. */
  refusals(clientId: string): readonly string[]
}

/** The client that is registered, a public one. */
export const CLIENT_ID = 'desktop'

/** Where clients that listen themselves are sent: on any port (RFC 8252 §7.3). */
const LOCAL_REDIRECT = 'http://localhost/oauth/callback'

interface Client {
  readonly clientId: string
}

/** The part of the provider that the declarations of the demo leave out. */
interface Interacting {
  readonly callback: () => RequestListener
  readonly interactionDetails: (
    req: IncomingMessage,
    res: ServerResponse,
  ) => Promise<{
    readonly prompt: { readonly name: string }
    readonly params: {
      readonly client_id: string
      readonly resource: string
      readonly scope: string
    }
  }>
  readonly interactionFinished: (
    req: IncomingMessage,
    res: ServerResponse,
    result: object,
  ) => Promise<void>
  readonly Grant: new (about: {
    accountId: string
    clientId: string
  }) => {
    addOIDCScope(scope: string): void
    addResourceScope(resource: string, scope: string): void
    rejectResourceScope(resource: string, scope: string): void
    save(): Promise<string>
  }
  on(event: 'grant.error', listener: (context: Asking, error: Told) => void): void
}

interface Issued {
  readonly resourceServer?: { readonly accessTokenTTL: number }
}

interface Asking {
  readonly oidc: { readonly client?: Client }
}

interface Told {
  readonly message: string
  readonly error_detail?: string
}

const ALGORITHM = 'ES256'
const LIFETIME = 300
const ACCOUNT = 'ada'

/** A header of a browser that says who its person is; without it there is one user. */
export const ACCOUNT_HEADER = 'x-account'

/**
 * Starts an authorization server for people on 127.0.0.1: oidc-provider with the code flow and dynamic registration,
 * whose users consent to everything. It holds clients to the scopes of their registration.
 */
export async function startInteractiveServer({
  resources,
  scopes,
  redirectUri,
  refreshing = false,
  lifetimes = { [CLIENT_ID]: LIFETIME },
  tokenMs = 0,
  scopeless = [],
}: InteractiveOptions): Promise<InteractiveServer> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true })
  const key = { ...(await exportJWK(privateKey)), alg: ALGORITHM, use: 'sig', kid: 'a' }
  const server = createServer()
  const loopback = await listenOnLoopback(server, 0)
  const infoOf = (audience: string, clientId: string) => ({
    audience,
    scope: scopes.join(' '),
    accessTokenTTL: lifetimes[clientId] ?? LIFETIME,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: ALGORITHM } },
  })
  const configuration = {
    adapter: inMemory(),
    jwks: { keys: [key] },
    scopes,
    clients: Object.keys(lifetimes).map((id) => ({
      client_id: id,
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      redirect_uris: [redirectUri, LOCAL_REDIRECT],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    })),
    clientDefaults: { id_token_signed_response_alg: ALGORITHM },
    enabledJWA: { idTokenSigningAlgValues: [ALGORITHM] },
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id }),
    }),
    issueRefreshToken: () => refreshing,
    rotateRefreshToken: true,
    interactions: { url: () => '/consent' },
    cookies: { keys: ['kit'] },
    ttl: {
      AccessToken: (_context: unknown, token: Issued) => token.resourceServer?.accessTokenTTL,
      ...{ Interaction: 300, Session: 300, Grant: 300, RefreshToken: 300, IdToken: 300 },
    },
    features: {
      registration: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resources[0],
        getResourceServerInfo: (_context: unknown, resource: string, client: Client) =>
          infoOf(resource, client.clientId),
        useGrantedResource: () => true,
      },
    },
  }
  const provider = new (
    Provider as unknown as new (
      issuer: string,
      configuration: object,
    ) => Interacting & { silent: boolean }
  )(loopback.url, configuration)
  provider.silent = true
  const refused: { readonly clientId: string | undefined; readonly why: string }[] = []
  provider.on('grant.error', ({ oidc }, { message, error_detail }) => {
    refused.push({ clientId: oidc.client?.clientId, why: error_detail ?? message })
  })
  const consent = async (req: IncomingMessage, res: ServerResponse) => {
    const { prompt, params } = await provider.interactionDetails(req, res)
    const accountId = String(req.headers[ACCOUNT_HEADER] ?? ACCOUNT)
    if (prompt.name === 'login') {
      return provider.interactionFinished(req, res, { login: { accountId } })
    }
    const grant = new provider.Grant({ accountId, clientId: params.client_id })
    grant.addOIDCScope(params.scope)
    const isScopeless = scopeless.includes(accountId)
    grant[isScopeless ? 'rejectResourceScope' : 'addResourceScope'](params.resource, params.scope)
    return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } })
  }
  const callback = provider.callback()
  server.on('request', async (req, res) => {
    if (req.url === '/token' && tokenMs > 0) await wait(tokenMs)
    if (!req.url?.startsWith('/consent')) return callback(req, res)
    consent(req, res).catch((error: unknown) => res.writeHead(500).end(String(error)))
  })
  return {
    ...loopback,
    refusals: (id) => refused.filter(({ clientId }) => clientId === id).map(({ why }) => why),
  }
}

/** What the provider stores, by model and id. */
const inMemory = () => {
  const stored = new Map<string, Record<string, unknown>>()
  return (model: string) => ({
    upsert: async (id: string, payload: Record<string, unknown>) => {
      stored.set(`${model} ${id}`, payload)
    },
    find: async (id: string) => stored.get(`${model} ${id}`),
    findByUid: async (uid: string) => [...stored.values()].find((one) => one.uid === uid),
    destroy: async (id: string) => {
      stored.delete(`${model} ${id}`)
    },
    consume: async (id: string) => {
      Object.assign(stored.get(`${model} ${id}`) ?? {}, { consumed: Date.now() / 1000 })
    },
    revokeByGrantId: async (grantId: string) => {
      for (const [key, one] of stored) if (one.grantId === grantId) stored.delete(key)
    },
  })
}

/** Follows an authorization request as a browser does, and gives the code that the client is sent. */
export async function authorize(url: URL, redirectUri: string): Promise<URLSearchParams> {
  const cookies = new Map<string, string>()
  let at = url
  for (let hops = 0; hops < 10; hops++) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(at, { redirect: 'manual', headers: { cookie } })
    for (const one of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(one) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location === null) throw new Error(`${response.status} at ${at}: ${await response.text()}`)
    at = new URL(location, at)
    if (at.href.startsWith(redirectUri)) return at.searchParams
  }
  throw new Error(`no code, but redirected to ${at}`)
}
