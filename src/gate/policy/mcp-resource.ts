import { isSameResource } from '../model/audience.ts'
import type { RouteEntry } from './keys/route-keys.ts'
import { quote, quoteAll, type Report } from './reading/issues.ts'
import { type Surroundings, takenIssuers } from './route.ts'

type ResourceContext = Pick<Surroundings, 'gate' | 'issuers'>

/** The rule's issuers whose own audiences replace the rule's resource. */
const widened = (entry: RouteEntry, around: ResourceContext) =>
  entry.audiences
    ? []
    : takenIssuers(entry, around).flatMap(({ name, audienceClaim, audiences }) =>
        audiences && audienceClaim === 'aud' ? [{ name, audiences }] : [],
      )

/**
 * Checks that each issuer of the rule accepts the resource that the metadata names, since MCP clients get tokens for
 * it. Does not check issuers whose audience claim is `client_id`.
 */
export function checkMcpAudiences(
  entry: RouteEntry,
  around: ResourceContext,
  report: Report,
): void {
  const resource = (entry.resource ?? around.gate.resource)?.text
  if (!entry.mcp || resource === undefined) return
  const without = widened(entry, around).filter(
    ({ audiences }) => !audiences.some((one) => isSameResource(one, resource)),
  )
  if (without.length === 0) return
  report(
    ['audiences'],
    `is not written, so those of ${quoteAll(without.map(({ name }) => name))} count, which lack ${quote(resource)}: a client that follows the metadata can never get in; write audiences on the rule, or leave the issuer's out`,
  )
}

/** Warns of a resource and of audiences that clients cannot use, or that accept tokens for other resources. */
export function warnMcpResource(entry: RouteEntry, around: ResourceContext, report: Report): void {
  const resource = entry.resource ?? around.gate.resource
  if (!entry.mcp || !entry.match || !resource) return
  const { url, text } = resource
  const { path } = entry.match
  if (!isWithin(entry, url)) {
    report(
      ['resource'],
      `${entry.resource ? 'is' : "is not written, and GATE's is"} ${quote(text)}: official clients refuse it at a URL that does not begin with it, and the rule is for ${quote((entry.host ?? '') + path)}`,
    )
  } else if (!entry.resource && url.pathname !== path) {
    report(
      ['resource'],
      `is not written: every token for ${quote(text)} is good for this MCP server, and one for the server is good elsewhere; write the URL that its clients use`,
    )
  }
  for (const { name, audiences } of widened(entry, around)) {
    const others = audiences.filter((one) => !isSameResource(one, text))
    if (others.length === 0) continue
    report(
      ['audiences'],
      `is not written, so those of ${quote(name)} count: tokens for ${quoteAll(others)} are good for this MCP server too; write ${quote(text)} as audiences of the rule, or leave the issuer's out`,
    )
  }
  const taken = takenIssuers(entry, around)
  if (taken.length > 0 && taken.every(({ keys, workload }) => workload || keys.kind === 'inline')) {
    report(
      [entry.issuers ? 'issuers' : 'mcp'],
      'takes only issuers with inline jwks, or of workloads, so the metadata names no authorization server, and MCP clients cannot find out where to get a token; use jwks_uri, or leave jwks out',
    )
  }
}

/** Whether URLs of the rule begin with the resource, in whole segments, as official clients compare them. */
const isWithin = ({ host, match }: RouteEntry, { hostname, pathname }: URL): boolean => {
  if (host !== undefined && host !== hostname) return false
  const path = (match?.path ?? '').replace(/\*$/, '')
  const closed = (text: string) => (text.endsWith('/') ? text : `${text}/`)
  return path.length >= pathname.length && closed(path).startsWith(closed(pathname))
}
