import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Header, rawRequest } from '../kit/raw.ts'
import type { Members } from '../kit/signing.ts'
import { HOST, RESOURCE, type Setting, startSetting } from './setting.ts'

/** What a condition reads is what came over HTTP. What it comes to, the second implementation and fuzzers judge. */

let setting: Setting
beforeAll(async () => {
  const any = { scopes: [] }
  const data = 'request.headers["x-data-class"] in token.data_classes'
  setting = await startSetting({
    gate: { client_ip: 'cf-connecting-ip' },
    routes: [
      { match: 'GET /inside', ...any, when: 'inNetwork(request.ip, ["192.0.2.0/24"])' },
      { match: 'GET /country', ...any, when: 'request.country in ["DE"]' },
      { match: 'GET /data', ...any, when: { condition: data, headers: ['X-Data-Class'] } },
      {
        match: 'GET /region/{region}',
        ...any,
        when: {
          condition: 'request.params.region == token.region && request.query.dry != "no"',
          query: ['dry'],
        },
      },
      {
        match: 'POST /mcp',
        ...any,
        resource: `${RESOURCE}/mcp`,
        mcp: { tools: { pay: { scopes: [], when: 'arguments.account == token.account' } } },
      },
    ],
  })
})
afterAll(() => setting.close())

const CLAIMS = { region: 'eu', data_classes: ['public'], account: 7 }

const codeOf = async (target: string, headers: readonly Header[], body?: string) => {
  const token = await setting.token({ ...CLAIMS, aud: [RESOURCE, `${RESOURCE}/mcp`] })
  const length: Header[] = body === undefined ? [] : [['Content-Length', String(body.length)]]
  const answer = await setting.gate.raw(
    rawRequest({
      method: body === undefined ? 'GET' : 'POST',
      target,
      headers: [['Host', HOST], ['Authorization', `Bearer ${token}`], ...length, ...headers],
      ...(body !== undefined && { body }),
    }),
  )
  return /"code":"([a-z_]+)"/.exec(answer.body)?.[1] ?? answer.status
}

const DATA = (...values: readonly string[]): Header[] =>
  values.map((value) => ['X-Data-Class', value])

it.each<[target: string, code: string | number, headers?: readonly Header[]]>([
  ['/inside', 200, [['CF-Connecting-IP', '192.0.2.7']]],
  ['/inside', 'condition_failed', [['CF-Connecting-IP', '198.51.100.7']]],
  ['/inside', 'condition_error'],
  // On plain workerd nothing is known of countries, whatever a header says.
  ['/country', 'condition_error', [['CF-IPCountry', 'DE']]],
  ['/data', 200, DATA('public')],
  ['/data', 'condition_failed', DATA('secret')],
  ['/data', 'parameter_ambiguous', DATA('public', 'secret')],
  // Some servers read one name for the other.
  ['/data', 'parameter_ambiguous', [...DATA('public'), ['X_Data_Class', 'secret']]],
  // The origin would not get it.
  ['/data', 'parameter_ambiguous', [...DATA('public'), ['Connection', 'close, X-Data-Class']]],
  ['/region/eu?dry=yes', 200],
  ['/region/us?dry=yes', 'condition_failed'],
  ['/region/eu?dry=yes&dry=yes', 'parameter_ambiguous'],
])('a condition of %s comes to %s with the headers %j', async (target, code, headers = []) => {
  expect(await codeOf(target, headers)).toBe(code)
})

it.each([
  ['7', 200],
  ['7.0', 200],
  ['8', 'condition_failed'],
  // Another reader has another number.
  ['7.00000000000000000001', 'condition_error'],
])('an argument that is written %s comes to %s', async (account, code) => {
  setting.origin.on('/mcp', (_, res) => {
    res.setHeader('content-type', 'application/json')
    res.end('{"jsonrpc":"2.0","id":1,"result":{}}')
  })
  const params = `{"name":"pay","arguments":{"account":${account}}}`
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`
  const headers: Header[] = [
    ['Content-Type', 'application/json'],
    ['Accept', 'application/json, text/event-stream'],
    ['MCP-Protocol-Version', '2025-11-25'],
  ]
  expect(await codeOf('/mcp', headers, body)).toBe(code)
})

it('the journal has the operand as it is written, and not what it read', async () => {
  await codeOf('/region/hush?dry=yes', [])
  const line = await setting.gate.journalLine(({ detail }) => {
    const { operand } = (detail ?? {}) as Members
    return operand === 'request.params.region == token.region'
  })
  expect(line).toMatchObject({ code: 'condition_failed', route: 'GET /region/{region}' })
  expect(JSON.stringify(line)).not.toContain('hush')
})
