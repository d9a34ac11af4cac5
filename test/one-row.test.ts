import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { denialGroups } from '../src/command/base/denials.ts'
import { metadataAnswer } from '../src/gate/answer/metadata.ts'
import { respond } from '../src/gate/answer/respond.ts'
import { recordOf } from '../src/gate/app/record.ts'
import { denials } from '../src/gate/base/denial.ts'
import { fail, ok } from '../src/gate/base/result.ts'
import { type StandingCheck, standingCheck } from '../src/gate/guard/checks/check.ts'
import { type Reader, reader } from '../src/gate/guard/operation/operation-types.ts'
import { type Method, method } from '../src/gate/guard/possession/method.ts'
import { holds, operation, READERS } from '../src/gate/guard/stages/operation.ts'
import { METHODS } from '../src/gate/guard/stages/possession.ts'
import { CHECKS } from '../src/gate/guard/stages/revocation.ts'
import type { Route } from '../src/gate/model/route.ts'
import { identityHeaders } from '../src/gate/relay/origin/headers.ts'
import { watch } from '../src/gate/relay/streams/stream-watch.ts'
import { NOW, noLimits, RESOURCE, requestTo } from './kit/facts.ts'
import { startLine } from './kit/line.ts'
import { keys, minted, POLICY, TOKEN } from './line-cases.ts'

/**
 * What grows is one file and one row. Each toy here is what its file would hold; `add` is its row. Nothing else of
 * the gate is touched, and the real guard does the rest.
 */

const added: (() => void)[] = []
const add = <Row>(table: readonly Row[], row: Row, at = table.length): void => {
  const rows = table as Row[]
  rows.splice(at, 0, row)
  added.push(() => void rows.splice(rows.indexOf(row), 1))
}

let line: ReturnType<typeof startLine>
beforeEach(() => {
  line = startLine({ keys })
})
afterEach(() => {
  for (const remove of added.splice(0)) remove()
  expect(line.errors).toEqual([])
  vi.restoreAllMocks()
})

const codesOf = (stage: string): readonly string[] =>
  denialGroups().flatMap(({ title, rows }) =>
    title.endsWith(` ${stage}`) ? rows.map(([code]) => code) : [],
  )

describe('a proof of possession', () => {
  const deny = denials({
    toy_proof_wrong: ['invalidToken', 'The proof is not of the key', 'Send X-Toy with the key'],
  })
  const toy = method({
    name: 'dpop',
    scheme: 'Toy',
    member: 'toy',
    denials: [deny],
    verify: async (confirmation, { request }) =>
      request.headers.get('x-toy') === confirmation ? ok({}) : fail(deny('toy_proof_wrong')),
    challenge: (common) => [...common, ['toys', 'all']],
    metadata: { toy_supported: true },
  })
  const BOUND = minted({ cnf: { toy: 'key-7' } })
  const ask = (authorization: string, headers: Record<string, string> = {}, path = '/docs/1') =>
    line.ask(POLICY, path, undefined, { headers: { authorization, ...headers } })
  beforeEach(() => add<Method>(METHODS, toy))

  it('is asked for in each request, also of a token that is remembered', async () => {
    for (let i = 0; i < 3; i++) {
      expect((await ask(`Toy ${BOUND}`, { 'x-toy': 'key-7' })).code).toBe('passed')
      expect((await ask(`Toy ${BOUND}`, { 'x-toy': 'other' })).code).toBe('toy_proof_wrong')
      expect((await ask(`Toy ${BOUND}`)).code).toBe('toy_proof_wrong')
    }
    expect(line.kept()).toEqual([BOUND])
    expect(line.verified()).toBe(1)
  })

  it('is for its scheme and its member of cnf, and for no other token', async () => {
    const proof = { 'x-toy': 'key-7' }
    const others = [
      [{}, 'token_not_bound'],
      [{ cnf: { jkt: 'x' } }, 'token_not_bound'],
      [{ cnf: {} }, 'confirmation_unsupported'],
      [{ cnf: { toy: 'key-7', jkt: 'x' } }, 'confirmation_unsupported'],
    ] as const
    expect((await ask(`Bearer ${BOUND}`, proof)).code).toBe('token_bound')
    for (const [claims, code] of others) {
      expect((await ask(`Toy ${minted(claims)}`, proof)).code).toBe(code)
    }
    expect((await ask(`Bearer ${TOKEN}`)).code).toBe('passed')
    expect((await ask(`toy ${BOUND} x`, proof)).code).toBe('credential_malformed')
    expect((await ask(`Other ${BOUND}`, proof)).code).toBe('scheme_unsupported')
  })

  it('is told in headers for the origin and in the journal', async () => {
    const { decision } = await ask(`Toy ${BOUND}`, { 'x-toy': 'key-7' })
    if (decision.outcome !== 'passed') throw new Error('denied')
    expect(identityHeaders(decision.known)).toContainEqual(['x-agent-possession', 'dpop'])
    const record = recordOf(decision, { id: 'i', time: NOW, requestId: 'r' })
    expect(JSON.parse(record)).toMatchObject({ decision: 'allowed', possession: 'dpop' })
  })

  it('has its challenge, its metadata and its denials', async () => {
    const { decision } = await ask(`Toy ${BOUND}`)
    const answer = respond(requestTo(`${RESOURCE}/docs/1`), decision)
    expect(answer?.status).toBe(401)
    expect(answer?.headers.get('www-authenticate')).toMatch(
      /^Bearer realm="[^"]+", error="invalid_token", .*, Toy realm="[^"]+", .*, toys="all"$/,
    )
    const metadata = '/.well-known/oauth-protected-resource'
    const told = metadataAnswer({ method: 'GET' }, (await line.ask(POLICY, metadata)).decision)
    expect(await told?.json()).toMatchObject({
      bearer_methods_supported: ['header'],
      toy_supported: true,
    })
    const codes = codesOf('possession')
    expect([codes[0], codes.at(-1)]).toEqual(['confirmation_unsupported', 'toy_proof_wrong'])
  })
})

