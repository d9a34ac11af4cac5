import { createHash } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Call, Step } from './call.ts'

/** The issuer of the agent: its key is in the policy, so it has no server. */
export const AGENTIC = 'https://agentic.demo.invalid'
const AGENT = 'patcher'

/** What the gate asks of the step in which a patch is applied. */
export const agenticRule = {
  match: 'POST /v1/patches',
  scopes: ['repo:write'],
  agents: 'approved',
  steps: ['apply'],
  claims: { 'intent.workflow_id': 'auto-patch' },
}

interface Agentic {
  readonly call: Call
  readonly gate: string
  /** Signs for the issuer. */
  readonly key: CryptoKey
  readonly opsToken: () => Promise<string>
}

/** An agent whose code changes is held, until its owner approves the new code. */
export async function* agenticWalk({ call, gate, key, opsToken }: Agentic): AsyncGenerator<Step> {
  const own = await generateKeyPair('ES256')
  const jwk = await exportJWK(own.publicKey)
  const path = '/v1/patches'
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  // Made up: a client makes the checksum of an agent over its prompt, tools and settings.
  const [old, changed] = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`)
  const post = async (checksum: string | undefined, step = 'apply') => {
    const claims = {
      scope: 'repo:write',
      cnf: { jwk },
      intent: {
        workflow_id: 'auto-patch',
        workflow_step: step,
        executed_by: AGENT,
        delegation_chain: hash(`planner|${AGENT}`).slice(0, 16),
        step_sequence_hash: hash(`plan|${step}`).slice(0, 16),
      },
      agent_proof: { agent_checksum: checksum, registration_id: `reg_${AGENT}_1767225600` },
    }
    const token = await signed(claims, key, { typ: 'JWT', kid: 'agentic' }, gate)
    const ath = createHash('sha256').update(token).digest('base64url')
    const proof = { htm: 'POST', htu: gate + path, ath }
    const dpop = await signed(proof, own.privateKey, { typ: 'dpop+jwt', jwk })
    return { method: 'POST', headers: { authorization: `DPoP ${token}`, dpop } }
  }
  const entry = `/.edgewarden/agents/entry?${new URLSearchParams({ issuer: AGENTIC, agent: AGENT })}`
  const approve = async (method: string, checksums: unknown) => ({
    method,
    token: await opsToken(),
    headers: { 'Content-Type': 'application/json', 'If-Match': '*' },
    body: JSON.stringify({ owners: ['maria'], checksums }),
  })

  yield await call(
    'an agent that nobody approved',
    [403, 'agent_not_approved'],
    path,
    await post(old),
  )
  const first = await approve('PUT', [old])
  yield await call('its owner approves its code', [200, 'allowed'], entry, {
    ...first,
    headers: { 'Content-Type': 'application/json' },
  })
  yield await call('it applies a patch', [200, 'allowed'], path, await post(old))
  const planned = await post(old, 'plan')
  yield await call('its token of another step', [403, 'step_not_allowed'], path, planned)
  const held = await post(changed)
  yield await call('its code has changed: held', [403, 'agent_checksum_changed'], path, held)
  const both = await approve('PATCH', [old, changed])
  yield await call('the owner approves the new code', [200, 'allowed'], entry, both)
  yield await call('it goes on', [200, 'allowed'], path, await post(changed))
}

const signed = (claims: object, key: CryptoKey, header: object, audience?: string) => {
  const token = new SignJWT({ ...claims, jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES256', ...header })
    .setIssuedAt()
  if (audience === undefined) return token.sign(key)
  return token
    .setIssuer(AGENTIC)
    .setSubject(AGENT)
    .setAudience(audience)
    .setExpirationTime('5m')
    .sign(key)
}
