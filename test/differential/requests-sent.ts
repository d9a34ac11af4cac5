/** A request of the second implementation as the platform would hand it to the gate. */
import type { PlatformFacts } from '../../src/gate/app/platform/ports.ts'
import type { Request as Sent } from '../reference/types.ts'

const PLACE = 'http://placeholder.invalid/'

/** The request and what Cloudflare says of it. The address is exactly as it was sent. */
export function requestOf(sent: Sent): { request: Request; cf: PlatformFacts } {
  const { method, scheme, host, target, headers, body, certificate } = sent
  const isBodiless = method === 'GET' || method === 'HEAD'
  const request = new Request(PLACE, {
    method,
    headers: host === undefined ? headers : [['host', host], ...headers],
    // As bytes: a text would get a Content-Type.
    ...(body !== undefined && !isBodiless && { body: Buffer.from(body as string), duplex: 'half' }),
  } as RequestInit)
  Object.defineProperty(request, 'url', { value: `${scheme}://${host ?? ''}${target}` })
  if (body !== undefined && isBodiless && body.length > 0) {
    Object.defineProperty(request, 'body', { value: new Blob([body as string]).stream() })
  }
  const cf: PlatformFacts = {
    clientIp: sent.address.includes(':') ? `[${sent.address}]:4000` : `${sent.address}:4000`,
    ...(sent.country !== undefined && { country: sent.country }),
    ...(sent.asn !== undefined && { asn: sent.asn }),
    ...(sent.colo !== undefined && { colo: sent.colo }),
    ...(sent.tls !== undefined && { tlsVersion: sent.tls }),
    ...(sent.botScore !== undefined && { botManagement: { score: sent.botScore } }),
    ...(certificate && {
      tlsClientAuth: {
        certVerified: certificate.verified ? 'SUCCESS' : 'FAILED',
        certRevoked: certificate.revoked ? '1' : '0',
        ...(certificate.sha256 !== undefined && { certFingerprintSHA256: certificate.sha256 }),
      },
    }),
  }
  return { request, cf }
}
