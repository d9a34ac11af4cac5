import { base64url } from 'jose'
import { parseUrl, splitUrl } from '../base/url.ts'
import type { AssertionBinding } from '../model/assertion.ts'
import type { ReadClaims } from './claims.ts'
import { AgentError } from './errors.ts'
import type { Settings } from './options.ts'
import { type AgentRequest, bodyBytes, pathOf } from './request.ts'
import { isUnderRoute } from './route.ts'

const STRENGTH: Readonly<Record<AssertionBinding, number>> = { identity: 0, request: 1, body: 2 }

/**
 * Holds a request against what its assertion is for: method and path against `route`, and against
 * `htm`, `htu` and `bdh` where they are there or demanded. The query is bound to nothing. Reads the
 * body only for `bdh`. Throws for what does not fit.
 */
export const checkBinding = async (
  request: AgentRequest,
  { agent, htm, htu, bdh }: ReadClaims,
  settings: Settings,
  rawBody: Uint8Array | undefined,
): Promise<void> => {
  const { method = '' } = request
  const path = pathOf(request)
  if (!isUnderRoute(agent.route, method, path)) {
    throw new AgentError('route_mismatch', { detail: agent.route })
  }
  if (STRENGTH[agent.binding] < STRENGTH[settings.requireBinding]) {
    throw new AgentError('binding_missing', { detail: settings.requireBinding })
  }
  if (htm !== undefined && htm !== method) throw new AgentError('method_mismatch')
  if (htu !== undefined && !isSameUrl(htu, path, String(agent.claims.aud))) {
    throw new AgentError('url_mismatch', { detail: htu })
  }
  if (bdh === undefined) return
  const bytes = await bodyBytes(request, rawBody, settings.maxBodyBytes)
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
  if (base64url.encode(new Uint8Array(digest)) !== bdh) throw new AgentError('body_mismatch')
}

/** The path is the request's; scheme and host are the audience's, for the request may show inner ones. */
const isSameUrl = (htu: string, path: string, audience: string): boolean => {
  const url = splitUrl(htu)
  if (url?.query !== '' || url.path !== path) return false
  const wanted = parseUrl(audience)
  return !wanted || !isWeb(wanted) || parseUrl(htu)?.origin === wanted.origin
}

const isWeb = ({ protocol }: URL): boolean => protocol === 'https:' || protocol === 'http:'
