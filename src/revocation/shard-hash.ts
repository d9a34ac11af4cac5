/** The shard that leads: the only one where entries are written and listed. */
export const LEADER = '0'

/**
 * Which of `count` things a text belongs to, the same everywhere: evenly spread, and nothing that must be
 * kept from whoever chooses the text.
 */
export function choiceOf(text: string, count: number): number {
  // FNV-1a, and the finish of MurmurHash3 because its low bits are poor.
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % count
}
