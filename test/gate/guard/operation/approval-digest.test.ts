import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8Encode } from '../../../../src/gate/base/bytes.ts'
import {
  type ApprovableCall,
  approvalDigests,
} from '../../../../src/gate/guard/operation/approval-digest.ts'
import { accessOf, agentOf, ISSUER, RESOURCE, routeOf } from '../../../kit/facts.ts'
import { anyCharacter, tries } from '../../../kit/property.ts'
import { mcpOf } from './support.ts'

/** A call as it is sent, in parts that a case changes. */
interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly agent: Parameters<typeof agentOf>[0]
  readonly claims: Readonly<Record<string, unknown>>
  readonly policy: string
  readonly rule: string
}

const MCP = mcpOf()

const digestsOf = async (sent: Sent, isMcp: boolean, values?: string) => {
  const { method, url, headers, agent, claims, policy, rule } = sent
  const call: ApprovableCall = {
    request: new Request(url, { method, headers }),
    route: routeOf(rule, isMcp ? { mcp: MCP } : {}),
    agent: agentOf(agent),
    access: accessOf({ claims }),
    body: utf8Encode(sent.body),
    headers: ['x-tenant'],
    ...{ policy, values },
  }
  return approvalDigests(call)
}
const digestOf = async (sent: Sent, isMcp: boolean) => {
  const digests = await digestsOf(sent, isMcp)
  return digests.ok ? digests.value.exact : digests.reason
}
/** The digest of calls like it; `values`: those of the arguments that are shown. */
const alikeOf = async (sent: Sent, isMcp: boolean, values?: string) => {
  const digests = await digestsOf(sent, isMcp, values)
  return digests.ok ? digests.value.alike : digests.reason
}

/** The body of a tool's call from source text: the arguments and members of its params. */
const toolCall = (
  args: string,
  { id = '1', more = '', method = 'tools/call', name = 'pay' } = {},
) =>
  `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{"name":"${name}","arguments":${args}${more}}}`

const sentOf = (body: string, isMcp: boolean): Sent => ({
  method: 'POST',
  url: `${RESOURCE}/pay?a=1&b=2`,
  headers: { 'content-type': isMcp ? 'application/json' : 'text/plain', 'x-tenant': 'acme' },
  body,
  agent: { actors: [{ issuer: ISSUER, sub: 'planner' }], workflowId: 'run-1' },
  claims: { jti: 'token-1', cnf: { jkt: 'key-a' } },
  policy: 'policy-a',
  rule: 'POST /pay',
})

/** Each change makes another call. The new value is never that of `sentOf`. */
const OTHERS: Readonly<Record<string, (sent: Sent, text: string) => Sent>> = {
  method: (sent) => ({ ...sent, method: 'PUT' }),
  path: (sent, text) => ({ ...sent, url: `${RESOURCE}/pay-${text}?a=1&b=2` }),
  host: (sent) => ({ ...sent, url: 'https://other.example.com/pay?a=1&b=2' }),
  'order of the query': (sent) => ({ ...sent, url: `${RESOURCE}/pay?b=2&a=1` }),
  query: (sent, text) => ({ ...sent, url: `${sent.url}&c=${text}` }),
  'bound header': (sent, text) => ({ ...sent, headers: { ...sent.headers, 'x-tenant': text } }),
  'content type': ({ headers, ...sent }) => ({
    ...sent,
    headers: { ...headers, 'content-type': `${headers['content-type']}; charset=utf-8` },
  }),
  'content encoding': (sent) => ({
    ...sent,
    headers: { ...sent.headers, 'content-encoding': 'identity' },
  }),
  agent: (sent, text) => ({ ...sent, agent: { ...sent.agent, id: `a-${text}` } }),
  issuer: (sent, text) => ({ ...sent, agent: { ...sent.agent, issuer: `https://${text}.test` } }),
  subject: (sent, text) => ({ ...sent, agent: { ...sent.agent, subject: `s-${text}` } }),
  client: (sent, text) => ({ ...sent, agent: { ...sent.agent, clientId: `c-${text}` } }),
  workflow: (sent, text) => ({ ...sent, agent: { ...sent.agent, workflowId: `w-${text}` } }),
  actor: (sent, text) => ({
    ...sent,
    agent: { ...sent.agent, actors: [{ issuer: ISSUER, sub: `planner-${text}` }] },
  }),
  'no actor': (sent) => ({ ...sent, agent: { ...sent.agent, actors: [] } }),
  key: (sent, text) => ({ ...sent, claims: { cnf: { jkt: `key-${text}-b` } } }),
  'no key': (sent) => ({ ...sent, claims: {} }),
  policy: (sent, text) => ({ ...sent, policy: `policy-${text}-b` }),
  rule: (sent) => ({ ...sent, rule: 'POST,PUT /pay' }),
}

