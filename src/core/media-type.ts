const JSON_TYPE = /^application\/json[\t ]*(?:;[\t ]*charset=(?:utf-8|"utf-8")[\t ]*)?$/i

/**
 * Whether a body is said to be JSON in UTF-8 and in no coding: the one type, with no other parameter
 * (RFC 8259 §11), once, and no Content-Encoding of any kind. Does not look at the body.
 */
export function isPlainJson(headers: Pick<Headers, 'get' | 'has'>): boolean {
  return JSON_TYPE.test(headers.get('content-type') ?? '') && !headers.has('content-encoding')
}
