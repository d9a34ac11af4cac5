import { dirname, join } from 'node:path'
import { ownText } from '../../gate/base/json.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { issueIf, type PolicyIssue } from '../../gate/policy/reading/issues.ts'
import { readText } from '../base/files.ts'
import type { WranglerEnvironment } from '../base/wrangler-file.ts'

/** The Worker without a console, and with one, as a project's file or as `main` names them. */
const PLAIN = /\bedgewarden\/(?:lib\/)?worker(?:\.js)?(?=["']|$)/m
const WITH_CONSOLE = /\bworker-with-console\b/

/** A policy with a console, in a project whose Worker has none. An environment inherits `main` of the top level. */
export async function consoleEntry(
  { file, table }: WranglerEnvironment,
  top: WranglerEnvironment,
  { gate }: Policy,
): Promise<readonly PolicyIssue[]> {
  const main = ownText(table, 'main') ?? ownText(top.table, 'main')
  if (!gate.console || main === undefined) return []
  const text = await readText(join(dirname(file), main))
  const said = PLAIN.test(main) ? main : text.ok ? text.value : ''
  return issueIf(
    PLAIN.test(said) && !WITH_CONSOLE.test(said),
    'GATE.console',
    `has no effect: ${main} is the Worker without a console; write edgewarden/worker-with-console in place of edgewarden/worker there`,
  )
}
