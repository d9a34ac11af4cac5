import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { ask, call, codeFor, mcpOf, messageBy, modern, notice, readBy } from './support.ts'

const encoded = (text: string, ...before: number[]) =>
  new Uint8Array([...before, ...new TextEncoder().encode(text)])
const PING = JSON.stringify(call('ping'))
/** A message whose innermost value is so many levels deep. */
const nested = (levels: number) =>
  `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":${'['.repeat(levels - 2)}${']'.repeat(levels - 2)}}}`

describe('a body is no message', () => {
  it.each<[string, string | Uint8Array | null]>([
    ['that is not there', null],
    ['that is empty', ''],
    ['that is no JSON', '{"jsonrpc":'],
    ['with something behind it', `${PING}${PING}`],
    ['with a comment', `${PING}// x`],
    ['with a byte order mark', encoded(PING, 0xef, 0xbb, 0xbf)],
    ['in UTF-16', new Uint8Array(Buffer.from(PING, 'utf16le'))],
    ['in UTF-16 with its mark', new Uint8Array(Buffer.from(`\ufeff${PING}`, 'utf16le'))],
    ['that is no UTF-8', encoded(PING.replace('ping', 'p\u00ffng'), 0xff)],
    ['in over-long UTF-8', encoded(PING, 0xc0, 0xa0)],
    ['compressed', new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])],
    ['that calls two methods', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}'],
    [
      'that calls two, one of them hidden',
      '{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"x"}',
    ],
    [
      'with two names',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"x"}}',
    ],
    ['with two params', '{"jsonrpc":"2.0","id":1,"method":"ping","params":{},"params":{"a":1}}'],
    [
      'with two members deep inside',
      '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[{"b":1,"b":2}]}}',
    ],
    ['with a prototype', '{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{"method":"x"}}'],
    ['nested too deeply', nested(LIMITS.messageDepth + 1)],
    ['nested far too deeply', nested(100_000)],
  ])('%s', async (_, body) => {
    expect(await codeFor({ body })).toBe('message_malformed')
  })

  it.each<[string, unknown]>([
    ['of another kind', 1],
    ['null', 'null'],
    ['of JSON-RPC 1.0', { ...call('ping'), jsonrpc: '1.0' }],
    ['of no JSON-RPC', { id: 1, method: 'ping' }],
    ['with a number for a version', { ...call('ping'), jsonrpc: 2.0 }],
    ['that neither asks nor answers', { jsonrpc: '2.0', id: 1 }],
    ['that asks and answers', { ...call('ping'), result: {} }],
    ['that answers in two ways', { jsonrpc: '2.0', id: 1, result: {}, error: {} }],
    ['that answers nobody', { jsonrpc: '2.0', result: {} }],
    ['that answers with nothing', { jsonrpc: '2.0', id: 1, result: 1 }],
    ['whose method is no text', { ...call('ping'), method: 7 }],
    ['whose method is empty', call('')],
    ['whose method has a space', call('tools/call ')],
    ['whose method ends a line', call('tools/call\n')],
    ['whose method looks like another', call('t\u043e\u043els/call')],
    ['whose method is full-width', call('\uff54ools/call')],
    ['whose method is endless', call('x'.repeat(129))],
    ['whose id is null', call('ping', undefined, null)],
    ['whose id is an object', call('ping', undefined, {})],
    ['whose id is a fraction', call('ping', undefined, 1.5)],
    ['whose id is no exact number', call('ping', undefined, 2 ** 53)],
    ['whose id is endless', call('ping', undefined, 'x'.repeat(257))],
    ['whose id is no text', call('ping', undefined, '\ud800')],
    ['that asks without an id', notice('ping')],
    ['that asks for a method of its own without an id', notice('x/notifications/y')],
    ['that notifies with an id', call('notifications/initialized')],
    ['that notifies with an id of 0', call('notifications/initialized', undefined, 0)],
    ['that notifies with an empty id', call('notifications/x-y', undefined, '')],
    ['whose params are a list', { ...call('ping'), params: [] }],
    ['whose params are null', { ...call('ping'), params: null }],
    ['with a member of its own', { ...call('ping'), extra: 1 }],
    ['with a method in another case', { ...call('ping'), Method: 'tools/call' }],
    [
      'with params in another case',
      { ...call('tools/call', { name: 'echo' }), Params: { name: 'x' } },
    ],
    ['with params of a long s', { ...call('ping'), 'param\u017f': { name: 'x' } }],
    [
      'that answers, with a method in another case',
      { jsonrpc: '2.0', id: 1, result: {}, METHOD: 'tools/call' },
    ],
  ])('%s', async (_, body) => {
    expect(await codeFor({ body })).toBe('message_invalid')
  })
})

