import { describe, expect, it } from 'vitest'
import { writtenCondition } from '../../../../src/gate/policy/conditions/field.ts'
import { readTable } from '../../../../src/gate/policy/reading/table.ts'
import { showRoute } from '../../../../src/gate/policy/show.ts'
import { GATE, ITEM, mistakes, rule } from '../support.ts'

const withWhen = (when: unknown) => ({ ROUTES: [{ ...ITEM, when }] })
const routeWith = (when: unknown) => rule(withWhen(when), '/v1/items/7', 'GET')

describe('when', () => {
  it('is a mistake before its compiler is loaded', async () => {
    // A module of its own, to which nothing was provided.
    const path = '../../../../src/gate/policy/conditions/field.ts?alone'
    const { conditionField } = (await import(
      path
    )) as typeof import('../../../../src/gate/policy/conditions/field.ts')
    const said: string[] = []
    const entry = readTable({ when: conditionField }, { when: 'true' }, (_, text) =>
      said.push(text),
    )
    expect(entry.when).toBeUndefined()
    expect(said).toEqual(['cannot be read: the compiler of conditions is not loaded'])
  })

  it.each([
    ['token.amount < 100'],
    [{ condition: 'request.headers["x-a"] == "b"', headers: ['x-a'] }],
    [{ condition: 'request.query.q == "b"', query: ['q'] }],
  ])('is read and shown as %j', (when) => {
    const route = routeWith(when)
    expect(route.when && writtenCondition(route.when)).toEqual(when)
    expect(showRoute(route, [])).toMatchObject({ when })
  })

  it('compares names of headers in lower case', () => {
    const route = routeWith({ condition: 'request.headers["x-a"] == "b"', headers: ['X-A'] })
    expect(route.when?.headers).toEqual(['x-a'])
  })

  it.each<[string, unknown]>([
    ['when: at character 1: unknown variable `tokn`; did you mean `token`?', 'tokn.a == 1'],
    ['when.condition: at character 1: unknown variable', { condition: 'tokn.a == 1' }],
    [
      'when.headers[0]: `authorization` contains a credential',
      { condition: 'true', headers: ['Authorization'] },
    ],
    ['when.headers[0]: `cookie` contains a credential', { condition: 'true', headers: ['cookie'] }],
    [
      'when.headers[0]: `x_agent_id` is an identity header',
      { condition: 'true', headers: ['X_Agent_Id'] },
    ],
    [
      'when.headers[0]: `cf-ipcountry` is about the connection',
      { condition: 'true', headers: ['CF-IPCountry'] },
    ],
    [
      'when.headers[0]: `x-forwarded-for` is about the connection',
      { condition: 'true', headers: ['x-forwarded-for'] },
    ],
    ['when.headers[0]: is not a header name', { condition: 'true', headers: ['x a'] }],
    ['when.query[0]: `access_token` in a query', { condition: 'true', query: ['access_token'] }],
    ['when: unknown path parameter `run`', 'request.params.run == "1"'],
  ])('%s', (message, when) => {
    const found = mistakes(withWhen(when)).join('\n')
    expect(found.replaceAll(/`x a` /g, '')).toContain(`ROUTES[0].${message}`)
  })

  it.each<[string, readonly string[]]>([
    [
      'agent.typ == "a" && foo(bar, 1) == 1 || requst.path == "/"',
      [
        'at character 7: unknown member of agent `typ`; did you mean `type`?',
        'at character 21: unknown function `foo`',
        'at character 25: unknown variable `bar`',
        'at character 41: unknown variable `requst`; did you mean `request`?',
      ],
    ],
    [
      'request.path == 1 && (request.host > 2 || "a" == 1) && request.path && request.path',
      [
        'at character 1: no such overload: string == int',
        'at character 23: no such overload',
        'at character 43: no such overload: string == int',
        '`request.path` has a result of type string, and must be true or false',
        '`request.path` has a result of type string, and must be true or false',
      ],
    ],
  ])('tells all mistakes of one kind at once: %s', (when, expected) => {
    const found = mistakes(withWhen(when))
    expect(found.map((one) => one.replace('ROUTES[0].when: ', ''))).toEqual(
      expected.map((one) => expect.stringContaining(one)),
    )
  })

  it('knows the identity headers of the gate', () => {
    const gate = { ...GATE, identity_prefix: 'x-acme-agent-' }
    const when = { condition: 'true', headers: ['x-acme-agent-id'] }
    expect(mistakes({ GATE: gate, ...withWhen(when) })).toEqual([
      'ROUTES[0].when.headers[0]: is an identity header, which only the gate sets',
    ])
  })
})
