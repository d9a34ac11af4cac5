import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type AgenticServer,
  agenticClaims,
  checksumOf,
  hashOf,
  type RegisteredAgent,
  type RegisteredWorkflow,
  startAgenticServer,
} from '../kit/agentic.ts'
import { createProofKey, type ProofKey, proofOf } from '../kit/dpop.ts'
import type { Gate } from '../kit/gate.ts'
import type { Members } from '../kit/signing.ts'
import { askGate, outcome, RESOURCE, type Setting, startSetting } from './setting.ts'

/** draft-goswami-agentic-jwt-00, from the authorization server to the origin. */

const PASSED = { status: 200, code: undefined }
const registered = async (id: string, digit: string): Promise<RegisteredAgent> => ({
  id,
  checksum: checksumOf(digit),
  registration: `reg_${id}_1735680000`,
  key: await createProofKey(),
})
const [SUPERVISOR, PLANNER, PATCHER] = (await Promise.all([
  registered('supervisor-agent', 'a'),
  registered('patch-planner', 'b'),
  registered('vulnerability-patcher-v1', 'c'),
])) as [RegisteredAgent, RegisteredAgent, RegisteredAgent]

const [ANALYZE, PLAN, APPROVE, APPLY] = [
  'step_1_analyze_manifest',
  'step_2_create_patch_plan',
  'step_3_approval_gate',
  'step_4_apply_patch',
] as const
const STEPS = [ANALYZE, PLAN, APPROVE, APPLY]
const WORKFLOW: RegisteredWorkflow = {
  id: 'auto-patch-workflow-v1',
  steps: {
    [ANALYZE]: { agent: SUPERVISOR.id, after: [] },
    [PLAN]: { agent: PLANNER.id, after: [ANALYZE] },
    [APPROVE]: { agent: SUPERVISOR.id, after: [PLAN] },
    [APPLY]: { agent: PATCHER.id, after: [APPROVE] },
  },
}
const ofWorkflow = { claims: { 'intent.workflow_id': WORKFLOW.id } }
const CHAIN = [SUPERVISOR.id, PLANNER.id, PATCHER.id]
const ROUTES = [
  { match: 'GET /manifest', scopes: ['repo:read'], steps: [ANALYZE], ...ofWorkflow },
  { match: 'POST /plans', scopes: ['repo:read'], steps: [PLAN], ...ofWorkflow },
  { match: 'POST /approvals', scopes: ['repo:read'], steps: [APPROVE], ...ofWorkflow },
  {
    match: 'POST /patches',
    scopes: ['repo:write'],
    steps: [APPLY],
    delegation_chains: [CHAIN],
    step_sequences: [STEPS],
    ...ofWorkflow,
  },
  { match: 'GET,POST /any', scopes: [] },
]
const PROFILE = { profile: 'agentic-jwt' }
/** One form each, and all that a policy says of it otherwise. */
const FORMS = ['bare-checksum', 'bearer-proof', 'jkt', 'repeated-agent'] as const

let setting: Setting
let server: AgenticServer
beforeAll(async () => {
  const same = { routes: ROUTES, gate: { assertion: 'identity' } }
  setting = await startSetting({
    ...same,
    issuer: PROFILE,
    beside: FORMS.map((form) => ({ ...same, issuer: { ...PROFILE, agentic_forms: [form] } })),
  })
  server = await startAgenticServer(setting.issuer, [SUPERVISOR, PLANNER, PATCHER], WORKFLOW)
})
beforeEach(() => setting.origin.clear())
afterAll(() => Promise.all([setting?.close(), server?.close()]))

const withForm = (form: (typeof FORMS)[number]): Gate =>
  setting.gate.beside[FORMS.indexOf(form)] as Gate

/** What an agent asks the authorization server for. */
const request = (agent: RegisteredAgent, chain: readonly string[], steps: readonly string[]) => ({
  agent_id: agent.id,
  computed_checksum: agent.checksum,
  requested_scopes: ['repo:read', 'repo:write'],
  audience: RESOURCE,
  workflow_id: WORKFLOW.id,
  workflow_step: steps.at(-1),
  delegation_context: { chain, completed_steps: steps.slice(0, -1) },
})
const issued = async (...asked: Parameters<typeof request>): Promise<string> => {
  const { status, body } = await server.ask(request(...asked))
  expect([status, body.token_type]).toEqual([200, 'Bearer'])
  return String(body.access_token)
}
/** A token that the authorization server would not issue. */
const minted = (agent: RegisteredAgent, change: Members = {}, steps = STEPS.slice(0, 2)) =>
  setting.token({ ...agenticClaims(agent, [], steps, WORKFLOW.id), scope: 'repo:read', ...change })

interface Sent {
  readonly method?: string
  readonly scheme?: string
  readonly key?: ProofKey | undefined
  readonly at?: Gate
}
const send = async (
  path: string,
  token: string,
  { method = 'GET', scheme = 'DPoP', key, at = setting.gate }: Sent = {},
) => {
  const dpop = key && { dpop: await proofOf(key, { url: RESOURCE + path, method, token }) }
  const headers = { authorization: `${scheme} ${token}`, ...dpop }
  return outcome(await askGate(at, path, { method, headers }))
}

