import type { ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'

/** One event of a stream (WHATWG HTML §9.2), `message` unless named. */
export interface SseEvent {
  readonly data: string
  readonly event?: string
  readonly id?: string
}

/** Events that a test sends one by one. */
export interface Feed extends AsyncIterable<SseEvent> {
  push(event: SseEvent | string): void
  end(): void
}

/**
 * Answers with an event stream: the headers at once, then each event as `events` gives it, after
 * `gapMs`, then the end. Resolves with the number of events written before the end, or before the
 * client left.
 */
export async function sse(
  res: ServerResponse,
  events: Iterable<SseEvent | string> | AsyncIterable<SseEvent | string>,
  gapMs = 0,
): Promise<number> {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  res.flushHeaders()
  let written = 0
  const gone = new Promise<undefined>((done) => res.once('close', () => done(undefined)))
  const iterator = iterate(events)
  for (;;) {
    const next = await Promise.race([iterator.next(), gone])
    if (next === undefined) return written
    if (next.done === true) break
    if (gapMs > 0) await Promise.race([wait(gapMs), gone])
    if (res.destroyed) return written
    res.write(formatEvent(next.value))
    written++
  }
  res.end()
  return written
}

/** Makes a feed; events pushed before anyone reads are kept. */
export function feed(): Feed {
  const queue: SseEvent[] = []
  let ended = false
  let wake = Promise.withResolvers<void>()
  const changed = () => {
    wake.resolve()
    wake = Promise.withResolvers()
  }
  return {
    push(event) {
      queue.push(typeof event === 'string' ? { data: event } : event)
      changed()
    },
    end() {
      ended = true
      changed()
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const next = queue.shift()
        if (next !== undefined) yield next
        else if (ended) return
        else await wake.promise
      }
    },
  }
}

/** Reads a response's events one by one; throws when the body is aborted. Comments are skipped. */
export async function* readEvents(response: Response): AsyncGenerator<SseEvent, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of response.body ?? []) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = parseEvent(block)
      if (event !== undefined) yield event
    }
  }
}

function iterate<T>(items: Iterable<T> | AsyncIterable<T>): AsyncIterator<T> {
  return (async function* () {
    yield* items
  })()
}

function formatEvent(event: SseEvent | string): string {
  const { data, ...fields } = typeof event === 'string' ? { data: event } : event
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  return [...lines, ...data.split('\n').map((line) => `data: ${line}`), '', ''].join('\n')
}

function parseEvent(block: string): SseEvent | undefined {
  const fields: Record<string, string> = {}
  const data: string[] = []
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? []
    if (name === 'data') data.push(value)
    else if (name === 'event' || name === 'id') fields[name] = value
  }
  return data.length === 0 ? undefined : { ...fields, data: data.join('\n') }
}
