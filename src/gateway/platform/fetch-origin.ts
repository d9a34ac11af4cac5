import type { Send } from '../relay/forward.ts'
import { withoutCoding } from '../relay/without-secrets.ts'

/** What `fetch` outside of workerd decodes by itself, though the answer still says it is encoded. */
const DECODED = /^(?:(?:x-)?gzip|deflate|br)(?:\s*,\s*(?:(?:x-)?gzip|deflate|br))*$/i

/** What workerd decodes for a script, in this spelling only. */
export const DECODED_IN_WORKERD = /^(?:gzip|br)$/

/** `fetch`, with a body that is what its headers say: workerd passes it on as it came. */
export const fetchOrigin: Send = async (_, url, outbound, isRead) => {
  if ('FixedLengthStream' in globalThis) {
    return isRead
      ? withoutCoding(await fetch(url, outbound), DECODED_IN_WORKERD)
      : fetch(url, outbound)
  }
  // Node's fetch refuses to send it; the server before this has answered it already.
  outbound.headers.delete('expect')
  outbound.headers.set('accept-encoding', isRead ? 'identity' : 'gzip')
  return withoutCoding(await fetch(url, outbound), DECODED)
}
