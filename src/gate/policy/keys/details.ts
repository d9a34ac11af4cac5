import { isObject, own } from '../../base/json.ts'
import { fail } from '../../base/result.ts'
import { isIdentityText } from '../../base/text.ts'
import type { DetailRule } from '../../model/details.ts'
import { holesOf } from '../../model/scope.ts'
import { nameList, nameText, text } from '../reading/fields.ts'
import { quote, type Report, unknownName } from '../reading/issues.ts'
import { type KeyDocs, list, readField, required, table } from '../reading/table.ts'
import { readHoles } from './scopes.ts'
import type { Shown } from './show-parts.ts'

const identifier = text((value) =>
  isIdentityText(value)
    ? readHoles(value)
    : fail('must be non-empty text without control characters'),
)

export const DETAIL_KEYS = {
  type: required(nameText),
  actions: nameList,
  datatypes: nameList,
  privileges: nameList,
  identifier,
  locations: nameList,
}

const allOf = (name: string): string =>
  `The detail must have all of these ${name}, and may have more.`

export const DETAIL_DOCS: KeyDocs<typeof DETAIL_KEYS> = {
  type: {
    description: 'The `type` of the detail. Details of other types are ignored.',
    example: 'document',
  },
  actions: { description: allOf('actions'), unset: 'any', example: ['write'] },
  datatypes: { description: allOf('datatypes'), unset: 'any', example: ['text'] },
  privileges: { description: allOf('privileges'), unset: 'any', example: ['editor'] },
  identifier: {
    description:
      'The detail must have exactly this `identifier`. `{name}` takes a path parameter, as in scopes.',
    unset: 'any',
    example: 'documents/{id}',
  },
  locations: {
    description:
      "The detail must have all of these locations, and may have more. Without this key a detail that has `locations` must have the rule's `resource` among them.",
    unset: "any, or the rule's `resource`",
    example: ['https://api.example.com'],
  },
}

const detail = table(DETAIL_KEYS, ({ type = '', ...rest }): DetailRule => ({ type, ...rest }))

/** A list of tables: what the details of a token have to authorize (RFC 9396 §2). */
export const detailsField = list(detail)

/** Reports identifiers with a parameter that the path does not have, whatever else is wrong there. */
export function checkIdentifiers(raw: unknown, params: readonly string[], report: Report): void {
  for (const [i, rule] of (Array.isArray(raw) ? raw : []).entries()) {
    const template = isObject(rule)
      ? readField(identifier, own(rule, 'identifier'), reportedAlready)
      : undefined
    const hole = template && holesOf(template).find((name) => !params.includes(name))
    if (!template || hole === undefined) continue
    const what = unknownName('path parameter', hole, params)
    report([i, 'identifier'], `${quote(template.source)}: ${what}`)
  }
}

/** The reader of the rule has reported its mistakes. */
const reportedAlready: Report = () => {}

/** As they are written. */
export function showDetails(rules: readonly DetailRule[]): readonly Shown[] {
  return rules.map(({ identifier: template, ...rule }) => ({
    ...rule,
    ...(template && { identifier: template.source }),
  }))
}