describe('a message', () => {
  it.each<[string, unknown, object]>([
    ['a request', call('ping'), { id: 1, method: 'ping' }],
    ['with an id that is text', call('ping', {}, 'a-1'), { id: 'a-1', method: 'ping' }],
    ['with an empty id', call('ping', {}, ''), { id: '', method: 'ping' }],
    ['with an id of 0', call('ping', undefined, 0), { id: 0, method: 'ping' }],
    [
      'a notification',
      notice('notifications/initialized'),
      { method: 'notifications/initialized' },
    ],
    ['a notification of its own', notice('notifications/x-y'), { method: 'notifications/x-y' }],
    ['an answer', { jsonrpc: '2.0', id: 7, result: { roots: [] } }, { id: 7 }],
    ['an error', { jsonrpc: '2.0', id: 'x', error: { code: 1, message: '' } }, { id: 'x' }],
    ['of a method with marks', call('$/x.y_z-1'), { id: 1, method: '$/x.y_z-1' }],
    [
      'spread over lines',
      `\n ${JSON.stringify(call('ping'), undefined, 2)}\r\n`,
      { id: 1, method: 'ping' },
    ],
  ])('is %s', async (_, body, message) => {
    expect(await messageBy({ body })).toEqual(message)
  })

  it('is as deep as is allowed', async () => {
    expect(await codeFor({ body: nested(LIMITS.messageDepth) })).toBe('ok')
  })

  it('answers nobody since 2026-07-28', async () => {
    const { headers = {} } = modern('ping')
    expect(await codeFor({ headers, body: { jsonrpc: '2.0', id: 1, result: {} } })).toBe(
      'message_invalid',
    )
  })

  const MEBIBYTE = 1024 * 1024
  it.each<[string, string, string]>([
    ['deep lists', '['.repeat(MEBIBYTE) + ']'.repeat(MEBIBYTE), 'message_malformed'],
    ['deep objects', `{"a":${'{"a":'.repeat(MEBIBYTE)}`, 'message_malformed'],
    ['quotes', '"\\"'.repeat(MEBIBYTE), 'message_malformed'],
    ['backslashes', `{"a":"${'\\'.repeat(4 * MEBIBYTE)}"}`, 'message_invalid'],
    ['text', JSON.stringify(call('ping', { a: 'x"'.repeat(MEBIBYTE) })), 'ok'],
    ['members', JSON.stringify(call('ping', { a: Array(100_000).fill({ b: 1 }) })), 'ok'],
  ])('of many %s is judged in no time', async (_, body, code) => {
    const mcp = { ...mcpOf(), maxBody: 16 * MEBIBYTE }
    // Read in the square of its length it would take longer than any test may.
    expect(await codeFor({ body, mcp })).toBe(code)
  })
})

describe('a batch', () => {
  const batch = [call('ping'), call('tools/call', { name: 'echo' }, 2), notice('notifications/x')]
  const inRevision = (said: string | undefined, body: unknown = batch) =>
    codeFor({ headers: { 'mcp-protocol-version': said }, body })

  it('is one of 2025-03-26 alone', async () => {
    expect(await inRevision('2025-03-26')).toBe('ok')
    expect(await inRevision(undefined)).toBe('ok')
    for (const said of ['2025-06-18', '2025-11-25', '2026-07-28']) {
      expect(await inRevision(said)).toBe('batch_not_allowed')
    }
    const mcp = mcpOf({ revisions: ['2025-06-18'] })
    expect(await codeFor({ mcp, body: batch })).toBe('revision_unsupported')
  })

  it('is each of its messages', async () => {
    const { messages } = await readBy({ body: batch })
    expect(messages).toMatchObject([
      { id: 1, method: 'ping' },
      { id: 2, method: 'tools/call', use: { kind: 'tools', name: 'echo' } },
      { method: 'notifications/x' },
    ])
  })

  it.each<[string, readonly unknown[], string]>([
    ['of nothing', [], 'message_invalid'],
    ['of too much', Array(51).fill(notice('notifications/x')), 'message_invalid'],
    ['in a batch', [[call('ping')]], 'message_invalid'],
    ['with something else', [call('ping'), 'ping'], 'message_invalid'],
    ['with a bad message behind a good one', [call('ping'), call('x y', {}, 2)], 'message_invalid'],
    ['with a request without an id', [call('ping'), notice('tools/list')], 'message_invalid'],
    [
      'with a notification with an id',
      [call('ping'), call('notifications/x', {}, 2)],
      'message_invalid',
    ],
    ['with one id twice', [call('ping'), call('tools/list')], 'message_invalid'],
    [
      'that begins a session',
      [call('initialize', { protocolVersion: '2025-03-26' })],
      'batch_not_allowed',
    ],
    [
      'with bad params behind good ones',
      [call('ping'), call('tools/call', {}, 2)],
      'params_invalid',
    ],
    [
      'with one for another revision',
      [call('ping', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } })],
      'header_mismatch',
    ],
  ])('%s is none', async (_, body, code) => {
    expect(await inRevision('2025-03-26', body)).toBe(code)
  })

  it('is known as one, also of one', async () => {
    for (const body of [batch, [call('ping')]])
      expect(await readBy({ body })).toMatchObject({ isBatch: true })
    expect(await readBy({ body: call('ping') })).toMatchObject({ isBatch: false })
  })

  it('is of one where uses of the rule are counted', async () => {
    const route = { rateLimit: { kind: 'exact', per: 'agent', quotas: { daily: 1 } } } as const
    const calls = Array.from({ length: 50 }, (_, id) => call('tools/call', { name: 'echo' }, id))
    expect(await codeFor({ body: calls, route })).toBe('batch_not_allowed')
    expect(await codeFor({ body: calls.slice(0, 2), route })).toBe('batch_not_allowed')
    expect(await codeFor({ body: calls.slice(0, 1), route })).toBe('ok')
    expect(await codeFor({ body: calls[0], route })).toBe('ok')
    expect(await codeFor({ body: calls })).toBe('ok')
  })

  it('may be as large as is allowed', async () => {
    expect(await inRevision('2025-03-26', Array(50).fill(notice('notifications/x')))).toBe('ok')
  })
})

it('brings what was read along with a denial that comes after', async () => {
  const outcome = await ask({ body: call('tools/call', {}, 'call-1') })
  expect(outcome).toMatchObject({
    ok: false,
    reason: { code: 'params_invalid' },
    value: { operation: { kind: 'mcp', messages: [{ id: 'call-1', method: 'tools/call' }] } },
  })
})
