import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mcpAccess } from '../../src/gate/guard/stages/mcp-access.ts'
import type { McpMessage } from '../../src/gate/model/mcp.ts'
import {
  ask,
  META,
  mcpOf,
  NEWEST,
  OLDER,
  PAGE,
  type Told,
} from '../gate/guard/operation/support.ts'
import { agentOf, codeOf } from '../kit/facts.ts'
import { tries } from '../kit/property.ts'
import { anyText } from './hostile.ts'
import { type Lenient, Members, memberOf, READERS, readLeniently } from './lenient.ts'

/** A rule whose every tool reads its arguments. */
const MCP = mcpOf({
  tools: { '*': { scopes: ['x:{arguments.path}'], when: 'arguments.amount < 9.0' } },
  prompts: { '*': [] },
  resources: { 'docs:*': [] },
})

const CODES = /^(?:[a-z]+_)+[a-z]+$/

/** Reads; whatever is sent, it is read or refused with a code. */
const read = async (told: Told): Promise<readonly McpMessage[] | string> => {
  const outcome = await ask({ mcp: MCP, ...told })
  if (!outcome.ok) {
    expect(outcome.reason.code).toMatch(CODES)
    return outcome.reason.code
  }
  if ('end' in outcome || outcome.value.operation.kind !== 'mcp') throw new Error('not read')
  const { operation } = outcome.value
  const judged = await mcpAccess.run(
    { route: { mcp: MCP }, operation, agent: agentOf() },
    undefined,
  )
  return codeOf(judged) === 'arguments_ambiguous' ? codeOf(judged) : operation.messages
}

/** The members by which something is decided, as every reader finds them. */
const agree = (bytes: Uint8Array, messages: readonly McpMessage[]) => {
  const found = readLeniently(bytes)
  const each = Array.isArray(found) ? (found as readonly Lenient[]) : [found]
  expect(each).toHaveLength(messages.length)
  for (const [i, { id, method, use }] of messages.entries()) {
    for (const reader of READERS) {
      const member = (of: Lenient | undefined, name: string) => memberOf(of, name, reader)
      const params = member(each[i], 'params')
      expect([reader.name, member(each[i], 'method')]).toEqual([reader.name, method])
      expect([reader.name, member(each[i], 'id')]).toEqual([reader.name, id])
      if (!use) continue
      const named = method === 'completion/complete' ? member(params, 'ref') : params
      const name = member(named, use.kind === 'resources' ? 'uri' : 'name')
      expect([reader.name, name]).toEqual([reader.name, use.name])
      if (use.kind !== 'tools') continue
      const given = member(params, 'arguments')
      for (const one of ['path', 'amount']) {
        const read = plain(member(given, one))
        expect([reader.name, read]).toEqual([reader.name, use.arguments[one]])
      }
    }
  }
}

const plain = (value: Lenient | undefined): unknown =>
  value instanceof Members
    ? Object.fromEntries(value.pairs.map(([name, one]) => [name, plain(one)]))
    : Array.isArray(value)
      ? value.map(plain)
      : value

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** A name as it might be written by who wants it to be overlooked. */
const spelled = (name: string): fc.Arbitrary<string> => {
  const escaped = `"\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}"`
  return fc.oneof(
    { weight: 12, arbitrary: fc.constant(`"${name}"`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        escaped,
        `"${name.toUpperCase()}"`,
        `"${name[0]?.toUpperCase()}${name.slice(1)}"`,
        `"${name.replace('s', '\u017f')}"`,
        `"${name}\\u0000"`,
        `"${name}\\ud800"`,
        `"\\uff4e${name.slice(1)}"`,
        '"__proto__"',
      ),
    },
  )
}

type Member = readonly [name: string, value: fc.Arbitrary<string>]

/** An object of some of these members, now and then with one more, blanks anywhere. */
const objectOf = (members: readonly Member[], most = 1): fc.Arbitrary<string> => {
  const one = ([name, value]: Member) =>
    fc
      .tuple(spelled(name), fc.constantFrom('', ' ', '\n'), value)
      .map(([n, blank, v]) => `${n}${blank}:${blank}${v}`)
  return fc
    .tuple(
      fc.tuple(...members.map(one)),
      fc.array(fc.oneof(...members.map(one)), { maxLength: most }),
      fc.nat({ max: 9 }),
      fc.boolean(),
    )
    .map(([all, more, some, isFirst]) => {
      const further = some < 2 ? more : []
      return `{${(isFirst ? [...further, ...all] : [...all, ...further]).join(',')}}`
    })
}

const text = (...texts: readonly string[]) =>
  fc.constantFrom(...texts.map((one) => JSON.stringify(one)))
const json = fc.json({ maxDepth: 2 })
const rarely = (usual: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 15, arbitrary: usual }, { weight: 1, arbitrary: json })

