import { method } from './method.ts'

/** A bearer token (RFC 6750): whoever has it may use it, so there is nothing to prove. */
export const bearer = method({
  name: 'bearer',
  scheme: 'Bearer',
  denials: [],
  challenge: (common) => common,
  metadata: { bearer_methods_supported: ['header'] },
})
