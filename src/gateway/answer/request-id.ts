import type { RequestHead } from '../../core/request.ts'

const REQUEST_ID = /^[A-Za-z0-9._-]{8,64}$/

/** The caller's `X-Request-Id` where it is one that can be passed on, else a new one. */
export function requestIdOf({ headers }: RequestHead, fresh: string = crypto.randomUUID()): string {
  const inbound = headers.get('x-request-id')
  return inbound !== null && REQUEST_ID.test(inbound) ? inbound : fresh
}
