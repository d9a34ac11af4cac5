import { type JsonObject, parseJsonObject } from '../../gate/base/json.ts'
import type { Process } from '../base/command.ts'
import { textIn } from '../base/decision-lines.ts'
import { networkReason } from '../base/gate-client.ts'
import { EXIT, type Outcome } from '../base/output.ts'
import { AUDIT_SCOPE, callAs, type GateOptions } from './access.ts'

/** Milliseconds before the stream is opened again, multiplied by the number of failed attempts in a row. */
const PAUSE_MS = 2_000
const PATIENCE = 10
/** Milliseconds without a byte, after which the stream is given up. The gate sends something every 15 seconds. */
const SILENCE_MS = 45_000

interface Following {
  /** Called once the stream is open; an outcome ends the command. */
  readonly begin: () => Promise<Outcome | undefined>
  readonly show: (records: readonly JsonObject[]) => Promise<void>
  /** Called with a gap: a number of decisions that were not stored. */
  readonly showGap: (gap: JsonObject) => void
}

/**
 * Shows decisions as a gate stores them. Connects again by itself, where it left off, until the gate says no or does
 * not answer any more.
 */
export async function follow(
  query: Readonly<Record<string, string>>,
  options: GateOptions,
  around: Process,
  { begin, show, showGap }: Following,
): Promise<Outcome> {
  let after: string | undefined
  let isBegun = false
  for (let faults = 0; ; ) {
    const stop = new AbortController()
    const silence = setTimeout(() => stop.abort(), SILENCE_MS)
    const events = { signal: stop.signal, after }
    const answer = await callAs(options, AUDIT_SCOPE, around, '/decisions/live', { query, events })
    let why = 'The gate ended the stream'
    if (!answer.ok) {
      clearTimeout(silence)
      const fault = answer.reason
      if (fault.exitCode === EXIT.no || !isBegun || ++faults > PATIENCE) return fault
      why = fault.err[0] ?? why
    } else {
      faults = 0
      try {
        for await (const events of eventsOf(answer.value.events ?? [])) {
          silence.refresh()
          for (const { event, id, data = {} } of events) {
            if (id !== undefined) after = id
            if (event === 'dropped') showGap(data)
            if (event === 'edgewarden.closed') why += ` (${textIn(data, 'code')})`
          }
          const ended = isBegun ? undefined : await begin()
          if (ended) return ended
          isBegun = true
          await show(
            events.flatMap(({ event, data }) => (data && event === undefined ? [data] : [])),
          )
        }
      } catch (error) {
        why = `The stream broke off: ${networkReason(error, SILENCE_MS)}`
      } finally {
        stop.abort()
        clearTimeout(silence)
      }
    }
    around.waiting.tell(`${why}. Connecting again.`)
    await around.waiting.sleep(PAUSE_MS * (faults + 1))
  }
}

interface Event {
  readonly id?: string
  readonly event?: string
  readonly data?: JsonObject | undefined
}

/** The events of each chunk, as far as they are whole. The gate writes one line of data for each. */
async function* eventsOf(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<readonly Event[]> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    yield blocks.map((block): Event => {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)))
      return { ...fields, data: fields.data && parseJsonObject(fields.data) }
    })
  }
}
