// Clients that only this folder installs, each in its own dialect. Reads an address and two tokens from the command
// line: one that is refused, and one that is revoked while answers stream. Prints what each client does, as JSON.

import { JsonRpcTransportFactory, RestTransportFactory } from '@a2a-js/sdk/client'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import Anthropic from '@anthropic-ai/sdk'
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { GoogleGenAI } from '@google/genai'
import { ChatOpenAI } from '@langchain/openai'
import { fetchEventSource } from '@microsoft/fetch-event-source'
import { Mistral } from '@mistralai/mistralai'
import { streamText } from 'ai'
import { CohereClientV2 } from 'cohere-ai'
import { GraphQLClient } from 'graphql-request'
import { createClient as createGraphqlSse } from 'graphql-sse'
import Groq from 'groq-sdk'
import { Ollama } from 'ollama'
import OpenAI from 'openai'
import Together from 'together-ai'
import { connect, grpcWeb } from './rpc.mjs'

const PATIENCE = 60_000
const once = { maxRetries: 0 }
const messages = [{ role: 'user', content: 'Hello' }]
const chat = { model: 'm', messages, stream: true }

/** Reads a stream to its end. Returns its last part. */
const drained = async (stream) => {
  let last
  for await (const part of await stream) last = part
  return last
}

const aiSdk = (model) => {
  const { fullStream } = streamText({ model, messages, ...once, onError() {} })
  return drained(
    (async function* () {
      for await (const part of fullStream) {
        if (part.type === 'error') throw part.error
        yield part
      }
    })(),
  )
}

const bearer = (token) => ({ authorization: `Bearer ${token}` })

const a2a = async (Factory, url, token) => {
  const fetchImpl = (to, init) =>
    fetch(to, {
      ...init,
      headers: { ...Object.fromEntries(new Headers(init.headers)), ...bearer(token) },
    })
  const transport = await new Factory({ fetchImpl }).create(url, {})
  const message = { messageId: '1', role: 1, parts: [] }
  return drained(
    transport.sendMessageStream({ message }, { serviceParameters: { 'A2A-Version': '1.0' } }),
  )
}

const hello = { model: 'm', contents: 'Hello' }
const gemini = (baseUrl, token) =>
  new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl, headers: bearer(token) } }).models

