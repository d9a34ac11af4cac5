import { isPlainJson } from '../../base/body.ts'
import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { fail, ok } from '../../base/result.ts'
import { mayAsk } from '../../model/approval.ts'
import type { ApprovalRule } from '../../model/approval-rule.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Clock } from '../../model/ports.ts'
import { bodyObject, type Shown, shownOf } from '../operation/approval-shown.ts'
import { isReadAlike } from '../operation/mcp/members.ts'
import { type Needs as Conditioned, forgetArguments, isTrue } from './condition.ts'
import type { Used, Uses } from './mcp-access.ts'
import type { OperationFacts } from './operation.ts'

const deny = denials({
  approval_not_alone: [
    'badRequest',
    'A call that needs an approval was sent together with others',
    'Send the call in a message of its own',
  ],
})

/** The approval that a request needs, and what the person is shown. */
export interface Needed extends Shown {
  readonly rule: ApprovalRule
}

/** `undefined` where no approval is needed. */
export interface NeededFact {
  readonly needed: Needed | undefined
}

type NeedFacts = Conditioned & Uses & OperationFacts

const NOT_NEEDED: NeededFact = { needed: undefined }

/**
 * Finds out whether a person must approve the request: its rule or an entry that it uses has `approval`, and `unless`
 * is not true. Asks nobody.
 */
export const approvalNeed = stage({
  name: 'approval_need',
  establishes: 'whether a person must approve the request, and what the person is shown',
  without: ({ route }: Pick<LineFacts, 'route'>) => (mayAsk(route) ? undefined : NOT_NEEDED),
  found: ({ needed }) => (needed ? { by: needed.rule.by, within: needed.rule.within } : {}),
  // Conditions read arguments again after a request is held.
  done({ uses, needed }: Uses & NeededFact) {
    forgetArguments(needed ? uses.filter(({ use }) => !use.when) : uses)
  },
  denials: [deny],
  run(
    needs: NeedFacts,
    { clock }: { readonly clock: Clock },
  ): Outcome<NeededFact, CodeOf<typeof deny>> {
    const { route, uses, operation } = needs
    const asking: readonly (readonly [ApprovalRule, Used?])[] = [
      ...(route.approval ? [[route.approval] as const] : []),
      ...uses.flatMap((used) => (used.use.approval ? [[used.use.approval, used] as const] : [])),
    ]
    const isWaived = ({ unless }: ApprovalRule, used?: Used) =>
      unless !== undefined && isTrue(unless, needs, clock.now(), used)
    const left = asking.filter(([rule, used]) => !isWaived(rule, used))
    const [first] = left
    if (!first) return ok(NOT_NEEDED)
    const isBatch = operation.kind === 'mcp' && operation.messages.length > 1
    if (isBatch || left.length > 1) {
      return fail(deny('approval_not_alone', undefined, { ofCall: true }))
    }
    const [rule, used] = first
    return ok({ needed: { rule, ...shownOf(needs, rule, used) } })
  },
})

/**
 * Whether a person can be shown what `shows` names: in a rule without MCP the body must be an object of JSON, in which all
 * readers find the same members. Does not check that it is I-JSON.
 */
export function isShowable(
  { shows }: ApprovalRule,
  { route, request, held }: Pick<NeedFacts, 'route' | 'request' | 'held'>,
): boolean {
  if (!shows || route.mcp) return true
  const body = held && isPlainJson(request.headers) ? bodyObject(held.bytes) : undefined
  const paths = shows.map((path) => path.split('.').slice(1))
  return body !== undefined && isReadAlike(body, paths)
}
