import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LIMITS } from '../../../../src/gate/base/limits.ts'
import {
  isClear,
  isReadAlike,
  knownNames,
} from '../../../../src/gate/guard/operation/mcp/members.ts'
import { tries } from '../../../kit/property.ts'
import { call, codeFor, messageBy } from './support.ts'

const ECHO = { name: 'echo' }
const listen = (notifications: unknown) => ({ notifications })
const TOO_MANY = Array(LIMITS.subscriptionsPerMessage + 1).fill('docs://a')

it.each<[string, object, string, string, object?]>([
  ['tools/call', ECHO, 'tools', 'echo'],
  ['tools/call', { ...ECHO, arguments: { a: 1 } }, 'tools', 'echo', { a: 1 }],
  ['tools/call', { name: 'Echo ', uri: 'x:y', task: {} }, 'tools', 'Echo '],
  ['prompts/get', { name: 'hi', arguments: { to: 'Ann' } }, 'prompts', 'hi', { to: 'Ann' }],
  ['resources/read', { uri: 'docs://a' }, 'resources', 'docs://a'],
  ['resources/unsubscribe', { uri: 'docs://a' }, 'resources', 'docs://a'],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'hi' } }, 'prompts', 'hi'],
  ['completion/complete', { ref: { type: 'ref/resource', uri: 'd:{id}' } }, 'resources', 'd:{id}'],
])('reads what %s %j uses', async (method, params, kind, name, given = {}) => {
  const { use } = await messageBy({ body: call(method, params) })
  expect(use).toEqual({ kind, name, arguments: given })
})

it('reads each resource of a subscription', async () => {
  const uris = ['docs://a', 'docs://b', 'docs://c']
  const body = call('subscriptions/listen', listen({ resourceSubscriptions: uris }))
  const { use, more = [] } = await messageBy({ body })
  expect([use, ...more].map((one) => one?.name)).toEqual(uris)
})

it.each<[string, object?]>([
  ['tools/list', { cursor: 'x', name: 'echo' }],
  ['subscriptions/listen', {}],
  ['subscriptions/listen', listen({ resourceSubscriptions: [] })],
  ['tools/Call', ECHO],
  ['constructor', ECHO],
])('reads that %s %j uses nothing', async (method, params) => {
  expect(await messageBy({ body: call(method, params) })).toEqual({ id: 1, method })
})

it.each<[string, object?]>([
  ['tools/call'],
  ['tools/call', { uri: 'echo' }],
  ['tools/call', { name: ['echo'] }],
  ['tools/call', { name: '' }],
  ['tools/call', { name: 'ec\u0000ho' }],
  ['tools/call', { name: 'echo\ud800' }],
  ['tools/call', { name: 'x'.repeat(LIMITS.revocationValue + 1) }],
  ['tools/call', { ...ECHO, arguments: null }],
  ['tools/call', { ...ECHO, arguments: '{}' }],
  ['tools/call', { ...ECHO, _meta: 1 }],
  ['resources/read', { name: 'docs://a' }],
  ['completion/complete', { ref: 'ref/prompt' }],
  ['completion/complete', { ref: { type: 'ref/tool', name: 'echo' } }],
  ['completion/complete', { ref: { type: 'ref/prompt', uri: 'docs://a' } }],
  ['completion/complete', { ref: { type: 'ref/resource', name: 'hi' } }],
  ['subscriptions/listen', listen([])],
  ['subscriptions/listen', listen({ resourceSubscriptions: ['docs://a', 7] })],
  ['subscriptions/listen', listen({ taskIds: 'a' })],
  ['subscriptions/listen', listen({ taskIds: TOO_MANY })],
  ['subscriptions/listen', listen({ resourceSubscriptions: TOO_MANY })],
  ['initialize'],
])('refuses params that %s does not take: %j', async (method, params) => {
  expect(await codeFor({ body: call(method, params) })).toBe('params_invalid')
})

