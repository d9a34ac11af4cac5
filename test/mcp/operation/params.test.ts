import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { call, codeFor, messageBy, notice } from './support.ts'

const ECHO = { name: 'echo' }

describe('what is used', () => {
  it.each<[string, object, object]>([
    ['tools/call', ECHO, { kind: 'tools', name: 'echo', arguments: {} }],
    [
      'tools/call',
      { ...ECHO, arguments: { a: 1 } },
      { kind: 'tools', name: 'echo', arguments: { a: 1 } },
    ],
    ['tools/call', { name: 'Echo ' }, { kind: 'tools', name: 'Echo ', arguments: {} }],
    [
      'tools/call',
      { ...ECHO, uri: 'x:y', task: {} },
      { kind: 'tools', name: 'echo', arguments: {} },
    ],
    [
      'prompts/get',
      { name: 'hi', arguments: { to: 'Ann' } },
      { kind: 'prompts', name: 'hi', arguments: { to: 'Ann' } },
    ],
    ['resources/read', { uri: 'docs://a' }, { kind: 'resources', name: 'docs://a', arguments: {} }],
    [
      'resources/subscribe',
      { uri: 'docs://a' },
      { kind: 'resources', name: 'docs://a', arguments: {} },
    ],
    [
      'resources/unsubscribe',
      { uri: 'docs://a' },
      { kind: 'resources', name: 'docs://a', arguments: {} },
    ],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'hi' }, argument: {} },
      { kind: 'prompts', name: 'hi', arguments: {} },
    ],
    [
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'docs://{id}' } },
      { kind: 'resources', name: 'docs://{id}', arguments: {} },
    ],
    [
      'subscriptions/listen',
      { notifications: { resourceSubscriptions: ['docs://a'] } },
      { kind: 'resources', name: 'docs://a', arguments: {} },
    ],
  ])('by %s %j', async (method, params, use) => {
    expect((await messageBy({ body: call(method, params) })).use).toEqual(use)
  })

  it('by a subscription is each resource', async () => {
    const uris = ['docs://a', 'docs://b', 'docs://c']
    const body = call('subscriptions/listen', { notifications: { resourceSubscriptions: uris } })
    const { use, more = [] } = await messageBy({ body })
    expect([use, ...more].map((one) => one?.name)).toEqual(uris)
  })

  it.each<[string, object?]>([
    ['ping'],
    ['tools/list', { cursor: 'x', name: 'echo' }],
    ['subscriptions/listen', {}],
    ['subscriptions/listen', { notifications: { toolsListChanged: true } }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: [] } }],
    ['tools/Call', ECHO],
    ['constructor', ECHO],
  ])('by %s %j is nothing', async (method, params) => {
    expect(await messageBy({ body: call(method, params) })).toEqual({ id: 1, method })
  })

  it('by a notification is nothing', async () => {
    const body = notice('notifications/cancelled', { requestId: 1, name: 'echo' })
    expect(await messageBy({ body })).toEqual({ method: 'notifications/cancelled' })
  })
})

describe('params are not taken', () => {
  it.each<[string, object?]>([
    ['tools/call'],
    ['tools/call', {}],
    ['tools/call', { uri: 'echo' }],
    ['tools/call', { name: 7 }],
    ['tools/call', { name: ['echo'] }],
    ['tools/call', { name: '' }],
    ['tools/call', { name: 'ec\u0000ho' }],
    ['tools/call', { name: 'echo\n' }],
    ['tools/call', { name: 'echo\ud800' }],
    ['tools/call', { name: 'x'.repeat(LIMITS.revocationValue + 1) }],
    ['tools/call', { ...ECHO, arguments: null }],
    ['tools/call', { ...ECHO, arguments: [] }],
    ['tools/call', { ...ECHO, arguments: '{}' }],
    ['tools/call', { ...ECHO, _meta: 1 }],
    ['prompts/get', { name: null }],
    ['resources/read', { name: 'docs://a' }],
    ['resources/read', { uri: { path: 'docs://a' } }],
    ['completion/complete', {}],
    ['completion/complete', { ref: 'ref/prompt' }],
    ['completion/complete', { ref: { type: 'ref/tool', name: 'echo' } }],
    ['completion/complete', { ref: { type: 'ref/prompt', uri: 'docs://a' } }],
    ['completion/complete', { ref: { type: 'ref/resource', name: 'hi' } }],
    ['subscriptions/listen', { notifications: [] }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: 'docs://a' } }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: ['docs://a', 7] } }],
    ['subscriptions/listen', { notifications: { taskIds: 'a' } }],
    ['subscriptions/listen', { notifications: { taskIds: { 0: 'a' } } }],
    [
      'subscriptions/listen',
      { notifications: { taskIds: Array(LIMITS.subscriptionsPerMessage + 1).fill('a') } },
    ],
    [
      'subscriptions/listen',
      {
        notifications: {
          resourceSubscriptions: Array(LIMITS.subscriptionsPerMessage + 1).fill('docs://a'),
        },
      },
    ],
    ['initialize'],
  ])('of %s %j', async (method, params) => {
    expect(await codeFor({ body: call(method, params) })).toBe('params_invalid')
  })
})

