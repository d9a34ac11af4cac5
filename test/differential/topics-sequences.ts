/** Topics about several requests: limits, requests in progress, and what is remembered of a token. */
import type { Json, JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import type { Topic } from './topics.ts'

const docs = (more: JsonObject): JsonObject => ({ match: 'GET /v1/docs', scopes: [], ...more })

/** Two rules that differ by their host. */
const twins = (more: JsonObject): JsonObject[] => [
  docs({ host: 'api.example.com', ...more }),
  docs({ host: 'files.example.com', resource: 'https://api.example.com', ...more }),
]
const HOSTS = ['api.example.com', 'files.example.com']

const quotas = (dice: Dice): JsonObject =>
  dice.pick<JsonObject>([
    { limit: 2, period: '60s' },
    { limit: 2, period: '10m' },
    { limit: 3, period: '10s', daily: 3 },
    { limit: 3, period: '60s', daily: 2 },
    { daily: 2 },
  ])

const LIMITS_OF_TWINS: Topic = {
  policy: (dice) => ({
    gate: { hosts: HOSTS },
    rules: twins({ rate_limit: dice.pick<Json>([{ limit: 1, period: '10m' }, { daily: 1 }]) }),
  }),
  request: (dice, request) => (request.host = dice.pick(HOSTS)),
}

const LIMITS_OF_ISSUERS: Topic = {
  policy: (dice) => ({
    rules: [
      docs({ rate_limit: { ...quotas(dice), per: dice.pick(['issuer', 'issuer', 'client']) } }),
    ],
  }),
}

/** The limit changes while requests count. */
const CHANGED_LIMITS: Topic = {
  policy: (dice) => ({ rules: [docs({ rate_limit: quotas(dice) })] }),
  before: (dice) => ({ wait: dice.pick([0.5, 1, 3, 5, 20]) }),
  deploy(dice, { ROUTES }) {
    for (const rule of ROUTES) if (rule.rate_limit) rule.rate_limit = quotas(dice)
  },
}

const IN_FLIGHT: Topic = {
  policy: (dice) => ({
    gate: { hosts: HOSTS },
    rules: twins({ in_flight: dice.pick([1, 1, 2]) }),
  }),
  token: (_, { claims }) => (claims.client_id = 'planner'),
  request: (dice, request) => (request.host = dice.pick(HOSTS)),
  before: (dice) => (dice.chance(0.3) ? { answered: true } : {}),
}

/** Agents of two issuers with one id, whose requests count for the whole gate. */
const IN_FLIGHT_OF_ISSUERS: Topic = {
  ...IN_FLIGHT,
  policy: () => ({
    gate: { hosts: HOSTS, in_flight: 1 },
    others: { beta: { issuer: 'https://auth.beta.example', agent_prefix: 'beta/' } },
    rules: twins({}),
  }),
}

/** The issuer's key is replaced by one of the same name, and comes back. */
const SAME_NAME: Topic = {
  policy: () => ({ rules: [docs({})] }),
  token: (_, spec) => Object.assign(spec, { key: 'a1', header: { typ: 'at+jwt' } }),
  before: (dice) => ({ keys: { acme: dice.pick([['a1'], ['a1b']]) } }),
}

/** Values of two parameters that are the same text together. */
const VALUES: Topic = {
  ids: ['7', '74', '2', '42'],
  policy: () => ({
    rules: [{ match: 'GET /v1/docs/{id}/parts/{part}', scopes: ['p:{id}:{part}'] }],
  }),
  token: (_, { claims }) => (claims.scope = 'p:7:42'),
  request: (dice, request) =>
    (request.target = `/v1/docs/${dice.pick(['7/parts/42', '74/parts/2', '7/parts/2'])}`),
}

export const SEQUENCE_TOPICS: Topic[] = [
  ...[LIMITS_OF_TWINS, LIMITS_OF_ISSUERS, CHANGED_LIMITS, CHANGED_LIMITS, IN_FLIGHT, VALUES],
  ...[IN_FLIGHT_OF_ISSUERS, SAME_NAME],
]
