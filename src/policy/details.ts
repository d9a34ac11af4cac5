import { isObject, own } from '../core/json.ts'
import type { DetailRule } from '../core/model/details.ts'
import { fail } from '../core/result.ts'
import { isIdentityText } from '../core/text.ts'
import { nameList, nameText, text } from './fields.ts'
import { quote, type Report, unknownName } from './issues.ts'
import { readHoles } from './scopes.ts'
import type { Shown } from './show-parts.ts'
import { field, list, readField, table } from './table.ts'

const identifier = text((value) =>
  isIdentityText(value)
    ? readHoles(value)
    : fail('must be non-empty text without control characters'),
)

const detail = table(
  {
    type: nameText,
    actions: nameList,
    locations: nameList,
    datatypes: nameList,
    identifier,
    privileges: nameList,
  },
  ['type'],
)

/** A list of tables: what the details of a token have to authorize (RFC 9396 §2). */
export const detailsField = field<readonly DetailRule[]>((value, report) =>
  Object.freeze(
    (readField(list(detail), value, report) ?? []).flatMap(({ type, ...rest }) =>
      type === undefined ? [] : [Object.freeze({ type, ...rest })],
    ),
  ),
)

/** Reports identifiers with a parameter that the path does not have, whatever else is wrong there. */
export function checkIdentifiers(raw: unknown, params: readonly string[], report: Report): void {
  for (const [i, rule] of (Array.isArray(raw) ? raw : []).entries()) {
    const template = isObject(rule)
      ? readField(identifier, own(rule, 'identifier'), toldAlready)
      : undefined
    const hole = template?.parts.find((part, n) => n % 2 === 1 && !params.includes(part))
    if (!template || hole === undefined) continue
    const what = unknownName('path parameter', hole, params)
    report([i, 'identifier'], `${quote(template.source)}: ${what}`)
  }
}

/** When the rule was read. */
const toldAlready: Report = () => {}

/** As they are written. */
export function showDetails(rules: readonly DetailRule[]): readonly Shown[] {
  return rules.map(({ identifier: template, ...rule }) => ({
    ...rule,
    ...(template && { identifier: template.source }),
  }))
}
