/** Rules and entries with `approval`, what people do, and calls that are nearly the one that was approved. */
import type { Decided, Json, JsonObject, Request } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import type { Change, RequestSpec, TokenSpec, Vars } from './shapes.ts'

const UNLESS = [
  ...['request.method == "GET"', 'token.tenant == "blue"', 'request.query["dry"] == "yes"'],
  ...['agent.id == "planner"', 'now < timestamp("2026-01-01T00:01:45Z")'],
]
const UNLESS_CALL = [
  ...['arguments.amount <= 100', 'has(arguments.path)', 'arguments["path"] == "a.b"'],
  'token.tenant == "blue"',
]

export const SHOWS = [
  ...[['arguments.amount'], ['arguments.path'], ['arguments.to.account'], ['arguments.to.account']],
  ['arguments.amount', 'arguments.to'],
]

/** Members of bodies of rules without MCP. */
const SHOWS_BODY = [['body.amount'], ['body.a'], ['body.to.account', 'body.amount']]

function approvalOf(dice: Dice, isCall: boolean): JsonObject {
  const condition = dice.pick(isCall ? UNLESS_CALL : UNLESS)
  const unless: Json = condition.includes('query') ? { condition, query: ['dry'] } : condition
  return {
    ...(dice.chance(0.2) && { by: dice.pick(['operators', 'owners']) }),
    ...(dice.chance(0.4) && { within: dice.pick(['1m', '1m', '20m']) }),
    ...(dice.chance(0.4) && { hold: dice.pick(['5s', '30s', '60s', '0s']) }),
    ...(dice.chance(0.3) && { headers: dice.pick([['x-run'], ['X-Tier', 'x-run']]) }),
    ...(dice.chance(0.3) && { unless }),
    ...(isCall && dice.chance(0.5) && { shows: dice.pick(SHOWS) }),
    ...(!isCall && dice.chance(0.2) && { shows: dice.pick(SHOWS_BODY) }),
  }
}

/** Where people sign in. */
export const consoleTable = (): JsonObject => ({ host: 'ops.example.com' })

/** The issuer of people. */
export const peopleTable = (): JsonObject => ({
  issuer: 'https://people.example',
  agent_prefix: 'people/',
  ...{ admin: 'all', rules: false, person: { client_id: 'gate' } },
})

/** Lets people approve calls of some rules and entries. */
export function askPeople(dice: Dice, { GATE, ISSUERS, ROUTES }: Vars): void {
  GATE.console = consoleTable()
  ISSUERS.people = peopleTable()
  for (const [i, rule] of ROUTES.entries()) {
    if (rule.mcp) askForEntries(dice, rule.mcp as JsonObject)
    else if (rule.access === undefined && dice.chance(i === 0 ? 0.9 : 0.3)) {
      rule.approval = approvalOf(dice, false)
    }
  }
}

function askForEntries(dice: Dice, mcp: JsonObject): void {
  for (const kind of ['tools', 'prompts', 'resources']) {
    const entries = (mcp[kind] ?? {}) as JsonObject
    for (const [name, need] of Object.entries(entries)) {
      if (dice.chance(0.4)) continue
      const isTable = typeof need === 'object' && need !== null && 'scopes' in need
      const table = isTable ? (need as JsonObject) : { scopes: need }
      entries[name] = { ...table, approval: approvalOf(dice, kind !== 'resources') }
    }
  }
}

/** Whether some call of a policy needs an approval. */
export const isAsking = ({ ROUTES }: Vars): boolean => JSON.stringify(ROUTES).includes('"approval"')

/** What people decide before a call is sent again. */
export const decisions = (dice: Dice): Change => ({
  ...(dice.chance(0.85) && {
    decided: dice.pick<NonNullable<Change['decided']>>([
      ...[['granted'], ['granted', 'granted'], ['refused'], ['taken']],
      ...[[standing(dice)], [standing(dice)], [standing(dice), 'refused']],
    ] as NonNullable<Change['decided']>[]),
  }),
  ...(dice.chance(0.04) && { withdrawn: true as const }),
})

/** An approval of calls like the one that waits. */
const standing = (dice: Dice): Decided => ({
  uses: dice.pick([1, 2, 2, 3, 100]),
  ms: dice.pick([60_000, 60_000, 600_000, 86_400_000]),
})

/** How other calls wait, and how long it takes until approvals are over. */
export function whatElse(dice: Dice, issuer: string, agent: string): Change {
  const count = dice.pick([1, 19, 20, 20, 59, 60, 60, 200])
  return dice.pick<() => Change>([
    () => ({ wait: dice.pick([54, 59.999, 60, 61, 599, 600, 601, 1199, 1200]) }),
    () => ({ unavailable: ['approvals'] }),
    () => ({
      others: [
        {
          issuer,
          agent: dice.chance(0.8) ? agent : 'somebody',
          count,
          within: count < 59 || count > 60 ? 60_000 : 1,
        },
      ],
    }),
    () => ({
      others: [
        {
          ...{ issuer, agent, within: 60_000, standing: true as const },
          count: dice.pick([1, 19, 20, 199, 200]),
        },
      ],
    }),
  ])()
}

