import { LINE_ENDS, LINE_LENGTH, type Spelled } from './secret-encodings.ts'
import { joined } from './stream-start.ts'

/** From where to where something is found; the end excluded. */
type Range = readonly [from: number, to: number]

const MASK = '*'
const MASK_BYTE = 0x2a
/** One character for each byte; which, outside of ASCII, does not matter. */
const bytewise = new TextDecoder('latin1')

/** All places, also of what overlaps and of base64 in lines, in order of their beginning. */
const placesIn = (text: string, { find }: Spelled): readonly Range[] => {
  const ends = [...text.matchAll(LINE_ENDS)]
  if (ends.length === 0) return found(text, find)
  // Where each character of the text without these line ends stands in it.
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

/** Text with `*` in place of every character of a secret. */
export function maskText(text: string, spelled: Spelled): string {
  return placesIn(text, spelled).reduce(
    (masked, [from, to]) => masked.slice(0, from) + MASK.repeat(to - from) + masked.slice(to),
    text,
  )
}

/** Bytes with `*` in place of every byte of a secret; the very same where there is none. */
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
  const masked = bytes.slice()
  for (const [from, to] of places) masked.fill(MASK_BYTE, from, to)
  return masked
}

/**
 * {@link maskBytes} of a body chunk by chunk. What ends a chunk waits for the next one, or the end, where
 * it may be the beginning of a secret: characters that stand in secrets. Whether it really is one makes
 * no difference, since who can make an origin write what they like would learn a secret from that, letter
 * by letter. A line or an event that is complete does not wait, unless base64 may go on in the next line.
 */
export function maskStream(spelled: Spelled): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  let held = new Uint8Array(0)
  // Whether more of what may be a secret stood before what is held.
  let isCut = false
  return new TransformStream({
    transform(chunk, controller) {
      const bytes = joined(held.length === 0 ? [chunk] : [held, chunk])
      const places = placesIn(bytewise.decode(bytes), spelled)
      const least = Math.max(0, bytes.length - spelled.longest + 1)
      const open = opening(bytes, least, isCut, spelled)
      isCut = open === least && (isCut || open > 0)
      // What is found over this border is found again with what follows.
      const end = places.find(([from, to]) => from < open && to > open)?.[0] ?? open
      held = bytes.slice(end)
      if (end > 0) controller.enqueue(fill(bytes, places).subarray(0, end))
    },
    flush(controller) {
      if (held.length > 0) controller.enqueue(maskBytes(held, spelled))
    },
  })
}

/** From where a secret may have begun that is not there whole; no earlier than `least`. */
const opening = (bytes: Uint8Array, least: number, isCut: boolean, { isInside }: Spelled) => {
  let at = bytes.length
  while (at > least && (isInside(bytes[at - 1] as number) || isLineOf64(bytes, at, isCut))) at--
  return at
}

const CR = 13
const LF = 10
const IN_64 = new Set(
  [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_'].map((one) =>
    one.charCodeAt(0),
  ),
)

/** Whether a line ends here that base64 may go on after; `isCut` of what stood before these bytes. */
const isLineOf64 = (bytes: Uint8Array, end: number, isCut: boolean): boolean => {
  let at = end - 1
  if (bytes[at] === LF && bytes[at - 1] === CR) at--
  else if (bytes[at] !== LF && bytes[at] !== CR) return false
  const from = at - LINE_LENGTH
  while (at > 0 && at > from && IN_64.has(bytes[at - 1] as number)) at--
  return at === from || (at === 0 && isCut)
}
