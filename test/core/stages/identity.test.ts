import { describe, expect, it } from 'vitest'
import type { Issuer } from '../../../src/gate/model/issuer.ts'
import { codeOf, ISSUER } from '../../kit/facts.ts'
import { LONGEST, OTHER, type Rules, run } from './delegating.ts'

const OTHERS = { issuer: { issuers: new Set([OTHER]) } }

describe('the agent', () => {
  it.each<[string, object, Partial<Issuer>?]>([
    ['ok', { agent_id: 'p' }],
    ['ok', { client_id: 'app' }],
    ['agent_id_missing', {}],
    ['agent_id_missing', { sub: 'alice' }],
    ['agent_id_malformed', { agent_id: null, client_id: 'app' }],
    ['agent_id_malformed', { agent_id: '', client_id: 'app' }],
    ['agent_id_malformed', { agent_id: 1 }],
    ['agent_id_malformed', { agent_id: ['p'] }],
    ['agent_id_malformed', { agent_id: 'p\0' }],
    ['agent_id_malformed', { agent_id: '\udc00' }],
    ['agent_id_malformed', { agent_id: 'p', agent_type: '' }],
    ['agent_id_malformed', { agent_id: 'p', agent_type: ['a'] }],
    ['agent_id_malformed', { agent_id: 'p', workflow_id: null }],
    ['agent_id_malformed', { agent_id: 'p', workflow_id: 7 }],
    ['ok', { agent_id: LONGEST, agent_type: LONGEST, workflow_id: LONGEST }],
    ['agent_id_malformed', { agent_id: `${LONGEST}x` }],
    ['agent_id_malformed', { agent_id: 'p', agent_type: `${LONGEST}x` }],
    ['agent_id_malformed', { agent_id: 'p', workflow_id: `${LONGEST}x` }],
    ['ok', { agent_id: LONGEST.slice(2) }, { agentPrefix: 'a/' }],
    ['agent_id_malformed', { agent_id: LONGEST.slice(1) }, { agentPrefix: 'a/' }],
    ['ok', { agent: { id: 'p' } }, { agentId: [['agent', 'id']] }],
    ['agent_id_missing', { agent: [{ id: 'p' }] }, { agentId: [['agent', '0', 'id']] }],
    ['agent_id_missing', { agent: 'p' }, { agentId: [['agent', 'length']] }],
    ['agent_id_missing', {}, { agentId: [['constructor', 'name']] }],
  ])('%s for %j', async (code, claims, entry) => {
    expect(codeOf(await run(claims, entry ? { entry } : {}))).toBe(code)
  })

  it('has its own id and the name its issuer gives it', async () => {
    const claims = { agent_id: 'p', client_id: 'x', agent_type: 'crawler', workflow_id: 'w1' }
    expect(await run(claims, { entry: { agentPrefix: 'acme/' } })).toMatchObject({
      ok: true,
      value: {
        agent: {
          id: 'p',
          name: 'acme/p',
          issuer: ISSUER,
          subject: 'alice',
          clientId: 'app',
          type: 'crawler',
          workflowId: 'w1',
          actors: [],
        },
      },
    })
  })

  it('has its type and workflow from where its issuer says', async () => {
    const claims = { agent_id: 'p', kind: 'crawler', intent: { run: 'w1' }, agent_type: 'x' }
    const entry = { agentType: ['kind'], workflowId: [['intent', 'run']] }
    expect(await run(claims, { entry })).toMatchObject({
      value: { agent: { type: 'crawler', workflowId: 'w1' } },
    })
  })
})

describe('an agent of another issuer', () => {
  const foreign = { sub: 'planner', iss: OTHER }
  const byActor = { agentId: [['act', 'sub'], ['client_id']] }

  it.each<[string, object, Rules]>([
    ['ok', { act: { sub: 'planner' } }, { entry: byActor }],
    ['ok', { act: { sub: 'planner', iss: ISSUER } }, { entry: byActor }],
    ['ok', { client_id: 'app' }, { entry: byActor }],
    ['agent_issuer_mismatch', { act: foreign }, { ...OTHERS, entry: byActor }],
    ['agent_issuer_mismatch', { act: foreign, client_id: 'app' }, { ...OTHERS, entry: byActor }],
    ['actor_issuer_unknown', { act: foreign }, { entry: byActor }],
    [
      'agent_issuer_mismatch',
      { act: { ...foreign, agent: { id: 'p' } } },
      { ...OTHERS, entry: { agentId: [['act', 'agent', 'id']] } },
    ],
    [
      'agent_issuer_mismatch',
      { act: { ...foreign, act: { sub: 'x', iss: ISSUER } } },
      { ...OTHERS, entry: { agentId: [['act', 'act', 'sub']] } },
    ],
    // Who is inside is history, and is told with its own issuer.
    ['ok', { act: { sub: 'planner', act: foreign } }, { ...OTHERS, entry: byActor }],
    ['ok', { act: foreign, client_id: 'app' }, { ...OTHERS, entry: { agentId: [['client_id']] } }],
    [
      'agent_id_malformed',
      { act: { ...foreign, id: 7 } },
      {
        ...OTHERS,
        entry: { agentId: [['act', 'id']] },
      },
    ],
  ])('%s for %j under %j', async (code, claims, rules) => {
    expect(codeOf(await run(claims, rules))).toBe(code)
  })
})

