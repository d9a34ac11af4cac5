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
import { askGate, outcome, RESOURCE, type Setting, startSetting, withGate } from './setting.ts'

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
  { match: 'GET /when', scopes: [], when: `agent.step == "${PLAN}"` },
  { match: 'GET /hashes', scopes: [], delegation_chains: [hashOf(CHAIN)] },
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

describe('a sub-agent', () => {
  const plan = () => issued(PLANNER, [SUPERVISOR.id], [ANALYZE, PLAN])

  it('is refused at the step of another, also once it was allowed at its own', async () => {
    const token = await plan()
    const key = PLANNER.key
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

  it('gets no token for the step of another, nor with the checksum of another', async () => {
    const ofPatcher = request(PLANNER, [SUPERVISOR.id], STEPS)
    expect(await server.ask(ofPatcher)).toEqual({
      status: 403,
      body: { error: 'workflow_step_unauthorized' },
    })
    const copied = { ...request(PLANNER, [], [ANALYZE, PLAN]), computed_checksum: checksumOf('c') }
    expect(await server.ask(copied)).toMatchObject({ status: 401 })
  })

  it('is refused with the key of another, and with none', async () => {
    const token = await plan()
    const sent = { method: 'POST', key: PATCHER.key }
    const refused = { status: 401, code: 'proof_key_mismatch' }
    expect(await send('/plans', token, sent)).toEqual(refused)
    const none = { status: 401, code: 'proof_missing' }
    expect(await send('/plans', token, { method: 'POST' })).toEqual(none)
  })

  it('is refused with the registration of another', async () => {
    const proof = { agent_checksum: PLANNER.checksum, registration_id: PATCHER.registration }
    const token = await minted(PLANNER, { agent_proof: proof })
    const refused = { status: 401, code: 'agent_proof_malformed' }
    expect(await send('/any', token, { key: PLANNER.key })).toEqual(refused)
  })

  it('is refused where another agent delegated to it, or a step was left out', async () => {
    const sent = { method: 'POST', key: PATCHER.key }
    const direct = await issued(PATCHER, [SUPERVISOR.id], STEPS)
    const chain = { status: 403, code: 'delegation_chain_mismatch' }
    expect(await send('/patches', direct, sent)).toEqual(chain)
    const hasty = await issued(PATCHER, CHAIN.slice(0, -1), [ANALYZE, APPROVE, APPLY])
    const sequence = { status: 403, code: 'step_sequence_mismatch' }
    expect(await send('/patches', hasty, sent)).toEqual(sequence)
  })

  it('is refused where a chain that a rule lists ends with another agent', async () => {
    const intent = {
      workflow_id: WORKFLOW.id,
      workflow_step: APPLY,
      executed_by: PLANNER.id,
      delegation_chain: hashOf(CHAIN),
      step_sequence_hash: hashOf(STEPS),
    }
    const token = await minted(PLANNER, { intent, scope: 'repo:write' })
    const refused = { status: 403, code: 'delegation_chain_mismatch' }
    expect(await send('/patches', token, { method: 'POST', key: PLANNER.key })).toEqual(refused)
    // A hash that the rule states is compared as it is.
    expect(await send('/hashes', token, { key: PLANNER.key })).toEqual(PASSED)
  })

  it('is refused in another workflow whose step has the same id', async () => {
    const token = await minted(PLANNER, agenticClaims(PLANNER, [], [ANALYZE, PLAN], 'another'))
    const refused = { status: 401, code: 'claim_rejected' }
    expect(await send('/plans', token, { method: 'POST', key: PLANNER.key })).toEqual(refused)
  })
})

it('a condition reads the step', async () => {
  const key = PLANNER.key
  expect(await send('/when', await minted(PLANNER), { key })).toEqual(PASSED)
  const refused = { status: 403, code: 'condition_failed' }
  expect(await send('/when', await minted(PLANNER, {}, [ANALYZE]), { key })).toEqual(refused)
  // A token of no workflow has no step.
  const free = await setting.token({ ...agenticClaims(PLANNER), scope: 'repo:read' })
  expect(await send('/any', free, { key })).toEqual(PASSED)
  expect(setting.origin.requests.at(-1)?.header('x-agent-step')).toBeUndefined()
  const absent = { status: 403, code: 'condition_error' }
  expect(await send('/when', free, { key })).toEqual(absent)
  const step = { status: 403, code: 'step_not_allowed' }
  expect(await send('/plans', free, { method: 'POST', key })).toMatchObject({ status: 401 })
  await withGate(
    setting,
    { issuer: PROFILE, routes: [{ match: 'GET /x', scopes: [], steps: [PLAN] }] },
    async (at) => expect(await send('/x', free, { key, at })).toEqual(step),
  )
})

describe('beside workflow claims of its own', () => {
  it.each([
    ['equal', WORKFLOW.id, PASSED],
    ['another', 'another', { status: 401, code: 'workflow_conflict' }],
    ['no text', 7, { status: 401, code: 'agent_id_malformed' }],
  ])('%s', async (_, workflow_id, expected) => {
    const token = await minted(PLANNER, { workflow_id })
    expect(await send('/any', token, { key: PLANNER.key })).toEqual(expected)
  })

  it('without one in the intent', async () => {
    const token = await setting.token({ ...agenticClaims(PLANNER), workflow_id: WORKFLOW.id })
    const refused = { status: 401, code: 'intent_malformed' }
    expect(await send('/any', token, { key: PLANNER.key })).toEqual(refused)
  })

  it('that the policy names: the workflow is that of the intent all the same', async () => {
    const issuer = { ...PROFILE, workflow_id: 'run' }
    await withGate(setting, { issuer, routes: ROUTES }, async (at) => {
      expect(await send('/any', await minted(PLANNER), { key: PLANNER.key, at })).toEqual(PASSED)
      const [seen] = setting.origin.requests.slice(-1)
      expect(seen?.header('x-agent-workflow-id')).toBe(WORKFLOW.id)
      const token = await minted(PLANNER, { run: 'another' })
      const refused = { status: 401, code: 'workflow_conflict' }
      expect(await send('/any', token, { key: PLANNER.key, at })).toEqual(refused)
    })
  })
})

describe('a form of the draft that a policy names', () => {
  const proofOfWorker = (checksum: string) => ({
    agent_proof: { agent_checksum: checksum, registration_id: PLANNER.registration },
  })
  const bound = { key: PLANNER.key }

  it('bare-checksum: a checksum without its prefix', async () => {
    const token = await minted(PLANNER, proofOfWorker('b'.repeat(64)))
    const refused = { status: 401, code: 'agent_checksum_malformed' }
    expect(await send('/any', token, bound)).toEqual(refused)
    const at = withForm('bare-checksum')
    expect(await send('/any', token, { ...bound, at })).toEqual(PASSED)
    const short = await minted(PLANNER, proofOfWorker('b'.repeat(63)))
    expect(await send('/any', short, { ...bound, at })).toEqual(refused)
  })

  it('jkt: a thumbprint in place of the key', async () => {
    const token = await minted(PLANNER, { cnf: { jkt: PLANNER.key.jkt } })
    const refused = { status: 401, code: 'confirmation_malformed' }
    expect(await send('/any', token, bound)).toEqual(refused)
    const at = withForm('jkt')
    expect(await send('/any', token, { ...bound, at })).toEqual(PASSED)
    expect(await send('/any', token, { key: PATCHER.key, at })).toMatchObject({ status: 401 })
    // One of both would leave one unproved.
    const both = await minted(PLANNER, {
      cnf: { jkt: PLANNER.key.jkt, jwk: PLANNER.key.publicJwk },
    })
    const two = { status: 401, code: 'confirmation_unsupported' }
    expect(await send('/any', both, { ...bound, at })).toEqual(two)
    expect(await send('/any', await minted(PLANNER, { cnf: {} }), { at })).toEqual(refused)
  })

  it('bearer-proof: a proof beside Bearer, which stays needed', async () => {
    const token = await minted(PLANNER)
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

describe('the profile is off unless an issuer says so', () => {
  it('a token of another issuer has no step, and its proof beside Bearer does not count', async () => {
    const { issuer, jwksUri } = setting.issuer
    const ISSUERS = {
      plain: { issuer, jwks_uri: jwksUri, allow_insecure_http: true, profile: 'generic' },
      agentic: {
        issuer: 'https://idp.agents.example',
        agent_prefix: 'agentic/',
        ...PROFILE,
        agentic_forms: ['bearer-proof'],
      },
    }
    const more = { ISSUERS: { ...ISSUERS, plain: { ...ISSUERS.plain, agent_prefix: 'plain/' } } }
    await withGate(setting, { routes: ROUTES, more }, async (at) => {
      const token = await minted(PLANNER)
      const key = PLANNER.key
      expect(await send('/any', token, { key, at })).toEqual(PASSED)
      expect(setting.origin.requests.at(-1)?.header('x-agent-step')).toBeUndefined()
      const bearer = { status: 401, code: 'token_bound' }
      expect(await send('/any', token, { key, at, scheme: 'Bearer' })).toEqual(bearer)
      const refused = { status: 403, code: 'step_not_allowed' }
      expect(await send('/plans', token, { method: 'POST', key, at })).toEqual(refused)
      expect(await send('/hashes', token, { key, at })).toMatchObject({ status: 403 })
    })
  })
})
