/**
 * Every denial code of the gate, for the documentation and the tests. Each table is declared beside
 * its check with `denials()`. test/denials.workerd.test.ts fails if one is missing here.
 */

import { agentDenials } from '../../control/api/agents.ts'
import { alertDenials } from '../../control/api/alerts.ts'
import { decisionDenials } from '../../control/api/decision-query.ts'
import { decidingDenials } from '../../control/api/person.ts'
import { consoleDenials } from '../../control/console/session.ts'
import { eventDenials } from '../../control/events/take.ts'
import { approvalReadDenials } from '../../gate/app/approvals.ts'
import { explainDenials } from '../../gate/app/explain.ts'
import { gatewayDenials } from '../../gate/app/gateway.ts'
import { giveBackDenials } from '../../gate/app/give-back.ts'
import { contentDenials } from '../../gate/app/request.ts'
import { revocationDenials } from '../../gate/app/revocations.ts'
import { chainDenials } from '../../gate/base/chain.ts'
import type { DenialRow, DenialTable } from '../../gate/base/denial.ts'
import { renewalDenials } from '../../gate/guard/checks/renewal.ts'
import { GUARD } from '../../gate/guard/guard.ts'
import { mcpAnswerDenials } from '../../gate/relay/mcp/answer.ts'
import { serverSessionDenials } from '../../gate/relay/mcp/headers.ts'
import { forwardDenials } from '../../gate/relay/origin/send.ts'

/** A part of the gate and the codes it declares. */
export interface DenialGroup {
  readonly title: string
  readonly rows: readonly (readonly [code: string, row: DenialRow])[]
}

/** All codes by part, in the order of a request. Parts without codes are left out. */
export function denialGroups(): readonly DenialGroup[] {
  return [
    group('Before the stages', gatewayDenials),
    ...GUARD.stages.map(({ name, denials }, i) => group(`${i + 1}. ${name}`, ...denials)),
    group('In any stage', chainDenials),
    group('In an open WebSocket', renewalDenials),
    group('At the origin', forwardDenials, serverSessionDenials, mcpAnswerDenials),
    group(
      "At the gate's own endpoints",
      contentDenials,
      revocationDenials,
      giveBackDenials,
      eventDenials,
      approvalReadDenials,
      decidingDenials,
      agentDenials,
      alertDenials,
      explainDenials,
      decisionDenials,
    ),
    group('At the console', consoleDenials),
  ].filter(({ rows }) => rows.length > 0)
}

const group = (title: string, ...tables: readonly DenialTable<string>[]): DenialGroup => ({
  title,
  rows: tables.flatMap(({ rows }) => Object.entries(rows)),
})
