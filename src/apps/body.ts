import { type BodyFault, readBody } from '../base/body.ts'
import { type CodeOf, type Denial, denials } from '../base/denial.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { fallen, standingDenials, subjectsOf } from '../stages/standing.ts'
import type { Admin } from './context.ts'

/** Why the body of a request to the gate itself is not read. */
export const bodyDenials = denials({
  body_too_large: [
    'tooLarge',
    'The request body is larger than this endpoint takes',
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
    'Send the request again, with its whole body; nothing was changed',
  ],
  content_type_unsupported: [
    'unsupported',
    'This endpoint takes JSON only',
    'Send the body as Content-Type: application/json, without Content-Encoding',
  ],
})

type BodyCode = CodeOf<typeof bodyDenials>

const CODES: Readonly<Record<BodyFault, BodyCode>> = {
  too_large: 'body_too_large',
  too_slow: 'body_timeout',
  broken: 'body_incomplete',
}

const JSON_TYPE = /^application\/json[\t ]*(?:;[\t ]*charset="?utf-8"?[\t ]*)?$/i

/**
 * The bytes of a JSON request, within {@link LIMITS.adminBodyBytes} and {@link LIMITS.bodyReadMs};
 * what is over them is not taken in (RFC 9110 §15.5.9, §15.5.14), and what breaks off is denied
 * too, for whoever still listens (RFC 9112 §8). Does not look at what the bytes say.
 */
export const readJsonBody = async (
  request: Request,
): Promise<Result<Uint8Array<ArrayBuffer>, Denial<BodyCode>>> => {
  if (
    !JSON_TYPE.test(request.headers.get('content-type') ?? '') ||
    request.headers.has('content-encoding')
  ) {
    return fail(bodyDenials('content_type_unsupported'))
  }
  const read = await readBody(request.body, {
    bytes: LIMITS.adminBodyBytes,
    ms: LIMITS.bodyReadMs,
  })
  return read.ok ? ok(read.value) : fail(bodyDenials(CODES[read.reason]))
}

/** {@link readJsonBody} of somebody who must still be allowed to send it when its last byte has come. */
export const readAdminBody = async (c: Admin): Promise<Result<Uint8Array<ArrayBuffer>, Denial>> => {
  const body = await readJsonBody(c.req.raw)
  const denial = body.ok ? await fallenMeanwhile(c) : undefined
  return denial ? fail(denial) : body
}

/** Why the token of the request does not stand any more; it did before the body was read. */
const fallenMeanwhile = async (c: Admin): Promise<Denial | undefined> => {
  const policy = c.get('policy')
  const access = c.get('access')
  const { revocations, clock } = c.get('ports')
  try {
    const entries = await revocations.lookup(subjectsOf(access, c.get('agent'), policy))
    return fallen({ policy, access }, entries, clock.now())
  } catch (error) {
    return standingDenials('revocations_unavailable', { error: String(error) })
  }
}
