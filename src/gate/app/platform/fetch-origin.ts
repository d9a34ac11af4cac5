import type { Send } from '../../relay/origin/send.ts'
import { withoutCoding } from '../../relay/streams/without-secrets.ts'

/** Encodings that `fetch` outside of workerd decodes while keeping `Content-Encoding`. */
const DECODED = /^(?:(?:x-)?gzip|deflate|br)(?:\s*,\s*(?:(?:x-)?gzip|deflate|br))*$/i

/** Encodings that workerd decodes for scripts, in this spelling only. */
export const DECODED_IN_WORKERD = /^(?:gzip|br)$/

/** `fetch` whose body matches its `Content-Encoding`. workerd leaves unread bodies encoded. */
export async function fetchOrigin(
  ...[_, url, outbound, isRead]: Parameters<Send>
): Promise<Response> {
  if ('FixedLengthStream' in globalThis) {
    return isRead
      ? withoutCoding(await fetch(url, outbound), DECODED_IN_WORKERD)
      : fetch(url, outbound)
  }
  // Node's fetch refuses to send `Expect`. The server that received the request has already answered it.
  outbound.headers.delete('expect')
  outbound.headers.set('accept-encoding', isRead ? 'identity' : 'gzip')
  return withoutCoding(await fetch(url, outbound), DECODED)
}