describe('a reader of operations', () => {
  const deny = denials({
    toy_task_missing: ['badRequest', 'No task is named', 'Send X-Task with the task'],
  })
  const toy = reader({
    kind: 'toy',
    denials: deny,
    reads: ({ name }) => name === 'GET /docs/{id}',
    holds: () => true,
    read({ request: { method, headers } }) {
      const task = headers.get('x-task')
      return task === null
        ? fail(deny('toy_task_missing'))
        : ok({ operation: { kind: 'toy', method, task }, held: undefined })
    },
    found: ({ task }) => ({ task }),
    journal: ({ task }) => ({ toy: task }),
  })
  const ask = (headers: Record<string, string> = {}, path = '/docs/1') =>
    line.ask(POLICY, path, TOKEN, { headers })
  // `http` is for every rule, so that it is the last.
  beforeEach(() => add<Reader>(READERS, toy, 0))

  it('reads requests under its rules, and no others', async () => {
    for (let i = 0; i < 2; i++) {
      expect((await ask()).code).toBe('toy_task_missing')
      expect((await ask({}, '/lately')).code).not.toBe('toy_task_missing')
      const { code, known } = await ask({ 'x-task': 'plan' })
      expect(code).toBe('passed')
      expect(known.operation).toEqual({ kind: 'toy', method: 'GET', task: 'plan' })
    }
    expect(line.kept()).toEqual([TOKEN])
  })

  it('is told in the journal and in explanations', async () => {
    const { decision } = await ask({ 'x-task': 'plan' })
    if (decision.outcome !== 'passed') throw new Error('denied')
    const record = JSON.parse(recordOf(decision, { id: 'i', time: NOW, requestId: 'r' }))
    expect(record).toMatchObject({ decision: 'allowed', toy: 'plan' })
    const shown = operation.found?.(decision.known)
    expect(shown).toEqual({ kind: 'toy', method: 'GET', task: 'plan' })
  })

  it('says whether bodies are read, before which revocation is looked at', async () => {
    const facts = { policy: POLICY, route: POLICY.routes[0] as Route }
    expect([holds(facts), holds({ ...facts, route: POLICY.routes[1] as Route })]).toEqual([
      true,
      false,
    ])
  })

  it('has its denials', () => {
    expect(codesOf('operation')).toContain('toy_task_missing')
  })
})

describe('a standing check', () => {
  const deny = denials({
    toy_suspended: ['invalidToken', 'The agent is suspended', 'Ask the operator'],
    toy_unavailable: ['unavailable', 'Whether it is suspended is not known', 'Try again'],
  })
  const registry = { suspended: new Set<string>(), isDown: false }
  const toy = standingCheck({
    denials: deny,
    async ask({ agent }) {
      if (registry.isDown) throw new Error('down')
      return registry.suspended.has(agent.id)
    },
    unavailable: (error) => deny('toy_unavailable', { error: String(error) }),
    judge: (isSuspended: boolean) => (isSuspended ? deny('toy_suspended') : undefined),
  })
  beforeEach(() => {
    registry.suspended.clear()
    registry.isDown = false
    add<StandingCheck>(CHECKS, toy)
  })
  const ask = async (path = '/docs/1', ports = {}) =>
    (await line.ask(POLICY, path, TOKEN, { ports })).code

  it('is asked for each request, also of a token that is remembered', async () => {
    for (let i = 0; i < 2; i++) {
      expect(await ask()).toBe('passed')
      registry.suspended.add('planner')
      expect(await ask()).toBe('toy_suspended')
      registry.suspended.clear()
      registry.isDown = true
      expect(await ask()).toBe('toy_unavailable')
      registry.isDown = false
    }
    expect(line.kept()).toEqual([TOKEN])
  })

  it('is after those before it, at the same moment', async () => {
    registry.suspended.add('planner')
    const lift = await line.revoke('token', 'token-1')
    expect(await ask()).toBe('token_revoked')
    await lift()
    line.clock.at = (NOW + 604) * 1000
    expect(await ask()).toBe('toy_suspended')
  })

  it('is asked before anything is spent', async () => {
    registry.suspended.add('planner')
    const take = vi.fn(noLimits.take)
    expect(await ask('/limited', { limits: { ...noLimits, take } })).toBe('toy_suspended')
    expect(take).not.toHaveBeenCalled()
  })

  it('ends an open stream', async () => {
    const { decision } = await line.ask(POLICY, '/docs/1', TOKEN)
    if (decision.outcome !== 'passed') throw new Error('denied')
    registry.suspended.add('planner')
    const ending = await new Promise((resolve) => watch(decision.known, decision.ports, resolve))
    expect(ending).toMatchObject({ code: 'toy_suspended', closeCode: 4401 })
  })

  it('has its denials', () => {
    expect(codesOf('revocation')).toEqual([
      'token_revoked',
      'agent_suspended',
      'agent_retired',
      'agent_not_approved',
      'agent_checksum_changed',
      'agent_registration_changed',
      'agent_key_changed',
      'revocations_unavailable',
      'token_expired_during_request',
      'toy_suspended',
      'toy_unavailable',
      'agent_throttled',
    ])
  })
})
