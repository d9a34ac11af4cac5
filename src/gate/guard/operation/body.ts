import { base64url } from 'jose'
import { type BodyFault, contentLength, readBody } from '../../base/body.ts'
import { type CodeOf, type Denial, denials } from '../../base/denial.ts'
import { LIMITS } from '../../base/limits.ts'
import type { RequestHead } from '../../base/request.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Room } from '../../base/room.ts'
import type { AgentIdentity } from '../../model/token.ts'

/** Denials for a request body, buffered or streamed. */
export const bodyDenials = denials({
  body_too_large: [
    'tooLarge',
    'The request body is larger than this gate reads',
    'Send less at a time',
  ],
  body_timeout: [
    'tooSlow',
    'The request body did not arrive whole in time',
    'Send the request again, with its body at once; nothing was changed',
  ],
  body_incomplete: [
    'badRequest',
    'The request body broke off before its end',
    'Send the request again, with its whole body',
  ],
  bodies_full: [
    'unavailable',
    'The gate has no memory left for the request body, or this agent has used its share',
    'Try again after Retry-After, with fewer or smaller bodies at a time',
  ],
  digest_mismatch: [
    'badRequest',
    'The request body does not have the digest that Content-Digest names',
    'Send the body that the digest was computed from, or no Content-Digest (RFC 9530 §2)',
  ],
})

type BodyCode = CodeOf<typeof bodyDenials>

const CODES: Readonly<Record<BodyFault, BodyCode>> = {
  too_large: 'body_too_large',
  too_slow: 'body_timeout',
  broken: 'body_incomplete',
  no_room: 'bodies_full',
}

/** The owner in whose share a buffered body is counted: issuer and id of the agent. */
export function ownerOf({ issuer, id }: Pick<AgentIdentity, 'issuer' | 'id'>): string {
  return JSON.stringify([issuer, id])
}

/**
 * Reads a body of at most `bytes`, within `ms`. Denies one that is larger, slower or broken. What a body has beyond
 * `bytes` can still be read.
 */
export async function wholeBody(
  body: ReadableStream<Uint8Array> | null,
  bytes: number,
  room: Room,
  length?: number,
  ms: number = LIMITS.bodyReadMs,
): Promise<Result<Uint8Array<ArrayBuffer>, Denial<BodyCode>>> {
  const read = await readBody(body, { bytes, ms, room, length, leavesRest: true })
  return read.ok ? ok(read.value) : fail(bodyDenials(CODES[read.reason]))
}

/** A buffered body. */
export interface HeldBody {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** base64url SHA-256, where the origin gets it. */
  readonly digest?: string
}

/** A request whose body can be read, unless it was read before. */
type BodiedRequest = RequestHead & {
  readonly body?: ReadableStream<Uint8Array> | null
  readonly bodyUsed?: boolean
}

/** Reads a request's body and checks its Content-Digest (RFC 9530 §2), if any. Rejects if it was read before. */
export async function heldBody(
  request: BodiedRequest,
  most: number,
  room: Room,
  withDigest = true,
): Promise<Result<HeldBody, Denial<BodyCode>>> {
  if (request.bodyUsed) throw new TypeError('The body of the request was read before')
  const length = contentLength(request.headers)
  const read = await wholeBody(request.body ?? null, most, room, length)
  if (!read.ok) return read
  const bytes = read.value
  const said = request.headers.get('content-digest')
  if (said !== null && !(await isOf(bytes, said))) return fail(bodyDenials('digest_mismatch'))
  return ok(withDigest ? { bytes, digest: await sha256Of(bytes) } : { bytes })
}

/** The digest of a body as the origin gets it. */
export async function sha256Of(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return base64url.encode(await digestOf('SHA-256', bytes))
}

const KEY = '[a-z*][a-z0-9_.*-]*'
const BYTES = ':([A-Za-z0-9+/]*={0,2}):'
/** Bare items (RFC 9651 §3.3): number, string, token, bytes, boolean, date, display string. */
const BARE = [
  String.raw`-?(?:\d{1,12}\.\d{1,3}|\d{1,15})`,
  String.raw`"(?:[ !#-[\]-~]|\\["\\])*"`,
  "[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*",
  BYTES.replace('(', '(?:'),
  String.raw`\?[01]`,
  String.raw`@-?\d{1,15}`,
  '%"(?:[ !#$&-~]|%[0-9a-f]{2})*"',
].join('|')

/** A member of the dictionary (RFC 9530 §2, RFC 9651 §3.2): algorithm, bytes, ignored parameters, and the comma. */
const MEMBER = new RegExp(
  `[ \\t]*(${KEY})=${BYTES}(?:; *${KEY}(?:=(?:${BARE}))?)*[ \\t]*(?:,(?=.)|$)`,
  'gy',
)

/** The secure algorithms (RFC 9530 §5); digests of others are ignored. */
const ALGORITHMS: Readonly<Record<string, string>> = { 'sha-256': 'SHA-256', 'sha-512': 'SHA-512' }

/**
 * Whether a Content-Digest is well-formed and each digest of a known algorithm is right. A repeated algorithm is
 * refused: the last one would count (RFC 9651 §3.2), but other readers may use the first.
 */
const isOf = async (bytes: Uint8Array<ArrayBuffer>, said: string): Promise<boolean> => {
  const members = [...said.matchAll(MEMBER)]
  if (members.map(([text]) => text).join('') !== said) return false
  if (new Set(members.map(([, name]) => name)).size !== members.length) return false
  for (const [, name = '', value] of members) {
    const algorithm = Object.hasOwn(ALGORITHMS, name) ? ALGORITHMS[name] : undefined
    if (algorithm && value !== base64Of(await digestOf(algorithm, bytes))) return false
  }
  return members.length > 0
}

const digestOf = async (algorithm: string, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest(algorithm, bytes))

const base64Of = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))
