import { type JsonObject, own } from '../json.ts'
import type { Issuer } from './issuer.ts'

/** What a rule says of audiences. */
interface Resource {
  readonly resource: string
  readonly audiences?: readonly string[]
}

/**
 * What a token must say to be for this route: one of the route's audiences, else of its issuer's,
 * else the route's resource. A client's id is never compared with a resource.
 */
export function acceptedAudiences(issuer: Issuer, route: Resource): readonly string[] {
  return (
    route.audiences ?? issuer.audiences ?? (issuer.audienceClaim === 'aud' ? [route.resource] : [])
  )
}

/**
 * Whether a token is for this route (RFC 7519 §4.1.3): its audience claim names one of
 * {@link acceptedAudiences}. Where that claim is `client_id`, a token that also has an `aud` was
 * bound to a resource (RFC 8707), and must be for the route's.
 */
export function isForRoute(claims: JsonObject, issuer: Issuer, route: Resource): boolean {
  const accepted = acceptedAudiences(issuer, route)
  if (issuer.audienceClaim === 'aud') return names(own(claims, 'aud'), accepted)
  const client = own(claims, issuer.audienceClaim)
  return (
    accepted.some((one) => one === client) &&
    (!Object.hasOwn(claims, 'aud') || names(own(claims, 'aud'), [route.resource]))
  )
}

/** Whether an `aud` names one of the accepted; never where a part of it is no text. */
const names = (aud: unknown, accepted: readonly string[]): boolean => {
  const named = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud : []
  if (!named.every((one) => typeof one === 'string')) return false
  return accepted.some((one) => named.some((other) => isSameResource(other, one)))
}

/** Whether two identifiers are one resource's; nothing but one slash at the end is passed over. */
export function isSameResource(one: string, other: string): boolean {
  return one === other || bare(one) === bare(other)
}

/** A resource without a path may be written with or without its one trailing slash (RFC 3986 §6.2.3). */
const bare = (resource: string): string =>
  /^https?:\/\/[^/]+\/$/.test(resource) ? resource.slice(0, -1) : resource
