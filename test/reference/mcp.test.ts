import { describe, expect, test } from 'vitest'
import type { Variables } from './conditions.ts'
import {
  checkAccess,
  checkUseConditions,
  checkUseScopes,
  type McpTable,
  type Operation,
  readOperation,
  statusOfRefusal,
} from './mcp.ts'
import { decodeMirror } from './mcp-message.ts'
import { entriesOfTemplate, findEntry } from './mcp-names.ts'
import type { Json, JsonObject, Request } from './types.ts'

const TABLE: McpTable = {
  tools: {
    get_weather: [],
    'files_*': ['files:read'],
    files_write: ['files:read:{arguments.path}', 'files:write'],
    transfer: {
      scopes: { any: ['pay', 'bank:admin'] },
      agent_types: ['orchestrator'],
      when: 'arguments.amount > 0 && arguments.amount <= 100',
    },
  },
  prompts: { summarize: [] },
  resources: { 'file:///docs/*': ['files:read'], 'file:///docs/secret/*': ['secret'] },
}

type Header = [string, string]

const post = (body: Json | string, headers: Header[] = [], method = 'POST'): Request => ({
  method,
  scheme: 'https',
  host: 'api.example.com',
  target: '/mcp',
  headers: [['Content-Type', 'application/json'], ...headers],
  body: typeof body === 'string' ? body : JSON.stringify(body),
  address: '192.0.2.1',
  now: 0,
})

const V: Header = ['MCP-Protocol-Version', '2025-11-25']
const LISTING: Header = ['Mcp-Method', 'tools/list']
const NEW: Header = ['MCP-Protocol-Version', '2026-07-28']
const OF_NEW: JsonObject = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }
const call = (method: string, params: Json = {}): Json => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  params,
})

const read = (request: Request, table = TABLE) => readOperation(request, table, () => 'unknown')
const codeOf = (request: Request, table = TABLE) => {
  const found = read(request, table)
  return found.ok ? undefined : found.code
}
const operationOf = (request: Request): Operation => {
  const found = read(request)
  if (!found.ok) throw new Error(found.code)
  return found.operation
}
const useOf = (method: string, params: Json) => operationOf(post(call(method, params), [V]))

test.each<[string, Request, string | undefined]>([
  ['a call', post(call('ping'), [V]), undefined],
  ['an upgrade', post(call('ping'), [['Upgrade', 'h2c']]), 'upgrade_refused'],
  ['a page', post(call('ping'), [['Origin', 'https://evil.example']]), 'origin_not_allowed'],
  ['an old revision', post('', [['MCP-Protocol-Version', '1999-01-01']]), 'revision_unsupported'],
  ['GET in the newest', post('', [NEW], 'GET'), 'http_method_not_allowed'],
  ['a coding', post('{}', [['Content-Encoding', 'identity']]), 'message_type_unsupported'],
  ['DELETE without a session', post('', [V], 'DELETE'), 'session_missing'],
  ['a session', post('', [['Mcp-Session-Id', 'x']], 'GET'), 'session_unknown'],
  ['a member twice', post('{"id":1,"id":2}'), 'message_malformed'],
  ['no message', post('{"id":1}'), 'message_invalid'],
  ['a request without an id', post({ jsonrpc: '2.0', method: 'ping' }), 'message_invalid'],
  ['a notification', post({ jsonrpc: '2.0', method: 'notifications/x' }), undefined],
  ['a notification with an id', post(call('notifications/x')), 'message_invalid'],
  ['a batch', post('[]', [V]), 'batch_not_allowed'],
  ['a batch of the oldest', post([call('ping')]), undefined],
  ['no name', post(call('tools/call'), [V]), 'params_invalid'],
  ['two names', post(call('tools/call', { name: 'a', Name: 'b' }), [V]), 'params_ambiguous'],
  ['meta', post(call('ping', { meta: {} }), [V]), 'params_ambiguous'],
  ['task_id', post(call('tasks/get', { task_id: 'a' }), [V]), 'params_ambiguous'],
  ['another revision in the body', post(call('ping', OF_NEW), [V]), 'header_mismatch'],
  ['no revision', post(call('tools/list'), [NEW, LISTING]), 'params_invalid'],
  ['no Mcp-Method', post(call('tools/list', OF_NEW), [NEW]), 'header_mismatch'],
  ['Mcp-Method', post(call('tools/list', OF_NEW), [NEW, LISTING]), undefined],
  [
    'another Mcp-Name',
    post(call('tools/call', { ...OF_NEW, name: 'a' }), [
      NEW,
      ['Mcp-Method', 'tools/call'],
      ['Mcp-Name', 'b'],
    ]),
    'header_mismatch',
  ],
  ['an id twice', post([call('ping'), call('ping')]), 'message_invalid'],
  ['a GET with a body', post('{}', [V], 'GET'), 'body_too_large'],
  ['an empty name', post(call('tools/call', { name: '' }), [V]), 'params_invalid'],
])('reads %s', (_, request, code) => {
  expect(codeOf(request)).toBe(code)
})

