import { denials } from '../../base/denial.ts'
import type { Target } from '../../model/route.ts'

/** Why an origin has not answered, or its answer is not passed on. */
export const forwardDenials = denials({
  body_unexpected: [
    'badRequest',
    'A GET or HEAD request with a body cannot be forwarded',
    'Send the request without a body, or with a method whose body has a meaning (RFC 9110 §9.3.1)',
  ],
  origin_unreachable: [
    'badOrigin',
    'The origin behind the gate could not be reached, its answer is not HTTP, or the request broke off',
    'Try again; if the problem persists, tell the operator the request_id',
  ],
  origin_timeout: [
    'originTimeout',
    'The origin behind the gate did not answer in time',
    'Try again later, or ask for less in one request',
  ],
  origin_credential_refused: [
    'badOrigin',
    "The origin refused the gate's own credential",
    'Your token is not at fault; tell the operator the request_id',
  ],
  origin_encoding_unsupported: [
    'badOrigin',
    'The origin answered with a content coding, charset or range that the gate cannot read, on a route where it must',
    'Your request is not at fault; tell the operator the request_id',
  ],
})

/** A request's `fetch` options. A Request object would copy the headers once more. */
export interface Outbound extends Omit<RequestInit, 'headers'> {
  readonly headers: Headers
}

/**
 * Sends a request to an origin: over the network, or by a service binding. `isRead`: the gate reads
 * the body, so it must be decoded and lose its `Content-Encoding`; still encoded ones are refused.
 */
export type Send = (
  target: Target,
  url: string,
  outbound: Outbound,
  isRead: boolean,
) => Promise<Response>
