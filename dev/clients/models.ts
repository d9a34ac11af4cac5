import Anthropic from '@anthropic-ai/sdk'
import { decodeJwt } from 'jose'
import OpenAI from 'openai'
import type { Session } from './cases.ts'
import type { Driver } from './drivers.ts'
import { NAMES, TOOL_MODEL } from './model-servers.ts'
import { LIMITED } from './places.ts'

/** The ways to ask a model. */
interface Asking {
  whole(model: string, content: string): Promise<string>
  /** A client that heeds no signal cancels when its parts are read no further. */
  stream(
    model: string,
    content: string,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<string | undefined>>
  /** The tool that it calls, and with what. */
  tool?(model: string, content: string): Promise<string>
}

interface Further {
  list?(): Promise<readonly { readonly id: string }[]>
  denied(): Promise<unknown>
  upload?(file: File): Promise<unknown>
}

const CANNOT = 'the client cannot do this'

/** A session of a client that asks models. */
export const sessionOf = (
  { list, denied, upload }: Further,
  { whole, stream, tool }: Asking,
): Session => ({
  async list() {
    if (!list) throw new Error(CANNOT)
    return (await list()).map(({ id }) => id)
  },
  async call(name, given) {
    if (!NAMES.includes(name)) return String(await denied())
    const content = JSON.stringify(given)
    if (name !== 'slow_count') return whole(name, content)
    let text = ''
    for await (const part of await stream(name, content)) text += part ?? ''
    return text
  },
  async parts(to) {
    const times: number[] = []
    const begun = performance.now()
    for await (const _ of await stream('slow_count', JSON.stringify({ to }))) {
      times.push(performance.now() - begun)
    }
    return times
  },
  begin(to) {
    const cancel = new AbortController()
    const { signal } = cancel
    const reading = async () => {
      for await (const _ of await stream('slow_count', JSON.stringify({ to }), signal)) {
        if (signal.aborted) break
      }
    }
    reading().catch(() => {})
    return () => cancel.abort()
  },
  async upload(bytes) {
    if (!upload) throw new Error(CANNOT)
    return upload(new File([new Uint8Array(bytes)], 'file.bin'))
  },
  async toolCall() {
    if (!tool) throw new Error(CANNOT)
    return tool(TOOL_MODEL, JSON.stringify({ city: 'Lund' }))
  },
  close: async () => {},
})

/** Of a limited path: a client would wait, and try again. */
export const retries = (url: string) => (url.includes(LIMITED) ? { maxRetries: 0 } : {})

/** Parts as texts. */
export async function* mapped<From, To>(parts: AsyncIterable<From>, map: (part: From) => To) {
  for await (const part of parts) yield map(part)
}

/** What a person says to a model. */
export const user = (content: string) => [{ role: 'user' as const, content }]

const openai =
  (askingOf: (client: OpenAI) => Asking): Driver['connect'] =>
  async (url, who) => {
    const client = new OpenAI({ baseURL: url, apiKey: who.token, ...retries(url) })
    const further: Further = {
      list: async () => (await client.models.list()).data,
      denied: () => client.embeddings.create({ model: 'm', input: 'x' }),
      upload: (file) => client.files.create({ file, purpose: 'user_data' }),
    }
    return sessionOf(further, askingOf(client))
  }

const chat = openai((client) => ({
  async tool(model, content) {
    const answer = await client.chat.completions.create({ model, messages: user(content) })
    const call = answer.choices[0]?.message.tool_calls?.[0]
    return call?.type === 'function' ? `${call.function.name} ${call.function.arguments}` : ''
  },
  whole: async (model, content) => {
    const answer = await client.chat.completions.create({ model, messages: user(content) })
    return answer.choices[0]?.message.content ?? ''
  },
  stream: async (model, content) =>
    mapped(
      await client.chat.completions.create({ model, messages: user(content), stream: true }),
      (part) => part.choices[0]?.delta.content ?? '',
    ),
}))

const responses = openai((client) => ({
  async tool(model, input) {
    const [call] = (await client.responses.create({ model, input })).output
    return call?.type === 'function_call' ? `${call.name} ${call.arguments}` : ''
  },
  whole: async (model, input) => (await client.responses.create({ model, input })).output_text,
  stream: async (model, input) =>
    mapped(await client.responses.create({ model, input, stream: true }), (event) =>
      event.type === 'response.output_text.delta' ? event.delta : '',
    ),
}))

const anthropic: Driver['connect'] = async (url, who) => {
  const client = new Anthropic({
    ...{ baseURL: url.replace(/\/v1$/, ''), ...retries(url) },
    credentials: async () => {
      const token = await who.token()
      return { token, expiresAt: decodeJwt(token).exp ?? null }
    },
  })
  const asked = (model: string, content: string) => ({
    ...{ model, max_tokens: 9, messages: user(content) },
  })
  return sessionOf(
    {
      list: async () => (await client.models.list()).data,
      denied: () => client.messages.countTokens({ model: 'm', messages: user('x') }),
      upload: (file) => client.beta.files.upload({ file }),
    },
    {
      async tool(model, content) {
        const [block] = (await client.messages.create(asked(model, content))).content
        return block?.type === 'tool_use' ? `${block.name} ${JSON.stringify(block.input)}` : ''
      },
      async whole(model, content) {
        const [block] = (await client.messages.create(asked(model, content))).content
        return block?.type === 'text' ? block.text : ''
      },
      stream: async (model, content) =>
        mapped(await client.messages.create({ ...asked(model, content), stream: true }), (event) =>
          event.type === 'content_block_delta' && event.delta.type === 'text_delta'
            ? event.delta.text
            : '',
        ),
    },
  )
}

/** Clients of models by what they call. */
export const MODEL_CLIENTS = { chat, responses, anthropic }
