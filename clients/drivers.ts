import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import {
  type Connect,
  type Credentials,
  modernClient,
  SteppingProvider,
  sdkClient,
} from '../test/kit/mcp/clients.ts'
import type { Session } from './cases.ts'

/** Who a client is, in the forms that clients take. */
export interface Identity {
  readonly credentials: Credentials
  /** A provider of the SDK. */
  readonly provider: OAuthClientProvider
  /** Tells the provider the scopes of challenges. */
  readonly fetch: typeof fetch
  /** A token from the token endpoint. */
  token(): Promise<string>
}

/** One client. */
export interface Driver {
  readonly name: string
  readonly path: string
  /** Whether it gets tokens by itself, or is given one. */
  readonly renews: boolean
  /** Of tokens that are to expire in a call, in seconds: a process takes some to start. */
  readonly lifetime: number
  connect(url: string, who: Identity): Promise<Session>
}

/** Its identity, from credentials. */
export function identityOf(credentials: Credentials, token: () => Promise<string>): Identity {
  const provider = new SteppingProvider(credentials)
  return {
    ...{ credentials, provider, token },
    fetch: async (input, init) => provider.heed(await fetch(input, init)),
  }
}

const SHORT = 2
const PROCESS = 7

const ofKit =
  (connect: Connect): Driver['connect'] =>
  async (url, { credentials }) => {
    const connected = await connect(url, credentials)
    return {
      ...connected,
      list: connected.tools,
      call: (name, given) => connected.call(name, given),
    }
  }

const sdk = (revision: string): Driver => ({
  name: `sdk 1.32.2, ${revision}`,
  ...{ path: '/mcp', renews: true, lifetime: SHORT, connect: ofKit(sdkClient(revision)) },
})

const modern = (revision: string): Driver => ({
  name: `client 2.4.0, ${revision}`,
  path: revision < '2026' ? '/mcp' : '/modern',
  ...{ renews: true, lifetime: SHORT, connect: ofKit(modernClient(revision)) },
})

const OLD = ['2025-03-26', '2025-06-18', '2025-11-25']

// By its address: the type check has not got what only this folder installs.
const others: Readonly<Record<string, Driver['connect']>> = await import(
  new URL('others.mjs', import.meta.url).href
)

const other = (name: string, label: string, renews: boolean, lifetime = SHORT): Driver => ({
  name: label,
  ...{ path: '/mcp', renews, lifetime },
  connect: (url, who) => others[name]?.(url, who) ?? Promise.reject(new Error(`no driver ${name}`)),
})

export const DRIVERS: readonly Driver[] = [
  ...OLD.map(sdk),
  ...[...OLD, '2026-07-28'].map(modern),
  other('aiSdk', '@ai-sdk/mcp', false),
  other('langchain', '@langchain/mcp-adapters', true),
  other('openaiAgents', '@openai/agents', true),
  other('mastra', '@mastra/mcp', true),
  other('mcpRemote', 'mcp-remote', false, PROCESS),
  other('inspector', 'inspector CLI', false, PROCESS),
]
