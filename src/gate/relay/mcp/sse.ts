import { grown, joined } from '../../base/body.ts'
import { utf8Encode } from '../../base/bytes.ts'
import { onceKnown } from '../../base/result.ts'
import { beginsListless, type Filtered, passesUnread } from './lists.ts'

/** The bounds of filtering an event stream. */
export interface EventTerms {
  /** Filters the data of one event. A promise is never for an event that is removed. */
  readonly filter: (data: string) => Filtered | Promise<Filtered>
  /** Most bytes of one event that are buffered. */
  readonly most: number
  /**
   * Whether events should contain no list. Then a longer event passes if it begins without a list. An event that is not
   * JSON passes if it can be neither a list nor a notification of a resource. Otherwise the stream ends with an error.
   */
  readonly isListless: boolean
}

const CR = 13
const LF = 10
const NOTHING = new Uint8Array(0)
/** First size of the buffer for an event in several parts. */
const FIRST_BYTES = 512

/**
 * Filters an event stream (WHATWG HTML §9.2) event by event. An event is sent when its final blank line has arrived:
 * unchanged, or with one new `data` line. A hidden event keeps only `id`, `retry` and comments. The stream ends with an
 * error at an event that cannot be checked, since a laxer reader could find hidden names in it. Lines end with CR, LF
 * or both; chunks end anywhere. An event that is cut off is filtered like others.
 */
export function filterEvents(
  terms: EventTerms,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  const { most, isListless } = terms
  /** The buffered bytes of the current event, at the start of `buffer`. */
  let buffer: Uint8Array = NOTHING
  let held = 0
  /** All bytes of the current event so far. */
  let size = 0
  /** Whether nothing was sent yet, so that a byte order mark still counts. */
  let isFirst = true
  /** Whether the current line is empty so far, and whether the byte before it was CR. */
  let isEmpty = true
  let wasCr = false
  /** Whether an LF after the final CR of an unchanged event is sent. */
  let isWhole = false
  /** Whether the current event is sent as it arrives. */
  let isPassing = false

  const hold = (bytes: Uint8Array) => {
    const needed = held + bytes.length
    if (needed > buffer.length) buffer = grown(buffer, Math.max(needed, FIRST_BYTES), most)
    buffer.set(bytes, held)
    held = needed
  }
  const taken = (): Uint8Array => {
    const bytes = buffer.subarray(0, held)
    buffer = NOTHING
    held = 0
    return bytes
  }

  const ended = (event: Uint8Array): Part => {
    size = 0
    const told = isPassing ? event : toldEvent(event, terms, isFirst)
    isWhole = told === event
    if (told instanceof Promise || told.length > 0) isFirst = false
    isPassing = false
    return told
  }

  /** Sends the event as it arrives, once it is too long with this part. */
  const measure = (part: Uint8Array) => {
    if (isPassing || size + part.length <= most) return
    const begun = joined([buffer.subarray(0, held), part]).subarray(0, most)
    if (!isListless || !beginsListless(dataOf(linesOf(begun, isFirst)))) throw tooLong()
    isPassing = true
  }

  const take = (chunk: Uint8Array, out: Part[]) => {
    const ends = lineEnds(chunk)
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === LF && wasCr) {
        wasCr = false
        if (size > 0 || at > from) continue
        // This LF belongs to the event that the CR before it ended.
        if (isWhole) out.push(chunk.subarray(at, at + 1))
        from = at + 1
        continue
      }
      wasCr = byte === CR
      if (byte !== LF && byte !== CR) {
        isEmpty = false
        at = ends.next(at) - 1
      } else if (!isEmpty) isEmpty = true
      else {
        const last = chunk.subarray(from, at + 1)
        measure(last)
        out.push(ended(held === 0 ? last : joined([taken(), last])))
        from = at + 1
      }
    }
    const rest = chunk.subarray(from)
    measure(rest)
    size += rest.length
    if (isPassing) {
      if (held > 0) out.push(taken())
      out.push(rest)
    } else if (rest.length > 0) hold(rest)
  }

  return new TransformStream({
    transform(chunk, controller) {
      const out: Part[] = []
      let fault: unknown
      const give = (parts: readonly Uint8Array[]) => {
        const all = joined(parts)
        if (all.length > 0) controller.enqueue(all)
        return fault === undefined ? undefined : brokenOff(fault)
      }
      try {
        take(chunk, out)
      } catch (error) {
        fault = error
      }
      return isAtOnce(out) ? give(out) : Promise.all(out).then(give, brokenOff)
    },
    async flush(controller) {
      if (held === 0) return
      const last = await ended(taken())
      if (last.length > 0) controller.enqueue(last as Uint8Array<ArrayBuffer>)
    },
  })
}

