import { waitUntil } from 'cloudflare:workers'
import { own } from '../gate/app/gateway.ts'
import type { Env } from '../gate/app/workerd/env.ts'
import type { Policy } from '../gate/model/policy.ts'
import { createAgentRegistry } from './agents/client.ts'
import type { AgentRegistry } from './agents/object.ts'
import { mountControl } from './api/endpoints.ts'
import type { ControlPorts } from './api/ports.ts'
import { createAuditReads } from './audit/client.ts'
import type { AuditLog } from './audit/object.ts'

mountControl(own)

/** The bindings and variables of a Worker with these endpoints. */
export interface ControlEnv extends Env {
  readonly AGENTS?: DurableObjectNamespace<AgentRegistry>
  readonly AUDIT_LOG?: DurableObjectNamespace<AuditLog>
}

/** The ports of the endpoints that this module mounts. An entry passes it to `openGate`. */
export function controlPorts(
  { AGENTS, AUDIT_LOG }: ControlEnv,
  policy: Policy | undefined,
): ControlPorts {
  const rule = policy?.audit
  const jurisdiction = policy?.gate.placement.jurisdiction
  return {
    ...(AUDIT_LOG && rule && { audit: createAuditReads({ objects: AUDIT_LOG, rule, waitUntil }) }),
    ...(AGENTS && { agents: createAgentRegistry(AGENTS, jurisdiction, waitUntil) }),
  }
}
