import { describe, expect, it } from 'vitest'
import { ACME, CHAT, ENV, mistakes, parse } from '../policy/support.ts'

const once = (more: object = {}) => ({ ROUTES: [{ ...CHAT, single_use: true, ...more }] })

describe('single_use', () => {
  it.each<[more: object, expected: string]>([
    [{ single_use: 'true' }, 'ROUTES[0].single_use: must be true or false'],
    [
      { access: 'public', scopes: [] },
      'ROUTES[0].single_use: is only for rules with access = "required": this one is public',
    ],
    [
      { access: 'optional' },
      'ROUTES[0].single_use: is only for rules with access = "required": this one is optional',
    ],
    [
      { mcp: { tools: { one: [] } } },
      'ROUTES[0].single_use: cannot be used with mcp: every message would need its own token',
    ],
  ])('refuses %j', (more, expected) => {
    expect(mistakes(once(more))).toEqual([expected])
  })

  it('needs what remembers, and nothing else does', () => {
    const env = {
      ...ENV,
      has: (...[kind, name]: Parameters<typeof ENV.has>) =>
        name !== 'REPLAYS' && ENV.has(kind, name),
    }
    expect(mistakes(once(), env)).toEqual([
      expect.stringMatching(/^bindings\.REPLAYS: is not there: .*ReplayShard/),
    ])
    expect(mistakes(once({ single_use: false }), env)).toEqual([])
    expect(mistakes({}, env)).toEqual([])
  })

  it('warns of issuers whose tokens need not have what they are known by', () => {
    const ISSUERS = {
      acme: { ...ACME, agent_prefix: 'acme/' },
      auth0: { issuer: 'https://x.auth0.example', profile: 'auth0', agent_prefix: 'auth0/' },
    }
    const warnings = (vars: object) => {
      const parsed = parse({ ISSUERS, ...vars })
      if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
      return parsed.value.warnings.filter(({ path }) => path === 'ROUTES[0].single_use')
    }
    expect(warnings(once())).toEqual([
      {
        path: 'ROUTES[0].single_use',
        message: expect.stringContaining('tokens of `auth0` may have none'),
      },
    ])
    expect(warnings(once({ issuers: ['acme'] }))).toEqual([])
    expect(warnings(once({ single_use: false }))).toEqual([])
  })
})

describe('possession and replay', () => {
  const NO_STORE = {
    ...ENV,
    has: (...[kind, name]: Parameters<typeof ENV.has>) => name !== 'REPLAYS' && ENV.has(kind, name),
  }
  const warned = (keys: object, env = ENV, acme: object = {}) => {
    const vars = { ISSUERS: { acme: { ...ACME, ...acme } }, ROUTES: [{ ...CHAT, ...keys }] }
    const parsed = parse(vars, env)
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
    return parsed.value.warnings.flatMap(({ path, message }) =>
      path === 'ROUTES[0].replay' ? [message] : [],
    )
  }

  it.each([
    ['POST /x', 'window', [expect.stringMatching(/POST may change something/)]],
    ['GET,PUT,DELETE /x', 'window', [expect.stringMatching(/PUT, DELETE may change/)]],
  ])('%s with replay = %j', (match, replay, expected) => {
    expect(warned({ match, replay })).toEqual(expected)
  })

  it('warns where proofs are expected and cannot be recorded', () => {
    const missing = [expect.stringMatching(/REPLAYS.*503 `replay_unavailable`/)]
    const required = { possession: 'required' }
    expect(warned(required, NO_STORE)).toEqual(missing)
    expect(warned({ replay: 'exact' }, NO_STORE)).toEqual(missing)
    expect(warned({}, NO_STORE, required)).toEqual(missing)
    expect(warned({ ...required, match: 'GET /x', replay: 'window' }, NO_STORE)).toEqual([])
    expect(warned({}, NO_STORE)).toEqual([])
    expect(warned(required)).toEqual([])
  })
})
