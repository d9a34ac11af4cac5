import { isObject } from '../core/json.ts'
import type { ActorRule, DelegationRule } from '../core/model/issuer.ts'
import { fail, ok } from '../core/result.ts'
import { isIdentityText } from '../core/text.ts'
import { claimPathField, flag, nameText, word } from './fields.ts'
import { quote, type Report, unknownName } from './issues.ts'
import { field, list, type Readable, reads, readTable, table } from './table.ts'

/** Deepest chain a policy may allow. */
const DEEPEST = 10

const depth = reads<number>((value) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= DEEPEST
    ? ok(value as number)
    : fail(`must be a whole number from 0 to ${DEEPEST}`),
)

/** An agent or its subject by `sub`, or by issuer and `sub`. */
const actor = field<ActorRule>((value, report) => {
  if (isObject(value)) {
    const { sub = '', issuer } = readTable(
      { issuer: nameText, sub: nameText },
      ['sub'],
      value,
      report,
    )
    return { sub, ...(issuer !== undefined && { issuer }) }
  }
  if (!isIdentityText(value)) report([], 'must be a sub, or { issuer, sub }')
  return { sub: typeof value === 'string' ? value : '' }
})

const FIELDS = {
  max_depth: depth,
  require_actor: flag,
  actors: list(actor),
  subjects: list(actor),
  issuers: list(nameText, { empty: true }),
  may_act: word(['if_present', 'required']),
}

/** A `delegation` table of a rule (RFC 8693 §4.1). */
export const delegationField = table(FIELDS)
/** That of an issuer, which also says what its tokens look like. */
export const issuerDelegationField = table({ ...FIELDS, parent_scope: claimPathField })
export type DelegationEntry = Readable<typeof FIELDS>

/** Known issuers: name in the configuration → `iss`. */
export type IssuerNames = ReadonlyMap<string, string>

/** An issuer by its name in the configuration, or a URL that is an `iss` nobody configured. */
const issOf = (text: string, names: IssuerNames, report: Report): string => {
  const named = names.get(text)
  if (named === undefined && !text.includes('://'))
    report([], unknownName('issuer', text, [...names.keys()]))
  return named ?? text
}

/** The limits a table sets; what it leaves out is as in `unset`. */
export function delegationOf(
  entry: DelegationEntry | undefined,
  unset: Pick<DelegationRule, 'maxDepth' | 'issuers'>,
  names: IssuerNames,
  report: Report,
): DelegationRule {
  const at =
    (...path: (string | number)[]): Report =>
    (_, message) =>
      report(path, message)
  const named = (key: 'actors' | 'subjects') =>
    entry?.[key] && {
      [key]: Object.freeze(
        entry[key].map(({ sub, issuer }, i) =>
          issuer === undefined
            ? { sub }
            : { sub, issuer: issOf(issuer, names, at(key, i, 'issuer')) },
        ),
      ),
    }
  return Object.freeze({
    maxDepth: entry?.max_depth ?? unset.maxDepth,
    // Who limits actors does not mean that nobody has to act.
    requireActor: entry?.require_actor ?? entry?.actors !== undefined,
    issuers: entry?.issuers
      ? new Set(entry.issuers.map((one, i) => issOf(one, names, at('issuers', i))))
      : unset.issuers,
    ...named('actors'),
    ...named('subjects'),
    ...(entry?.may_act && { mayAct: entry.may_act }),
  })
}

interface Judged {
  /** The longest chain that can pass. */
  readonly maxDepth: number
  /** Whether an issuer's actors count. */
  readonly counts: (iss: string) => boolean
  /** Whether an issuer's tokens are taken. */
  readonly takes: (iss: string) => boolean
  readonly names: IssuerNames
}

/** Actors and subjects that are asked for can be there: of an issuer that counts, or whose tokens are taken. */
export function checkActors(
  { require_actor, actors, subjects }: DelegationEntry,
  { maxDepth, counts, takes, names }: Judged,
  report: Report,
): void {
  const none = 'asks for an actor, and none can be there: max_depth is 0'
  if (maxDepth === 0 && require_actor) report(['require_actor'], none)
  if (maxDepth === 0 && actors) report(['actors'], none)
  const rows = [
    ['actors', actors, counts, 'does not count: it is not in delegation.issuers'],
    ['subjects', subjects, takes, 'is an issuer whose tokens are not taken here'],
  ] as const
  for (const [key, named, isGood, message] of rows) {
    for (const [i, { issuer }] of (named ?? []).entries()) {
      if (issuer === undefined || !(names.has(issuer) || issuer.includes('://'))) continue
      if (!isGood(names.get(issuer) ?? issuer)) {
        report([key, i, 'issuer'], `${quote(issuer)} ${message}`)
      }
    }
  }
}

/** Deepest chain where nothing is configured. */
export const DEFAULT_DEPTH = 3
/** No limit of a rule's own. */
export const ANY_DEPTH = DEEPEST
