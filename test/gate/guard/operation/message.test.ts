import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../../src/gate/base/limits.ts'
import { operation } from '../../../../src/gate/guard/stages/operation.ts'
import { agentOf, anyRoom, policyOf, routeOf } from '../../../kit/facts.ts'
import {
  ask,
  call,
  codeFor,
  HOLDER,
  mcpOf,
  messageBy,
  modern,
  notice,
  readBy,
  sessions,
} from './support.ts'

const encoded = (text: string, ...before: number[]) =>
  new Uint8Array([...before, ...new TextEncoder().encode(text)])
const PING = JSON.stringify(call('ping'))
/** `ping` with more members, as they are written. */
const written = (more: string) => `{"jsonrpc":"2.0","id":1,"method":"ping",${more}}`
/** A message whose innermost value is so many levels deep. */
const nested = (levels: number) =>
  written(`"params":{"x":${'['.repeat(levels - 2)}${']'.repeat(levels - 2)}}`)
const withId = (id: unknown) => call('ping', undefined, id)

it.each<[string, string | Uint8Array | null]>([
  ['that is not there', null],
  ['that is empty', ''],
  ['with something behind it', `${PING}${PING}`],
  ['with a comment', `${PING}// x`],
  ['with a byte order mark', encoded(PING, 0xef, 0xbb, 0xbf)],
  ['in UTF-16', new Uint8Array(Buffer.from(`\ufeff${PING}`, 'utf16le'))],
  ['in over-long UTF-8', encoded(PING, 0xc0, 0xa0)],
  ['that calls two methods', written('"method":"tools/call"')],
  ['that calls two, one of them hidden', written('"\\u006dethod":"x"')],
  ['with two members deep inside', written('"params":{"a":[{"b":1,"b":2}]}')],
  ['with a prototype', written('"__proto__":{"method":"x"}')],
  ['nested too deeply', nested(LIMITS.messageDepth + 1)],
  ['nested far too deeply', nested(100_000)],
])('refuses a body %s as malformed', async (_, body) => {
  expect(await codeFor({ body })).toBe('message_malformed')
})

it.each<[string, unknown]>([
  ['null', 'null'],
  ['JSON-RPC 1.0', { ...call('ping'), jsonrpc: '1.0' }],
  ['a number for a version', { ...call('ping'), jsonrpc: 2.0 }],
  ['what neither asks nor answers', { jsonrpc: '2.0', id: 1 }],
  ['what asks and answers', { ...call('ping'), result: {} }],
  ['two answers', { jsonrpc: '2.0', id: 1, result: {}, error: {} }],
  ['an answer to nobody', { jsonrpc: '2.0', result: {} }],
  ['a method that is no text', { ...call('ping'), method: 7 }],
  ['a method with a space', call('tools/call ')],
  ['a method that looks like another', call('t\u043e\u043els/call')],
  ['a method without an end', call('x'.repeat(129))],
  ['an id that is null', withId(null)],
  ['an id that is a fraction', withId(1.5)],
  ['an id that is no exact number', withId(2 ** 53)],
  ['an id without an end', withId('x'.repeat(257))],
  ['an id that is no text', withId('\ud800')],
  ['a request without an id', notice('x/notifications/y')],
  ['a notification with an id of 0', call('notifications/initialized', undefined, 0)],
  ['a notification with an empty id', call('notifications/x-y', undefined, '')],
  ['params that are a list', { ...call('ping'), params: [] }],
  ['params that are null', { ...call('ping'), params: null }],
  ['a member of its own', { ...call('ping'), extra: 1 }],
  ['a method in another case', { ...call('ping'), Method: 'tools/call' }],
  ['params of a long s', { ...call('ping'), 'param\u017f': { name: 'x' } }],
  ['an answer with a method in another case', { jsonrpc: '2.0', id: 1, result: {}, METHOD: 'x' }],
])('refuses %s as no message', async (_, body) => {
  expect(await codeFor({ body })).toBe('message_invalid')
})