test('initialize needs any revision before 2026-07-28', () => {
  const initialize = post(call('initialize', { protocolVersion: '2025-11-25' }))
  expect(codeOf(initialize, { ...TABLE, revisions: ['2025-11-25'] })).toBeUndefined()
  expect(codeOf(initialize, { ...TABLE, revisions: ['2026-07-28'] })).toBe('revision_unsupported')
  expect(codeOf(post(call('ping')), { ...TABLE, revisions: ['2025-11-25'] })).toBe(
    'revision_unsupported',
  )
})

test('header values in base64 are decoded once', () => {
  expect(decodeMirror('=?base64?SGVsbG8sIOS4lueVjA==?=')).toBe('Hello, 世界')
  expect(decodeMirror('=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=')).toBe('=?base64?literal?=')
})

test.each<[string, Json, string | undefined]>([
  ['tools/call', { name: 'get_weather' }, undefined],
  ['tools/call', { name: 'Files_read' }, 'tool_not_allowed'],
  ['tools/call', { name: 'files_Write' }, 'tool_not_allowed'],
  ['tools/call', { name: 'forbidden' }, 'tool_not_allowed'],
  ['tools/call', { name: 'transfer', arguments: { amount: 5 } }, 'tool_not_allowed'],
  [
    'tools/call',
    { name: 'files_write', arguments: { path: 'a', Path: 'b' } },
    'arguments_ambiguous',
  ],
  ['tools/call', { name: 'get_weather', arguments: { path: 'a', Path: 'b' } }, undefined],
  ['prompts/get', { name: 'summarize' }, undefined],
  ['prompts/get', { name: 'x' }, 'prompt_not_allowed'],
  ['resources/read', { uri: 'file:///docs/a' }, undefined],
  ['resources/read', { uri: 'file:///docs/../a' }, 'resource_not_allowed'],
  ['tasks/list', {}, 'mcp_method_not_allowed'],
  ['tasks/get', { taskId: 'x' }, 'task_unknown'],
])('access of %s %o: %s', (method, params, code) => {
  expect(checkAccess(useOf(method, params), TABLE, [])).toBe(code)
})

describe('scopes', () => {
  const scopesOf = (params: Json, held: string[]) =>
    checkUseScopes(useOf('tools/call', params), TABLE, {}, (scope) => held.includes(scope))

  test('all are needed, with arguments', () => {
    const params = { name: 'files_write', arguments: { path: 'reports/q3.txt' } }
    const needed = ['files:read:reports/q3.txt', 'files:write']
    expect(scopesOf(params, needed)).toEqual({ ok: true, granted: needed })
    expect(scopesOf(params, ['files:write'])).toEqual({
      ok: false,
      code: 'scope_missing',
      required: needed,
    })
  })

  test.each(['a/../b', '', 'a//b', 'a b', '.', 'a/', 1.5, null, ['a']])(
    '%o is no value',
    (path) => {
      const read = scopesOf({ name: 'files_write', arguments: { path } }, [])
      expect(read.ok ? undefined : read.code).toBe('scope_value_invalid')
    },
  )

  test('of alternatives one is enough', () => {
    const params = { name: 'transfer', arguments: { amount: 5 } }
    expect(scopesOf(params, ['bank:admin'])).toEqual({ ok: true, granted: ['bank:admin'] })
    expect(scopesOf(params, [])).toEqual({ ok: false, code: 'scope_missing', required: ['pay'] })
  })
})

