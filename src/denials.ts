/**
 * Every denial code of the gate, for the documentation and the tests. Each table is declared beside
 * its check with `denials()`. test/denials.workerd.test.ts fails if one is missing here.
 */
import { consoleDenials } from './console/session.ts'
import { chainDenials } from './core/chain.ts'
import type { DenialRow, DenialTable } from './core/denial.ts'
import { GUARD } from './core/guard.ts'
import { agentDenials } from './gateway/apps/agents.ts'
import { alertDenials } from './gateway/apps/alerts.ts'
import { decisionDenials } from './gateway/apps/decisions.ts'
import { explainDenials } from './gateway/apps/explain.ts'
import { gatewayDenials } from './gateway/apps/gateway.ts'
import { contentDenials } from './gateway/apps/request.ts'
import { revocationDenials } from './gateway/apps/revocations.ts'
import { forwardDenials } from './gateway/relay/forward.ts'
import { mcpAnswerDenials } from './mcp/answer/answer.ts'
import { serverSessionDenials } from './mcp/answer/headers.ts'

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
    group('At the origin', forwardDenials, serverSessionDenials, mcpAnswerDenials),
    group(
      "At the gate's own endpoints",
      contentDenials,
      revocationDenials,
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
