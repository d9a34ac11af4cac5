import { describe, expect, it } from 'vitest'
import { mirroredText } from '../../../../src/gate/guard/operation/mcp/headers.ts'
import { call, codeFor, META, modern, NEWEST, notice, type Told } from './support.ts'

const base64 = (text: string | Uint8Array) => `=?base64?${Buffer.from(text).toString('base64')}?=`

describe('a mirrored header', () => {
  it.each([
    ['get weather', 'get weather'],
    ['Hello, world', 'Hello, world'],
    ['=?base64?SGVsbG8sIOS4lueVjA==?=', 'Hello, 世界'],
    // Decoded once, never twice.
    ['=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=', '=?base64?literal?='],
    ['=?base64??=', ''],
    ['=?BASE64?ZQ==?=', '=?BASE64?ZQ==?='],
    ['x=?base64?ZQ==?=', 'x=?base64?ZQ==?='],
  ])('%j says %j', (value, text) => {
    expect(mirroredText(value)).toBe(text)
  })

  it.each([
    ['two of which one is empty', 'echo, '],
    ['base64 without padding', '=?base64?ZQ?='],
    ['base64 with a space', '=?base64?Z Q==?='],
    ['base64url', '=?base64?_-A=?='],
    ['base64 of bits too many', '=?base64?ZR==?='],
    ['base64 twice', '=?base64?ZQ==?==?base64?ZQ==?='],
    ['no UTF-8', base64(new Uint8Array([0xff]))],
    ['half a surrogate', base64(new Uint8Array([0xed, 0xa0, 0x80]))],
    ['Latin-1', 'caf\u00e9'],
  ])('is not %s', (_, value) => {
    expect(mirroredText(value)).toBeUndefined()
  })
})

const ECHO = { name: 'echo', arguments: {} }
const named = (name: string, said?: string) =>
  modern('tools/call', { ...ECHO, name }, said === undefined ? {} : { 'mcp-name': said })
const listing = (params: object, headers: Told['headers'] = {}) =>
  modern('tools/list', { ...params }, headers)

describe('since 2026-07-28', () => {
  it.each<[string, Told]>([
    ['a call', named('echo', 'echo')],
    ['a call of an encoded name', named('echo', base64('echo'))],
    ['a call of a name beyond ASCII', named('é, ?=', base64('é, ?='))],
    ['a name with commas', named('a, b,  c', 'a, b,  c')],
    ['a resource', modern('resources/read', { uri: 'docs://a' }, { 'mcp-name': 'docs://a' })],
    ['a task', modern('tasks/get', { taskId: 't-1' }, { 'mcp-name': 't-1' })],
    ['a method without a name', listing({})],
    ['a method of its own, with a name', modern('vendor/do', { uri: 'x' }, { 'mcp-name': 'x' })],
    ['parameters, which are for the server', listing({}, { 'mcp-param-x': 'y' })],
  ])('takes headers that say what the body says: %s', async (_, told) => {
    expect(await codeFor(told)).toBe('ok')
  })

  it.each<[string, Told]>([
    ['one tool, the body another', named('drop_table', 'echo')],
    ['a tool in another case', named('echo', 'Echo')],
    ['an encoded tool, the body another', named('x', base64('echo'))],
    ['what the body has in the encoded form', named(base64('echo'), base64('echo'))],
    ['the tool twice', named('echo', 'echo, echo')],
    ['two tools, the body the last', named('echo', 'x, echo')],
    ['two encoded tools', named('a, b', `${base64('a')}, ${base64('b')}`)],
    ['no tool', named('echo')],
    ['an empty tool', named('echo', '')],
    ['another member', modern('resources/read', { uri: 'd:a', name: 'x' }, { 'mcp-name': 'x' })],
    ['a name where there is none', listing({}, { 'mcp-name': 'echo' })],
    ['no method', listing({}, { 'mcp-method': undefined })],
    ['another method', listing({}, { 'mcp-method': 'ping' })],
    ['the method in another case', listing({}, { 'mcp-method': 'Tools/List' })],
    ['the method twice', listing({}, { 'mcp-method': 'tools/list, tools/list' })],
    ['the method in base64', listing({}, { 'mcp-method': base64('tools/list') })],
    ['a revision, the body another', listing({ _meta: { [META]: '2025-11-25' } })],
    ['a revision, the body no text', listing({ _meta: { [META]: [NEWEST] } })],
  ])('refuses headers that say %s', async (_, told) => {
    expect(await codeFor(told)).toBe('header_mismatch')
  })

  it.each<[string, string, Told]>([
    ['params_invalid', 'nothing', listing({ _meta: undefined })],
    ['params_invalid', 'no revision', listing({ _meta: {} }, { 'mcp-method': undefined })],
    ['params_ambiguous', 'another case', listing({ _meta: { [META.toUpperCase()]: NEWEST } })],
  ])('refuses with %s a request that has %s in _meta', async (code, _, told) => {
    expect(await codeFor(told)).toBe(code)
  })

  it.each<[string, Told['headers'], object | undefined, string]>([
    ['no headers', {}, undefined, 'ok'],
    ['the right method', { 'mcp-method': 'notifications/cancelled' }, undefined, 'ok'],
    ['another method', { 'mcp-method': 'tools/call' }, undefined, 'header_mismatch'],
    ['a name', { 'mcp-name': 'echo' }, undefined, 'header_mismatch'],
    ['another revision', {}, { _meta: { [META]: '2025-11-25' } }, 'header_mismatch'],
  ])('judges a notification with %s', async (_, more, params, code) => {
    const headers = { 'mcp-protocol-version': NEWEST, ...more }
    expect(await codeFor({ headers, body: notice('notifications/cancelled', params) })).toBe(code)
  })
})

describe('before 2026-07-28', () => {
  const headers = { 'mcp-protocol-version': '2025-11-25' }

  it('does not read such headers', async () => {
    const said = { ...headers, 'mcp-method': 'tools/list', 'mcp-name': 'drop_table, x' }
    expect(await codeFor({ headers: said, body: call('tools/call', ECHO) })).toBe('ok')
  })

  it.each<[string, NonNullable<Told['headers']>, unknown, string]>([
    ['that of the header', headers, '2025-11-25', 'ok'],
    ['another', headers, '2025-06-18', 'header_mismatch'],
    ['any where the header has none', {}, '2025-03-26', 'header_mismatch'],
    ['null', headers, null, 'header_mismatch'],
  ])('judges a body that claims the revision: %s', async (_, sent, claimed, code) => {
    const body = call('tools/call', { ...ECHO, _meta: { [META]: claimed } })
    expect(await codeFor({ headers: sent, body })).toBe(code)
  })
})
