import { denials } from '../../base/denial.ts'
import { fail, ok } from '../../base/result.ts'
import { method } from './method.ts'

const deny = denials({
  certificate_missing: [
    'invalidToken',
    'The token is bound to a client certificate, and the connection has no verified client certificate',
    'Connect with the client certificate that the token is bound to',
  ],
  certificate_mismatch: [
    'invalidToken',
    'The token is bound to another client certificate',
    'Connect with the client certificate that the token is bound to',
  ],
})

/** Mutual TLS (RFC 8705 §3): the connection's client certificate, as the platform has verified it. */
export const mtls = method({
  name: 'mtls',
  scheme: 'Bearer',
  member: 'x5t#S256',
  denials: [deny],
  verify(thumbprint, { connection }) {
    const certificate = connection?.certificate
    if (certificate === undefined) return fail(deny('certificate_missing'))
    return certificate === thumbprint ? ok({}) : fail(deny('certificate_mismatch'))
  },
  metadata: { tls_client_certificate_bound_access_tokens: true },
})