/** What a person does while a request is held. */
export const personOf = (dice: Dice): NonNullable<Request['person']> => ({
  after: dice.pick([1, 1_000, 4_999, 20_000, 45_000, 59_999]),
  does: dice.pick<Decided>(['granted', 'granted', standing(dice), 'refused', 'taken']),
})

/** Other texts of the same JSON, and of other JSON. */
function otherText(dice: Dice, body: string): string {
  return dice.pick([
    () => body.replace(':', ': '),
    () => ` ${body}\n`,
    () => body.replace(/"id":\s*\d+/, '"id":99'),
    () => body.replace(/\b7\b/, dice.pick(['7.0', '70e-1', '8', '9007199254740993'])),
    () => body.replace('"a.b"', dice.pick(['"a\\u002eb"', '"a.c"', '"a\u2024b"', '"\\ud800"'])),
    () => body.replace('"arguments":{', dice.pick(['"arguments":{"z":1,', '"arguments":{ '])),
    () => body.replace(/\{("\w+":[^,{}]+),("\w+":[^,{}]+)\}/, '{$2,$1}'),
    () => body.replace('"params":{', '"params":{"_meta":{"progressToken":5},'),
    () => body.replace('"params":{', '"params":{"_meta":{"traceparent":"x"},'),
    () => body.replace('"params":{', '"params":{"_meta":{"own":5},'),
    () => body.replace(/\}(?=[^}]*$)/, ',"a":1,"a":2}'),
    () => `${body}x`,
    () => `[${body}]`,
  ])()
}

/** Other values of the arguments that `shows` may name, and of others. */
const otherArguments = (dice: Dice, body: string): string =>
  body.replace(
    /"(account|amount|path|to|note)":("[^"]*"|\d+|\{[^{}]*\}|\[[^[\]]*\])/,
    (_, name, value) =>
      `"${name}":${dice.pick(['8', '"x"', '{"account":"a","note":"n"}', '["a"]', '[["a"]]', 'null', value])}`,
  )

/** The call as another agent would send it, or by a new token of the same one. */
export function otherToken(dice: Dice, spec: TokenSpec, number: number): TokenSpec {
  const { claims } = spec
  return {
    ...spec,
    claims: {
      ...claims,
      jti: `again-${number}`,
      ...(dice.chance(0.3) &&
        dice.pick([{ sub: 'carol' }, { client_id: 'bob' }, { workflow_id: 'run-2' }])),
      ...(dice.chance(0.1) && { act: { sub: 'helper' } }),
    },
  }
}

/** Makes a request nearly the one that it was. */
export function nearly(dice: Dice, request: RequestSpec): void {
  const { body = '', target } = request
  const set = (name: string, value: string) => {
    request.headers = request.headers.filter(([other]) => other.toLowerCase() !== name)
    request.headers.push([name, value])
  }
  const batch = () => {
    set('mcp-protocol-version', '2025-03-26')
    request.body = `[${body},${body.replace(/"id":\s*\d+/, '"id":77')}]`
  }
  const json = () => {
    set('content-type', 'application/json')
    request.body = dice.pick([
      '{"a":1}',
      '{"a":1,"a":2}',
      '{"a":9007199254740993}',
      '{"a":"\\ufffe"}',
    ])
  }
  dice.pick<() => unknown>([
    ...(body.includes('"method"') ? Array(8).fill(batch) : body === '' ? [] : [json, json]),
    ...(body.includes('"arguments"')
      ? Array.from({ length: 8 }, () => () => (request.body = otherArguments(dice, body)))
      : []),
    ...(body === ''
      ? []
      : Array.from({ length: 4 }, () => () => (request.body = otherText(dice, body)))),
    () => (request.target = `${target}${target.includes('?') ? '&' : '?'}b=1`),
    () => (request.target = `${target.split('?')[0]}?b=1&a=2`),
    () => (request.target = `${target.split('?')[0]}?a=2&b=1`),
    () => (request.target = `${target}?`),
    () => set('x-run', dice.pick(['run-1', 'run-2', '', ' run-1', 'a,b'])),
    () =>
      set(
        'content-type',
        dice.pick(['application/json', 'text/plain', 'application/x+json', 'a/b']),
      ),
    () => set('content-encoding', dice.pick(['gzip', 'identity'])),
    () => set('x-not-bound', '1'),
    () => (request.method = dice.pick(['GET', 'POST', 'PUT'])),
  ])()
}
