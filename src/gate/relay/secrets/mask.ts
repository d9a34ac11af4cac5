import { joined } from '../../base/body.ts'
import { IS_LINE, LINE_ENDS, LINE_LENGTH, LONGEST_END, type Spelled } from './secret-encodings.ts'

/** Start and end of a match; the end is exclusive. */
type Range = readonly [from: number, to: number]

const MASK = '*'
const MASK_BYTE = 0x2a
/** Decodes each byte to one character; non-ASCII characters need not be right. */
const bytewise = new TextDecoder('latin1')

/** All matches by their start, also overlapping ones and base64 across lines. */
const placesIn = (text: string, { find }: Spelled): readonly Range[] => {
  const ends = [...text.matchAll(LINE_ENDS)]
  if (ends.length === 0) return found(text, find)
  // By index in the text without line ends: the index in the text.
  const places = new Uint32Array(text.length + 1)
  const lines: string[] = []
  let [from, length] = [0, 0]
  for (const { index, 0: end } of [...ends, { index: text.length, 0: '' }]) {
    lines.push(text.slice(from, index))
    while (from < index) places[length++] = from++
    from += end.length
  }
  const at = (place: number) => places[place] as number
  const across = found(lines.join(''), find).map(([from, to]): Range => [at(from), at(to - 1) + 1])
  return [...found(text, find), ...across].sort(([a], [b]) => a - b)
}

const found = (text: string, find: RegExp): readonly Range[] => {
  const places: Range[] = []
  find.lastIndex = 0
  for (let one = find.exec(text); one; one = find.exec(text)) {
    places.push([one.index, one.index + one[0].length])
    find.lastIndex = one.index + 1
  }
  return places
}

/** Replaces every character of a secret with `*`. */
export function maskText(text: string, spelled: Spelled): string {
  return placesIn(text, spelled).reduce(
    (masked, [from, to]) => masked.slice(0, from) + MASK.repeat(to - from) + masked.slice(to),
    text,
  )
}

/** Replaces every byte of a secret with `*`; returns the same bytes without a match. */
export function maskBytes(
  bytes: Uint8Array<ArrayBuffer>,
  spelled: Spelled,
): Uint8Array<ArrayBuffer> {
  return fill(bytes, placesIn(bytewise.decode(bytes), spelled))
}

const fill = (
  bytes: Uint8Array<ArrayBuffer>,
  places: readonly Range[],
): Uint8Array<ArrayBuffer> => {
  if (places.length === 0) return bytes
  // No `slice`: that of Node's Buffer is no copy.
  const masked = new Uint8Array(bytes)
  for (const [from, to] of places) masked.fill(MASK_BYTE, from, to)
  return masked
}

/** Bytes that stay for the search after they are sent: a line end is only one after so much of a line. */
const CONTEXT = LINE_LENGTH + LONGEST_END

/**
 * {@link maskBytes} for a stream. Trailing characters that occur in secrets wait for the next chunk
 * or the end. They wait whether or not a secret begins there: otherwise an attacker could guess a
 * secret letter by letter. Complete lines do not wait, unless base64 may continue on the next.
 */
export function maskStream(spelled: Spelled): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  // What waits, after what is sent and stays as context.
  let kept = new Uint8Array(0)
  let sent = 0
  return new TransformStream({
    transform(chunk, controller) {
      const bytes = joined(kept.length === 0 ? [chunk] : [kept, chunk])
      const places = placesIn(bytewise.decode(bytes), spelled)
      const open = opening(bytes, Math.max(sent, bytes.length - spelled.longest + 1), spelled)
      // A match across this border is found again with the next chunk.
      const crossing = places.find(([from, to]) => from < open && to > open)?.[0] ?? open
      const end = Math.max(sent, crossing)
      if (end > sent) controller.enqueue(fill(bytes, places).subarray(sent, end))
      sent = Math.min(end, CONTEXT)
      kept = new Uint8Array(bytes.subarray(end - sent))
    },
    flush(controller) {
      if (kept.length > sent) controller.enqueue(maskBytes(kept, spelled).subarray(sent))
    },
  })
}

/** The index where an incomplete secret may begin, at least `least`. */
const opening = (bytes: Uint8Array, least: number, { isInside }: Spelled) => {
  let at = bytes.length
  while (at > least && (isInside(bytes[at - 1] as number) || isLineOf64(bytes, at))) at--
  return at
}

const CR = 13
const LF = 10

/** Whether base64 may continue after a line that ends at `end`. */
const isLineOf64 = (bytes: Uint8Array, end: number): boolean => {
  let at = end - 1
  if (bytes[at] === LF && bytes[at - 1] === CR) at--
  else if (bytes[at] !== LF && bytes[at] !== CR) return false
  return at >= LINE_LENGTH && IS_LINE.test(bytewise.decode(bytes.subarray(at - LINE_LENGTH, at)))
}
