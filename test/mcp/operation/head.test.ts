import { describe, expect, it } from 'vitest'
import {
  ask,
  call,
  codeFor,
  mcpOf,
  modern,
  NEWEST,
  OLDER,
  PAGE,
  readBy,
  type Told,
} from './support.ts'

const version = (said: string | undefined) => ({ 'mcp-protocol-version': said })
/** Never read: a body that would be an error to touch. */
const untouched = () =>
  new ReadableStream<Uint8Array>(
    {
      pull() {
        throw new Error('the body was read')
      },
    },
    { highWaterMark: 0 },
  )

it.each<[string, string, Told]>([
  ['upgrade_refused', 'a WebSocket', { method: 'GET', headers: { upgrade: 'websocket' } }],
  ['upgrade_refused', 'another protocol', { headers: { upgrade: 'h2c' } }],
  ['upgrade_refused', 'a WebSocket by POST', { headers: { upgrade: 'WebSocket' } }],
  ['origin_not_allowed', 'a foreign page', { headers: { origin: 'https://evil.example' } }],
  ['origin_not_allowed', 'no page in particular', { headers: { origin: 'null' } }],
  ['origin_not_allowed', 'an empty origin', { headers: { origin: '' } }],
  ['origin_not_allowed', 'two pages', { headers: { origin: `${PAGE}, ${PAGE}` } }],
  ['origin_not_allowed', 'another case', { headers: { origin: PAGE.toUpperCase() } }],
  ['origin_not_allowed', 'another port', { headers: { origin: `${PAGE}:8443` } }],
  ['origin_not_allowed', 'another scheme', { headers: { origin: 'http://app.example.com' } }],
  ['origin_not_allowed', 'a longer name', { headers: { origin: `${PAGE}.evil.example` } }],
  ['origin_not_allowed', 'a foreign page that GETs', { method: 'GET', headers: { origin: 'x' } }],
  ['revision_unsupported', 'a revision of old', { headers: version('2024-11-05') }],
  ['revision_unsupported', 'one that is not yet', { headers: version('2027-01-01') }],
  ['revision_unsupported', 'two', { headers: version('2025-11-25, 2025-11-25') }],
  ['revision_unsupported', 'an empty one', { headers: version('') }],
  ['revision_unsupported', 'a name of every object', { headers: version('constructor') }],
  ['revision_unsupported', 'one of GET', { method: 'GET', headers: version('1') }],
  ['http_method_not_allowed', 'PUT', { method: 'PUT' }],
  ['http_method_not_allowed', 'HEAD', { method: 'HEAD' }],
  ['http_method_not_allowed', 'OPTIONS', { method: 'OPTIONS' }],
  ['http_method_not_allowed', 'GET of 2026', { method: 'GET', headers: version(NEWEST) }],
  ['http_method_not_allowed', 'DELETE of 2026', { method: 'DELETE', headers: version(NEWEST) }],
  ['message_type_unsupported', 'no type', { headers: { 'content-type': undefined } }],
  ['message_type_unsupported', 'text', { headers: { 'content-type': 'text/plain' } }],
  ['message_type_unsupported', 'gzip', { headers: { 'content-encoding': 'gzip' } }],
  ['message_type_unsupported', 'identity', { headers: { 'content-encoding': 'identity' } }],
])('%s: %s, before the body is read', async (code, _, told) => {
  expect(await codeFor({ ...told, body: untouched() })).toBe(code)
})

it.each<[string, Told]>([
  ['a page that is named', { headers: { origin: PAGE } }],
  ['no page', { headers: {} }],
  ['a stream', { method: 'GET' }],
  ...OLDER.map((one): [string, Told] => [
    `a stream of ${one}`,
    { method: 'GET', headers: version(one) },
  ]),
])('takes %s', async (_, told) => {
  expect(await codeFor(told)).toBe('ok')
})