describe('params that another reader could read otherwise', () => {
  it.each<[string, object]>([
    ['tools/call', { ...ECHO, Name: 'drop_table' }],
    ['tools/call', { ...ECHO, NAME: 'drop_table' }],
    ['tools/call', { ...ECHO, '\uff4eame': 'drop_table' }],
    ['tools/call', { ...ECHO, 'name\u0000': 'drop_table' }],
    ['tools/call', { ...ECHO, 'na\ud800me': 'drop_table' }],
    ['tools/call', { Name: 'echo' }],
    ['tools/call', { ...ECHO, Arguments: { path: '/' } }],
    ['tools/call', { ...ECHO, 'argument\u017f': { path: '/' } }],
    ['tools/call', { ...ECHO, _META: {} }],
    ['tools/call', { ...ECHO, task: 1, Task: 2 }],
    ['tools/call', { ...ECHO, _meta: { 'IO.modelcontextprotocol/protocolVersion': '2026-07-28' } }],
    ['tools/call', { ...ECHO, _meta: { a: 1, A: 2 } }],
    ['resources/read', { uri: 'docs://a', URI: 'docs://b' }],
    ['initialize', { protocolVersion: '2025-11-25', protocolversion: '2025-03-26' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'hi', Name: 'x' } }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'hi', Type: 'ref/resource' } }],
    [
      'subscriptions/listen',
      { notifications: { resourceSubscriptions: [], ResourceSubscriptions: ['docs://a'] } },
    ],
    ['vendor/do', { _Meta: {} }],
    ['tools/call', { ...ECHO, meta: {} }],
    ['tasks/get', { taskId: 'a', task_id: 'b' }],
    ['initialize', { protocolVersion: '2025-11-25', protocol_version: '2025-03-26' }],
    ['subscriptions/listen', { notifications: { resource_subscriptions: ['docs://a'] } }],
    ['subscriptions/listen', { notifications: { task_ids: ['a'] } }],
    ['ping', { _meta: { 'io.modelcontextprotocol/related-task': { task_id: 'a' } } }],
  ])('%s %j', async (method, params) => {
    expect(await codeFor({ body: call(method, params) })).toBe('params_ambiguous')
  })

  it.each<[string, object]>([
    ['vendor/do', { Name: 'x', URI: 'y', meta: {} }],
    ['tools/call', { ...ECHO, arguments: { path: 1, Path: 2, deep: { a: 1, A: 2 } } }],
    ['tools/call', { ...ECHO, arguments: { Name: 'x', _META: 1, meta: 1, task_id: 'a' } }],
    ['prompts/get', { name: 'hi', arguments: { a: 1, A: 2 } }],
    ['tools/call', { ...ECHO, _meta: { progressToken: 1, 'com.example/x': { a: 1, A: 2 } } }],
  ])('are of no matter where nothing is decided by them: %s %j', async (method, params) => {
    expect(await codeFor({ body: call(method, params) })).toBe('ok')
  })

  it('are the same of every name, whatever its rule reads', async () => {
    for (const name of ['files_read', 'pay', 'echo', 'nothing']) {
      for (const given of [
        { path: 'a', Path: 'b' },
        { amount: 1, AMOUNT: 2 },
      ]) {
        expect(await codeFor({ body: call('tools/call', { name, arguments: given }) })).toBe('ok')
      }
    }
  })
})
