import type { DetailRule } from '../../model/details.ts'
import type { RouteMatch } from '../../model/route.ts'
import { writtenCondition } from '../conditions/field.ts'
import { originText } from '../rows.ts'
import { plainResource } from './met.ts'

type Params = RouteMatch['params']

/**
 * Settings whose text says something else in another rule, as they are for one request: a parameter
 * of the same name may be another part of the path, details without `locations` are for the rule's
 * resource, and a service is asked under the resource's host. Others are what they are written as.
 */
export const readingsOf = ({ route, params }: RouteMatch): Readonly<Record<string, unknown>> => ({
  ...(route.when && {
    when: [
      writtenCondition(route.when),
      route.when.params.map((name) => [name, params.get(name) ?? '']),
    ],
  }),
  ...(route.authorizationDetails && {
    authorization_details: route.authorizationDetails.map((rule) =>
      detailFor(rule, params, route.resource),
    ),
  }),
  ...(route.target.service !== undefined && {
    origin: [originText(route.target), route.target.url.href],
  }),
})

const detailFor = (
  { identifier, locations, ...rule }: DetailRule,
  params: Params,
  resource: string,
): unknown => ({
  ...rule,
  ...(identifier && {
    identifier: identifier.parts
      .map((part, i) => (i % 2 === 0 ? part : (params.get(part) ?? '')))
      .join(''),
  }),
  ...(locations ? { locations } : { resource: plainResource(resource) }),
})

/** Names of the settings that two rules read alike of one request, or not at all, left out. */
export const readOtherwise = (one: RouteMatch, other: RouteMatch): readonly string[] => {
  const [ours, theirs] = [readingsOf(one), readingsOf(other)]
  return Object.keys({ ...ours, ...theirs }).filter(
    (name) => JSON.stringify(ours[name]) !== JSON.stringify(theirs[name]),
  )
}