it('an orchestrator and two sub-agents go through four steps', async () => {
  const walk = [
    [SUPERVISOR, [], 'GET', '/manifest'],
    [PLANNER, [SUPERVISOR.id], 'POST', '/plans'],
    [SUPERVISOR, [], 'POST', '/approvals'],
    [PATCHER, [SUPERVISOR.id, PLANNER.id], 'POST', '/patches'],
  ] as const
  for (const [i, [agent, chain, method, path]] of walk.entries()) {
    const token = await issued(agent, chain, STEPS.slice(0, i + 1))
    const sent = { method, key: agent.key }
    // The second time the token is remembered; the proof is another.
    expect(await send(path, token, sent)).toEqual(PASSED)
    expect(await send(path, token, sent)).toEqual(PASSED)
    const [seen] = setting.origin.requests.slice(-1)
    expect([seen?.header('x-agent-id'), seen?.header('x-agent-step')]).toEqual([agent.id, STEPS[i]])
    expect(seen?.header('x-agent-workflow-id')).toBe(WORKFLOW.id)
    expect(seen?.header('x-agent-possession')).toBe('dpop')
    expect(decodeJwt(seen?.header('x-agent-assertion') ?? '')).toMatchObject({
      workflow_step: STEPS[i],
      workflow_id: WORKFLOW.id,
    })
  }
  expect(setting.origin.requests).toHaveLength(8)
})

it('the journal has the step of a request, and of a refused one', async () => {
  const token = await issued(PLANNER, [SUPERVISOR.id], [ANALYZE, PLAN])
  const { jti } = decodeJwt(token)
  const lineOf = (code?: string) =>
    setting.gate.journalLine((line) => line.jti === jti && line.code === code)
  await send('/any', token, { key: PLANNER.key })
  await send('/manifest', token, { key: PLANNER.key })
  expect(await lineOf()).toMatchObject({ step: PLAN, workflow: WORKFLOW.id })
  expect(await lineOf('step_not_allowed')).toMatchObject({ step: PLAN, detail: { step: PLAN } })
})

it('a sub-agent is refused at the step of another, also once it was allowed at its own', async () => {
  const token = await issued(PLANNER, [SUPERVISOR.id], [ANALYZE, PLAN])
  const { key } = PLANNER
  expect(await send('/plans', token, { method: 'POST', key })).toEqual(PASSED)
  for (const [method, path] of [
    ['GET', '/manifest'],
    ['POST', '/approvals'],
    ['POST', '/patches'],
  ] as const) {
    const refused = { status: 403, code: 'step_not_allowed' }
    expect(await send(path, token, { method, key })).toEqual(refused)
  }
  expect(setting.origin.requests).toHaveLength(1)
})

describe('a form of the draft that a policy names', () => {
  it.each([
    [
      'bare-checksum',
      'agent_checksum_malformed',
      { agent_proof: { agent_checksum: 'b'.repeat(64), registration_id: PLANNER.registration } },
    ],
    ['jkt', 'confirmation_malformed', { cnf: { jkt: PLANNER.key.jkt } }],
  ] as const)('%s is refused elsewhere with %s', async (form, code, claims) => {
    const token = await minted(PLANNER, claims)
    const { key } = PLANNER
    expect(await send('/any', token, { key })).toEqual({ status: 401, code })
    expect(await send('/any', token, { key, at: withForm(form) })).toEqual(PASSED)
  })

  it('bearer-proof: a proof beside Bearer, which stays needed', async () => {
    const token = await minted(PLANNER)
    const bound = { key: PLANNER.key }
    const scheme = 'Bearer'
    const refused = { status: 401, code: 'token_bound' }
    expect(await send('/any', token, { ...bound, scheme })).toEqual(refused)
    const at = withForm('bearer-proof')
    expect(await send('/any', token, { ...bound, scheme, at })).toEqual(PASSED)
    expect(await send('/any', token, { ...bound, scheme, at })).toEqual(PASSED)
    expect(await send('/any', token, { ...bound, at })).toEqual(PASSED)
    expect(setting.origin.requests.map((one) => one.header('x-agent-possession'))).toEqual([
      'dpop',
      'dpop',
      'dpop',
    ])
    const missing = { status: 401, code: 'proof_missing' }
    expect(await send('/any', token, { scheme, at })).toEqual(missing)
    const stolen = { status: 401, code: 'proof_key_mismatch' }
    expect(await send('/any', token, { key: PATCHER.key, scheme, at })).toEqual(stolen)
  })

  it('repeated-agent: the current agent and step twice', async () => {
    const [last = ''] = STEPS.slice(-1)
    const twice = {
      workflow_id: WORKFLOW.id,
      workflow_step: APPLY,
      executed_by: PATCHER.id,
      delegation_chain: hashOf([...CHAIN, PATCHER.id]),
      step_sequence_hash: hashOf([...STEPS, last]),
    }
    const sent = { method: 'POST', key: PATCHER.key }
    const token = await minted(PATCHER, { intent: twice, scope: 'repo:write' })
    const refused = { status: 403, code: 'delegation_chain_mismatch' }
    expect(await send('/patches', token, sent)).toEqual(refused)
    const at = withForm('repeated-agent')
    expect(await send('/patches', token, { ...sent, at })).toEqual(PASSED)
    // The others stay as they are.
    const other = await issued(PATCHER, [SUPERVISOR.id], STEPS)
    expect(await send('/patches', other, { ...sent, at })).toEqual(refused)
  })
})
