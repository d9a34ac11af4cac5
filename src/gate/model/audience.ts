import { type JsonObject, own } from '../base/json.ts'
import type { Issuer } from './issuer.ts'

/** The audience settings of a rule. */
interface Resource {
  readonly resource: string
  readonly audiences?: readonly string[]
}

/**
 * The audiences that a rule accepts: the rule's list, else the issuer's, else the rule's resource. A `client_id` is
 * never compared with a resource. A workload's token is accepted for the rule's resource alone.
 */
export function acceptedAudiences(issuer: Issuer, route: Resource): readonly string[] {
  if (issuer.workload && !issuer.trustDomain) return [route.resource]
  return (
    route.audiences ?? issuer.audiences ?? (issuer.audienceClaim === 'aud' ? [route.resource] : [])
  )
}

/**
 * Whether a token is meant for this rule (RFC 7519 §4.1.3): its audience claim contains one of {@link
 * acceptedAudiences}, and for a workload's token nothing else. Where that claim is `client_id` and the token also has
 * an `aud`, the `aud` must be the rule's resource (RFC 8707).
 */
export function isForRoute(claims: JsonObject, issuer: Issuer, route: Resource): boolean {
  const accepted = acceptedAudiences(issuer, route)
  if (issuer.audienceClaim === 'aud') return names(own(claims, 'aud'), accepted, issuer.workload)
  const client = own(claims, issuer.audienceClaim)
  return (
    accepted.some((one) => one === client) &&
    (!Object.hasOwn(claims, 'aud') || names(own(claims, 'aud'), [route.resource]))
  )
}

/** Whether an `aud` contains an accepted audience; `false` where any member of it is not a string. */
const names = (aud: unknown, accepted: readonly string[], alone = false): boolean => {
  const named = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud : []
  if (!named.every((one) => typeof one === 'string')) return false
  if (alone && named.length > 1) return false
  return accepted.some((one) => named.some((other) => isSameResource(other, one)))
}

/**
 * Whether two identifiers are the same resource, apart from the trailing slash of {@link bare}.
 * @example isSameResource('https://api.example.com', 'https://api.example.com/') // true
 */
export function isSameResource(one: string, other: string): boolean {
  return one === other || bare(one) === bare(other)
}

/** A resource without a path may be written with or without its slash (RFC 3986 §6.2.3); this removes it. */
const bare = (resource: string): string =>
  /^https?:\/\/[^/]+\/$/.test(resource) ? resource.slice(0, -1) : resource
