import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'
import { listenOnLoopback } from '../../../examples/demo/loopback.ts'

/** A change to the metadata; `undefined` for status 404. */
export type Edit = (metadata: Record<string, unknown>) => Record<string, unknown> | undefined

/** oidc-provider as an authorization server for people's MCP clients: they register, log in, and use PKCE. */
export interface LoginServer {
  readonly issuer: string
  /** Clients that have registered. */
  readonly registered: () => number
  /** Serves other metadata from now on, without headers for other origins if `isHidden`. */
  fail(edit?: Edit, isHidden?: boolean): void
  close(): Promise<void>
}

const ALG = 'ES256'
const WORKER = { client_id: 'worker', client_secret: 'worker-secret' }

interface Answering {
  readonly path: string
  readonly method: string
  body: unknown
  status: number
  remove(name: string): void
}

/** Starts it for any resource. */
export async function startLoginServer(scopes: readonly string[]): Promise<LoginServer> {
  const { privateKey } = await generateKeyPair(ALG, { extractable: true })
  const key = { ...(await exportJWK(privateKey)), alg: ALG, use: 'sig', kid: 'login' }
  const server = createServer()
  const { url: issuer, close } = await listenOnLoopback(server, 0)
  let edit: Edit = (metadata) => metadata
  let hidden = false
  let registered = 0
  const configuration = {
    jwks: { keys: [key] },
    scopes: ['offline_access', ...scopes],
    clients: [
      {
        ...WORKER,
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        scope: scopes.join(' '),
      },
    ],
    clientAuthMethods: ['client_secret_basic', 'none'],
    clientDefaults: { id_token_signed_response_alg: ALG },
    enabledJWA: { idTokenSigningAlgValues: [ALG] },
    responseTypes: ['code'],
    clientBasedCORS: () => true,
    ttl: { ClientCredentials: 300 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, audience: string) => ({
          audience,
          scope: scopes.join(' '),
          accessTokenTTL: 300,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: ALG } },
        }),
      },
    },
  }
  const provider = new Provider(issuer, configuration as never)
  provider.silent = true
  const koa = provider as unknown as {
    use(middleware: (context: Answering, next: () => Promise<void>) => Promise<void>): void
  }
  koa.use(async (context, next) => {
    await next()
    if (context.path === '/reg' && context.status === 201) registered += 1
    if (!context.path.startsWith('/.well-known/')) return
    const metadata = edit({ ...(context.body as object) })
    context.body = metadata ?? {}
    context.status = metadata ? 200 : 404
    if (hidden) context.remove('access-control-allow-origin')
  })
  server.on('request', provider.callback())
  return {
    issuer,
    registered: () => registered,
    fail(change = (metadata) => metadata, isHidden = false) {
      edit = change
      hidden = isHidden
    },
    close,
  }
}
