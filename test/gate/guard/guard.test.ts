import { importJWK, type JWK } from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ok } from '../../../src/gate/base/result.ts'
import { GUARD, type GuardPorts } from '../../../src/gate/guard/guard.ts'
import type { Policy } from '../../../src/gate/model/policy.ts'
import type { VerificationKey } from '../../../src/gate/model/token.ts'
import { ISSUER, NOW, noLimits, noReplays, RESOURCE } from '../../kit/facts.ts'
import { startLine } from '../../kit/line.ts'
import { keys, PAIR, POLICY, TOKEN } from '../../line-cases.ts'
import { GATE, policy } from '../policy/support.ts'

let line: ReturnType<typeof startLine>
beforeEach(() => {
  line = startLine({ keys })
})
afterEach(() => void vi.restoreAllMocks())

it('the line has one order', () => {
  expect(GUARD.stages.map(({ name }) => name).join(' ')).toBe(
    'route address credential issuer signature claims agentic_jwt possession delegation agent workflow scope ' +
      'authorization_details authentication limit_precheck in_flight condition holding operation mcp_access ' +
      'use_scope use_condition approval_need signing revocation_precheck approval replay limit ' +
      'approval_take revocation',
  )
})

it('the line looks for what is revoked before anything is spent, and asks once more at last', async () => {
  const entry = { id: 'e', kind: 'token', issuer: ISSUER, value: 'token-1', mode: 'block' } as const
  const asked: string[] = []
  const ports = (revokedIn: readonly string[]): Partial<GuardPorts> => ({
    revocations: {
      lookup: (_, terms) => {
        const { consistency = '' } = terms ?? {}
        asked.push(consistency)
        return revokedIn.includes(consistency) ? [{ ...entry, created: NOW, createdBy: 'a' }] : []
      },
    },
    limits: {
      ...noLimits,
      take() {
        asked.push('take')
        return ok({})
      },
    },
    replays: { ...noReplays, claim: () => asked.push('claim') > 0 },
  })
  const strict = policy({
    GATE: { ...GATE, resource: RESOURCE, revocation: { consistency: 'strict' } },
    ISSUERS: { acme: { issuer: ISSUER } },
    ROUTES: [
      { match: 'GET /docs/7', scopes: [] },
      { match: 'GET /limited', scopes: [], rate_limit: { daily: 9 } },
      { match: 'GET /once', scopes: [], single_use: true },
    ],
  })
  const all = async (path: string, ...given: readonly string[]) => {
    asked.length = 0
    const { code } = await line.ask(strict, path, TOKEN, { ports: ports(given) })
    return [...asked, code]
  }
  expect(await all('/docs/7')).toEqual(['strict', 'passed'])
  expect(await all('/limited')).toEqual(['bounded', 'take', 'strict', 'passed'])
  expect(await all('/once')).toEqual(['bounded', 'claim', 'strict', 'passed'])
  for (const path of ['/limited', '/once']) {
    expect(await all(path, 'bounded', 'strict')).toEqual(['bounded', 'strict', 'token_revoked'])
    expect((await all(path, 'bounded')).slice(0, 2)).toEqual(['bounded', 'strict'])
    expect((await all(path, 'bounded')).at(-1)).toBe('passed')
    expect((await all(path, 'strict')).slice(-2)).toEqual(['strict', 'token_revoked'])
  }
})

describe('a stage that throws', async () => {
  const broken = new Error('secret of the inside')
  const boom = () => {
    throw broken
  }
  // The key of the issuer, imported for something else.
  const jwk = PAIR.publicKey.export({ format: 'jwk' }) as JWK
  const wrong = (await importJWK(jwk, 'ECDH-ES')) as VerificationKey['key']

  it.each<[string, Partial<Policy>, Partial<GuardPorts>]>([
    ['a policy', { router: { find: boom } }, {}],
    ['scopes', { includedBy: boom }, {}],
    ['a source of keys', {}, { keys: { find: boom } }],
    ['a source of keys, later', {}, { keys: { find: () => Promise.reject(broken) } }],
    ['a key for something else', {}, { keys: { find: () => ok({ key: wrong }) } }],
  ])('for %s denies, and only onError is told why', async (_, change, ports) => {
    const { decision } = await line.ask({ ...POLICY, ...change }, '/docs/7', TOKEN, { ports })
    if (decision.outcome !== 'denied') throw new Error(decision.outcome)
    expect(decision.denial).toMatchObject({ code: 'unavailable', answer: 'unavailable' })
    expect(decision.denial.detail).toBeUndefined()
    expect(line.errors).toEqual([expect.any(Error)])
    expect(line.kept()).toEqual([])
  })
})