test('conditions over arguments', () => {
  const outcome = (args: Json) =>
    checkUseConditions(useOf('tools/call', { name: 'transfer', arguments: args }), TABLE, {
      token: {},
      agent: { depth: 0, scopes: [] },
      request: { method: 'POST', host: '', path: '', params: {}, headers: {}, query: {} },
      now: 0,
    } satisfies Variables)
  expect(outcome({ amount: 5 })).toBeUndefined()
  expect(outcome({ amount: 500 })).toBe('condition_failed')
  expect(outcome({})).toBe('condition_error')
})

test.each([
  ['delete_item', 'delete_item'],
  ['Delete_Item', undefined],
  ['delete_ıtem', undefined],
  ['ｄelete_item', undefined],
  ['other', '*'],
  ['a\u200Bb', undefined],
  ['a'.repeat(129), undefined],
])('of "*" and delete_item, %s is for %s', (name, entry) => {
  expect(findEntry({ '*': [], delete_item: [] }, name, 'tools')?.name).toBe(entry)
})

test.each([
  'file:///docs/secret;v=1',
  'file:///docs/../etc/passwd',
  'file:///docs/%EF%BC%8E/x',
  'file:///docs/%61',
  'file:///docs/%2561',
  'file:///docs/%FF',
  'docs://@private/plan',
  'docs://private:/plan',
  'https:api.example.com:443/x',
  'file:///docs//etc/x',
  'file:///docs/a%2Fb',
  'file:///docs/%EF%BC%8Fb',
  'file:///docs/C:/x',
  'urn:docs:/etc/x',
  'file:///docs/a\\b',
  'file:///docs/%E2%80%8B',
  'no uri',
])('no pattern matches %s', (uri) => {
  expect(findEntry({ '*': [] }, uri, 'resources')).toBeUndefined()
})

test.each([
  'FILE:///docs/a',
  'docs://x/SECRET',
  'docs://x/secret/',
  'docs://x/secret?a=1',
  'docs://x/secret.',
  'docs://x/secret%20',
])('%s is another spelling', (uri) => {
  const table = { '*': [], 'docs://x/secret': [], 'file:///docs/a': [] }
  expect(findEntry(table, uri, 'resources')).toBeUndefined()
})

test('templates need every entry that they could produce', () => {
  const table = { 'file:///docs/*': [], 'file:///docs/secret/*': [], 'file:///x': [] }
  const names = (template: string) => entriesOfTemplate(table, template)?.map(({ name }) => name)
  expect(names('file:///docs/{+path}')).toEqual(['file:///docs/*', 'file:///docs/secret/*'])
  expect(names('file:///docs/secret/{id}')).toEqual(['file:///docs/secret/*'])
  expect(names('file:///{path}')).toBeUndefined()
})

test('the status of a refusal', () => {
  const operation = useOf('ping', {})
  const statusOf = (code: string, refusals: McpTable['refusals'], status = 403) =>
    statusOfRefusal(code, status, operation, { ...TABLE, ...(refusals && { refusals }) })
  expect(statusOf('scope_missing', undefined)).toBe(403)
  expect(statusOf('scope_missing', 'json-rpc')).toBe(200)
  expect(statusOf('tool_not_allowed', undefined)).toBe(200)
  expect(statusOf('tool_not_allowed', 'http')).toBe(403)
  expect(statusOf('rate_limited', 'json-rpc', 429)).toBe(429)
  expect(statusOfRefusal('scope_missing', 403, undefined, { ...TABLE, refusals: 'json-rpc' })).toBe(
    403,
  )
})
