import { readFileSync } from 'node:fs'
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import {
  type Connect,
  type Credentials,
  modernClient,
  SteppingProvider,
  sdkClient,
} from '../../test/kit/mcp/clients.ts'
import { type Person, signIn } from '../../test/kit/mcp/person.ts'
import type { Case, Session } from './cases.ts'
import { MODEL_CLIENTS } from './models.ts'
import { MODELS } from './places.ts'

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
  /** Of tokens that are to expire and that it does not renew, in seconds. */
  readonly lifetime: number
  /** What its sessions can do beside the rest. */
  readonly can: readonly NonNullable<Case['needs']>[]
  connect(url: string, who: Identity): Promise<Session>
  /** Connects for a person, who signs in. */
  asPerson?(url: string, who: Person): Promise<Session>
}

/** Its identity, from credentials. */
export function identityOf(credentials: Credentials, token: () => Promise<string>): Identity {
  const provider = new SteppingProvider(credentials)
  return {
    ...{ credentials, provider, token },
    fetch: async (input, init) => provider.heed(await fetch(input, init)),
  }
}

const DEPENDENCIES: Readonly<Record<string, string>> = Object.assign(
  {},
  ...['package.json', '../../package.json'].flatMap((file) => {
    const text = readFileSync(new URL(file, import.meta.url), 'utf8')
    const { dependencies, devDependencies } = JSON.parse(text)
    return [dependencies, devDependencies]
  }),
)

const versioned = (name: string, label = name) => `${label} ${DEPENDENCIES[name]}`

/** The lifetime of tokens that are to expire in a call, in seconds. */
export const SHORT = 3
/** The same for a process that is given its token: it takes some time to start. */
const PROCESS = 10

const ofKit = async (connect: Connect, ...given: Parameters<Connect>): Promise<Session> => {
  const connected = await connect(...given)
  return {
    ...connected,
    list: connected.tools,
    call: (name, given) => connected.call(name, given),
    async parts(to) {
      const times: number[] = []
      const begun = performance.now()
      const arrived = () => times.push(performance.now() - begun)
      await connected.call('slow_count', { to }, arrived)
      arrived()
      return times
    },
    begin(to) {
      const cancel = new AbortController()
      connected.call('slow_count', { to }, undefined, cancel.signal).catch(() => {})
      return () => cancel.abort()
    },
  }
}

const kit = (
  client: string,
  revision: string,
  connectOf: (signedIn?: OAuthClientProvider) => Connect,
): Driver => ({
  name: `${client}, ${revision}`,
  path: revision < '2026' ? '/mcp' : '/modern',
  ...{ renews: true, lifetime: SHORT, can: ['parts', 'begin'] },
  connect: (url, { credentials }) => ofKit(connectOf(), url, credentials),
  async asPerson(url, who) {
    await signIn(who, url)
    return ofKit(connectOf(who.provider), url, NOBODY)
  },
})

/** In place of credentials, which a person does not have. */
const NOBODY = { clientId: '', clientSecret: '', expectedIssuer: '', scope: '' }

const sdk = (revision: string) =>
  kit(versioned('@modelcontextprotocol/sdk', 'sdk'), revision, (signedIn) =>
    sdkClient(revision, true, signedIn),
  )

const modern = (revision: string) =>
  kit(versioned('@modelcontextprotocol/client', 'client'), revision, (signedIn) =>
    modernClient(revision, signedIn),
  )

const OLD = ['2025-03-26', '2025-06-18', '2025-11-25']

// By its address: the type check has not got what only this folder installs.
const others: Readonly<Record<string, Driver['connect']>> & {
  readonly people: Readonly<Record<string, NonNullable<Driver['asPerson']>>>
} = await import(new URL('others.mjs', import.meta.url).href)

const other = (name: string, npm: string, renews: boolean, lifetime = SHORT): Driver => {
  const { [name]: asPerson } = others.people
  return {
    name: versioned(npm),
    ...{ path: '/mcp', renews, lifetime, can: [] },
    connect: (url, who) =>
      others[name]?.(url, who) ?? Promise.reject(new Error(`no driver ${name}`)),
    ...(asPerson && { asPerson }),
  }
}

const model = (name: string, connect: Driver['connect']): Driver => ({
  ...{ name, path: MODELS, renews: true, lifetime: SHORT, connect },
  can: ['parts', 'begin', 'upload', 'toolCall'],
})

export const DRIVERS: readonly Driver[] = [
  ...OLD.map(sdk),
  ...[...OLD, '2026-07-28'].map(modern),
  other('aiSdk', '@ai-sdk/mcp', false),
  other('langchain', '@langchain/mcp-adapters', true),
  other('openaiAgents', '@openai/agents', true),
  other('mastra', '@mastra/mcp', true),
  other('mcpRemote', 'mcp-remote', false, PROCESS),
  other('inspector', '@modelcontextprotocol/inspector', false, PROCESS),
  model(`${versioned('openai')}, chat completions`, MODEL_CLIENTS.chat),
  model(`${versioned('openai')}, responses`, MODEL_CLIENTS.responses),
  model(versioned('@anthropic-ai/sdk'), MODEL_CLIENTS.anthropic),
]
