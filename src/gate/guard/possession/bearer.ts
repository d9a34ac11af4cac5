import { method } from './method.ts'

/** A bearer token (RFC 6750): everyone who has it may use it, so no proof is needed. */
export const bearer = method({
  name: 'bearer',
  scheme: 'Bearer',
  denials: [],
  challenge: (common) => common,
  metadata: { bearer_methods_supported: ['header'] },
})