describe('entity profiles', () => {
  const entry = { entityProfiles: true }

  it.each<[object, string | undefined, readonly string[] | undefined]>([
    [{}, undefined, undefined],
    [{ agent_type: 'planner' }, undefined, undefined],
    [{ sub_profile: 'ai_agent' }, 'ai_agent', undefined],
    [{ sub_profile: 'service ai_agent' }, 'service ai_agent', ['service', 'ai_agent']],
    [{ sub_profile: 'ai_agent', agent_type: 'x' }, 'ai_agent', undefined],
    [{ client_profile: 'ai_agent' }, undefined, undefined],
    // Where somebody acts, the subject's are not the agent's.
    [{ sub_profile: 'user', act: { sub: 'a' } }, undefined, undefined],
    [{ sub_profile: 'user', act: { sub: 'a', sub_profile: 'ai_agent' } }, 'ai_agent', undefined],
    [{ act: { sub: 'a', act: { sub: 'b', sub_profile: 'ai_agent' } } }, undefined, undefined],
    [
      { act: { sub: 'a', sub_profile: 'service', act: { sub: 'b', sub_profile: 'ai_agent' } } },
      'service',
      undefined,
    ],
  ])('of %j are %j, each %j', async (claims, type, types) => {
    const outcome = await run({ agent_id: 'p', ...claims }, { entry })
    expect(codeOf(outcome)).toBe('ok')
    const agent = outcome.value?.agent
    expect([agent?.type, agent?.types]).toEqual([type, types])
  })

  it.each([
    '',
    ' ',
    ' ai_agent',
    'ai_agent ',
    'service  ai_agent',
    'service\tai_agent',
    null,
    7,
    ['ai_agent'],
    {},
  ])('%j are malformed', async (sub_profile) => {
    const malformed = async (claims: object) =>
      expect(codeOf(await run({ agent_id: 'p', ...claims }, { entry }))).toBe('agent_id_malformed')
    await malformed({ sub_profile })
    await malformed({ act: { sub: 'a', sub_profile } })
  })

  it('are no types where the entry does not read them', async () => {
    const claims = { agent_id: 'p', sub_profile: 'ai_agent', agent_type: 'a b' }
    expect(await run(claims)).toMatchObject({ value: { agent: { type: 'a b' } } })
    expect((await run(claims)).value?.agent).not.toHaveProperty('types')
  })
})

describe('the workflow', () => {
  const intent = (workflow_id: unknown) => ({ intent: { workflow_id } })
  const both = { workflowId: [['workflow_id'], ['intent', 'workflow_id']] }
  const runs = { workflowId: [['run'], ['workflow_id']] }

  it.each<[string, object, Partial<Issuer>?, string?]>([
    ['ok', {}],
    ['ok', { workflow_id: 'w' }, {}, 'w'],
    ['ok', { workflow_id: 'w', ...intent('w') }, {}, 'w'],
    ['ok', { workflow_id: 'w', intent: 'to read' }, {}, 'w'],
    ['ok', { workflow_id: 'w', intent: [{ workflow_id: 'x' }] }, {}, 'w'],
    ['ok', { workflow_id: 'w', intent: { action: 'read' } }, {}, 'w'],
    ['workflow_conflict', { workflow_id: 'w', ...intent('x') }],
    ['workflow_conflict', { workflow_id: 'w', ...intent('W') }],
    ['agent_id_malformed', { workflow_id: 'w', ...intent('') }],
    ['agent_id_malformed', { workflow_id: 'w', ...intent(null) }],
    ['agent_id_malformed', { workflow_id: 'w', ...intent(['w']) }],
    ['agent_id_malformed', intent(7)],
    // Not read unless the entry says so: the token is of no workflow.
    ['ok', intent('w')],
    ['ok', intent('w'), both, 'w'],
    ['ok', { workflow_id: 'w', ...intent('w') }, both, 'w'],
    ['workflow_conflict', { workflow_id: 'w', ...intent('x') }, both],
    ['ok', { run: 'r' }, runs, 'r'],
    ['ok', { workflow_id: 'r' }, runs, 'r'],
    ['ok', { run: 'r', workflow_id: 'r' }, runs, 'r'],
    ['workflow_conflict', { run: 'r', workflow_id: 'w' }, runs],
    ['workflow_conflict', { run: 'r', ...intent('w') }, runs],
    ['agent_id_malformed', { run: 'r', workflow_id: 7 }, runs],
  ])('%s for %j', async (code, claims, entry, workflow) => {
    const outcome = await run({ agent_id: 'p', ...claims }, entry ? { entry } : {})
    expect(codeOf(outcome)).toBe(code)
    expect(outcome.value?.agent?.workflowId).toBe(workflow)
  })
})
