// Clients of HTTP, gRPC-web, Connect and GraphQL that only this folder installs.

import { Readable } from 'node:stream'
import axios from 'axios'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import got from 'got'
import { GraphQLClient } from 'graphql-request'
import { createClient as createGraphqlSse } from 'graphql-sse'
import { sessionOf, user } from './models.ts'
import { connect, grpcWeb } from './rpc.mjs'

const bearer = (token) => ({ authorization: `Bearer ${token}` })
const content = ({ choices: [{ message, delta }] }) => (message ?? delta).content ?? ''
const embedding = { model: 'm', input: 'x' }
const COMPLETIONS = 'chat/completions'

/** Reads events as a careful caller does, who looks whether one is an error. */
async function* eventsOf(stream) {
  const events = Readable.toWeb(stream)
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
  for await (const { data } of events) {
    if (data === '[DONE]') return
    const event = JSON.parse(data)
    if (event.error) throw new Error(event.error.message)
    yield content(event)
  }
}

const formOf = (file) => {
  const form = new FormData()
  form.set('file', file)
  return form
}

/** What a client of HTTP does. `post` resolves to the parsed body, `open` to a stream. */
const http = ({ get, post, open, form }) =>
  sessionOf(
    {
      list: async () => (await get('models')).data,
      denied: () => post('embeddings', embedding),
      upload: (file) => form('files', formOf(file)),
    },
    {
      whole: async (model, text) =>
        content(await post(COMPLETIONS, { model, messages: user(text) })),
      stream: async (model, text, signal) =>
        eventsOf(await open(COMPLETIONS, { model, messages: user(text), stream: true }, signal)),
    },
  )

export const gotClient = async (url, who) => {
  const authorize = async ({ headers }) => {
    Object.assign(headers, bearer(await who.token()))
  }
  // By itself it tries again after a 429.
  const options = { prefixUrl: url, retry: { limit: 0 }, hooks: { beforeRequest: [authorize] } }
  const client = got.extend(options)
  return http({
    get: (path) => client(path).json(),
    post: (path, json) => client.post(path, { json }).json(),
    form: (path, body) => client.post(path, { body }).json(),
    open: async (path, json, signal) => client.stream.post(path, { json, signal }),
  })
}

export const axiosClient = async (url, who) => {
  const client = axios.create({ baseURL: url })
  client.interceptors.request.use(async (config) => {
    config.headers.set(bearer(await who.token()))
    return config
  })
  const post = async (path, body, options) => (await client.post(path, body, options)).data
  return http({
    get: async (path) => (await client.get(path)).data,
    ...{ post, form: post },
    open: (path, body, signal) => post(path, body, { signal, responseType: 'stream' }),
  })
}

/** Of gRPC-web and Connect. */
const rpc = (createClient) => async (url, who) => {
  const client = createClient(url, who.token)
  const text = (file) => file.text()
  return sessionOf(
    {
      denied: () => client.forbid({ text: 'x' }),
      upload: async (file) => client.forbid({ text: await text(file) }),
    },
    {
      whole: async (_, given) => (await client.get({ text: given })).text,
      stream: async (_, given, signal) =>
        (async function* () {
          for await (const { text } of client.watch({ text: given }, { signal })) yield text
        })(),
    },
  )
}
export const grpcWebClient = rpc(grpcWeb)
export const connectClient = rpc(connect)

export const graphql = async (url, who) => {
  const headers = async () => bearer(await who.token())
  const ask = async (path, given) =>
    new GraphQLClient(url + path, { headers: await headers() }).request(
      'query ($city: String!) { weather(city: $city) }',
      given,
    )
  const events = createGraphqlSse({ url: `${url}/graphql`, headers, retryAttempts: 0 })
  return sessionOf(
    {
      denied: () => ask('/denied/graphql', { city: 'x' }),
      upload: async (file) => ask('/denied/graphql', { city: await file.text() }),
    },
    {
      whole: async (_, given) => (await ask('/graphql', JSON.parse(given))).weather,
      stream: async (_, given, signal) =>
        (async function* () {
          const query = 'subscription ($to: Int!) { count(to: $to) }'
          const parts = events.iterate({ query, variables: JSON.parse(given) })
          signal?.addEventListener('abort', () => parts.return())
          for await (const { data, errors } of parts) {
            if (errors) throw new Error(errors[0].message)
            yield data.count
          }
        })(),
    },
  )
}
