import type { Admin } from '../../gate/app/context.ts'
import { urlAt } from '../../gate/base/url.ts'
import type { AgentStore } from '../../gate/model/agents.ts'
import type { AuditReads } from '../../gate/model/audit.ts'

/** What these endpoints need beside the gate's own ports. */
export interface ControlPorts {
  /** Absent where decisions are not stored. */
  readonly audit?: AuditReads
  /** Absent without a registry of agents. */
  readonly agents?: AgentStore
}

/** The ports that the entry has passed for these endpoints; none if it has passed none. */
export function controlOf(c: Admin): ControlPorts {
  return (c.env.control ?? {}) as ControlPorts
}

/** The address of a page of the console; `undefined` where the gate has none. */
export function consoleUrl(c: Admin, path: string): string | undefined {
  const { console } = c.get('policy').gate
  const { address } = c.get('decision').known
  if (!console || !address) return undefined
  return urlAt(console.host, address, path)
}
