/** Topics about approvals: what overtakes a call that is held or approved, and what a call is bound to. */
import type { JsonObject } from '../reference/types.ts'
import { consoleTable, peopleTable } from './asking.ts'
import type { Dice } from './dice.ts'
import type { RequestSpec } from './shapes.ts'
import type { Said, Topic } from './topics.ts'

const ACME = 'https://auth.acme.example'

/** A policy of which people approve calls. */
const asking = (rule: JsonObject): Said => ({
  gate: { console: consoleTable() },
  others: { people: peopleTable() },
  rules: [{ match: 'POST /v1/docs', scopes: [], approval: {}, ...rule }],
})

/** One caller, so that calls are the same. */
const ofOne: Topic['token'] = (_, { claims }) =>
  Object.assign(claims, { client_id: 'planner', sub: 'alice' })

/** Replaces the headers that say what a body is. */
function setBody(request: RequestSpec, body: string, headers: [string, string][]): void {
  request.headers = request.headers.filter(([name]) => !/^content-/i.test(name))
  request.headers.push(...headers)
  request.body = body
}

/** While a call is held, its token ends or a condition becomes false. */
const HELD: Topic = {
  policy: (dice) =>
    asking({
      approval: { hold: '60s' },
      ...(dice.chance(0.6) && {
        when: dice.pick([
          'now - timestamp(token.iat) < duration("90s")',
          'now < timestamp("2026-01-01T00:02:10Z")',
        ]),
      }),
    }),
  token(dice, { claims }, { now }) {
    claims.exp = Math.floor(now) + dice.pick([40, 55, 240])
  },
  request: (dice, request) => (request.body = dice.pick(['a', 'b', 'c'])),
}

const TYPES = [
  ...['application/json', 'text/plain', 'text/plain, application/json', 'a/b;x=y, a/x+json'],
  ...['application/json; charset=latin1', 'application/json;charset="utf-8"'],
]

/** What is JSON, and what is not JSON that all servers read alike. */
const JSON_TYPES: Topic = {
  policy: () => asking({}),
  token: ofOne,
  request(dice, request) {
    setBody(request, dice.pick(['{"a":1}', '{"a":1}', '{"a":1,"a":2}']), [
      ['Content-Type', dice.pick(TYPES)],
      ...(dice.chance(0.2) ? [['Content-Encoding', 'gzip'] as [string, string]] : []),
    ])
  },
}

/** Calls of tools in batches, of which some need an approval. */
const BATCHES: Topic = {
  policy: () =>
    asking({
      match: 'POST /mcp',
      approval: undefined,
      mcp: { tools: { pay: { scopes: [], approval: {} }, search: [] } },
    }),
  token: ofOne,
  request(dice, request) {
    const call = (id: number) => ({
      ...{ jsonrpc: '2.0', id, method: 'tools/call' },
      params: { name: dice.pick(['pay', 'search']), arguments: {} },
    })
    const calls = Array.from({ length: dice.pick([1, 2, 2, 3]) }, (_, id) => call(id))
    setBody(request, JSON.stringify(calls), [['Content-Type', 'application/json']])
    request.method = 'POST'
    request.headers = request.headers.filter(([name]) => !/^mcp-/i.test(name))
    request.headers.push(['MCP-Protocol-Version', '2025-03-26'])
  },
}

const granted = (dice: Dice) => ({
  decided: [dice.pick(['granted' as const, { uses: 3, ms: 600_000 }])],
})

/** An agent is stopped after its call was approved, and is let go on. */
const STOPPED: Topic = {
  policy: () => asking({ approval: { within: '20m' } }),
  token: ofOne,
  request: (dice, request) => (request.body = dice.pick(['a', 'b'])),
  before: (dice) =>
    dice.pick([
      () => ({
        ...granted(dice),
        agents: { [`${ACME} planner`]: { status: 'suspended' as const } },
      }),
      () => ({
        ...granted(dice),
        revoke: [
          { kind: 'subject' as const, issuer: ACME, value: 'alice', mode: 'block' as const },
        ],
      }),
      () => ({ agents: { [`${ACME} planner`]: null }, liftAll: true as const }),
      () => ({ agents: { [`${ACME} planner`]: null }, liftAll: true as const }),
    ])(),
}

/** The same request, also as one that opens a WebSocket. */
const UPGRADES: Topic = {
  policy: () => asking({ match: 'GET /v1/docs' }),
  token: ofOne,
  request(dice, request) {
    if (dice.chance(0.5)) request.headers.push(['Upgrade', 'websocket'], ['Connection', 'Upgrade'])
  },
}

/** Approved calls that a limit refuses for a while. */
const LIMITED: Topic = {
  policy: () => asking({ approval: { within: '20m' }, rate_limit: { limit: 1, period: '60s' } }),
  token: ofOne,
  request: (dice, request) => (request.body = dice.pick(['a', 'b'])),
  before: (dice) => ({ ...granted(dice), ...(dice.chance(0.5) && { wait: 60 }) }),
}

export const APPROVAL_TOPICS: Topic[] = [HELD, JSON_TYPES, BATCHES, STOPPED, UPGRADES, LIMITED]
