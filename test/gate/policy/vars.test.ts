import { describe, expect, it } from 'vitest'
import { workerEnv } from '../../../src/gate/policy/reading/env.ts'
import { readVars } from '../../../src/gate/policy/reading/vars.ts'

class Fetcher {
  fetch() {}
  get [Symbol.toStringTag]() {
    return 'Fetcher'
  }
}

/** A mistake: a variable whose name is almost one of the policy's. */
const nearly = (
  name: string,
  value: unknown,
  says: RegExp,
): [string, Record<string, unknown>, string, RegExp] => [
  `almost: ${name}`,
  { [name]: value },
  name,
  says,
]

describe('gathering variables', () => {
  it('appends ROUTES_* by code-unit order, whatever the order of the environment', () => {
    const { vars, issues } = readVars({
      ROUTES_b: [4],
      ROUTES_10: [2],
      ROUTES: [0, 1],
      ROUTES_B: '[3]',
    })
    expect(issues).toEqual([])
    expect(vars.ROUTES).toEqual([0, 1, 2, 3, 4])
    expect(vars.routePaths).toEqual([
      'ROUTES[0]',
      'ROUTES[1]',
      'ROUTES_10[0]',
      'ROUTES_B[0]',
      'ROUTES_b[0]',
    ])
  })

  it('merges issuers and scopes, and lays GATE_* over GATE key by key', () => {
    const { vars } = readVars({
      ISSUERS: { a: 1 },
      ISSUERS_X: '{"b":2}',
      SCOPES_1: { s: ['t'] },
      GATE: { resource: 'r', cors: { a: 1 } },
      GATE_LOCAL: '{"hosts":["localhost"],"cors":{}}',
    })
    expect(vars).toMatchObject({
      ISSUERS: { a: 1, b: 2 },
      SCOPES: { s: ['t'] },
      GATE: { resource: 'r', hosts: ['localhost'], cors: {} },
    })
  })

  it('lays every other value over those of serve', () => {
    const { vars } = readVars({
      GATE_SERVE_DEFAULTS: { timeout: '10m', client_ip: 'connection', revocation: { shards: 1 } },
      GATE: { timeout: '5s' },
      GATE_A: { revocation: { max_staleness: '1s' } },
    })
    expect(vars.GATE).toEqual({
      timeout: '5s',
      client_ip: 'connection',
      revocation: { max_staleness: '1s' },
    })
  })

  it('keeps a table that is called like a member every object has', () => {
    const { vars } = readVars({ ISSUERS: JSON.parse('{"__proto__":{"issuer":"x"}}') })
    expect(Object.keys(vars.ISSUERS as object)).toEqual(['__proto__'])
  })

  it.each([
    ['broken JSON', { GATE: '{"a":' }, 'GATE', /not JSON/],
    ['a secret under a policy name', { GATE_TOKEN: 'hush' }, 'GATE_TOKEN', /not JSON/],
    ['a name twice in JSON', { ROUTES: '[{"scopes":[],"scopes":["a"]}]' }, 'ROUTES', /twice/],
    ['a number', { ROUTES: 1 }, 'ROUTES', /table or a list/],
    ['a list for a table', { ISSUERS: [] }, 'ISSUERS', /must be a table/],
    ['a table for a list', { ROUTES_1: {} }, 'ROUTES_1', /list of tables/],
    ['an issuer twice', { ISSUERS: { a: 1 }, ISSUERS_2: { a: 2 } }, 'ISSUERS_2.a', /already/],
    ['a scope twice', { SCOPES: { a: [] }, SCOPES_2: { a: [] } }, 'SCOPES_2.a', /already/],
    ['singular', { ROUTE: [{}] }, 'ROUTE', /did you mean `ROUTES`/],
    ['singular with more', { ISSUER_ACME: {} }, 'ISSUER_ACME', /did you mean `ISSUERS`/],
    ['lower case', { routes: '[]' }, 'routes', /did you mean `ROUTES`/],
    ['plural', { GATES: {} }, 'GATES', /did you mean `GATE`/],
    ['swapped', { SCPOES: {} }, 'SCPOES', /did you mean `SCOPES`/],
    ['swapped, and short', { GAET: {} }, 'GAET', /did you mean `GATE`/],
    ['numbered', { ROUTES2: [] }, 'ROUTES2', /did you mean `ROUTES`/],
    ...['ROUTES01', 'ROUTES10', 'routes01', 'ROUTES2B', 'ROUTESADMIN', 'ROUTE10'].map((name) =>
      nearly(name, [], /did you mean `ROUTES` \(or `ROUTES_…`\)/),
    ),
    ...['ISSUERS01', 'ISSUERSacme', 'ISSUER02'].map((name) =>
      nearly(name, {}, /did you mean `ISSUERS`/),
    ),
    ...['SCOPES01', 'SCOPESADMIN'].map((name) => nearly(name, {}, /did you mean `SCOPES`/)),
    ...['GATE1', 'GATE01', 'GATE01_LOCAL', 'GATES2', 'GATE.LOCAL'].map((name) =>
      nearly(name, {}, /did you mean `GATE`/),
    ),
    nearly('ROUTES01', '[{"match":"GET /x"}]', /did you mean `ROUTES`/),
    ['a header', { var: { ROUTES: [] } }, 'var', /\[vars\.GATE\]/],
  ])('mistake: %s', (_, env, path, says) => {
    const { issues } = readVars(env)
    expect(issues.map((issue) => issue.path)).toEqual([path])
    expect(issues[0]?.message).toMatch(says)
    expect(issues[0]?.message).not.toContain('hush')
  })

  it.each([
    ['text', { ROUTE: 'abc', SCOPE: 'read' }],
    ['a binding', { ROUTE: new Fetcher() }],
    ['another word', { RATE: {}, DATE: {}, LIMITS: {}, RATE_LIMIT: { a: 1 }, ROUTER: 'x' }],
    ['a word that begins like GATE', { GATEWAY: { origin: 'x' }, GATEWAY2: {}, GATEKEEPERS: [] }],
    ['a word of another spelling', { routesByRegion: [], scopesSupported: ['a'], Issuersof: {} }],
    ['text that begins like a name', { ROUTESDOC: 'x', SCOPESHELP: 'read', ISSUERS1: 'x' }],
    ['a binding that begins like a name', { ROUTESAPI: new Fetcher(), GATE2: new Fetcher() }],
  ])('leaves alone: %s', (_, env) => {
    expect(readVars(env).issues).toEqual([])
  })
})

describe('the environment of a Worker', () => {
  it('has bindings and secrets by their own names only', () => {
    const env = workerEnv({
      A: new Fetcher(),
      KEY: 'x',
      KV: { get() {}, put() {} },
      DO: { idFromName() {}, get() {} },
    })
    expect([
      env.has('service', 'A'),
      env.has('kv', 'KV'),
      env.has('durable_object', 'DO'),
      env.has('secret', 'KEY'),
    ]).toEqual([true, true, true, true])
    expect([
      env.has('kv', 'A'),
      env.has('service', 'KEY'),
      env.has('secret', 'A'),
      env.has('secret', 'toString'),
    ]).toEqual([false, false, false, false])
    expect([env.secret('KEY'), env.secret('A'), env.secret('constructor')]).toEqual([
      'x',
      undefined,
      undefined,
    ])
  })
})
