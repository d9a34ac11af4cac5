import { createHash } from 'node:crypto'
import type { ProofKey } from './dpop.ts'
import type { Issuer } from './issuer.ts'
import { type Origin, startOrigin } from './origin.ts'
import type { Members } from './signing.ts'

/** The hash of ids in Agentic JWT (draft-goswami-agentic-jwt-00 §4.4.4), by other code than the gate's. */
export const hashOf = (ids: readonly string[]): string =>
  createHash('sha256').update(ids.join('|')).digest('hex').slice(0, 16)

/** A checksum that is made up: nothing is computed from code here. */
export const checksumOf = (digit: string): string => `sha256:${digit.repeat(64)}`

/** An agent as it is registered. */
export interface RegisteredAgent {
  readonly id: string
  readonly checksum: string
  readonly registration: string
  readonly key: ProofKey
}

/** The claims that an agent's token has beside those of every token. */
export function agenticClaims(
  { id, checksum, registration, key }: RegisteredAgent,
  chain: readonly string[] = [],
  steps: readonly string[] = [],
  workflow?: string,
): Members {
  return {
    sub: id,
    client_id: undefined,
    cnf: { jwk: key.publicJwk },
    intent: {
      ...(workflow !== undefined && { workflow_id: workflow, workflow_step: steps.at(-1) }),
      executed_by: id,
      delegation_chain: hashOf([...chain, id]),
      step_sequence_hash: hashOf(steps),
    },
    agent_proof: { agent_checksum: checksum, registration_id: registration },
  }
}

/** A workflow as it is registered (§6.3.3): each step has its agent, and the steps that come before it. */
export interface RegisteredWorkflow {
  readonly id: string
  readonly steps: Readonly<Record<string, { readonly agent: string; readonly after: string[] }>>
}

/** The token endpoint of an authorization server for Agentic JWT. */
export interface AgenticServer {
  /** Asks for a token as §4.2 has it; the whole answer. */
  ask(body: Members): Promise<{ readonly status: number; readonly body: Members }>
  close(): Promise<void>
}

const GRANT = 'urn:ietf:params:oauth:grant-type:agent_checksum'

/** Starts an endpoint that issues an issuer's tokens for registered agents and steps (§4.3.1). */
export async function startAgenticServer(
  issuer: Issuer,
  agents: readonly RegisteredAgent[],
  workflow: RegisteredWorkflow,
): Promise<AgenticServer> {
  const server: Origin = await startOrigin()
  const judge = async (body: Members) => {
    const { agent_id, computed_checksum, requested_scopes, audience, workflow_step } = body
    if (body.grant_type !== GRANT) return refusal(400, 'unsupported_grant_type')
    const agent = agents.find(({ id }) => id === agent_id)
    if (!agent) return refusal(401, 'unknown_agent')
    if (computed_checksum !== agent.checksum) return refusal(401, 'agent_checksum_mismatch')
    const { chain = [], completed_steps: done = [] } = (body.delegation_context ?? {}) as {
      chain?: string[]
      completed_steps?: string[]
    }
    const step = workflow.steps[String(workflow_step)]
    const isReady = step?.agent === agent.id && step.after.every((one) => done.includes(one))
    if (body.workflow_id !== workflow.id || !isReady) {
      return refusal(403, 'workflow_step_unauthorized')
    }
    const claims = agenticClaims(agent, chain, [...done, String(workflow_step)], workflow.id)
    const scope = (requested_scopes as string[]).join(' ')
    const token = await issuer.mint({ ...claims, aud: audience, scope }, { typ: 'JWT' })
    return {
      status: 200,
      body: { access_token: token, token_type: 'Bearer', expires_in: 300, scope },
    }
  }
  server.on('/intent/token', async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const { status, body } = await judge(JSON.parse(Buffer.concat(chunks).toString()))
    res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    res.end(JSON.stringify(body))
  })
  return {
    async ask(body) {
      const response = await fetch(`${server.url}/intent/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ grant_type: GRANT, workflow_enabled: true, ...body }),
      })
      return { status: response.status, body: (await response.json()) as Members }
    },
    close: () => server.close(),
  }
}

const refusal = (status: number, error: string) => ({ status, body: { error } })