/** Asks for a stream at an address, by client. */
const CLIENTS = {
  openai: (url, token) =>
    drained(
      new OpenAI({ baseURL: `${url}/v1`, apiKey: token, ...once }).chat.completions.create(chat),
    ),
  'openai, responses': (url, token) =>
    drained(
      new OpenAI({ baseURL: `${url}/v1`, apiKey: token, ...once }).responses.create({
        ...{ model: 'm', input: 'Hello', stream: true },
      }),
    ),
  'openai, a response again': (url, token) =>
    drained(
      new OpenAI({ baseURL: `${url}/v1`, apiKey: token, ...once }).responses.retrieve('r', {
        stream: true,
      }),
    ),
  'openai, runs of assistants': (url, token) =>
    drained(
      new OpenAI({ baseURL: `${url}/v1`, apiKey: token, ...once }).beta.threads.runs.create('t', {
        ...{ assistant_id: 'a', stream: true },
      }),
    ),
  'groq-sdk': (url, token) =>
    drained(new Groq({ baseURL: url, apiKey: token, ...once }).chat.completions.create(chat)),
  'together-ai': (url, token) =>
    drained(
      new Together({ baseURL: `${url}/v1`, apiKey: token, ...once }).chat.completions.create(chat),
    ),
  '@langchain/openai': (url, token) =>
    drained(
      new ChatOpenAI({
        ...{ configuration: { baseURL: `${url}/v1` }, apiKey: token, model: 'm', ...once },
      }).stream('Hello'),
    ),
  '@ai-sdk/openai, chat': (url, token) =>
    aiSdk(createOpenAI({ baseURL: `${url}/v1`, apiKey: token }).chat('m')),
  '@ai-sdk/openai, responses': (url, token) =>
    aiSdk(createOpenAI({ baseURL: `${url}/v1`, apiKey: token }).responses('m')),
  '@anthropic-ai/sdk': (url, token) =>
    drained(
      new Anthropic({ baseURL: url, authToken: token, apiKey: null, ...once }).messages.create({
        ...chat,
        max_tokens: 9,
      }),
    ),
  '@ai-sdk/anthropic': (url, token) =>
    aiSdk(createAnthropic({ baseURL: `${url}/v1`, authToken: token })('m')),
  '@google/genai': (url, token) => drained(gemini(url, token).generateContentStream(hello)),
  '@ai-sdk/google': (url, token) =>
    aiSdk(
      createGoogleGenerativeAI({
        baseURL: `${url}/v1beta`,
        apiKey: 'none',
        headers: bearer(token),
      })('m'),
    ),
  ollama: (url, token) => drained(new Ollama({ host: url, headers: bearer(token) }).chat(chat)),
  'cohere-ai': (url, token) =>
    drained(
      new CohereClientV2({ environment: url, token }).chatStream({ ...chat }, { maxRetries: 0 }),
    ),
  '@mistralai/mistralai': (url, token) =>
    drained(
      new Mistral({ serverURL: url, apiKey: token, retryConfig: { strategy: 'none' } }).chat.stream(
        {
          ...{ model: 'm', messages },
        },
      ),
    ),
  '@connectrpc/connect-web, gRPC-web': (url, token) => drained(grpcWeb(url, () => token).watch({})),
  '@connectrpc/connect-web, Connect': (url, token) => drained(connect(url, () => token).watch({})),
  'graphql-sse': async (url, token) => {
    const client = createGraphqlSse({
      url: `${url}/graphql`,
      headers: bearer(token),
      retryAttempts: 0,
    })
    const last = await drained(client.iterate({ query: 'subscription { word }' }))
    return last?.errors ?? last
  },
  '@apollo/client': (url, token) => {
    const link = new HttpLink({ uri: `${url}/parts`, headers: bearer(token) })
    const query = gql('subscription { word }')
    return new Promise((done, fail) => {
      let last
      new ApolloClient({ cache: new InMemoryCache(), link }).subscribe({ query }).subscribe({
        next: ({ data, error }) => {
          // Its hooks return the error.
          if (error) fail(error)
          last = data
        },
        error: fail,
        complete: () => done(last),
      })
    })
  },
  '@a2a-js/sdk, HTTP+JSON': (url, token) => a2a(RestTransportFactory, url, token),
  '@a2a-js/sdk, JSON-RPC': (url, token) => a2a(JsonRpcTransportFactory, `${url}/agent`, token),
  '@microsoft/fetch-event-source': async (url, token) => {
    const seen = []
    await fetchEventSource(`${url}/v1/chat/completions`, {
      ...{ method: 'POST', headers: bearer(token), body: '{}', openWhenHidden: true },
      onmessage: ({ data }) => seen.push(data),
      onerror(error) {
        throw error
      },
    })
    if (seen.includes('')) throw new Error('an empty message')
    return seen.at(-1)
  },
}

/** Calls without a stream, by client. */
const CALLS = {
  'gRPC-web, a call': (url, token) => grpcWeb(url, () => token).get({}),
  'Connect, a call': (url, token) => connect(url, () => token).get({}),
  'graphql-request': (url, token) =>
    new GraphQLClient(`${url}/graphql`, { headers: bearer(token) }).request('{ word }'),
  'ollama, a call': (url, token) =>
    new Ollama({ host: url, headers: bearer(token) }).chat({ model: 'm', messages }),
  '@google/genai, a call': (url, token) => gemini(url, token).generateContent(hello),
}

// Of a page, what fetch-event-source uses.
Object.assign(globalThis, {
  document: { hidden: false, addEventListener() {}, removeEventListener() {} },
  window: { fetch, setTimeout, clearTimeout },
})

const textOf = (error) => {
  const { name, message } = error ?? {}
  return { throws: `${name ?? 'Error'}: ${message ?? JSON.stringify(error)}` }
}

/** What becomes of a call: what it throws, or what it returns. */
const outcome = (act) =>
  Promise.race([
    Promise.resolve()
      .then(act)
      .then((last) => ({ returns: JSON.stringify(last) ?? '' }), textOf),
    new Promise((done) => setTimeout(done, PATIENCE, { hangs: true })),
  ])

const [base, refused, revoked] = process.argv.slice(2)
// Clients write warnings.
for (const name of ['log', 'warn', 'error']) console[name] = () => {}
const results = Object.fromEntries(Object.keys({ ...CLIENTS, ...CALLS }).map((name) => [name, {}]))
const run = (clients, token, kind) =>
  Promise.all(
    Object.entries(clients).map(async ([name, act]) => {
      const url = `${base}/${encodeURIComponent(name.replaceAll('/', '.'))}`
      results[name][kind] = await outcome(() => act(url, token))
    }),
  )
await run({ ...CLIENTS, ...CALLS }, refused, 'refused')
await run(CLIENTS, revoked, 'cut')
process.stdout.write(`\n${JSON.stringify(results)}`, () => process.exit())
