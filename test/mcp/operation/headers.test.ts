import { describe, expect, it } from 'vitest'
import { mirroredText } from '../../../src/gate/guard/operation/mcp/headers.ts'
import { call, codeFor, META, modern, NEWEST, notice, type Told } from './support.ts'

const base64 = (text: string | Uint8Array) => `=?base64?${Buffer.from(text).toString('base64')}?=`

describe('a mirrored header', () => {
  it.each([
    ['echo', 'echo'],
    ['', ''],
    ['get weather', 'get weather'],
    ['geo:1,2', 'geo:1,2'],
    ['Hello, world', 'Hello, world'],
    ['=?base64?SGVsbG8sIOS4lueVjA==?=', 'Hello, 世界'],
    // Decoded once, never twice.
    ['=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=', '=?base64?literal?='],
    ['=?base64??=', ''],
    ['=?BASE64?ZQ==?=', '=?BASE64?ZQ==?='],
    ['=?base64?ZQ==', '=?base64?ZQ=='],
    ['x=?base64?ZQ==?=', 'x=?base64?ZQ==?='],
    [base64('a, b'), 'a, b'],
  ])('%j says %j', (value, text) => {
    expect(mirroredText(value)).toBe(text)
  })

  it.each([
    ['two of which one is empty', 'echo, '],
    ['a space at the beginning', ' echo'],
    ['no base64', '=?base64?*?='],
    ['base64 without padding', '=?base64?ZQ?='],
    ['base64 with a space', '=?base64?Z Q==?='],
    ['base64url', '=?base64?_-A=?='],
    ['base64 of bits too many', '=?base64?ZR==?='],
    ['base64 twice', '=?base64?ZQ==?==?base64?ZQ==?='],
    ['no UTF-8', base64(new Uint8Array([0xff]))],
    ['half a surrogate', base64(new Uint8Array([0xed, 0xa0, 0x80]))],
    ['Latin-1', 'caf\u00e9'],
    ['a control character', 'a\u0001'],
  ])('is not %s', (_, value) => {
    expect(mirroredText(value)).toBeUndefined()
  })
})

const ECHO = { name: 'echo', arguments: {} }

