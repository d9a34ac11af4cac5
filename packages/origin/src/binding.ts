import { base64url } from 'jose'
import { sha256Name } from '../../../src/gate/base/bytes.ts'
import { isPlainHost, parseUrl, splitUrl } from '../../../src/gate/base/url.ts'
import type { ReadClaims } from './claims.ts'
import { AgentError } from './errors.ts'
import { BINDINGS, type Settings, webUrl } from './options.ts'
import { type AgentRequest, bodyBytes, headerValues, hostsOf, sentTo } from './request.ts'
import { isUnderRoute } from './route.ts'

/**
 * Compares a request with its assertion: method and path with `route`, and the host. Also compares
 * `htm`, `htu`, `htq` and `bdh` if present or required. Reads the body only for `bdh`. Throws at
 * the first mismatch.
 */
export async function checkBinding(
  request: AgentRequest,
  { agent, htm, htu, htq, bdh }: ReadClaims,
  settings: Settings,
  rawBody: Uint8Array | undefined,
): Promise<void> {
  const { method = '' } = request
  const sent = sentTo(request)
  const { path, query } = sent
  const audience = String(agent.claims.aud)
  if (!isUnderRoute(agent.route, method, path)) {
    throw new AgentError('route_mismatch', { detail: agent.route })
  }
  const { hostHeader } = settings
  if (hostHeader !== false) {
    const hosts =
      hostHeader === undefined
        ? hostsOf(request, sent)
        : headerValues(request, hostHeader.toLowerCase())
    if (!isNamed(hosts, htu ?? audience, settings.audiences)) {
      throw new AgentError('host_mismatch', { detail: hosts.join(', ').slice(0, 256) })
    }
  }
  if (BINDINGS.indexOf(agent.binding) < BINDINGS.indexOf(settings.requireBinding)) {
    throw new AgentError('binding_missing', { detail: settings.requireBinding })
  }
  if (htm !== undefined && htm !== method) throw new AgentError('method_mismatch')
  if (htu !== undefined && !isSameUrl(htu, path, audience)) {
    throw new AgentError('url_mismatch', { detail: htu })
  }
  if (htm !== undefined && htq !== (query === '' ? undefined : await sha256Name(query))) {
    throw new AgentError('query_mismatch')
  }
  if (bdh === undefined) return
  const bytes = await bodyBytes(request, rawBody, settings.maxBodyBytes)
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
  if (base64url.encode(new Uint8Array(digest)) !== bdh) throw new AgentError('body_mismatch')
}

/** Whether `host` is the URL's host. Schemes may differ: a proxy may have ended TLS. */
const isHostOf = (host: string, { protocol, host: wanted }: URL): boolean =>
  isPlainHost(host) && parseUrl(`${protocol}//${host}`)?.host === wanted

/**
 * Whether the request's host is the one the assertion names. An assertion for a service binding
 * names no host; it is refused at the hosts of other audiences.
 */
const isNamed = (
  hosts: readonly string[],
  named: string,
  audiences: readonly string[],
): boolean => {
  const url = webUrl(named)
  if (url) return hosts.length > 0 && hosts.every((host) => isHostOf(host, url))
  const others = audiences.flatMap((one) => webUrl(one) ?? [])
  return !hosts.some((host) => others.some((other) => isHostOf(host, other)))
}

/** Compares the path with that of the request, and scheme and host with those of the audience. */
const isSameUrl = (htu: string, path: string, audience: string): boolean => {
  const url = splitUrl(htu)
  if (url?.query !== '' || url.path !== path) return false
  const wanted = webUrl(audience)
  return !wanted || parseUrl(htu)?.origin === wanted.origin
}
