import { doctorCommand } from '../doctor/doctor.ts'
import { agentsCommand } from './agents.ts'
import { alertsCommand } from './alerts.ts'
import { auditCommand } from './audit.ts'
import { checkCommand } from './check.ts'
import { ciCommand } from './ci.ts'
import type { CommandRow } from './command.ts'
import { consoleCommand } from './console.ts'
import { curlCommand } from './curl.ts'
import { diffCommand } from './diff.ts'
import { explainCommand } from './explain.ts'
import { importCommand } from './import.ts'
import { initCommand } from './init.ts'
import { keygenCommand } from './keygen.ts'
import { logCommand } from './log.ts'
import { mintCommand } from './mint.ts'
import { liftCommand, listCommand } from './revocations.ts'
import { revokeCommand } from './revoke.ts'
import { routesCommand } from './routes.ts'
import { serveCommand } from './serve.ts'
import { testCommand } from './test.ts'
import { usageCommand } from './usage.ts'
import { whyCommand } from './why.ts'

/** Every command, in the order of the help and of the documentation. */
export const COMMANDS: readonly CommandRow[] = [
  initCommand,
  importCommand,
  checkCommand,
  testCommand,
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
  explainCommand,
  doctorCommand,
  serveCommand,
]