it.each<[string, unknown, object]>([
  ['with an id that is text', call('ping', {}, ''), { id: '', method: 'ping' }],
  ['with an id of 0', withId(0), { id: 0, method: 'ping' }],
  ['without an id', notice('notifications/x-y'), { method: 'notifications/x-y' }],
  ['that answers', { jsonrpc: '2.0', id: 7, result: { roots: [] } }, { id: 7 }],
  ['with an error', { jsonrpc: '2.0', id: 'x', error: { code: 1, message: '' } }, { id: 'x' }],
  ['of a method with marks', call('$/x.y_z-1'), { id: 1, method: '$/x.y_z-1' }],
  ['as deep as is allowed', nested(LIMITS.messageDepth), { id: 1, method: 'ping' }],
])('reads a message %s', async (_, body, message) => {
  expect(await messageBy({ body })).toEqual(message)
})

it('takes no answers of clients since 2026-07-28', async () => {
  const body = { jsonrpc: '2.0', id: 1, result: {} }
  expect(await codeFor({ ...modern('ping'), body })).toBe('message_invalid')
})

const MEBIBYTE = 1024 * 1024
it.each<[string, string, string]>([
  ['deep lists', '['.repeat(MEBIBYTE) + ']'.repeat(MEBIBYTE), 'message_malformed'],
  ['backslashes', `{"a":"${'\\'.repeat(4 * MEBIBYTE)}"}`, 'message_invalid'],
  ['members', JSON.stringify(call('ping', { a: Array(100_000).fill({ b: 1 }) })), 'ok'],
])('judges a message of many %s in no time', async (_, body, code) => {
  const mcp = { ...mcpOf(), maxBody: 16 * MEBIBYTE }
  // Read in the square of its length it would take longer than any test may.
  expect(await codeFor({ body, mcp })).toBe(code)
})

describe('a batch', () => {
  const echo = (id: unknown = 2) => call('tools/call', { name: 'echo' }, id)
  const batch = [call('ping'), echo(), notice('notifications/x')]
  const meta = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }

  it('is each of its messages, in 2025-03-26 alone', async () => {
    expect(await readBy({ body: batch })).toMatchObject({
      isBatch: true,
      messages: [
        { id: 1, method: 'ping' },
        { id: 2, method: 'tools/call', use: { kind: 'tools', name: 'echo' } },
        { method: 'notifications/x' },
      ],
    })
    expect(await readBy({ body: [call('ping')] })).toMatchObject({ isBatch: true })
    for (const said of ['2025-06-18', '2025-11-25', '2026-07-28']) {
      const headers = { 'mcp-protocol-version': said }
      expect(await codeFor({ headers, body: batch })).toBe('batch_not_allowed')
    }
  })

  it.each<[string, readonly unknown[], string]>([
    ['of as many as are allowed', Array(50).fill(notice('notifications/x')), 'ok'],
    ['of one more', Array(51).fill(notice('notifications/x')), 'message_invalid'],
    ['of nothing', [], 'message_invalid'],
    ['in a batch', [[call('ping')]], 'message_invalid'],
    ['with a bad message behind a good one', [call('ping'), call('x y', {}, 2)], 'message_invalid'],
    ['with one id twice', [call('ping'), call('tools/list')], 'message_invalid'],
    ['with initialize', [call('initialize', { protocolVersion: 'x' })], 'batch_not_allowed'],
    ['with bad params', [call('ping'), call('tools/call', {}, 2)], 'params_invalid'],
    ['with one of another revision', [call('ping', meta)], 'header_mismatch'],
  ])('%s is judged as a whole', async (_, body, code) => {
    expect(await codeFor({ body })).toBe(code)
  })

  it('is of one message where uses of the rule are counted', async () => {
    const route = { rateLimit: { kind: 'exact', per: 'agent', quotas: { daily: 1 } } } as const
    expect(await codeFor({ body: [echo(1), echo()], route })).toBe('batch_not_allowed')
    expect(await codeFor({ body: [echo()], route })).toBe('ok')
  })
})

