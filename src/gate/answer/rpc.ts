import { utf8Encode } from '../base/bytes.ts'
import { answerRow, type Denial } from '../base/denial.ts'
import { messageOf } from './problem.ts'

/** Number and name of a gRPC status by HTTP status. Clients retry `unavailable`, and not the others. */
const RPC: Readonly<Record<number, readonly [number, string]>> = {
  400: [3, 'invalid_argument'],
  401: [16, 'unauthenticated'],
  403: [7, 'permission_denied'],
  404: [5, 'not_found'],
  415: [12, 'unimplemented'],
  429: [8, 'resource_exhausted'],
}

const statusOf = ({ answer }: Denial): readonly [number, string] => {
  const { status } = answerRow(answer)
  return RPC[status] ?? (status < 500 ? [9, 'failed_precondition'] : [14, 'unavailable'])
}

/** `google.rpc.Status` as JSON. */
export function googleError(denial: Denial) {
  return {
    code: answerRow(denial.answer).status,
    message: messageOf(denial),
    status: statusOf(denial)[1].toUpperCase(),
    details: [],
  }
}

/** An error of Connect. */
export function connectError(denial: Denial) {
  return { code: statusOf(denial)[1], message: messageOf(denial) }
}

/** A frame of gRPC-web, or an envelope of Connect. */
const frame = (flags: number, text: string): Uint8Array<ArrayBuffer> => {
  const content = utf8Encode(text)
  const bytes = new Uint8Array(5 + content.length)
  new DataView(bytes.buffer).setUint32(1, content.length)
  bytes[0] = flags
  bytes.set(content, 5)
  return bytes
}

/** The status of a gRPC call, as headers. Its message has escapes only where it must: some clients do not decode all. */
export function grpcStatus(denial: Denial): readonly (readonly [name: string, value: string])[] {
  return [
    ['grpc-status', String(statusOf(denial)[0])],
    ['grpc-message', messageOf(denial).replace(/[^ -$&-~]+/g, encodeURIComponent)],
  ]
}

/** The status of a gRPC-web call, as a frame. */
export function trailers(denial: Denial): Uint8Array<ArrayBuffer> {
  const lines = grpcStatus(denial).map(([name, value]) => `${name}: ${value}\r\n`)
  return frame(0x80, lines.join(''))
}

/** The last envelope of a stream of Connect. */
export function endOfStream(denial: Denial): Uint8Array<ArrayBuffer> {
  return frame(2, JSON.stringify({ error: connectError(denial) }))
}
