import { type CodeOf, type Denial, denials } from '../base/denial.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'

/** Why the body of a request to the gate itself is not read. */
export const bodyDenials = denials({
  body_too_large: [
    'tooLarge',
    'The request body is larger than this endpoint takes',
    'Send less at a time',
  ],
  content_type_unsupported: [
    'unsupported',
    'This endpoint takes JSON only',
    'Send the body as Content-Type: application/json, without Content-Encoding',
  ],
})

const JSON_TYPE = /^application\/json[\t ]*(?:;[\t ]*charset="?utf-8"?[\t ]*)?$/i

/**
 * The bytes of a JSON request, at most {@link LIMITS.adminBodyBytes}; what is over the limit is not
 * taken in. Does not look at what the bytes say. Rejects when the client goes away meanwhile.
 */
export const readJsonBody = async (
  request: Request,
): Promise<Result<Uint8Array<ArrayBuffer>, Denial<CodeOf<typeof bodyDenials>>>> => {
  if (
    !JSON_TYPE.test(request.headers.get('content-type') ?? '') ||
    request.headers.has('content-encoding')
  ) {
    return fail(bodyDenials('content_type_unsupported'))
  }
  const bytes = new Uint8Array(LIMITS.adminBodyBytes)
  let length = 0
  const reader = request.body?.getReader()
  while (reader) {
    const { done, value } = await reader.read()
    if (done) break
    if (length + value.byteLength > bytes.byteLength) {
      await reader.cancel()
      return fail(bodyDenials('body_too_large'))
    }
    bytes.set(value, length)
    length += value.byteLength
  }
  return ok(bytes.subarray(0, length))
}