describe('a body', () => {
  const body = ` {"jsonrpc" : "2.0", "id": 1.0, "method":"\\u0070ing"}\n`
  const sha256 = (text: string, form: 'base64' | 'base64url') =>
    createHash('sha256').update(text).digest(form)

  it('is held byte for byte', async () => {
    const { held } = await readBy({ body })
    expect(new TextDecoder().decode(held?.bytes)).toBe(body)
    expect(held).not.toHaveProperty('digest')
  })

  it('has a digest where the origin is told it, and the length that the rule allows', async () => {
    // The assertion's own bound is lower.
    const long = JSON.stringify(call('ping', { fill: 'x'.repeat(500) }))
    const { held } = await readBy({ body: long, binding: 'body' })
    expect(held?.digest).toBe(sha256(long, 'base64url'))
    expect(await readBy({ body: long, binding: 'request' })).not.toHaveProperty('held.digest')
    const none = await readBy({ method: 'GET', binding: 'body' })
    expect(none.held).toEqual({ bytes: new Uint8Array(), digest: sha256('', 'base64url') })
  })

  it('is as long as is allowed, and not a byte longer', async () => {
    const mcp = mcpOf({ max_body: 1_024 })
    expect(await codeFor({ mcp, body: PING.padEnd(1_024) })).toBe('ok')
    expect(await codeFor({ mcp, body: PING.padEnd(1_025) })).toBe('body_too_large')
    expect(await codeFor({ method: 'GET', body: PING })).toBe('body_too_large')
  })

  it('is compared with the digest that the client sends', async () => {
    const said = (text: string) => ({ 'content-digest': `sha-256=:${sha256(text, 'base64')}:` })
    expect(await codeFor({ body, headers: said(body) })).toBe('ok')
    expect(await codeFor({ body, headers: said('x') })).toBe('digest_mismatch')
  })

  it('that breaks off is refused', async () => {
    const broken = new ReadableStream<Uint8Array>({ start: (c) => c.error(new Error('gone')) })
    expect(await codeFor({ body: broken })).toBe('body_incomplete')
  })

  it('is read also in shadow mode', async () => {
    expect(await codeFor({ body: '{', route: { mode: 'shadow' } })).toBe('message_malformed')
  })
})

it('brings what was read along with a denial that comes after', async () => {
  expect(await ask({ body: call('tools/call', {}, 'call-1') })).toMatchObject({
    ok: false,
    reason: { code: 'params_invalid' },
    value: { operation: { kind: 'mcp', messages: [{ id: 'call-1', method: 'tools/call' }] } },
  })
})

it('shows in an explanation what is used, and no argument', async () => {
  const session = await sessions.seal('s-1', HOLDER)
  const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }
  const body = call('tools/call', { name: 'echo', arguments: { text: 'confidential' } })
  const foundBy = async (told: Parameters<typeof ask>[0]) => {
    const outcome = await ask(told)
    if (!outcome.ok || 'end' in outcome) throw new Error('not read')
    return operation.found?.({
      request: { method: 'POST', url: '', headers: new Headers() },
      ...{ policy: policyOf(), route: routeOf('* /mcp'), agent: agentOf(), hold: () => anyRoom },
      ...outcome.value,
    })
  }
  expect(await foundBy({ headers, body })).toEqual({
    ...{ kind: 'mcp', method: 'POST', revision: '2025-11-25', session: true },
    messages: [{ method: 'tools/call', tools: ['echo'] }],
    body: JSON.stringify(body).length,
  })
  const messages = expect.stringContaining('not known')
  expect(await foundBy({ isHead: true })).toMatchObject({ session: false, messages })
})
