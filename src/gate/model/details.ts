import { isObject, type JsonObject, own } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import { isSameResource } from './audience.ts'
import type { ScopeTemplate } from './scope.ts'

/** Members of an authorization detail that are lists of text (RFC 9396 §2.2). */
const LISTS = ['actions', 'datatypes', 'privileges', 'locations'] as const

type Lists = { readonly [K in (typeof LISTS)[number]]?: readonly string[] }

/** One authorization detail of a token (RFC 9396 §2), with its common members only. */
export interface AuthorizationDetail extends Lists {
  readonly type: string
  readonly identifier?: string
}

/** One authorization detail that a rule requires. */
export interface DetailRule extends Lists {
  readonly type: string
  readonly identifier?: ScopeTemplate
}

/**
 * Reads a token's `authorization_details` (RFC 9396 §9.1): at most {@link LIMITS.authorizationDetails} objects with a
 * `type` and well-formed common members, else `undefined`. Does not read members of specific types.
 */
export function readDetails(claim: unknown): readonly AuthorizationDetail[] | undefined {
  if (!Array.isArray(claim) || claim.length > LIMITS.authorizationDetails) return undefined
  const details = claim.map((one) => (isObject(one) ? readDetail(one) : undefined))
  return details.every((one) => one !== undefined) ? details : undefined
}

const readDetail = (detail: JsonObject): AuthorizationDetail | undefined => {
  const type = own(detail, 'type')
  const identifier = own(detail, 'identifier')
  if (typeof type !== 'string' || type === '') return undefined
  if (identifier !== undefined && typeof identifier !== 'string') return undefined
  const lists = LISTS.map((name) => [name, own(detail, name)] as const)
  if (!lists.every(([, list]) => list === undefined || isTexts(list))) return undefined
  return Object.freeze({
    ...Object.fromEntries(lists.filter(([, list]) => list !== undefined)),
    type,
    ...(identifier !== undefined && { identifier }),
  })
}

const isTexts = (list: unknown): list is readonly string[] =>
  Array.isArray(list) && list.every((one) => typeof one === 'string')

/**
 * Whether one detail authorizes everything that a rule lists, with the same type. A detail with locations must list the
 * rule's locations, or the resource where the rule has none.
 */
export function authorizes(
  detail: AuthorizationDetail,
  rule: DetailRule,
  /** The identifier that the rule requires, resolved from the request's path. */
  identifier: string | undefined,
  resource: string,
): boolean {
  return (
    detail.type === rule.type &&
    (identifier === undefined || detail.identifier === identifier) &&
    LISTS.every((name) => rule[name]?.every((one) => detail[name]?.includes(one)) ?? true) &&
    (rule.locations !== undefined ||
      (detail.locations?.some((one) => isSameResource(one, resource)) ?? true))
  )
}