describe('a revision', () => {
  it.each(OLDER)('%s is the one that the header says', async (said) => {
    expect((await readBy({ headers: version(said) })).revision).toBe(said)
  })

  it('is not known where none is said', async () => {
    expect(await readBy()).not.toHaveProperty('revision')
  })

  it('has to be one of the rule', async () => {
    const mcp = mcpOf({ revisions: ['2025-11-25'] })
    expect(await codeFor({ mcp, headers: version('2025-11-25') })).toBe('ok')
    expect(await codeFor({ mcp, headers: version('2025-06-18') })).toBe('revision_unsupported')
    expect(await codeFor({ mcp, ...modern('ping') })).toBe('revision_unsupported')
  })

  it('that is not spoken is told back, with those that are', async () => {
    const mcp = mcpOf({ revisions: ['2025-11-25', NEWEST] })
    const paramsFor = async (said: string) => {
      const outcome = await ask({ mcp, headers: version(said) })
      return outcome.ok ? undefined : outcome.reason.params
    }
    const supported = ['2025-11-25', NEWEST]
    expect(await paramsFor('1999-01-01')).toEqual({ supported, requested: '1999-01-01' })
    expect(await paramsFor('x'.repeat(999))).toEqual({ supported, requested: 'x'.repeat(32) })
    expect(await paramsFor('é')).toEqual({ supported })
  })

  // As a server of 2025-03-26 would, whose clients have no such header.
  it.each<[string, Told, string]>([
    ['a message where 2025-03-26 is spoken', {}, 'ok'],
    [
      'a message where it is not',
      { mcp: mcpOf({ revisions: OLDER.slice(1) }) },
      'revision_unsupported',
    ],
    [
      'a stream where it is not',
      { method: 'GET', mcp: mcpOf({ revisions: OLDER.slice(1) }) },
      'revision_unsupported',
    ],
    [
      'a message where only 2026-07-28 is',
      { mcp: mcpOf({ revisions: [NEWEST] }) },
      'revision_unsupported',
    ],
    [
      'a stream where only 2026-07-28 is',
      { method: 'GET', mcp: mcpOf({ revisions: [NEWEST] }) },
      'http_method_not_allowed',
    ],
  ])('need not be said by %s', async (_, told, code) => {
    expect(await codeFor(told)).toBe(code)
  })
})

describe('initialize', () => {
  const initialize = (wanted: unknown, told: Told = {}) =>
    codeFor({ body: call('initialize', { protocolVersion: wanted, capabilities: {} }), ...told })

  it.each([
    ['2025-11-25', 'ok'],
    // The server settles for one that it knows, and what comes then says which.
    ['2025-06-18', 'ok'],
    ['2024-11-05', 'ok'],
    ['2030-01-01', 'ok'],
    [NEWEST, 'ok'],
    [7, 'params_invalid'],
    [undefined, 'params_invalid'],
  ])('for %s: %s', async (wanted, code) => {
    const mcp = mcpOf({ revisions: ['2025-11-25', NEWEST] })
    expect(await initialize(wanted, { mcp })).toBe(code)
  })

  it('is unheard of where only 2026-07-28 is spoken', async () => {
    const mcp = mcpOf({ revisions: [NEWEST] })
    expect(await initialize('2024-11-05', { mcp })).toBe('revision_unsupported')
  })

  it('may come again, in what is spoken already', async () => {
    expect(await initialize('2025-11-25', { headers: version('2025-06-18') })).toBe('ok')
    const mcp = mcpOf({ revisions: ['2025-11-25'] })
    const headers = version('2025-11-25')
    expect(await initialize('2025-06-18', { mcp, headers })).toBe('ok')
    const other = version('2025-06-18')
    expect(await initialize('2025-11-25', { mcp, headers: other })).toBe('revision_unsupported')
    expect(await initialize('2025-11-25', { headers: version(NEWEST) })).toBe('header_mismatch')
  })
})

describe('methods of HTTP', () => {
  const allowFor = async (told: Told) => {
    const outcome = await ask(told)
    return outcome.ok ? undefined : outcome.reason.params?.allow
  }

  it('are told, those of revision and rule', async () => {
    expect(await allowFor({ method: 'PATCH' })).toEqual(['GET', 'POST', 'DELETE'])
    expect(await allowFor({ method: 'PATCH', route: { methods: ['POST', 'PATCH'] } })).toEqual([
      'POST',
    ])
    expect(await allowFor({ method: 'GET', headers: version(NEWEST) })).toEqual(['POST'])
  })

  it.each(['GET', 'DELETE'])('%s has no body', async (method) => {
    const headers = { 'mcp-session-id': undefined }
    const body = call('tools/call', { name: 'echo' })
    expect(await codeFor({ method, headers, body })).toBe(
      method === 'GET' ? 'body_too_large' : 'session_missing',
    )
  })
})
