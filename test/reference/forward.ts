/** A request that is forwarded: where it goes, and with which headers (docs/origin.md). */
import type { Asked } from './asked.ts'
import { assertionClaims } from './assertion.ts'
import { bytesOf } from './body.ts'
import { headersForOrigin } from './headers.ts'
import { originPath } from './route.ts'
import { refuse, type Verdict } from './types.ts'
import type { Verified } from './verification.ts'

/** An allowed request: the headers and the target that the origin gets. Without `verified` nobody is named. */
export function forward(asked: Asked, verified?: Verified, grant: string[] = []): Verdict {
  const { request, route, target, known, operation } = asked
  if (route === undefined) throw new Error('no route')
  const { rule } = route
  const hasBody = bytesOf(request).length > 0
  if (hasBody && ['GET', 'HEAD'].includes(request.method)) refuse('body_unexpected')
  const query = target.query === undefined ? '' : `?${target.query.replaceAll("'", '%27')}`
  const sent = originPath(rule, route.path) + query
  const assertion = verified && assertionClaims(asked, rule, verified, sent)
  return {
    ...known,
    allowed: true,
    ...(verified && grant.length > 0 && { grant }),
    headers: headersForOrigin(asked, rule, verified, grant),
    origin: rule.origin,
    target: sent,
    body: operation?.body ?? request.body,
    ...(assertion && { assertion }),
  }
}
