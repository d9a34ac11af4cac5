import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import { stripInbound } from '../../src/gate/relay/origin/headers.ts'
import { ACME, CHAT, GATE, policy, type Vars } from '../gate/policy/support.ts'

const compared = async (before: Vars, after: Vars) => {
  const found = await comparePolicies(policy(before), policy(after))
  if (!found.ok) throw new Error(found.reason)
  const { widens, gains, loses, changes } = found.value
  const said = Object.entries({ gains, loses, changes }).flatMap(([side, all]) =>
    all.map(({ text }) => `${side}: ${text}`),
  )
  return { widens, said }
}

describe('SCOPES, by which scopes of a parent cover those of a token', () => {
  const CLAIM = { delegation: { parent_scope: 'parent.scope' } }
  const vars = (SCOPES: object, delegation: object = CLAIM): Vars => ({
    ISSUERS: { acme: { ...ACME, ...delegation } },
    SCOPES,
  })

  const made = (scopes: string, of: string) =>
    `a token with ${scopes} may now be made from one with \`${of}\` (because SCOPES changes what \`parent_scope\` allows)`

  it.each<[string, object, object, string[]]>([
    ['the same in other words', { a: ['b', 'c'], b: ['c'] }, { a: ['b'], b: ['c'] }, []],
    ['a scope that includes one', {}, { a: ['b'] }, [made('`b`', 'a')]],
    [
      'one more step',
      { a: ['b'], c: ['d'] },
      { a: ['b'], c: ['d'], b: ['c'] },
      [made('`c` or `d`', 'a'), made('`c` or `d`', 'b')],
    ],
    ['all of a kind for one', { a: ['b:x'] }, { a: ['b:*'] }, [made('`b:*`', 'a')]],
    ['what includes only where it counts', {}, { 'edgewarden:read': ['b'] }, []],
  ])('%s', async (_, before, after, said) => {
    const text = said.map((one) => `issuer acme: ${one}`)
    expect(await compared(vars(before), vars(after))).toEqual({
      widens: said.length > 0,
      said: text.map((one) => `gains: ${one}`),
    })
    expect(await compared(vars(after), vars(before))).toEqual({
      widens: false,
      said: text.map((one) => `loses: ${one.replace('may now', 'may no longer')}`),
    })
    expect(await compared(vars(before, {}), vars(after, {}))).toEqual({ widens: false, said: [] })
  })
})

describe('a quota that several rules share', () => {
  const rule = (match: string, more: object = { rate_limit: { limit: 10, period: '1m' } }) => ({
    ...CHAT,
    match,
    ...more,
  })
  const HOSTS = ['api.example.com', 'b.example.com']
  const vars = (...ROUTES: readonly object[]): Vars => ({
    GATE: { ...GATE, hosts: HOSTS },
    ROUTES,
  })
  const both = rule('GET,POST /docs/{id}')

  it.each<[string, Vars, Vars, string | undefined, string]>([
    [
      'a rule for each method',
      vars(both),
      vars(rule('GET /docs/{id}'), rule('POST /docs/{id}')),
      'GET,POST /docs/{id}',
      '`GET /docs/{id}` and `POST /docs/{id}`',
    ],
    [
      'a rule for each host',
      vars(both),
      vars(...HOSTS.map((host) => ({ ...both, host }))),
      'GET,POST /docs/{id}',
      '`GET,POST /docs/{id}` on api.example.com and `GET,POST /docs/{id}` on b.example.com',
    ],
    [
      'a rule for some paths',
      vars(both),
      vars(rule('GET /docs/one'), both),
      'GET,POST /docs/{id}',
      '`GET /docs/one` and `GET,POST /docs/{id}`',
    ],
    ['another name', vars(both), vars(rule('GET,POST /docs/{doc}')), undefined, ''],
  ])('%s', async (_, before, after, name, several) => {
    const gained = await compared(before, after)
    const lost = await compared(after, before)
    const limits = ({ said }: typeof gained) => said.filter((one) => one.includes('`rate_limit`'))
    expect(limits(gained)).toEqual(
      name === undefined
        ? []
        : [`gains: ${name}: its \`rate_limit\` is now counted for each of ${several}: as wider`],
    )
    expect(gained.widens).toBe(name !== undefined)
    expect(limits(lost)).toEqual(
      name === undefined
        ? []
        : [
            `loses: ${name}: its \`rate_limit\` now counts together what was counted apart under ${several}`,
          ],
    )
  })

  it('is nobody’s where there was none', async () => {
    const before = vars(rule('GET,POST /docs/{id}', {}))
    const after = vars(rule('GET /docs/{id}'), rule('POST /docs/{id}'))
    expect((await compared(before, after)).widens).toBe(false)
  })
})