/** What changes from one attempt at the same call to the next. */
const again = (sent: Sent): Sent => ({
  ...sent,
  headers: { ...sent.headers, authorization: 'Bearer another', 'x-request-id': 'r-2' },
  claims: { ...sent.claims, jti: 'token-2', iat: 2 },
})

const word = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const text = fc.string({ unit: anyCharacter, maxLength: 12 })
const FIT = /^(?!__proto__$)[^\p{Noncharacter_Code_Point}]*$/u
const fit = text.filter((one) => FIT.test(one))
/** Arguments, each with an own name, so that there is something to swap, remove and spell. */
const args = fc
  .dictionary(fit, fc.oneof(fit, fc.integer(), fc.boolean(), fc.array(fc.integer())), {
    minKeys: 2,
    maxKeys: 6,
  })
  .map((object) => Object.entries({ ...object, amount: 7, to: 'Zo\u00eb' }))

type Entries = readonly (readonly [string, unknown])[]
const textOf = (entries: Entries): string =>
  `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`

/** Each writes the arguments so that some server reads another call. */
const OTHER_ARGUMENTS: Readonly<Record<string, (entries: Entries) => string>> = {
  value: (entries) => textOf(entries.map(([name, one]) => [name, name === 'amount' ? 8 : one])),
  'member removed': (entries) => textOf(entries.slice(1)),
  'member added': (entries) => textOf([...entries, ['another-name-than-any', 1]]),
  'order of keys': (entries) => textOf([...entries].reverse()),
  'spelling of a number': (entries) => textOf(entries).replace('"amount":7', '"amount":7.0'),
  'exponent of a number': (entries) => textOf(entries).replace('"amount":7', '"amount":7e0'),
  'unicode form': (entries) => textOf(entries).replace('Zo\u00eb', 'Zoe\u0308'),
  'escape in a string': (entries) => textOf(entries).replace('Zo\u00eb', 'Zo\\u00eb'),
  'white space in a string': (entries) => textOf(entries).replace('Zo\u00eb', 'Zo\u00eb '),
  'duplicate key': (entries) => textOf([...entries, ['amount', 7]]),
}

describe('the digest of calls like it', () => {
  const sent = (isMcp: boolean) => sentOf(isMcp ? toolCall('{"amount":7,"note":"a"}') : 'a', isMcp)

  it.each(Object.keys(OTHERS).filter((kind) => kind !== 'workflow'))(
    'is of no call with another place: %s',
    async (kind) => {
      const other = (isMcp: boolean) => OTHERS[kind]?.(sent(isMcp), 'new') ?? sent(isMcp)
      expect(await alikeOf(other(false), false)).not.toBe(await alikeOf(sent(false), false))
      expect(await alikeOf(other(true), true, '7')).not.toBe(await alikeOf(sent(true), true, '7'))
    },
  )

  it('is the same for another workflow, and for another body or other arguments beside the values', async () => {
    for (const [isMcp, values] of [[false], [true, '7']] as const) {
      const alike = await alikeOf(sent(isMcp), isMcp, values)
      expect(alike).toMatch(/^[\w-]{43}$/)
      const body = isMcp ? toolCall('{"note":"b","more":[1]}', { id: '2' }) : 'b'
      for (const other of [
        OTHERS.workflow?.(sent(isMcp), 'new') ?? sent(isMcp),
        again(sent(isMcp)),
        { ...sent(isMcp), body },
      ]) {
        expect(await alikeOf(other, isMcp, values)).toBe(alike)
      }
    }
  })

  it('is of no call with other values, another tool or other parameters; without values, other arguments', async () => {
    const alike = await alikeOf(sent(true), true, '7')
    expect(await alikeOf(sent(true), true, '8')).not.toBe(alike)
    expect(await alikeOf(sent(true), true)).not.toBe(alike)
    const body = '{"amount":7,"note":"a"}'
    for (const other of [
      toolCall(body, { name: 'refund' }),
      toolCall(body, { method: 'prompts/get' }),
      toolCall(body, { more: ',"requestState":"a"' }),
      toolCall(body, { more: ',"_meta":{"tenant":"a"}' }),
    ]) {
      expect(await alikeOf({ ...sent(true), body: other }, true, '7')).not.toBe(alike)
    }
    const whole = await alikeOf(sent(true), true)
    const noted = { ...sent(true), body: toolCall('{"amount":7,"note":"b"}') }
    expect(await alikeOf(noted, true)).not.toBe(whole)
    expect(await alikeOf(again(sent(true)), true)).toBe(whole)
  })
})

