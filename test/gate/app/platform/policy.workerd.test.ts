import { describe, expect, it } from 'vitest'
import type { Env } from '../../../../src/gate/app/workerd/env.ts'
import { createPolicyLoader, loadConditions } from '../../../../src/gate/app/workerd/policy.ts'

const GATE = { resource: 'https://api.test.net', origin: 'https://origin.test.net' }
const ISSUERS = { acme: { issuer: 'https://issuer.test.net' } }
const ROUTES = [{ match: 'GET /x', scopes: [] }]

const binding = { get() {}, put() {}, idFromName() {} }
const envOf = (vars: Readonly<Record<string, unknown>> = {}) =>
  ({
    JWKS_CACHE: binding,
    KEY_SERVICE: binding,
    ASSERTION_KEY_SERVICE: binding,
    REVOCATIONS: binding,
    GATE,
    ISSUERS,
    ROUTES,
    ...vars,
  }) as unknown as Env

const start = () => {
  const logged: Record<string, unknown>[] = []
  return { load: createPolicyLoader((event) => logged.push(event)), logged }
}

describe('a policy', () => {
  it('is kept while every input is the same, also in another environment object', () => {
    const { load, logged } = start()
    const { policy } = load(envOf())
    expect(policy).toBeDefined()
    expect(load(envOf()).policy).toBe(policy)
    expect(logged).toEqual([])
  })

  it.each([
    ['a variable', { ROUTES: [{ match: 'GET /y', scopes: [] }] }],
    ['a further variable', { ROUTES_01: [{ match: 'GET /y', scopes: [] }] }],
    ['a secret', { API_KEY: 'new' }],
  ])('is read again when %s changes', (_, change) => {
    const { load } = start()
    const { policy } = load(envOf())
    const changed = load(envOf(change)).policy
    expect(changed).toBeDefined()
    expect(changed).not.toBe(policy)
    expect(load(envOf()).policy).not.toBe(changed)
  })

  it('with a condition is read once that is loaded, also one that is nested too deep', async () => {
    const { load } = start()
    const when = (when: unknown) => envOf({ ROUTES: [{ ...ROUTES[0], when }] })
    await loadConditions(when('now > now'))
    expect(load(when('now > now')).policy?.routes[0]?.when?.source).toBe('now > now')
    const deep = Array.from({ length: 100_000 }).reduce((inner) => [inner], 0)
    await loadConditions(when(deep))
    expect(load(when(deep)).policy).toBeUndefined()
  })

  it('with mistakes is none, logged once, and leaves the prefix where it was written', () => {
    const { load, logged } = start()
    const broken = { GATE: { ...GATE, prefix: '/ops', orgin: 1 } }
    const gates = [load(envOf(broken)), load(envOf(broken))]
    expect(gates[0]).toEqual({ policy: undefined, prefix: '/ops' })
    expect(gates[1]).toBe(gates[0])
    expect(logged).toHaveLength(1)
    expect(load(envOf()).policy).toBeDefined()
  })

  it('is warned of by what no file shows: secrets that are too short, once', () => {
    const { load, logged } = start()
    const inject = { 'CF-Access-Client-Id': `\${ID}`, Authorization: `Basic \${PAIR}` }
    const env = { ROUTES: [{ ...ROUTES[0], inject }], ID: 'id', PAIR: btoa('administrator:pass') }
    expect(load(envOf(env)).policy).toBeDefined()
    load(envOf(env))
    expect(logged).toEqual([
      {
        event: 'policy_warnings',
        warnings: [
          expect.stringMatching(
            /^ROUTES\[0\]\.inject\.cf-access-client-id: the secret `ID` is too/,
          ),
          expect.stringMatching(/^ROUTES\[0\]\.inject\.authorization: the password in its Basic/),
        ],
      },
    ])
  })
})
