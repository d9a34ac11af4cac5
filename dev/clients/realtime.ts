import { connect } from 'node:net'
import OpenAI from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import type { RealtimeServerEvent } from 'openai/resources/realtime/realtime'
import type { WebSocket } from 'ws'
import type { Driver } from './drivers.ts'
import { TOOL, TOOL_MODEL } from './model-servers.ts'
import { sessionOf } from './models.ts'

/** Answers on an open WebSocket like a model that does what it is told. Tells what was asked if it closes before the answer has ended. */
export function serveRealtime(
  socket: WebSocket,
  step: () => Promise<void>,
  onLeave: (content: string) => void,
): void {
  const say = (event: object) => socket.send(JSON.stringify(event))
  let content = ''
  let isAnswering = false
  // What goes wrong on it shows as its close code.
  socket.on('error', () => {})
  socket.on('message', async (data) => {
    const { type, item } = JSON.parse(String(data))
    if (type === 'conversation.item.create') content = item.content[0].text
    if (type !== 'response.create') return
    isAnswering = true
    const { model, to = 0, city } = JSON.parse(content)
    if (model === TOOL_MODEL) {
      const given = JSON.stringify({ city })
      say({ type: 'response.function_call_arguments.done', name: TOOL, arguments: given })
    }
    for (let count = 0; count < to && socket.readyState === socket.OPEN; count++) {
      await step()
      say({ type: 'response.output_text.delta', delta: '' })
    }
    const text = model === 'slow_count' ? `counted to ${to}` : `sunny in ${city}`
    say({ type: 'response.output_text.delta', delta: text })
    isAnswering = false
    say({ type: 'response.done', response: {} })
  })
  socket.on('close', () => {
    if (isAnswering) onLeave(content)
  })
}

/** What arrives, until it is read no further. Fails with the client's error, or with why the WebSocket closed. */
const eventsOf = (realtime: OpenAIRealtimeWS) =>
  new ReadableStream<RealtimeServerEvent>({
    start(events) {
      realtime.on('event', (event) => events.enqueue(event))
      realtime.on('error', (error) => events.error(error))
      realtime.socket.on('close', (code, reason) =>
        events.error(new Error(`closed with ${code} ${reason}`)),
      )
    },
    cancel: () => realtime.socket.terminate(),
  })

/** Each call has a WebSocket of its own, whose model says what is asked. */
export const realtime: Driver['connect'] = async (baseURL, who) => {
  const open = async (at: string, model: string, content: string) => {
    const client = new OpenAI({ baseURL: baseURL + at, apiKey: who.token })
    const asked = JSON.stringify({ model, ...JSON.parse(content) })
    const opened = await OpenAIRealtimeWS.create(client, {
      model: asked,
      // It always asks for wss, and the test has no certificate.
      options: { createConnection: ({ host, port }: never) => connect({ host, port }) } as object,
    })
    const events = eventsOf(opened)
    opened.socket.once('open', () => {
      const text = [{ type: 'input_text' as const, text: asked }]
      opened.send({
        type: 'conversation.item.create',
        item: { type: 'message', role: 'user', content: text },
      })
      opened.send({ type: 'response.create' })
    })
    return events
  }
  async function* stream(model: string, content: string, signal?: AbortSignal, at = '') {
    const events = await open(at, model, content)
    const reader = events.getReader()
    signal?.addEventListener('abort', () => reader.cancel())
    try {
      for (;;) {
        const { value, done } = await reader.read()
        if (done || value.type === 'response.done') return
        if (value.type === 'response.output_text.delta') yield value.delta
        if (value.type === 'response.function_call_arguments.done') {
          yield `${value.name} ${value.arguments}`
          return
        }
      }
    } finally {
      await reader.cancel().catch(() => {})
    }
  }
  const whole = async (model: string, content: string, at = '') => {
    let text = ''
    for await (const part of stream(model, content, undefined, at)) text += part
    return text
  }
  return sessionOf(
    { denied: () => whole(TOOL, '{}', '/denied') },
    { whole, tool: whole, stream: async (...asked) => stream(...asked) },
  )
}
