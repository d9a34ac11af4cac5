import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RESOURCE, type Setting, startSetting } from './setting.ts'

/** What a condition reads is what every reader of the request reads: else it is no ground to pass. */

const TOOLS = {
  same: 'arguments.account == token.account',
  other: 'arguments.account != 7',
  nested: 'arguments.options.limits[0].account != 7',
  everyone: 'arguments.to.all(a, a.endsWith("@acme.test"))',
  without: '!("victim@evil.test" in arguments.to)',
  text: 'arguments.to != "\ufffd" && arguments.to.endsWith("t")',
}

let setting: Setting
beforeAll(async () => {
  const query = ['id']
  setting = await startSetting({
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
const INEXACT = ['1234567890123456784', '9007199254740992', '100.000000000000001', '1e400']
const EXACT = ['1.0', '-0', '0.1', '1.5e-7']

describe('a number of the arguments', () => {
  it.each(INEXACT)('%s is none to be judged', async (number) => {
    const given = `{"account":${number}}`
    expect(await call('other', given)).toBe('condition_error')
    expect(await call('same', given, `"account":${number}`)).toBe('condition_error')
    const nested = `{"options":{"limits":[{"account":${number}}]}}`
    expect(await call('nested', nested)).toBe('condition_error')
  })

  it.each(EXACT)('%s is one', async (number) => {
    expect(await call('other', `{"account":${number}}`)).toBe('passed')
    expect(await call('same', `{"account":${number}}`, `"account":${number}`)).toBe('passed')
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
  it.each(['everyone', 'without'] as const)('is none: %s', async (name) => {
    expect(await call(name, '{"to":["a@acme.test"]}')).toBe('passed')
    for (const to of [
      '{"a@acme.test":"victim@evil.test"}',
      '{"a@acme.test":["victim@evil.test"]}',
      '{"0":"victim@evil.test"}',
      '{}',
      '"a@acme.test"',
    ])
      expect([to, await call(name, `{"to":${to}}`)]).toEqual([to, 'condition_error'])
  })
})

describe('a text that readers take for another', () => {
  it.each(['\\ud800t', 'victim\\u0000@acme.test'])('%s is none to be judged', async (text) => {
    expect(await call('text', '{"to":"t"}')).toBe('passed')
    expect(await call('text', `{"to":"${text}"}`)).toBe('condition_error')
  })
})
