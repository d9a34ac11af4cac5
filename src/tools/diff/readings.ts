import type { DetailRule } from '../../core/model/details.ts'
import type { RouteMatch } from '../../core/model/route.ts'
import { originText } from '../../policy/rows.ts'
import { plainResource } from './matched-rule.ts'
import { conditionFor, needsFor } from './mcp.ts'
import { asSet } from './same.ts'

type Params = RouteMatch['params']

/**
 * Settings whose text says something else in another rule, as they are for one request: a parameter
 * of the same name may be another part of the path, details without `locations` are for the rule's
 * resource, and a service is asked under the resource's host. Assertions name an origin as it is
 * written. Others are what they are written as.
 */
export function readingsOf({ route, params }: RouteMatch): Readonly<Record<string, unknown>> {
  return {
    ...(route.when && { when: conditionFor(route.when, params) }),
    ...(route.mcp && { mcp: needsFor(route.mcp, params) }),
    ...(route.authorizationDetails && {
      authorization_details: route.authorizationDetails.map((rule) =>
        detailFor(rule, params, route.resource),
      ),
    }),
    origin: {
      at: `${originText(route.target)} ${route.target.url.href}`,
      as: route.target.audience,
    },
  }
}

const detailFor = (
  { type, identifier, locations, ...lists }: DetailRule,
  params: Params,
  resource: string,
): unknown => ({
  type,
  ...Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, asSet(list)])),
  ...(identifier && {
    identifier: identifier.parts
      .map((part, i) => (i % 2 === 0 ? part : (params.get(part) ?? '')))
      .join(''),
  }),
  ...(locations ? { locations: asSet(locations) } : { resource: plainResource(resource) }),
})

/** Whether some setting of two rules says something else of one request in the one than in the other. */
export function readOtherwise(one: RouteMatch, other: RouteMatch): boolean {
  return JSON.stringify(readingsOf(one)) !== JSON.stringify(readingsOf(other))
}
