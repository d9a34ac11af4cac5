import type { Spelled } from './spellings.ts'
import { joined } from './stream-start.ts'

/** From where to where something is found; the end excluded. */
type Range = readonly [from: number, to: number]

const MASK = '*'
const MASK_BYTE = 0x2a
/** One character for each byte; which, outside of ASCII, does not matter. */
const bytewise = new TextDecoder('latin1')

/** All places, also of what overlaps, in order of their beginning. */
const placesIn = (text: string, { find }: Spelled): readonly Range[] => {
  const places: Range[] = []
  find.lastIndex = 0
  for (let found = find.exec(text); found; found = find.exec(text)) {
    places.push([found.index, found.index + found[0].length])
    find.lastIndex = found.index + 1
  }
  return places
}

/** Text with `*` in place of every character of a secret. */
export const maskText = (text: string, spelled: Spelled): string =>
  placesIn(text, spelled).reduce(
    (masked, [from, to]) => masked.slice(0, from) + MASK.repeat(to - from) + masked.slice(to),
    text,
  )

/** Bytes with `*` in place of every byte of a secret; the very same where there is none. */
export const maskBytes = (
  bytes: Uint8Array<ArrayBuffer>,
  spelled: Spelled,
): Uint8Array<ArrayBuffer> => fill(bytes, placesIn(bytewise.decode(bytes), spelled))

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
 * by letter. A line or an event that is complete never waits.
 */
export const maskStream = (
  spelled: Spelled,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> => {
  let held = new Uint8Array(0)
  return new TransformStream({
    transform(chunk, controller) {
      const bytes = joined(held.length === 0 ? [chunk] : [held, chunk])
      const places = placesIn(bytewise.decode(bytes), spelled)
      const open = opening(bytes, spelled)
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

/** From where a secret may have begun that is not there whole. */
const opening = (bytes: Uint8Array, { longest, isInside }: Spelled): number => {
  const least = Math.max(0, bytes.length - longest + 1)
  let at = bytes.length
  while (at > least && isInside(bytes[at - 1] as number)) at--
  return at
}
