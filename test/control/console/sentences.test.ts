import { expect, it } from 'vitest'
import { needsSentence } from '../../../src/control/console/page/sentences.ts'
import type { JsonObject } from '../../../src/gate/base/json.ts'
import { isAbout, ROUTE_KEYS } from '../../../src/gate/policy/keys/route-keys.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { GATE, policy } from '../../gate/policy/support.ts'

const CONSOLE = { console: { host: 'ops.example.com' } }
const ISSUERS = {
  acme: { issuer: 'https://auth.acme.example', admin: 'all', person: { client_id: 'console' } },
}

/** A rule with these keys as the gate shows it, in words. */
const told = (rule: object): string => {
  const shown = showPolicy(
    policy({ GATE: { ...GATE, ...CONSOLE }, ISSUERS, ROUTES: [{ match: 'GET /a', ...rule }] }),
  ).routes[0]
  return needsSentence(shown as unknown as JsonObject)
}

it.each([
  [{ access: 'public' }, 'Anyone, without a token.'],
  [{ scopes: [] }, 'Needs any valid token.'],
  [{ scopes: ['repo:write'], possession: 'required' }, 'Needs repo:write and proof of possession.'],
  [{ scopes: { any: ['a', 'b'] } }, 'Needs one of a, b.'],
  [{ scopes: { any: ['a'] } }, 'Needs a.'],
  [{ access: 'optional', scopes: ['a', 'b'] }, 'No token, or else: a and b.'],
  [{ scopes: [], agents: 'any' }, 'Needs any valid token.'],
  [
    { scopes: [], agents: 'approved', agent_types: ['editor', 'reader'] },
    'Needs any valid token, an approved agent and an agent of type editor or reader.',
  ],
  [
    { scopes: [], claims: { department: 'x' }, max_lifetime: '5m' },
    'Needs any valid token, claim department = x and a lifetime of at most 300s.',
  ],
  [
    { scopes: [], delegation: { max_depth: 1, require_actor: true } },
    'Needs any valid token and an actor and at most 1 actor.',
  ],
  [
    { scopes: ['a'], rate_limit: { limit: 5, period: '1m', daily: 100 } },
    'Needs a. At most 5 requests in 60s and 100 a day for each agent.',
  ],
  [
    { scopes: ['a'], when: 'now > timestamp("2020-01-01T00:00:00Z")' },
    'Needs a. Only if now > timestamp("2020-01-01T00:00:00Z").',
  ],
  [
    { scopes: ['a'], approval: { by: 'owners', unless: 'request.method == "GET"' } },
    'Needs a. Each call needs the approval of an owner of the agent, unless request.method == "GET".',
  ],
] as const)('%j', (rule, sentence) => {
  expect(told(rule)).toBe(sentence)
})

it('names every key of a rule that asks something of an agent', () => {
  // `replay` says how often a proof may be used; scopes come first.
  const keys = Object.keys(ROUTE_KEYS).filter((key) => isAbout(key, 'agent'))
  const silent = keys.filter((key) => {
    const rule = { scopes: [], [key]: { any: ['x'], limit: 1 } }
    const approved = { scopes: [], [key]: key === 'agents' ? 'approved' : 'required' }
    const none = needsSentence({ scopes: [] })
    return needsSentence(rule) === none && needsSentence(approved) === none
  })
  expect(silent).toEqual(['replay'])
})