describe('the digest of a call that needs an approval', () => {
  it('is of no other call: one place differs', async () => {
    const kinds = fc.constantFrom(...Object.keys(OTHERS), ...Object.keys(OTHER_ARGUMENTS))
    const pair = fc.record({ kind: kinds, entries: args, instead: word, isMcp: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(pair, async ({ kind, entries, instead, isMcp }) => {
        const bodyOf = (one: string) => (isMcp ? toolCall(one) : one)
        const sent = sentOf(bodyOf(textOf(entries)), isMcp)
        const written = OTHER_ARGUMENTS[kind]?.(entries)
        const other = written ? { ...sent, body: bodyOf(written) } : OTHERS[kind]?.(sent, instead)
        if (!other) throw new Error(`no case ${kind}`)
        const digest = await digestOf(sent, isMcp)
        expect(digest).toMatch(/^[\w-]{43}$/)
        expect(await digestOf(other, isMcp)).not.toBe(digest)
        expect(await digestOf(again(sent), isMcp)).toBe(digest)
      }),
      tries(200, 2000),
    )
  })

  it('is the same for each attempt at one MCP call', async () => {
    const digest = await digestOf(sentOf(toolCall('{"a":[1,"x y"]}'), true), true)
    const same = [
      toolCall('{"a":[1,"x y"]}', { id: '"other"' }),
      toolCall(' { "a" :\n[ 1,\t"x y" ] }\r\n'),
      ` ${toolCall('{"a":[1,"x y"]}')}\n`,
    ]
    for (const body of same) expect(await digestOf(sentOf(body, true), true)).toBe(digest)
    const meta = (members: string) =>
      digestOf(sentOf(toolCall('{}', { more: `,"_meta":{${members}}` }), true), true)
    const first = await meta('"progressToken":1,"traceparent":"a","io.modelcontextprotocol/x":1')
    expect(await meta('"progressToken":2,"tracestate":"b","baggage":"c"')).toBe(first)
    expect(await meta('"acme/region":"eu"')).not.toBe(first)
  })

  it('differs by method, name, and whatever else the params of an MCP call have', async () => {
    const bodies = [
      toolCall('{}'),
      toolCall('{}', { name: 'Pay' }),
      toolCall('{}', { method: 'prompts/get' }),
      toolCall('{}', { more: ',"requestState":"a"' }),
      toolCall('{}', { more: ',"requestState":"b"' }),
      toolCall('{}', { more: ',"inputResponses":{"k":{"action":"accept"}}' }),
      toolCall('{}', { more: ',"task":{"ttl":1}' }),
      `[${toolCall('{}')},${toolCall('{}', { id: '2' })}]`,
      '{"jsonrpc":"2.0","id":1,"result":{}}',
      '{"jsonrpc":"2.0","id":1,"result":{"a":1}}',
      '',
    ]
    const digests = await Promise.all(bodies.map((body) => digestOf(sentOf(body, true), true)))
    expect(new Set(digests).size).toBe(bodies.length)
    expect(digests).not.toContain('ambiguous')
  })

  it('binds every byte of another body', async () => {
    const bodies = ['{"a":1}', '{ "a":1}', '{"a":1}\n', '', '\u0000']
    const digests = await Promise.all(bodies.map((body) => digestOf(sentOf(body, false), false)))
    expect(new Set(digests).size).toBe(bodies.length)
  })

  const AMBIGUOUS = [
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '{"a":12345678901234567890}',
    '{"a":1e400}',
    '{"a":0.10000000000000000001}',
    '{"a":"\\ud800"}',
    '{"\\udfff":1}',
    '{"a":"\\uffff"}',
    '{"a":["\\ufdd0"]}',
    '{"__proto__":1}',
    '{"a":1',
    '\ufeff{}',
    '['.repeat(65) + ']'.repeat(65),
  ]

  it.each(AMBIGUOUS)('is of no JSON that has two readings: %s', async (body) => {
    expect(await digestOf(sentOf(toolCall(body), true), true)).toBe('ambiguous')
    const types = ['application/json', 'Application/JSON;charset=utf-8', 'text/json', 'a/b+json']
    for (const type of types) {
      const sent = sentOf(body, false)
      const typed = { ...sent, headers: { 'content-type': type } }
      expect(await digestOf(typed, false)).toBe('ambiguous')
    }
    expect(await digestOf(sentOf(body, false), false)).toMatch(/^[\w-]{43}$/)
  })
})
