import { isObject } from '../../base/json.ts'
import { isIdentityText } from '../../base/text.ts'
import type { ActorRule, DelegationRule } from '../../model/issuer.ts'
import { claimPathField, flag, nameText, whole, word } from '../reading/fields.ts'
import { quote, type Report, under, unknownName } from '../reading/issues.ts'
import {
  anyOf,
  type ComparedDocs,
  field,
  type KeyDocs,
  list,
  type Readable,
  readTable,
  required,
  table,
} from '../reading/table.ts'

/** The longest chain that a policy may allow, and the longest chain by default. */
export const DEEPEST = 10
export const DEFAULT_DEPTH = 3

export const ACTOR_KEYS = { sub: required(nameText), issuer: nameText }

export const ACTOR_DOCS: KeyDocs<typeof ACTOR_KEYS> = {
  sub: {
    description: 'The `sub` of the actor or subject.',
    example: 'alice',
  },
  issuer: {
    description:
      'Issuer of the actor or subject, by name or URL. An actor needs an issuer in `issuers`, a subject an issuer whose tokens the rule accepts. Another issuer is a mistake.',
    unset: "the token's issuer",
    example: 'acme',
  },
}

/** An agent or its subject by `sub`, or by issuer and `sub`. */
const actor = field(
  (value, report): ActorRule => {
    if (isObject(value)) {
      const { sub = '', issuer } = readTable(ACTOR_KEYS, value, report)
      return { sub, ...(issuer !== undefined && { issuer }) }
    }
    if (!isIdentityText(value)) report([], 'must be a sub, or { issuer, sub }')
    return { sub: typeof value === 'string' ? value : '' }
  },
  anyOf(nameText, table(ACTOR_KEYS)),
)

const FIELDS = {
  max_depth: whole(0, DEEPEST),
  require_actor: flag,
  actors: list(actor),
  subjects: list(actor),
  issuers: list(nameText, { empty: true }),
  may_act: word(['if_present', 'required']),
}

/** Every key of `delegation`: `parent_scope` is a key of issuers only, which also say what their tokens look like. */
export const DELEGATION_KEYS = { ...FIELDS, parent_scope: claimPathField }

export const DELEGATION_DOCS: ComparedDocs<typeof DELEGATION_KEYS> = {
  max_depth: {
    description:
      'Longest chain of actors, 0 to 10. With 0, `require_actor` and `actors` are mistakes.',
    unset: '3; in a rule, the value of the issuer',
    example: 1,
    compare: 'elsewhere',
  },
  require_actor: {
    description: 'Denies tokens without `act`.',
    unset: '`true` with `actors`, else `false`',
    example: true,
    compare: 'elsewhere',
  },
  actors: {
    description:
      "Who may act; only the outermost actor is compared. Each is a `sub` of the token's issuer, or a table with [these keys](configuration/delegation.md#keys-of-actors-and-subjects).",
    unset: 'any',
    example: ['orchestrator'],
    compare: 'elsewhere',
  },
  subjects: {
    description:
      "On whose behalf the agent may act. Each is a `sub` of the token's issuer, or a table with [these keys](configuration/delegation.md#keys-of-actors-and-subjects).",
    unset: 'any',
    example: ['alice'],
    compare: 'elsewhere',
  },
  issuers: {
    description: 'Other issuers whose `act.iss` is accepted, by name or URL.',
    unset: 'none; in a rule, the value of the issuer',
    example: ['partner'],
    compare: 'elsewhere',
  },
  may_act: {
    description:
      'When `may_act` (RFC 8693 §4.4) must name the outermost actor: `"if_present"`, in a token that has it; `"required"`, in every token with `act`. Otherwise the answer is 403 `may_act_mismatch`. Without this key it is not checked.',
    example: 'if_present',
    compare: 'elsewhere',
  },
  parent_scope: {
    description:
      "Only in an issuer's table: claim path of the parent token's scopes. Each scope of the token must be one of the parent's scopes, or be included in one of them by [SCOPES](configuration/scopes.md). Otherwise the answer is 401 `delegation_scope_exceeded`.",
    example: 'parent_scope',
    compare: 'restriction',
  },
}

export const delegationField = table(FIELDS)
export const issuerDelegationField = table(DELEGATION_KEYS)
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

/** The limits of a table. A key that the table leaves out has the value of `unset`. */
export function delegationOf(
  entry: DelegationEntry | undefined,
  unset: Pick<DelegationRule, 'maxDepth' | 'issuers'>,
  names: IssuerNames,
  report: Report,
): DelegationRule {
  const named = (key: 'actors' | 'subjects') =>
    entry?.[key] && {
      [key]: entry[key].map(({ sub, issuer }, i) =>
        issuer === undefined
          ? { sub }
          : { sub, issuer: issOf(issuer, names, under(report, key, i, 'issuer')) },
      ),
    }
  return {
    maxDepth: entry?.max_depth ?? unset.maxDepth,
    // A rule that lists actors requires one.
    requireActor: entry?.require_actor ?? entry?.actors !== undefined,
    issuers: entry?.issuers
      ? new Set(entry.issuers.map((one, i) => issOf(one, names, under(report, 'issuers', i))))
      : unset.issuers,
    ...named('actors'),
    ...named('subjects'),
    ...(entry?.may_act && { mayAct: entry.may_act }),
  }
}

interface Judged {
  readonly maxDepth: number
  readonly counts: (iss: string) => boolean
  readonly takes: (iss: string) => boolean
  readonly names: IssuerNames
}

/** Checks that the listed actors and subjects can occur: their issuers are accepted for actors, or for tokens. */
export function checkActors(
  { require_actor, actors, subjects }: DelegationEntry,
  { maxDepth, counts, takes, names }: Judged,
  report: Report,
): void {
  const none = 'requires an actor, and none is allowed: max_depth is 0'
  if (maxDepth === 0 && require_actor) report(['require_actor'], none)
  if (maxDepth === 0 && actors) report(['actors'], none)
  const rows = [
    ['actors', actors, counts, 'is not accepted: it is not in delegation.issuers'],
    ['subjects', subjects, takes, 'is an issuer whose tokens are not accepted here'],
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