it.each<[string, object]>([
  ['tools/call', { ...ECHO, Name: 'drop_table' }],
  ['tools/call', { ...ECHO, '\uff4eame': 'drop_table' }],
  ['tools/call', { ...ECHO, 'name\u0000': 'drop_table' }],
  ['tools/call', { ...ECHO, 'na\ud800me': 'drop_table' }],
  ['tools/call', { Name: 'echo' }],
  ['tools/call', { ...ECHO, 'argument\u017f': { path: '/' } }],
  ['tools/call', { ...ECHO, _META: {} }],
  ['tools/call', { ...ECHO, meta: {} }],
  ['tools/call', { ...ECHO, task: 1, Task: 2 }],
  ['tools/call', { ...ECHO, _meta: { 'IO.modelcontextprotocol/protocolVersion': 'x' } }],
  ['tools/call', { ...ECHO, _meta: { a: 1, A: 2 } }],
  ['resources/read', { uri: 'docs://a', URI: 'docs://b' }],
  ['initialize', { protocolVersion: '2025-11-25', protocol_version: '2025-03-26' }],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'hi', Name: 'x' } }],
  ['subscriptions/listen', listen({ resource_subscriptions: ['docs://a'] })],
  ['subscriptions/listen', listen({ task_ids: ['a'] })],
  ['vendor/do', { _Meta: {} }],
  ['tasks/get', { taskId: 'a', task_id: 'b' }],
  ['ping', { _meta: { 'io.modelcontextprotocol/related-task': { task_id: 'a' } } }],
])('refuses params of %s that another reader could read otherwise: %j', async (method, params) => {
  expect(await codeFor({ body: call(method, params) })).toBe('params_ambiguous')
})

it.each<[string, object]>([
  ['vendor/do', { Name: 'x', URI: 'y', meta: {} }],
  ['tools/call', { ...ECHO, arguments: { path: 1, Path: 2, task_id: 'a', deep: { a: 1, A: 2 } } }],
  ['tools/call', { ...ECHO, _meta: { progressToken: 1, 'com.example/x': { a: 1, A: 2 } } }],
])('takes %s %j, since nothing is decided by those members', async (method, params) => {
  expect(await codeFor({ body: call(method, params) })).toBe('ok')
})

const KNOWN = knownNames('name', '_meta', 'io.modelcontextprotocol/protocolVersion')

it.each<[boolean, object]>([
  [true, { name: 1, names: 2, nam: 3, ' name': 4, _name: 5 }],
  [true, { constructor: 1, toString: 2, '\u00e9': 1, e: 2 }],
  [false, { k: 1, '\u212a': 2 }],
  [false, { s: 1, '\u017f': 2 }],
  [false, { '\uff4eame': 1 }],
  [false, { 'stra\u00dfe': 1, STRASSE: 2 }],
  [false, { '\ufb01le': 1, file: 2 }],
  [false, { 'a\n': 1 }],
  [false, { '\ud800': 1 }],
])('says %s of whether all readers find the same members in %j', (isSame, object) => {
  expect(isClear({ ...object }, KNOWN)).toBe(isSame)
})

it.each<[object, readonly (readonly string[])[], boolean]>([
  [{ a: 1, A: 2 }, [], true],
  [{ a: 1, A: 2 }, [['x']], false],
  [{ a: [{ b: { c: 1, C: 2 } }] }, [['x']], false],
  [{ a: [[{ b: 1, B: 2 }]] }, [['x']], false],
  [{ Path: 1 }, [['path']], false],
  [{ a: { Path: 1 } }, [['path']], true],
  [{ a: { Path: 1 } }, [['a', 'path']], false],
  [{ a: [{ Path: 1 }] }, [['a', 'path']], true],
  [{ A: { path: 1 } }, [['a', 'path']], false],
  [{}, [['a', 'path']], true],
])('reads %j alike at %j: %s', (object, paths, isAlike) => {
  expect(isReadAlike({ ...object }, paths)).toBe(isAlike)
})

it.each<[object, readonly string[], boolean]>([
  [{ a: { x: [[{ PATH: 1 }]] } }, ['path'], false],
  [{ a: [{ paths: 1, 'pat\u0127': 1 }] }, ['path'], true],
  [{ a: { Path: 1 } }, ['path', 'Path'], true],
  [{ a: { PATH: 1 } }, ['path', 'Path'], false],
  // Only inside of what is read.
  [{ a: 'Path', Path: 1, b: { Path: 1 } }, ['path'], true],
])('reads %j at `a` alike with %j in it: %s', (object, names, isAlike) => {
  expect(isReadAlike({ ...object }, [['a']], knownNames(...names))).toBe(isAlike)
})

it('finds clear members alike in upper and lower case', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.nat()), (object) => {
      if (!isClear(object, KNOWN)) return
      const names = Object.keys(object)
      expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length)
      expect(new Set(names.map((name) => name.toUpperCase())).size).toBe(names.length)
    }),
    tries(100),
  )
})
