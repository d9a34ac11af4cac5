import { fail, ok } from '../../base/result.ts'
import { APPROVERS, type ApprovalRule } from '../../model/approval-rule.ts'
import type { Issuer } from '../../model/issuer.ts'
import { callConditionField, conditionField, writtenCondition } from '../conditions/field.ts'
import {
  isCredentialHeader,
  milliseconds,
  readDecidingPath,
  readHeaderName,
  text,
  word,
} from '../reading/fields.ts'
import { quote, type Report } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import { type KeyDocs, list, table } from '../reading/table.ts'
import { GATE_KEYS, type GateEntry } from './gate.ts'
import { millisecondsText, type Shown, showing, showTable } from './show-parts.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

const boundHeader = text((value) => {
  const name = readHeaderName(value)
  return name.ok && isCredentialHeader(value)
    ? fail(`${quote(name.value)} contains a credential, which changes while an approval waits`)
    : name
})

/** A path below `root`. */
const pathIn = (root: string, what: string) =>
  text((value) => {
    const [first, ...rest] = value.split('.')
    return first === root && rest.length > 0 && readDecidingPath(rest.join('.')).ok
      ? ok(value)
      : fail(`${quote(value)} is not in the ${what}: write ${root}.NAME`)
  })

const shown = showing<ApprovalRule>()

const COMMON = {
  by: kept(word(APPROVERS), 'operators'),
  within: shown(kept(milliseconds({ least: MINUTE, most: DAY }), 10 * MINUTE), ({ within }) =>
    millisecondsText(within),
  ),
  hold: shown(kept(milliseconds({ least: 0, most: MINUTE }), 0), ({ hold }) =>
    millisecondsText(hold),
  ),
  headers: kept(list(boundHeader)),
}

const showUnless = ({ unless }: ApprovalRule) => unless && writtenCondition(unless)

/** The keys of `approval` of a rule. */
export const APPROVAL_KEYS = {
  ...COMMON,
  unless: shown(kept(conditionField), showUnless),
  shows: kept(list(pathIn('body', 'body of a request'))),
}

/** The keys of `approval` of an entry of an MCP server. */
export const CALL_APPROVAL_KEYS = {
  ...COMMON,
  unless: shown(kept(callConditionField), showUnless),
  shows: kept(list(pathIn('arguments', 'arguments of a call'))),
}

export const APPROVAL_DOCS: KeyDocs<typeof APPROVAL_KEYS> = {
  by: {
    description:
      'Who may approve: `"operators"`, people with the scope `edgewarden:approve`; `"owners"`, the owners of the agent in the [registry](agent-registry.md).',
    default: 'operators',
    example: 'owners',
  },
  within: {
    description:
      'How long an approval lasts, from the time of asking: 1m to 1d. A refusal lasts as long: until then the same call is refused.',
    default: '10m',
    example: '30m',
  },
  hold: {
    description:
      'How long the gate keeps the request open for the decision, at most 60s. With `"0s"` it answers at once that an approval is needed.',
    default: '0s',
    example: '25s',
  },
  headers: {
    description:
      'Request headers that the approval is bound to, beside `Content-Type`, `Content-Encoding` and `Upgrade`. Not those with a credential or cookies.',
    unset: 'none',
    example: ['x-tenant'],
  },
  unless: {
    description:
      'A [condition](configuration/conditions.md): no approval is needed where it is true. Where it cannot be evaluated, an approval is needed.',
    unset: 'each call needs an approval',
    example: 'request.method == "GET"',
  },
  shows: {
    description:
      'Members of a JSON body whose values the person is shown, each as `body.NAME`. Of the others only the names are shown. The body must then be a JSON object.',
    unset: 'none',
    example: ['body.amount'],
  },
}

export const CALL_APPROVAL_DOCS: KeyDocs<typeof CALL_APPROVAL_KEYS> = {
  ...APPROVAL_DOCS,
  unless: {
    description: 'As in a rule. It may also read `arguments`.',
    unset: 'each call needs an approval',
    example: 'arguments.amount <= 1000',
  },
  shows: {
    description:
      'Arguments whose values the person is shown, each as `arguments.NAME`. Of the others only the names are shown.',
    unset: 'none',
    example: ['arguments.amount'],
  },
}

/** The documentation of `approval` of a rule. */
export const RULE_APPROVAL = {
  description:
    'That [a person must approve](approvals.md) each request: [its keys](approvals.md#keys-of-approval). With `mcp`, write it in an entry of a tool, prompt or resource. A rule with it is always enforced.',
  example: { within: '30m' },
  compare: 'restriction',
} as const

/** `approval` of a rule. */
export const approvalField = table(
  APPROVAL_KEYS,
  (entry): ApprovalRule => Object.freeze(keptOf(APPROVAL_KEYS, entry)),
)

/** `approval` of an entry of an MCP server. */
export const callApprovalField = table(
  CALL_APPROVAL_KEYS,
  (entry): ApprovalRule => Object.freeze(keptOf(CALL_APPROVAL_KEYS, entry)),
)

/** An `approval` in the words of the configuration. */
export function showApproval(rule: ApprovalRule): Shown {
  return showTable(CALL_APPROVAL_KEYS, rule, undefined)
}

/** Checks that somebody can approve: people of an issuer with `person`. `key`: the key of the rule that asks. */
export function checkApprovers(
  issuers: ReadonlyMap<string, Issuer>,
  key: string,
  report: Report,
): void {
  if ([...issuers.values()].some(({ person }) => person)) return
  report(
    [key],
    'has calls that a person must approve, and no issuer has `person`: nobody could approve; write person in the table of the issuer where people sign in',
  )
}

/**
 * Warns of a `hold` at whose end a DPoP proof is too old, so that an approval near it serves only the next request.
 * `report` is of the table that has `approval`.
 */
export function warnHold(
  { hold }: ApprovalRule,
  { proof_max_age: age = GATE_KEYS.proof_max_age.otherwise }: GateEntry,
  report: Report,
): void {
  if (hold < age * 1000) return
  report(
    ['approval', 'hold'],
    `is not less than GATE.proof_max_age, ${age}s: at the end of the hold a DPoP proof is too old, and the client must call again; write at most ${age - 1}s`,
  )
}