describe('a header that some rule sets, and that no request brings of its own', () => {
  const other = { ...CHAT, match: 'GET /other' }
  const vars = (more: object, GATED: object = {}): Vars => ({
    GATE: { ...GATE, ...GATED },
    ROUTES: [{ ...CHAT, ...more }, other],
  })
  const setting = { inject: { 'X-Key': 'v $' + '{KEY}' } }
  const told = ({ said }: { readonly said: readonly string[] }) =>
    said.filter((one) => one.includes(' of their own'))

  it.each<[string, Vars]>([
    ['a secret', vars(setting)],
    ['a claim', vars({ forward_claims: { 'X-Key': 'sub' } })],
    ['a claim at every rule', vars({}, { identity_headers: { 'X-Key': 'sub' } })],
    [
      'a rule that goes away',
      { ROUTES: [{ ...CHAT, match: 'GET /key', ...setting }, CHAT, other] },
    ],
  ])('may be brought where none sets it any more: %s', async (_, before) => {
    const gained = await compared(before, vars({}))
    expect(gained.widens).toBe(true)
    expect(told(gained)).toEqual([
      'gains: GATE: callers may now send `x-key` of their own, which no rule sets any more',
    ])
    const lost = await compared(vars({}), before)
    expect(told(lost)).toEqual([
      'loses: GATE: callers may no longer send `x-key` of their own, which a rule sets now',
    ])
  })

  it.each<[string, Vars, Vars]>([
    ['another rule sets it', vars(setting), { ROUTES: [CHAT, { ...other, ...setting }] }],
    ['GATE takes it away', vars(setting), vars({}, { strip_headers: ['x-key'] })],
  ])('may not be brought where %s', async (_, before, after) => {
    expect(told(await compared(before, after))).toEqual([])
    expect(told(await compared(after, before))).toEqual([])
  })

  it('is told of where some request brings it that did not, and only there', async () => {
    const names = ['x-key', 'x-caller-key']
    const isBrought = (of: ReturnType<typeof policy>, name: string) => {
      const headers = new Headers({ [name]: '1' })
      const [route] = of.routes
      if (route) stripInbound(headers, of, route)
      return headers.has(name)
    }
    const PREFIX = { identity_prefix: 'x-caller-' }
    const rows = ['x-key', undefined].flatMap((inject) =>
      [[], ['X_Key'], ['x-caller-key'], names].map((strip_headers) =>
        policy(vars(inject ? setting : {}, { ...PREFIX, strip_headers })),
      ),
    )
    for (const before of rows) {
      for (const after of rows) {
        const found = await comparePolicies(before, after)
        const said = found.ok ? [...found.value.gains, ...found.value.loses] : []
        const about = said.filter(({ text }) => /of their own|strip_headers/.test(text))
        const more = names.some((name) => isBrought(after, name) && !isBrought(before, name))
        const less = names.some((name) => isBrought(before, name) && !isBrought(after, name))
        expect(about.map(({ widens }) => widens)).toEqual([
          ...(more ? [true] : []),
          ...(less ? [false] : []),
        ])
      }
    }
  })
})