const ARGUMENTS = objectOf([
  ['path', text('/a', '/b')],
  ['amount', fc.constantFrom('1', '1e9')],
  ['deep', objectOf([['path', text('x', 'y')]])],
])
const NAME: Member = ['name', rarely(text('echo', 'drop_table'))]
const PARAMS = fc.oneof(
  objectOf([NAME, ['arguments', rarely(ARGUMENTS)]]),
  objectOf([['uri', rarely(text('docs:a', 'docs:b'))]]),
  objectOf([['ref', objectOf([['type', text('ref/prompt')], NAME])]]),
)
const METHOD = text(
  'tools/call',
  'tools/call',
  'tools/call',
  'prompts/get',
  'resources/read',
  'completion/complete',
  'ping',
)
const MESSAGE = objectOf([
  ['jsonrpc', rarely(text('2.0'))],
  ['id', rarely(fc.constantFrom('1', '2', '"a"'))],
  ['method', rarely(METHOD)],
  ['params', rarely(PARAMS)],
])
const BODY = fc.oneof(
  { weight: 6, arbitrary: MESSAGE },
  { weight: 1, arbitrary: fc.array(MESSAGE, { maxLength: 3 }).map((all) => `[${all.join()}]`) },
)

describe('whatever is read is what every other reader reads', () => {
  it('of messages that are made to be misread', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(BODY, async (body) => {
        const messages = await read({ body })
        const outcome = typeof messages === 'string' ? messages : 'read'
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
        if (typeof messages !== 'string') agree(bytesOf(body), messages)
      }),
      tries(300),
    )
    expect(seen.get('read')).toBeGreaterThan(15)
    for (const code of [
      'message_malformed',
      'message_invalid',
      'params_invalid',
      'params_ambiguous',
      'arguments_ambiguous',
    ]) {
      expect(seen.get(code)).toBeGreaterThan(0)
    }
  })

  it('of bytes in which one thing was changed', async () => {
    const good = bytesOf(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"path":"a"}}}',
    )
    let passed = 0
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: good.length - 1 }),
        fc.nat({ max: 255 }),
        fc.boolean(),
        async (at, byte, isMore) => {
          const bytes = isMore
            ? Uint8Array.from([...good.subarray(0, at), byte, ...good.subarray(at)])
            : good.with(at, byte)
          const messages = await read({ body: bytes })
          if (typeof messages === 'string') return
          passed++
          agree(bytes, messages)
        },
      ),
      tries(300),
    )
    expect(passed).toBeGreaterThan(5)
  })
})

describe('nothing breaks the reader', () => {
  it('of all bodies and headers there are', async () => {
    const codes = new Set<string>()
    const body = fc.oneof(fc.uint8Array({ maxLength: 200 }), json, anyText, BODY)
    const value = fc
      .oneof(fc.string({ unit: 'binary-ascii', maxLength: 20 }), anyText)
      .map((one) => one.replace(/[^\t\x20-\x7e\x80-\xff]/gu, '').trim())
    const headers = fc.record(
      {
        'mcp-protocol-version': fc.oneof(fc.constantFrom(...OLDER, NEWEST), value),
        'mcp-method': fc.oneof(fc.constantFrom('tools/call', 'ping'), value),
        'mcp-name': fc.oneof(
          fc.constantFrom('echo', '=?base64?ZWNobw==?='),
          value.map((one) => `=?base64?${one}?=`),
          value,
        ),
        'mcp-session-id': value,
        origin: fc.oneof(fc.constantFrom(PAGE, 'null'), value),
        'content-type': fc.oneof(
          { weight: 9, arbitrary: fc.constant('application/json') },
          { weight: 1, arbitrary: value },
        ),
        'content-digest': value,
      },
      { requiredKeys: [] },
    )
    const method = fc.oneof(
      { weight: 4, arbitrary: fc.constant('POST') },
      { weight: 1, arbitrary: fc.constantFrom('GET', 'DELETE', 'PUT', '') },
    )
    await fc.assert(
      fc.asyncProperty(method, headers, body, async (method, headers, body) => {
        const sent = Object.fromEntries(
          Object.entries(headers).filter(([, one]) => one !== undefined),
        )
        const messages = await read({
          method,
          headers: sent,
          body: method === 'POST' ? body : null,
        })
        codes.add(typeof messages === 'string' ? messages : 'read')
      }),
      tries(300),
    )
    expect([...codes]).toEqual(
      expect.arrayContaining([
        'origin_not_allowed',
        'revision_unsupported',
        'http_method_not_allowed',
        'session_unknown',
        'message_malformed',
      ]),
    )
  })

  it('and no header of the newest revision passes that is not what the body has', async () => {
    let passed = 0
    const name = fc.oneof(fc.constantFrom('echo', 'e, f', 'é', '=?base64?ZWNobw==?=', ''), anyText)
    const encoded = (one: string) => `=?base64?${Buffer.from(one).toString('base64')}?=`
    const said = fc
      .oneof(name, name.map(encoded))
      .filter((one) => /^[\x20-\x7e]*$/.test(one) && one.trim() === one)
    await fc.assert(
      fc.asyncProperty(name, said, async (name, said) => {
        const body = {
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name, _meta: { [META]: NEWEST } },
        }
        const headers = {
          'mcp-protocol-version': NEWEST,
          'mcp-method': 'tools/call',
          'mcp-name': said,
        }
        const messages = await read({ headers, body })
        if (typeof messages === 'string') return
        passed++
        expect([name, encoded(name)]).toContain(said)
        expect(messages).toMatchObject([{ use: { name } }])
      }),
      tries(200),
    )
    expect(passed).toBeGreaterThan(3)
  })
})
