import { createHash } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { AuthorizationServer, DemoClient } from './authorization-server.ts'
import type { Call, Step } from './call.ts'

interface Bound {
  readonly call: Call
  readonly gate: string
  readonly server: AuthorizationServer
  readonly client: Pick<DemoClient, 'clientId' | 'clientSecret'>
}

/** An agent's token is bound to its key (RFC 9449): a thief of the token, and of a proof, gets nothing. */
export async function* dpopWalk({ call, gate, server, client }: Bound): AsyncGenerator<Step> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  const proofOf = (htm: string, htu: string, token?: string) =>
    new SignJWT({
      htm,
      htu,
      jti: crypto.randomUUID(),
      ...(token !== undefined && { ath: createHash('sha256').update(token).digest('base64url') }),
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt()
      .sign(privateKey)
  const path = '/v1/documents/42'
  const token = await server.token({
    ...client,
    scope: 'documents:read',
    proof: await proofOf('POST', server.tokenEndpoint),
  })
  const headers = {
    authorization: `DPoP ${token}`,
    dpop: await proofOf('GET', gate + path, token),
  }
  yield await call('a token bound to a key, with a proof', [200, 'allowed'], path, { headers })
  yield await call('the proof again', [401, 'proof_replayed'], path, { headers })
  yield await call('the stolen token', [401, 'token_bound'], path, { token })
}
