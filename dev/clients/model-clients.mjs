// Clients of models that only this folder installs, so that the type check has no types of them.

import { GoogleGenAI } from '@google/genai'
import { Mistral } from '@mistralai/mistralai'
import { CohereClientV2 } from 'cohere-ai'
import Groq from 'groq-sdk'
import { Ollama } from 'ollama'
import Together from 'together-ai'
import { mapped, retries, sessionOf, user } from './models.ts'

const isLimited = (url) => Object.hasOwn(retries(url), 'maxRetries')

const callOf = ({ name, arguments: given }) =>
  `${name} ${typeof given === 'string' ? given : JSON.stringify(given)}`
const textIn = (content) => content?.map?.(({ text }) => text).join('') ?? content ?? ''

/** Asks an API that speaks as OpenAI does. */
const chat = (ask) => ({
  async tool(model, content) {
    const { message } = (await ask({ model, messages: user(content) })).choices[0]
    return callOf((message.tool_calls ?? message.toolCalls)[0].function)
  },
  whole: async (model, content) =>
    (await ask({ model, messages: user(content) })).choices[0].message.content,
  stream: async (model, content, signal) =>
    mapped(
      await ask({ model, messages: user(content), stream: true }, { signal }),
      (part) => (part.data ?? part).choices[0]?.delta.content ?? '',
    ),
})

const embedding = { model: 'm', input: 'x' }

export const together = async (url, who) => {
  const apiKey = await who.token()
  const client = new Together({ baseURL: `${url}/together`, apiKey, ...retries(url) })
  return sessionOf(
    {
      list: () => client.models.list(),
      denied: () => client.embeddings.create(embedding),
      upload: (file) => client.audio.transcriptions.create({ file, model: 'm' }),
    },
    chat((body, options) => client.chat.completions.create(body, options)),
  )
}

export const groq = async (url, who) => {
  const apiKey = await who.token()
  const client = new Groq({ baseURL: `${url}/groq`, apiKey, ...retries(url) })
  return sessionOf(
    {
      list: async () => (await client.models.list()).data,
      denied: () => client.embeddings.create(embedding),
      upload: (file) => client.audio.transcriptions.create({ file, model: 'm' }),
    },
    chat((body, options) => client.chat.completions.create(body, options)),
  )
}

export const mistral = async (url, who) => {
  const client = new Mistral({
    ...{ serverURL: `${url}/mistral`, apiKey: who.token },
    ...(isLimited(url) && { retryConfig: { strategy: 'none' } }),
  })
  return sessionOf(
    {
      list: async () => (await client.models.list()).data,
      denied: () => client.embeddings.create({ model: 'm', inputs: ['x'] }),
      upload: (file) => client.files.upload({ file }),
    },
    chat(({ stream, ...body }, { signal } = {}) =>
      stream ? client.chat.stream(body, { fetchOptions: { signal } }) : client.chat.complete(body),
    ),
  )
}

export const cohere = async (url, who) => {
  const client = new CohereClientV2({
    ...{ environment: `${url}/cohere`, token: who.token, ...retries(url) },
  })
  const options = retries(url)
  return sessionOf(
    {
      list: async () =>
        (await client.models.list({}, options)).models.map(({ name }) => ({ id: name })),
      denied: () =>
        client.embed({
          model: 'm',
          inputType: 'classification',
          embeddingTypes: ['float'],
          texts: ['x'],
        }),
      upload: (file) => client.datasets.create(file, undefined, { name: 'd', type: 'embed-input' }),
    },
    {
      async tool(model, content) {
        const { message } = await client.chat({ model, messages: user(content) }, options)
        return callOf(message.toolCalls[0].function)
      },
      async whole(model, content) {
        const { message } = await client.chat({ model, messages: user(content) }, options)
        return textIn(message.content)
      },
      stream: async (model, content, abortSignal) =>
        mapped(
          await client.chatStream({ model, messages: user(content) }, { ...options, abortSignal }),
          (part) => (part.type === 'content-delta' ? part.delta?.message?.content?.text : ''),
        ),
    },
  )
}

export const gemini = async (url, who) => {
  const headers = { authorization: `Bearer ${await who.token()}` }
  const httpOptions = { baseUrl: `${url}/gemini`, headers }
  const { models } = new GoogleGenAI({ apiKey: 'none', httpOptions })
  return sessionOf(
    {
      list: async () =>
        (await Array.fromAsync(await models.list())).map(({ name }) => ({
          id: name.replace('models/', ''),
        })),
      denied: () => models.countTokens({ model: 'm', contents: 'x' }),
      // A large body in place of a file, whose upload begins with a call of another kind.
      upload: async (file) =>
        models.countTokens({
          model: 'm',
          contents: Buffer.from(await file.bytes()).toString('hex'),
        }),
    },
    {
      async tool(model, contents) {
        const { functionCalls } = await models.generateContent({ model, contents })
        return `${functionCalls[0].name} ${JSON.stringify(functionCalls[0].args)}`
      },
      whole: async (model, contents) => (await models.generateContent({ model, contents })).text,
      stream: async (model, contents, abortSignal) =>
        mapped(
          await models.generateContentStream({ model, contents, config: { abortSignal } }),
          ({ text }) => text,
        ),
    },
  )
}

export const ollama = async (url, who) => {
  const headers = { authorization: `Bearer ${await who.token()}` }
  const client = new Ollama({ host: `${url}/ollama`, headers })
  const ask = (model, content) => client.chat({ model, messages: user(content) })
  return sessionOf(
    {
      list: async () => (await client.list()).models.map(({ name }) => ({ id: name })),
      denied: () => client.embed(embedding),
      // It uploads no files.
      upload: async (file) =>
        client.embed({ ...embedding, input: Buffer.from(await file.bytes()).toString('hex') }),
    },
    {
      tool: async (model, content) =>
        callOf((await ask(model, content)).message.tool_calls[0].function),
      whole: async (model, content) => (await ask(model, content)).message.content,
      async stream(model, content, signal) {
        const parts = await client.chat({ model, messages: user(content), stream: true })
        signal?.addEventListener('abort', () => parts.abort())
        return mapped(parts, ({ message }) => message.content)
      },
    },
  )
}
