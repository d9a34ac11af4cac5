import type { CommandRow } from './base/command.ts'
import { doctorCommand } from './doctor/doctor.ts'
import { drillCommand } from './drill/drill.ts'
import { initCommand } from './install/init.ts'
import { keygenCommand } from './install/keygen.ts'
import { mintCommand } from './install/mint.ts'
import { agentsCommand } from './operate/agents.ts'
import { alertsCommand } from './operate/alerts.ts'
import { approvalsCommand } from './operate/approvals.ts'
import { auditCommand } from './operate/audit.ts'
import { consoleCommand } from './operate/console.ts'
import { curlCommand } from './operate/curl.ts'
import { eventsCommand } from './operate/events.ts'
import { explainCommand } from './operate/explain.ts'
import { logCommand } from './operate/log.ts'
import { liftCommand, listCommand } from './operate/revocations.ts'
import { revokeCommand } from './operate/revoke.ts'
import { usageCommand } from './operate/usage.ts'
import { whyCommand } from './operate/why.ts'
import { checkCommand } from './policy/check.ts'
import { ciCommand } from './policy/ci.ts'
import { diffCommand } from './policy/diff.ts'
import { importCommand } from './policy/import.ts'
import { routesCommand } from './policy/routes.ts'
import { serveCommand } from './serve/serve.ts'
import { testCommand } from './tests/test.ts'
import { tryCommand } from './try/try.ts'

/** Every command, in the order of the help and of the documentation. */
export const COMMANDS: readonly CommandRow[] = [
  initCommand,
  importCommand,
  checkCommand,
  testCommand,
  tryCommand,
  routesCommand,
  diffCommand,
  ciCommand,
  keygenCommand,
  mintCommand,
  curlCommand,
  revokeCommand,
  liftCommand,
  listCommand,
  agentsCommand,
  logCommand,
  usageCommand,
  whyCommand,
  consoleCommand,
  auditCommand,
  alertsCommand,
  approvalsCommand,
  eventsCommand,
  explainCommand,
  doctorCommand,
  drillCommand,
  serveCommand,
]
