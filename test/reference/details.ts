/** `authorization_details` (docs/configuration/routes.md, "Authorization details"). */
import type { NeededDetail, Rule } from './rule.ts'
import { fillTemplate } from './scopes.ts'
import { type Json, type JsonObject, refuse } from './types.ts'

const MOST_DETAILS = 64
const LISTS = ['actions', 'datatypes', 'privileges', 'locations'] as const

/** Checks that for each table of the rule the token has one detail with everything that the table lists. */
export function checkDetails(rule: Rule, params: Record<string, string>, claims: JsonObject): void {
  if (rule.details.length === 0) return
  const details = readDetails(claims.authorization_details)
  const needed = rule.details.map((detail) => ({
    detail,
    identifier: identifierOf(detail, params),
  }))
  for (const { detail, identifier } of needed) {
    const isAllowed = details.some((each) => allows(each, detail, identifier, rule))
    if (!isAllowed) refuse('authorization_details_missing')
  }
}

function identifierOf(needed: NeededDetail, params: Record<string, string>): string | undefined {
  if (needed.identifier === undefined) return undefined
  return fillTemplate(needed.identifier, params) ?? refuse('authorization_details_value_invalid')
}

/** The details of the token, or none if it has no such claim. */
function readDetails(claim: Json | undefined): JsonObject[] {
  if (claim === undefined) return []
  const isList = Array.isArray(claim) && claim.length <= MOST_DETAILS && claim.every(isDetail)
  if (!isList) refuse('authorization_details_malformed')
  return claim as JsonObject[]
}

function isDetail(value: Json): boolean {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false
  const isText = (each: Json | undefined) => typeof each === 'string'
  const isOptionalList = (each: Json | undefined) =>
    each === undefined || (Array.isArray(each) && each.every(isText))
  return (
    isText(value.type) &&
    LISTS.every((name) => isOptionalList(value[name])) &&
    (value.identifier === undefined || isText(value.identifier))
  )
}

function allows(
  detail: JsonObject,
  needed: NeededDetail,
  identifier: string | undefined,
  rule: Rule,
): boolean {
  if (detail.type !== needed.type) return false
  if (identifier !== undefined && detail.identifier !== identifier) return false
  const hasAll = (name: (typeof LISTS)[number], values: string[] | undefined) =>
    (values ?? []).every((value) => (detail[name] as string[] | undefined)?.includes(value))
  const isHere =
    needed.locations !== undefined ||
    detail.locations === undefined ||
    (detail.locations as string[]).some((one) => withoutSlash(one) === withoutSlash(rule.resource))
  return isHere && LISTS.every((name) => hasAll(name, needed[name]))
}

/** A resource without a path may end in a slash or not. */
function withoutSlash(resource: string): string {
  return resource.replace(/^(https?:\/\/[^/]+)\/$/, '$1')
}
