import type { AuthorizationServer, DemoClient } from './authorization-server.ts'
import type { Call, Step } from './call.ts'

interface Delegation {
  readonly call: Call
  readonly server: AuthorizationServer
  readonly orchestrator: Pick<DemoClient, 'clientId' | 'clientSecret'>
  readonly orchestratorToken: string
  /** The sub-agent's own token: what it is by itself. */
  readonly agentToken: string
}

/** The workflow that the orchestrator's tokens are for. */
export const RUN = 'run-7'

/**
 * An orchestrator has its token exchanged for a narrower one by which a sub-agent acts (RFC 8693): it does
 * its work, and is stopped where that ends.
 */
export async function* delegationWalk({
  call,
  server,
  orchestrator,
  orchestratorToken,
  agentToken,
}: Delegation): AsyncGenerator<Step> {
  const exchange = (scope: string) =>
    server.exchange({
      ...orchestrator,
      scope,
      subjectToken: orchestratorToken,
      actorToken: agentToken,
    })
  yield await call('an orchestrator writes notes of its run', [200, 'allowed'], notes(RUN), {
    method: 'POST',
    token: orchestratorToken,
  })
  const token = await exchange('notes:read')
  yield await call('its sub-agent, by an exchanged token', [200, 'allowed'], notes(RUN), { token })
  yield await call('the sub-agent, another run', [403, 'workflow_mismatch'], notes('run-8'), {
    token,
  })
  yield await call('the sub-agent, a write', [403, 'scope_missing'], notes(RUN), {
    method: 'POST',
    token,
  })
  const archive = `/v1/runs/${RUN}/archive`
  yield await call('outside its hours', [403, 'condition_failed'], archive, { token })
  yield await call('the orchestrator has no hours', [200, 'allowed'], archive, {
    token: orchestratorToken,
  })
}

const notes = (run: string) => `/v1/runs/${run}/notes`