/** A part of the output; a promise where ids are sealed first. */
type Part = Uint8Array | Promise<Uint8Array>

const isAtOnce = (parts: readonly Part[]): parts is readonly Uint8Array[] =>
  !parts.some((part) => part instanceof Promise)

/** Finds line ends in a chunk without reading each byte in a loop. */
const lineEnds = (chunk: Uint8Array) => {
  const at = (byte: number, from: number) => {
    const found = chunk.indexOf(byte, from)
    return found < 0 ? chunk.length : found
  }
  let [lf, cr] = [at(LF, 0), at(CR, 0)]
  return {
    /** The index of the first line end from here on, or the chunk's length. */
    next(from: number): number {
      if (lf < from) lf = at(LF, from)
      if (cr < from) cr = at(CR, from)
      return Math.min(lf, cr)
    },
  }
}

/** Ends the stream with an error in a later task, so that data in transit is not lost. */
const brokenOff = async (error: unknown): Promise<never> => {
  await new Promise((done) => setTimeout(done, 0))
  throw error
}

const tooLong = () => new Error('An event is longer than the gate buffers')
const unreadable = () => new Error('An event that may contain a list is not JSON')

/** A byte order mark counts only at the start of the stream. */
const [beginning, further] = [false, true].map(
  (ignoreBOM) => new TextDecoder('utf-8', { fatal: false, ignoreBOM }),
)

const LINE = /\r\n|\r|\n/
const DATA = /^data(?:: ?|$)/
/** Lines for a client that reconnects (`id`, `retry`), and comments. */
const LASTING = /^(?:id|retry)(?::|$)|^:/

const linesOf = (event: Uint8Array, isFirst: boolean): readonly string[] => {
  const text = (isFirst ? beginning : further)?.decode(event) ?? ''
  return text.split(LINE).filter((line) => line !== '')
}

const dataOf = (lines: readonly string[]): string =>
  lines.flatMap((line) => (DATA.test(line) ? [line.replace(DATA, '')] : [])).join('\n')

const toldEvent = (event: Uint8Array, terms: EventTerms, isFirst: boolean): Part => {
  const lines = linesOf(event, isFirst)
  const first = lines.findIndex((line) => DATA.test(line))
  if (first < 0) return event
  const data = dataOf(lines)
  const tell = (told: Filtered): Uint8Array => {
    switch (told.outcome) {
      case 'same':
        return event
      case 'unreadable':
        if (terms.isListless && passesUnread(data)) return event
        throw unreadable()
      case 'gone':
        return eventOf(lines.filter((line) => LASTING.test(line)))
      case 'changed': {
        // In JSON, line ends are only between tokens.
        const line = `data: ${told.text.replace(/[\r\n]/g, ' ')}`
        return eventOf(lines.flatMap((one, i) => (i === first ? line : DATA.test(one) ? [] : one)))
      }
    }
  }
  return onceKnown(terms.filter(data), tell)
}

const eventOf = (lines: readonly string[]): Uint8Array =>
  lines.length === 0 ? NOTHING : utf8Encode(`${lines.join('\n')}\n\n`)
