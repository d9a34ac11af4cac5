import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../../src/compare/compare.ts'
import type { Policy } from '../../../src/gate/model/policy.ts'
import { SIGNALS } from '../../../src/gate/model/watch.ts'
import { parsePolicy } from '../../../src/gate/policy/parse.ts'
import { readVars } from '../../../src/gate/policy/reading/vars.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { warningsOf } from '../../../src/gate/policy/warnings.ts'

const read = (
  watch: unknown,
  { bound = true, audit = {} }: { bound?: boolean; audit?: object } = {},
) => {
  const { vars } = readVars({
    GATE: { resource: 'https://api.example.com', origin: 'https://origin.example.com' },
    ISSUERS: { acme: { issuer: 'https://auth.acme.example' } },
    ROUTES: [{ match: 'GET /v1/files/{id}', scopes: [] }],
    AUDIT: audit,
    ...(watch !== undefined && { WATCH: watch }),
  })
  const env = {
    has: (_: string, name: string) => bound || !['AGENTS', 'RATE_LIMITER'].includes(name),
    secret: () => undefined,
  }
  return parsePolicy(vars, env, warningsOf)
}
const valueIn = (...given: Parameters<typeof read>) => {
  const bundle = read(...given)
  if (!bundle.ok) throw new Error(JSON.stringify(bundle.reason))
  return bundle.value
}
const mistakes = (...given: Parameters<typeof read>) => {
  const bundle = read(...given)
  return bundle.ok ? [] : bundle.reason.map(({ path, message }) => `${path} ${message}`)
}

describe('WATCH', () => {
  it('is off unless a table is written, and has defaults', () => {
    expect(valueIn(undefined).policy.watch).toEqual([])
    expect(showPolicy(valueIn(undefined).policy)).not.toHaveProperty('watch')
    expect(valueIn({ all: {} }).policy.watch).toEqual([
      { name: 'all', signals: SIGNALS, action: 'alert', duration: 900, throttle: 6, atMost: 5 },
    ])
  })

  it('is read, and shown as it is written', () => {
    const table = {
      issuer: 'acme',
      agents: ['a'],
      agent_types: ['sub-agent'],
      rules: ['GET /v1/files/{id}'],
      signals: ['volume'],
      action: 'quarantine',
      duration: '60s',
      throttle: 30,
      at_most: 0,
    }
    const { policy } = valueIn({ all: table })
    expect(policy.watch).toMatchObject([
      { issuer: 'https://auth.acme.example', duration: 60, atMost: 0 },
    ])
    expect(showPolicy(policy).watch).toEqual({ all: table })
    expect(showPolicy(policy, 'https://auth.acme.example')).not.toHaveProperty('watch')
  })

  it.each([
    [{ all: { signals: ['noise'] } }, 'WATCH.all.signals[0] '],
    [{ all: { action: 'kill' } }, 'WATCH.all.action '],
    [{ all: { at_most: 101 } }, 'WATCH.all.at_most '],
    [{ all: { issuer: 'acne' } }, 'WATCH.all.issuer '],
    [{ all: { rules: ['GET /v2'] } }, 'WATCH.all.rules '],
    [{ all: { subject: 'alice' } }, 'WATCH.all.subject '],
    [{ all: 'x' }, 'WATCH.all must be a table'],
  ])('refuses %j', (watch, message) => {
    expect(mistakes(watch)).toEqual([expect.stringContaining(message)])
  })

  it('is compared: to watch less is wider', async () => {
    const [off, on] = [valueIn(undefined).policy, valueIn({ all: {} }).policy]
    const compared = async (before: Policy, after: Policy) =>
      JSON.stringify(await comparePolicies(before, after))
    expect(await compared(on, off)).toMatch(/"widens":true,"gains":.*watch/)
    expect(await compared(off, on)).toMatch(/"widens":false.*watch/)
    expect(await compared(on, on)).not.toContain('watch')
  })

  it('needs the registry', () => {
    expect(mistakes({ all: {} }, { bound: false })).toEqual([
      expect.stringContaining('bindings.AGENTS and AUDIT_LOG must be there'),
    ])
    expect(mistakes({}, { bound: false })).toEqual([])
    expect(mistakes({ all: { action: 'throttle' } }, { bound: false })).toContainEqual(
      expect.stringContaining('WATCH.all.action needs the binding RATE_LIMITER'),
    )
  })

  it('warns of signals that need addresses', () => {
    const warned = (watch: object, audit?: object) =>
      valueIn(watch, { ...(audit && { audit }) }).warnings.filter(({ path }) =>
        path.startsWith('WATCH'),
      )
    expect(warned({ all: {} })).toMatchObject([
      { path: 'WATCH.all.signals', message: expect.stringContaining('addresses = true') },
    ])
    expect(warned({ all: {} }, { addresses: true })).toEqual([])
    expect(warned({ all: { signals: ['volume'] } })).toEqual([])
  })
})
