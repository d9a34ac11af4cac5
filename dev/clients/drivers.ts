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
import type { Ability, Session } from './cases.ts'
import { MODEL_CLIENTS } from './models.ts'
import { MODELS } from './places.ts'
import { realtime } from './realtime.ts'

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
  /** Of tokens that are to expire and that it does not renew, in seconds. */
  readonly lifetime: number
  /** What it cannot do, and why. */
  readonly lacks: Readonly<Partial<Record<Ability, string>>>
  /** Its errors by case, where they are other ones, or have no code. */
  readonly expects?: Readonly<Record<string, RegExp>>
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
  ...{ lifetime: SHORT, lacks: {} },
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

type Connects = Readonly<Record<string, Driver['connect']>>
// By its address: the type check has not got what only this folder installs.
const load = async <Loaded>(file: string): Promise<Loaded> =>
  import(new URL(file, import.meta.url).href)
const others = await load<
  Connects & { readonly people: Readonly<Record<string, NonNullable<Driver['asPerson']>>> }
>('others.mjs')
const models = await load<Connects>('model-clients.mjs')
const plain = await load<Connects>('plain-clients.mjs')

/** Why a client cannot be measured in some cases. */
const GIVEN = 'the client is given its token'
const NO_SIGN_IN = 'the client has no sign-in'
const WHOLE = 'the client gives no parts, and nothing by which a call is cancelled'
const NO_MODEL = 'no model: there is no list, and no tool'
const NO_UPLOAD_OR_LIST = 'a WebSocket has no lists and no uploads'
const NO_TOOLS = 'a client of HTTP knows no tools'

const other = (name: string, npm: string, renews: boolean, lifetime = SHORT): Driver => {
  const { [name]: asPerson } = others.people
  return {
    ...{ name: versioned(npm), path: '/mcp', lifetime },
    lacks: {
      ...{ parts: WHOLE, begin: WHOLE },
      ...(!renews && { renewal: GIVEN }),
      ...(!asPerson && { signIn: NO_SIGN_IN }),
    },
    connect: (url, who) =>
      others[name]?.(url, who) ?? Promise.reject(new Error(`no driver ${name}`)),
    ...(asPerson && { asPerson }),
  }
}

const model = (
  name: string,
  connect: Driver['connect'] | undefined,
  lacks: Driver['lacks'] = {},
  expects: Driver['expects'] = {},
): Driver => ({
  ...{ name, path: MODELS, lifetime: SHORT, lacks, expects },
  connect: connect ?? (() => Promise.reject(new Error(`no driver ${name}`))),
})

/** Clients whose error at the end of a cut stream has no code. */
const ABORTED = { 'revoked in a call': /./ }
/** Clients whose errors have a status alone: the code is only in the answer. */
const STATUS_ALONE = {
  denied: /403.*\n403 .*"code":"scope_missing"/s,
  'refused upload': /403.*\n403 .*"code":"scope_missing"/s,
}
/** Of calls whose answer has a form of its own for a refusal. */
const answered = (status: number) => {
  const missing = RegExp(`scope_missing.*\\n${status} .*scope_missing`, 's')
  const limited = RegExp(`^${status === 200 ? 200 : 429} .*rate_limited`, 'ms')
  return { denied: missing, 'refused upload': missing, 429: limited }
}
const NOT_MODEL = { list: NO_MODEL, toolCall: NO_MODEL }

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
  model(
    `${versioned('openai')}, realtime`,
    realtime,
    { list: NO_UPLOAD_OR_LIST, upload: NO_UPLOAD_OR_LIST },
    STATUS_ALONE,
  ),
  model(versioned('@anthropic-ai/sdk'), MODEL_CLIENTS.anthropic),
  model(versioned('together-ai'), models.together, { renewal: GIVEN }),
  model(versioned('groq-sdk'), models.groq, { renewal: GIVEN }),
  model(versioned('@google/genai'), models.gemini, { renewal: GIVEN }),
  model(versioned('cohere-ai'), models.cohere, {}, ABORTED),
  model(versioned('@mistralai/mistralai'), models.mistral, {}, ABORTED),
  model(versioned('ollama'), models.ollama, { renewal: GIVEN }),
  model(
    `${versioned('@connectrpc/connect-web')}, gRPC-web`,
    plain.grpcWebClient,
    NOT_MODEL,
    answered(200),
  ),
  model(
    `${versioned('@connectrpc/connect-web')}, Connect`,
    plain.connectClient,
    NOT_MODEL,
    answered(403),
  ),
  model(`${versioned('graphql-request')}, ${versioned('graphql-sse')}`, plain.graphql, NOT_MODEL),
  model(versioned('got'), plain.gotClient, { toolCall: NO_TOOLS }, STATUS_ALONE),
  model(versioned('axios'), plain.axiosClient, { toolCall: NO_TOOLS }, STATUS_ALONE),
]
