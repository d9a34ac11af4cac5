import {
  Client as ModernClient,
  ClientCredentialsProvider as ModernProvider,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import {
  extractWWWAuthenticateParams,
  type OAuthClientProvider,
} from '@modelcontextprotocol/sdk/client/auth.js'
import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { changes, PATIENCE } from '../wait.ts'

/** Who a client is, and what it asks for as long as nothing else is asked of it. */
export interface Credentials {
  readonly clientId: string
  readonly clientSecret: string
  readonly expectedIssuer: string
  /** Scopes, separated by spaces. */
  readonly scope: string
}

/** An HTTP exchange of a client, whoever it was with. */
export interface Exchange {
  readonly method: string
  readonly url: string
  readonly status: number
  readonly challenge: string | null
}

/** A client that is connected, whichever SDK it is made with. */
export interface Connected {
  /** The revision that was agreed on. */
  readonly revision: string | undefined
  readonly sessionId: string | undefined
  /** All its HTTP exchanges so far. */
  readonly exchanges: readonly Exchange[]
  /** Notifications so far: the method, and the URI if it is about one. */
  readonly heard: readonly string[]
  /** Waits until it has heard this. */
  hears(notification: string): Promise<void>
  /** What it has told of that no call failed by. */
  readonly errors: readonly Error[]
  /** Names in `tools/list`. */
  tools(): Promise<readonly string[]>
  prompts(): Promise<readonly string[]>
  resources(): Promise<readonly string[]>
  templates(): Promise<readonly string[]>
  read(uri: string): Promise<unknown>
  /** Asks to be told of changes of a resource, and with 2026-07-28 of the lists as well. */
  watch(uri: string): Promise<unknown>
  /** Calls a tool and gives its text; rejects with the client's own error. */
  call(
    name: string,
    given?: Readonly<Record<string, unknown>>,
    onprogress?: (progress: { readonly progress: number }) => void,
    signal?: AbortSignal,
  ): Promise<string>
  /** Ends the session at the server, where there is one, and the client. */
  close(): Promise<void>
}

/** Connects to an MCP server, with no token to begin with. */
export type Connect = (url: string, credentials: Credentials) => Promise<Connected>

const SELF = { name: 'kit', version: '1.0.0' }

/**
 * With @modelcontextprotocol/sdk, which offers 2025-11-25 unless told to begin with another. Its provider
 * heeds the scopes of challenges, unless it is to be the SDK's own, or a person's who has signed in.
 */
export const sdkClient =
  (revision?: string, heeding = true, signedIn?: OAuthClientProvider): Connect =>
  async (url, credentials) => {
    const { exchanges, recording } = recorder()
    const provider = signedIn ?? new SteppingProvider(credentials)
    const transport = new OfferingTransport(new URL(url), {
      authProvider: provider,
      fetch: async (...given) => {
        const response = await recording(...given)
        const heeds = heeding && provider instanceof SteppingProvider
        return heeds ? provider.heed(response) : response
      },
    })
    if (revision !== undefined) transport.offered = revision
    const client = new Client(SELF)
    // Its optional members are not exactly the interface's.
    await client.connect(transport as Transport)
    return connected(client, transport, exchanges, (name, given, onprogress, signal) =>
      client.callTool({ name, arguments: given }, undefined, {
        ...(onprogress && { onprogress }),
        ...(signal && { signal }),
      }),
    )
  }

/** With @modelcontextprotocol/client, which speaks 2026-07-28 and before. */
export const modernClient =
  (revision: string, signedIn?: OAuthClientProvider): Connect =>
  async (url, credentials) => {
    const { exchanges, recording } = recorder()
    const transport = new ModernTransport(new URL(url), {
      authProvider: signedIn ?? new ModernProvider(credentials),
      fetch: recording,
    })
    const old = revision < '2026'
    const client = new ModernClient(SELF, {
      versionNegotiation: { mode: old ? 'legacy' : { pin: revision } },
      ...(old && { supportedProtocolVersions: [revision] }),
    })
    await client.connect(transport)
    return connected(client, transport, exchanges, (name, given, onprogress, signal) =>
      client.callTool(
        { name, arguments: given },
        {
          ...(onprogress && { onprogress }),
          ...(signal && { signal }),
        },
      ),
    )
  }

/** The SDK's client always offers its latest revision first. */
class OfferingTransport extends StreamableHTTPClientTransport {
  offered: string | undefined

  override send(...[message, options]: Parameters<StreamableHTTPClientTransport['send']>) {
    if (this.offered !== undefined && 'method' in message && message.method === 'initialize') {
      const params = { ...message.params, protocolVersion: this.offered }
      return super.send({ ...message, params }, options)
    }
    return super.send(message, options)
  }
}

/**
 * Asks for the scopes of every challenge so far, beside its own: the SDK asks for a new token when a
 * challenge says `insufficient_scope`, but does not tell its provider which scope that was.
 */
export class SteppingProvider extends ClientCredentialsProvider {
  readonly #scopes: Set<string>

  constructor(credentials: Credentials) {
    super(credentials)
    this.#scopes = new Set(credentials.scope.split(' '))
  }

  heed(response: Response): Response {
    const { scope } = extractWWWAuthenticateParams(response)
    for (const one of scope?.split(' ') ?? []) this.#scopes.add(one)
    return response
  }

  override prepareTokenRequest(): URLSearchParams {
    return super.prepareTokenRequest([...this.#scopes].join(' '))
  }
}

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

const recorder = () => {
  const exchanges: Exchange[] = []
  const recording: Fetch = async (url, init) => {
    const response = await fetch(url, init)
    const { status, headers } = response
    const challenge = headers.get('www-authenticate')
    exchanges.push({ method: init?.method ?? 'GET', url: String(url), status, challenge })
    return response
  }
  return { exchanges, recording }
}

const connected = (
  client: Client | ModernClient,
  transport: StreamableHTTPClientTransport | ModernTransport,
  exchanges: readonly Exchange[],
  callTool: (...given: Parameters<Connected['call']>) => Promise<unknown>,
): Connected => {
  const errors: Error[] = []
  const heard: string[] = []
  const news = changes()
  client.onerror = (error) => errors.push(error)
  client.fallbackNotificationHandler = async ({ method, params }) => {
    heard.push([method, params?.uri].join(' ').trim())
    news.notify()
  }
  return {
    exchanges,
    errors,
    heard,
    hears: async (notification) => {
      await news.until(
        () => heard.includes(notification) || undefined,
        PATIENCE,
        () => `heard ${heard.join(', ')}`,
      )
    },
    revision: transport.protocolVersion,
    sessionId: transport.sessionId,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    templates: async () =>
      (await client.listResourceTemplates()).resourceTemplates.map(
        ({ uriTemplate }) => uriTemplate,
      ),
    read: (uri) => client.readResource({ uri }),
    watch: (uri) =>
      client instanceof ModernClient && transport.sessionId === undefined
        ? client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] })
        : client.subscribeResource({ uri }),
    async call(name, given = {}, onprogress, signal) {
      const { content } = (await callTool(name, given, onprogress, signal)) as {
        readonly content: readonly { readonly text: string }[]
      }
      return content.map(({ text }) => text).join()
    },
    async close() {
      await transport.terminateSession().catch((error: unknown) => {
        // A token may have run out by now, and the SDK gets no other for this.
        if (!String(error).endsWith('Unauthorized')) throw error
      })
      await client.close()
    },
  }
}
