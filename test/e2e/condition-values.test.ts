import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rare } from '../kit/property.ts'
import { RESOURCE, type Setting, startSetting } from './setting.ts'

/** What a condition reads is what every reader of the request reads: else it is no ground to pass. */

const TOOLS = {
  same: 'arguments.account == token.account',
  other: 'arguments.account != 7',
  unlisted: '!(arguments.account in [7, 8])',
  listed: 'arguments.account in token.accounts',
  nested: 'arguments.options.limits[0].account != 7',
  capped: 'arguments.account <= 100.0',
  reckoned: 'arguments.account + 1.0 != 7.0',
  either: 'arguments.account != 7 || true',
  everyone: 'arguments.to.all(a, a.endsWith("@acme.test"))',
  someone: 'arguments.to.exists(a, a == "a@acme.test")',
  exactly: 'arguments.to.exists_one(a, a == "a@acme.test")',
  mapped: 'arguments.to.map(a, a.endsWith("@acme.test")) == [true]',
  filtered: 'arguments.to.filter(a, a.endsWith("@acme.test")).size() == 1',
  within: '"a@acme.test" in arguments.to',
  without: '!("victim@evil.test" in arguments.to)',
  text: 'arguments.to != "\ufffd" && arguments.to.endsWith("t")',
}

let setting: Setting
beforeAll(async () => {
  const query = ['id']
  setting = await startSetting({
    issuer: { delegation: { max_depth: 10 } },
    routes: [
      {
        match: 'POST /mcp',
        resource: `${RESOURCE}/mcp`,
        scopes: [],
        mcp: {
          tools: Object.fromEntries(
            Object.entries(TOOLS).map(([name, when]) => [name, { scopes: [], when }]),
          ),
        },
      },
      { match: 'GET /claim', scopes: [], when: 'token.account != 7' },
      { match: 'GET /groups', scopes: [], when: 'token.groups.all(g, g != "banned")' },
      {
        match: 'GET /actor',
        scopes: [],
        when: 'token.act.sub == agent.actor.sub',
      },
      {
        match: 'GET /int',
        scopes: [],
        when: { condition: 'int(request.query.id) == token.account', query },
      },
      {
        match: 'GET /double',
        scopes: [],
        when: { condition: 'double(request.query.id) != 7.0', query },
      },
    ],
  })
})
afterAll(() => setting.close())

/** With further claims as they are written. */
const tokenOf = (written: string) => {
  const { issuer } = setting
  const claims = JSON.stringify(issuer.claims({ aud: [RESOURCE, `${RESOURCE}/mcp`] }))
  const header = { alg: issuer.key.alg, typ: 'at+jwt', kid: issuer.kid }
  return issuer.mintRaw(header, `${claims.slice(0, -1)},${written}}`)
}

const codeOf = async (response: Response): Promise<string> => {
  const text = await response.text()
  const code = /"code":"([a-z_]+)"/.exec(text)?.[1]
  return code ?? (response.status === 200 ? 'passed' : text)
}

/** A call with arguments as they are written. */
const call = async (name: keyof typeof TOOLS, given: string, claims = '"account":7') => {
  setting.origin.on('*', (_, res) => {
    res.setHeader('content-type', 'application/json')
    res.end('{"jsonrpc":"2.0","id":1,"result":{}}')
  })
  return codeOf(
    await setting.ask('/mcp', {
      method: 'POST',
      token: await tokenOf(claims),
      headers: { 'content-type': 'application/json', 'mcp-protocol-version': '2025-11-25' },
      body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${name}","arguments":${given}}}`,
    }),
  )
}

/** Numbers that a reader with whole numbers of 64 bits, or with decimals, does not read as the gate's double. */
const INEXACT = [
  ...['1234567890123456784', '9007199254740992', '100.000000000000001', '1e400', '1e-400'],
  ...rare('-1234567890123456784', '9007199254740993', '9007199254740993.0', '-1e400', '1e22'),
  ...rare('9.007199254740993e15', '9007199254740991.4', '1234567890123456.78'),
  ...rare('1.00000000000000000001', '0.10000000000000001'),
]
const EXACT = [
  ...['1.0', '-0', '0.1', '9007199254740991', '1.5e-7'],
  ...rare('1', '1e0', '0.1e1', '99.99'),
]

