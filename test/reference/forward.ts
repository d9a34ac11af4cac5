/** A request that is forwarded: where it goes, and with which headers (docs/origin.md). */
import { assertionClaims } from './assertion.ts'
import { bytesOf } from './body.ts'
import type { Forwarded } from './forwarded.ts'
import { headersForOrigin } from './headers.ts'
import type { Policy } from './policy.ts'
import type { Progress } from './progress.ts'
import { type Route, stripPrefix } from './route.ts'
import { type Request, refuse, type Verdict, type World } from './types.ts'
import type { Verified } from './verification.ts'

/** An allowed request: the headers and the target that the origin gets. */
export function forward(
  policy: Policy,
  request: Request,
  world: World,
  progress: Progress,
  verified: Verified | undefined,
  grant: string[],
): Verdict {
  const { route, host, target, known, operation } = progress
  if (route === undefined) throw new Error('no route')
  const { rule } = route
  const hasBody = bytesOf(request).length > 0
  if (hasBody && ['GET', 'HEAD'].includes(request.method)) refuse('body_unexpected')
  const forwarded: Forwarded = {
    request,
    rule,
    host,
    identity: verified?.identity,
    grant,
    possession: verified?.possession ?? 'bearer',
    step: verified?.step,
    operation,
  }
  const query = target.query === undefined ? '' : `?${target.query.replaceAll("'", '%27')}`
  const sent = originPath(rule, route.path) + query
  const assertion = verified && assertionClaims(policy, forwarded, verified.identity, sent)
  return {
    ...known,
    allowed: true,
    ...(verified && grant.length > 0 && { grant }),
    headers: headersForOrigin(policy, world, forwarded),
    origin: rule.origin,
    target: sent,
    body: operation?.body ?? request.body,
    ...(assertion && { assertion }),
  }
}

/** The path of the origin's URL, then the canonical path without `strip_prefix`. */
function originPath(rule: Route['rule'], path: string): string {
  const base = rule.origin.startsWith('service:') ? '' : new URL(rule.origin).pathname
  const rest = stripPrefix(rule, path)
  if (rest === '') return base === '' ? '/' : base
  return base.replace(/\/$/, '') + rest
}
