import { compactVerify } from 'jose'
import type { AuthorizationServer, CustomFetchOptions } from 'oauth4webapi'
import type { GatePorts } from '../../gate/app/platform/ports.ts'
import { readBody } from '../../gate/base/body.ts'
import { type JsonObject, own, ownText } from '../../gate/base/json.ts'
import { decodeJwsPart, splitJws } from '../../gate/base/jws.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import { fail, ok } from '../../gate/base/result.ts'
import { fetchedWithin } from '../../gate/base/timeout.ts'
import { allowedUrl, fetchDocument } from '../../gate/keys/document.ts'
import { metadataUrls } from '../../gate/keys/published.ts'
import { algorithmOf, type Issuer } from '../../gate/model/issuer.ts'
import { system } from '../../gate/platform/system.ts'

/** Milliseconds for which an issuer's metadata is used, and for which a failure is remembered. */
const KEPT_MS = { found: 600_000, failed: 30_000 }

const servers = new Map<string, { readonly at: number; readonly server?: AuthorizationServer }>()

/** The issuer's server did not answer within the bounds. */
export class Unreachable extends Error {}

/** `fetch` for an issuer's endpoint: within bounds of time and bytes, without redirects. Rejects with {@link Unreachable}. */
export async function sendBounded(
  url: string,
  { method, headers, body }: CustomFetchOptions<string, unknown>,
): Promise<Response> {
  const ms = LIMITS.fetchMs
  const answer = await fetchedWithin(ms, async (signal) => {
    const init = { method, headers, body: body as BodyInit, redirect: 'manual', signal } as const
    const response = await fetch(url, init)
    const read = await readBody(response.body, { bytes: LIMITS.documentBytes, ms, signal })
    return read.ok ? ok(new Response(read.value, response)) : fail(read.reason)
  })
  if (!answer.ok) throw new Unreachable(answer.reason)
  return answer.value
}

/** The claims of an ID token whose signature verifies with a key of the issuer. Checks nothing else. */
export async function verifiedClaims(
  token: string,
  issuer: Issuer,
  {
    ports,
    caller,
  }: { readonly ports: Pick<GatePorts, 'keys'>; readonly caller: string | undefined },
): Promise<JsonObject | undefined> {
  const header = decodeJwsPart(splitJws(token)?.header ?? '')
  const algorithm = algorithmOf(header && own(header, 'alg'))
  if (!header || !algorithm || !issuer.algorithms.includes(algorithm)) return undefined
  const kid = ownText(header, 'kid')
  const key = await ports.keys.find(
    issuer,
    { algorithm, ...(kid !== undefined && { kid }) },
    caller,
  )
  if (!key.ok) return undefined
  const isGood = await compactVerify(token, key.value.key).then(
    () => true,
    () => false,
  )
  return isGood ? decodeJwsPart(splitJws(token)?.payload ?? '') : undefined
}

/**
 * The issuer's metadata, by OpenID Connect Discovery §4 or RFC 8414 §3, from memory if it is not old. `undefined` if it
 * cannot be read, or names no endpoint to which the gate may send people and codes.
 */
export async function authorizationServerOf(
  issuer: Issuer,
  { clock }: Pick<GatePorts, 'clock'>,
): Promise<AuthorizationServer | undefined> {
  const known = servers.get(issuer.issuer)
  if (known && clock.now() - known.at < KEPT_MS[known.server ? 'found' : 'failed']) {
    return known.server
  }
  const server = await discovered(issuer)
  servers.set(issuer.issuer, { at: clock.now(), ...(server && { server }) })
  return server
}

const discovered = async (issuer: Issuer): Promise<AuthorizationServer | undefined> => {
  const { allowInsecureHttp, keys } = issuer
  const never = keys.kind === 'discovery' ? { never: keys.never } : {}
  const rules = { fetch: system.fetch, allowInsecureHttp, ...never }
  for (const url of [...metadataUrls(issuer.issuer)].reverse()) {
    const found = await fetchDocument(url, rules)
    if (!found.ok || found.value.kind !== 'document') continue
    const { document } = found.value
    const ends = ['authorization_endpoint', 'token_endpoint'].map((name) => ownText(document, name))
    const isUsable = ends.every((one) => one !== undefined && allowedUrl(one, rules))
    if (own(document, 'issuer') === issuer.issuer && isUsable) {
      return document as unknown as AuthorizationServer
    }
  }
  return undefined
}