describe('a number of the arguments', () => {
  it.each(INEXACT)('%s is none to be judged', async (number) => {
    const given = `{"account":${number}}`
    for (const name of ['other', 'unlisted', 'capped', 'reckoned', 'either'] as const)
      expect([name, await call(name, given)]).toEqual([name, 'condition_error'])
    expect(await call('same', given, `"account":${number}`)).toBe('condition_error')
    expect(await call('listed', given, `"accounts":[${number}]`)).toBe('condition_error')
    const nested = `{"options":{"limits":[{"account":${number}}]}}`
    expect(await call('nested', nested)).toBe('condition_error')
  })

  it.each(EXACT)('%s is one', async (number) => {
    const given = `{"account":${number}}`
    for (const name of ['other', 'unlisted', 'reckoned'] as const) {
      const code = number === '9007199254740991' ? /passed|condition_error/ : /passed/
      expect(await call(name, given)).toMatch(code)
    }
    expect(await call('same', given, `"account":${number}`)).toBe('passed')
    expect(await call('listed', given, `"accounts":[${number}]`)).toBe('passed')
  })

  it('of another account is not that of the token', async () => {
    const claim = '"account":1234567890123456784'
    for (const number of ['1234567890123456784', '1234567890123456850'])
      expect(await call('same', `{"account":${number}}`, claim)).toBe('condition_error')
    const cents = '"account":1234567890123456.78'
    expect(await call('same', '{"account":1234567890123456.75}', cents)).toBe('condition_error')
  })

  it('that it does not read may be any', async () => {
    expect(await call('other', `{"account":8,"id":1234567890123456784}`)).toBe('passed')
  })

  it('that is no exact one is no id of a message', async () => {
    const response = await setting.ask('/mcp', {
      method: 'POST',
      token: await tokenOf('"account":7'),
      headers: { 'content-type': 'application/json', 'mcp-protocol-version': '2025-11-25' },
      body: '{"jsonrpc":"2.0","id":1.00000000000000000001,"method":"ping"}',
    })
    expect(await codeOf(response)).toBe('message_invalid')
  })
})

describe('a number of a token, or of a query that is made one', () => {
  const get = async (path: string, claims: string) =>
    codeOf(await setting.ask(path, { token: await tokenOf(claims) }))

  it.each(INEXACT)('%s is none to be judged', async (number) => {
    expect(await get('/claim', `"account":${number}`)).toBe('condition_error')
    expect(await get(`/double?id=${number}`, '"account":1')).toBe('condition_error')
  })

  it.each(EXACT)('%s is one', async (number) => {
    expect(await get('/claim', `"account":${number}`)).toBe('passed')
    expect(await get(`/double?id=${number}`, '"account":1')).toBe('passed')
  })

  it('is compared exactly with what has 64 bits', async () => {
    expect(await get('/int?id=9007199254740991', '"account":9007199254740991')).toBe('passed')
    expect(await get('/int?id=9007199254740993', '"account":9007199254740991')).toBe(
      'condition_failed',
    )
    expect(await get('/int?id=9007199254740993', '"account":9007199254740992')).toBe(
      'condition_error',
    )
  })
})

describe('a map where a list is meant', () => {
  it.each(['everyone', 'someone', 'exactly', 'mapped', 'filtered', 'within', 'without'] as const)(
    'is none: %s',
    async (name) => {
      expect(await call(name, '{"to":["a@acme.test"]}')).toBe('passed')
      for (const to of [
        '{"a@acme.test":"victim@evil.test"}',
        '{"a@acme.test":["victim@evil.test"]}',
        '{"0":"victim@evil.test"}',
        '{}',
        '"a@acme.test"',
      ])
        expect([to, await call(name, `{"to":${to}}`)]).toEqual([to, 'condition_error'])
    },
  )

  it('is none in a claim', async () => {
    const get = async (groups: string) =>
      codeOf(await setting.ask('/groups', { token: await tokenOf(`"groups":${groups}`) }))
    expect(await get('["staff"]')).toBe('passed')
    expect(await get('{"0":"banned"}')).toBe('condition_error')
  })
})

describe('a text that readers take for another', () => {
  it.each(['\\ud800t', 'victim\\u0000@acme.test'])('%s is none to be judged', async (text) => {
    expect(await call('text', '{"to":"t"}')).toBe('passed')
    expect(await call('text', `{"to":"${text}"}`)).toBe('condition_error')
  })
})

describe('the act claim', () => {
  it.each([1, 5, 6, 10])('is given with its outermost actor, of %i', async (depth) => {
    let act: object | undefined
    for (let i = depth; i > 0; i--) act = { sub: `actor-${i}`, ...(act && { act }) }
    const token = await tokenOf(`"act":${JSON.stringify(act)}`)
    expect(await codeOf(await setting.ask('/actor', { token }))).toBe('passed')
  })
})