describe('since 2026-07-28', () => {
  it.each<[string, Told]>([
    ['a call', modern('tools/call', ECHO, { 'mcp-name': 'echo' })],
    ['a call of an encoded name', modern('tools/call', ECHO, { 'mcp-name': base64('echo') })],
    [
      'a call of a name beyond ASCII',
      modern('tools/call', { name: 'é, ?=' }, { 'mcp-name': base64('é, ?=') }),
    ],
    [
      'a call of a name with a comma',
      modern('tools/call', { name: 'Hello, world' }, { 'mcp-name': 'Hello, world' }),
    ],
    ['a prompt', modern('prompts/get', { name: 'hi' }, { 'mcp-name': 'hi' })],
    [
      'a prompt with commas',
      modern('prompts/get', { name: 'a, b,  c' }, { 'mcp-name': 'a, b,  c' }),
    ],
    ['a resource', modern('resources/read', { uri: 'docs://a' }, { 'mcp-name': 'docs://a' })],
    ['a task', modern('tasks/get', { taskId: 't-1' }, { 'mcp-name': 't-1' })],
    ['a method without a name', modern('tools/list')],
    [
      'a method of its own, with a name',
      modern('vendor/do', { uri: 'x:y' }, { 'mcp-name': 'x:y' }),
    ],
    [
      'parameters in headers, which are the business of the server',
      modern('tools/list', {}, { 'mcp-param-x': 'y' }),
    ],
  ])('headers say what the body says: %s', async (_, told) => {
    expect(await codeFor(told)).toBe('ok')
  })

  it.each<[string, Told]>([
    [
      'one tool, the body another',
      modern('tools/call', { name: 'drop_table' }, { 'mcp-name': 'echo' }),
    ],
    ['a tool in another case', modern('tools/call', ECHO, { 'mcp-name': 'Echo' })],
    [
      'an encoded tool, the body another',
      modern('tools/call', { name: 'x' }, { 'mcp-name': base64('echo') }),
    ],
    [
      'the body in the encoded form',
      modern('tools/call', { name: base64('echo') }, { 'mcp-name': base64('echo') }),
    ],
    ['the tool twice', modern('tools/call', ECHO, { 'mcp-name': 'echo, echo' })],
    ['two tools', modern('tools/call', ECHO, { 'mcp-name': 'echo, x' })],
    ['two tools, the body the last', modern('tools/call', ECHO, { 'mcp-name': 'x, echo' })],
    ['a tool and nothing', modern('tools/call', { name: 'echo, ' }, { 'mcp-name': 'echo, ' })],
    [
      'two encoded tools',
      modern('tools/call', { name: 'a, b' }, { 'mcp-name': `${base64('a')}, ${base64('b')}` }),
    ],
    ['no tool', modern('tools/call', ECHO)],
    ['an empty tool', modern('tools/call', ECHO, { 'mcp-name': '' })],
    ['no resource', modern('resources/read', { uri: 'docs://a' })],
    [
      'the name of a resource',
      modern('resources/read', { uri: 'docs://a', name: 'x' }, { 'mcp-name': 'x' }),
    ],
    ['a name where there is none', modern('tools/list', {}, { 'mcp-name': 'echo' })],
    ['no method', modern('tools/list', {}, { 'mcp-method': undefined })],
    [
      'another method',
      modern('tools/call', ECHO, { 'mcp-method': 'tools/list', 'mcp-name': 'echo' }),
    ],
    ['the method in another case', modern('tools/list', {}, { 'mcp-method': 'Tools/List' })],
    ['the method twice', modern('tools/list', {}, { 'mcp-method': 'tools/list, tools/list' })],
    ['the method in base64', modern('tools/list', {}, { 'mcp-method': base64('tools/list') })],
    ['a revision, the body another', modern('tools/list', { _meta: { [META]: '2025-11-25' } })],
    ['a revision, the body no text', modern('tools/list', { _meta: { [META]: [NEWEST] } })],
  ])('headers do not say %s', async (_, told) => {
    expect(await codeFor(told)).toBe('header_mismatch')
  })

  it.each<[string, Told, string]>([
    ['nothing', modern('tools/list', { _meta: undefined }), 'params_invalid'],
    ['no revision', modern('tools/list', { _meta: { progressToken: 1 } }), 'params_invalid'],
    [
      'no revision, whatever else is missing',
      modern('tools/call', { ...ECHO, _meta: {} }, { 'mcp-method': undefined }),
      'params_invalid',
    ],
    [
      'one in another spelling',
      modern('tools/list', { _meta: { [META.toUpperCase()]: NEWEST } }),
      'params_ambiguous',
    ],
  ])('a request with %s in _meta is none of this revision', async (_, told, code) => {
    expect(await codeFor(told)).toBe(code)
  })

  it.each<[string, Told['headers'], object | undefined, string]>([
    ['no headers', {}, undefined, 'ok'],
    ['the right method', { 'mcp-method': 'notifications/cancelled' }, undefined, 'ok'],
    ['another method', { 'mcp-method': 'tools/call' }, undefined, 'header_mismatch'],
    ['a name', { 'mcp-name': 'echo' }, undefined, 'header_mismatch'],
    ['the revision', {}, { _meta: { [META]: NEWEST } }, 'ok'],
    ['another revision', {}, { _meta: { [META]: '2025-11-25' } }, 'header_mismatch'],
  ])('a notification with %s', async (_, more, params, code) => {
    const headers = { 'mcp-protocol-version': NEWEST, ...more }
    expect(await codeFor({ headers, body: notice('notifications/cancelled', params) })).toBe(code)
  })
})

describe('before 2026-07-28', () => {
  const headers = { 'mcp-protocol-version': '2025-11-25' }

  it('such headers say nothing', async () => {
    const said = { 'mcp-method': 'tools/list', 'mcp-name': 'drop_table, x' }
    expect(
      await codeFor({ headers: { ...headers, ...said }, body: call('tools/call', ECHO) }),
    ).toBe('ok')
  })

  it.each<[string, NonNullable<Told['headers']>, unknown, string]>([
    ['that of the header', headers, '2025-11-25', 'ok'],
    ['another', headers, '2025-06-18', 'header_mismatch'],
    ['one that has no sessions', headers, NEWEST, 'header_mismatch'],
    ['one where the header says none', {}, NEWEST, 'header_mismatch'],
    ['an old one where the header says none', {}, '2025-03-26', 'header_mismatch'],
    ['what is no revision', headers, 7, 'header_mismatch'],
    ['null', headers, null, 'header_mismatch'],
  ])('a body claims no revision but %s', async (_, sent, claimed, code) => {
    const body = call('tools/call', { ...ECHO, _meta: { [META]: claimed } })
    expect(await codeFor({ headers: sent, body })).toBe(code)
  })
})
