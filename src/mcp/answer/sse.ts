import { grown } from '../../core/body.ts'
import { utf8Encode } from '../../core/bytes.ts'
import { joined } from '../../gateway/relay/stream-start.ts'
import { beginsListless, type Filtered, passesUnread } from './lists.ts'

/** How the events of a stream are told. */
export interface EventTerms {
  /** What becomes of the data of one. */
  readonly filter: (data: string) => Filtered
  /** Bytes of one that are held. */
  readonly most: number
  /**
   * Whether no list should be in any: then one that is longer passes as it comes if it begins without one, and
   * one that is no JSON if it could hold none and tells of no resource either. Else the stream breaks off at it.
   */
  readonly isListless: boolean
}

const CR = 13
const LF = 10
const NOTHING = new Uint8Array(0)
/** Room that is made for an event in parts. */
const FIRST_BYTES = 512

/**
 * An event stream (WHATWG HTML §9.2) event by event: each goes on as soon as the blank line has come that
 * ends it, byte for byte as it was, or with one `data` line in place of its own. Of one that may not be told
 * its id and its comments stay. The stream breaks off at one that cannot be judged: who reads JSON less strictly
 * would find in it what is not for them. Lines end with CR, LF or both; chunks end anywhere. What breaks off before its
 * blank line is judged like any other.
 */
export function filterEvents(
  terms: EventTerms,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  const { most, isListless } = terms
  /** What is held of the event that is being read, at the beginning of a buffer. */
  let buffer: Uint8Array = NOTHING
  let held = 0
  /** All that has come of it. */
  let size = 0
  /** Whether nothing has been sent, so that its reader begins with what goes on now. */
  let isFirst = true
  /** Whether the line that is being read is empty so far, and what the byte before it was. */
  let isEmpty = true
  let wasCr = false
  /** Of an event that ended with CR: whether its LF, if there is one, goes on. */
  let isWhole = false
  /** Whether the event that is being read goes on as it comes. */
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

  const ended = (event: Uint8Array): Uint8Array => {
    size = 0
    const told = isPassing ? event : toldEvent(event, terms, isFirst)
    isWhole = told === event
    if (told.length > 0) isFirst = false
    isPassing = false
    return told
  }

  /** Lets the event go on as it comes where it is too long with this part of it. */
  const measure = (part: Uint8Array) => {
    if (isPassing || size + part.length <= most) return
    const begun = joined([buffer.subarray(0, held), part]).subarray(0, most)
    if (!isListless || !beginsListless(dataOf(linesOf(begun, isFirst)))) throw tooLong()
    isPassing = true
  }

  const take = (chunk: Uint8Array, out: Uint8Array[]) => {
    const ends = lineEnds(chunk)
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === LF && wasCr) {
        wasCr = false
        if (size > 0 || at > from) continue
        // It belongs to the event that its CR has ended.
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
      const out: Uint8Array[] = []
      let fault: unknown
      try {
        take(chunk, out)
      } catch (error) {
        fault = error
      }
      const all = joined(out)
      if (all.length > 0) controller.enqueue(all)
      return fault === undefined ? undefined : brokenOff(fault)
    },
    flush(controller) {
      if (held === 0) return
      const last = ended(taken())
      if (last.length > 0) controller.enqueue(last as Uint8Array<ArrayBuffer>)
    },
  })
}

/** Where lines end in a chunk, found without looking at each byte. */
const lineEnds = (chunk: Uint8Array) => {
  const at = (byte: number, from: number) => {
    const found = chunk.indexOf(byte, from)
    return found < 0 ? chunk.length : found
  }
  let [lf, cr] = [at(LF, 0), at(CR, 0)]
  return {
    /** The first end from here on, or that of the chunk. */
    next(from: number): number {
      if (lf < from) lf = at(LF, from)
      if (cr < from) cr = at(CR, from)
      return Math.min(lf, cr)
    },
  }
}

/** Breaks a stream off, but not in this turn: what is on its way would be lost with it. */
const brokenOff = async (error: unknown): Promise<never> => {
  await new Promise((done) => setTimeout(done, 0))
  throw error
}

const tooLong = () => new Error('An event is longer than what is held of one')
const unreadable = () => new Error('An event that may hold a list is no JSON')

/** A byte order mark counts only where the stream begins. */
const [beginning, further] = [false, true].map(
  (ignoreBOM) => new TextDecoder('utf-8', { fatal: false, ignoreBOM }),
)

const LINE = /\r\n|\r|\n/
const DATA = /^data(?:: ?|$)/
/** What an event leaves behind for those who come back for the next one (`id`, `retry`), and comments. */
const LASTING = /^(?:id|retry)(?::|$)|^:/

const linesOf = (event: Uint8Array, isFirst: boolean): readonly string[] => {
  const text = (isFirst ? beginning : further)?.decode(event) ?? ''
  return text.split(LINE).filter((line) => line !== '')
}

const dataOf = (lines: readonly string[]): string =>
  lines.flatMap((line) => (DATA.test(line) ? [line.replace(DATA, '')] : [])).join('\n')

const toldEvent = (
  event: Uint8Array,
  { filter, isListless }: EventTerms,
  isFirst: boolean,
): Uint8Array => {
  const lines = linesOf(event, isFirst)
  const first = lines.findIndex((line) => DATA.test(line))
  if (first < 0) return event
  const data = dataOf(lines)
  const told = filter(data)
  switch (told.outcome) {
    case 'same':
      return event
    case 'unreadable':
      if (isListless && passesUnread(data)) return event
      throw unreadable()
    case 'gone':
      return eventOf(lines.filter((line) => LASTING.test(line)))
    case 'changed': {
      // In JSON line ends stand between tokens only.
      const line = `data: ${told.text.replace(/[\r\n]/g, ' ')}`
      return eventOf(lines.flatMap((one, i) => (i === first ? line : DATA.test(one) ? [] : one)))
    }
  }
}

const eventOf = (lines: readonly string[]): Uint8Array =>
  lines.length === 0 ? NOTHING : utf8Encode(`${lines.join('\n')}\n\n`)
