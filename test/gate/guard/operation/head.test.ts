import { expect, it } from 'vitest'
import { SESSION_TYP } from '../../../../src/gate/model/mcp.ts'
import {
  ask,
  call,
  codeFor,
  HOLDER,
  mcpOf,
  modern,
  NEWEST,
  OLDER,
  PAGE,
  readBy,
  sessions,
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
  ['upgrade_refused', 'another protocol by POST', { headers: { upgrade: 'h2c' } }],
  ['origin_not_allowed', 'no page in particular', { headers: { origin: 'null' } }],
  ['origin_not_allowed', 'an empty origin', { headers: { origin: '' } }],
  ['origin_not_allowed', 'two pages', { headers: { origin: `${PAGE}, ${PAGE}` } }],
  ['origin_not_allowed', 'another case', { headers: { origin: PAGE.toUpperCase() } }],
  ['origin_not_allowed', 'another port', { headers: { origin: `${PAGE}:8443` } }],
  ['origin_not_allowed', 'another scheme', { headers: { origin: 'http://app.example.com' } }],
  ['origin_not_allowed', 'a longer name', { headers: { origin: `${PAGE}.evil.example` } }],
  ['origin_not_allowed', 'a page that GETs', { method: 'GET', headers: { origin: 'x' } }],
  ['revision_unsupported', 'one that is not yet', { headers: version('2027-01-01') }],
  ['revision_unsupported', 'two', { headers: version('2025-11-25, 2025-11-25') }],
  ['revision_unsupported', 'an empty one', { headers: version('') }],
  ['revision_unsupported', 'a name of every object', { headers: version('constructor') }],
  ['http_method_not_allowed', 'HEAD', { method: 'HEAD' }],
  ['http_method_not_allowed', 'GET of 2026', { method: 'GET', headers: version(NEWEST) }],
  ['message_type_unsupported', 'no type', { headers: { 'content-type': undefined } }],
  ['message_type_unsupported', 'identity', { headers: { 'content-encoding': 'identity' } }],
  ['session_unknown', 'any text', { headers: { 'mcp-session-id': 'x' } }],
])('refuses with %s, before the body is read: %s', async (code, _, told) => {
  expect(await codeFor({ ...told, body: untouched() })).toBe(code)
  expect(await codeFor({ ...told, isHead: true })).toBe(code)
})

it('does not know the messages of a head alone', async () => {
  const value = { operation: { kind: 'mcp', method: 'POST', messages: [] }, held: undefined }
  expect(await ask({ isHead: true })).toEqual({ ok: true, value })
})

it.each(OLDER)('takes the revision %s from the header, of a stream too', async (said) => {
  const headers = { ...version(said), origin: PAGE }
  expect((await readBy({ headers })).revision).toBe(said)
  expect(await codeFor({ method: 'GET', headers })).toBe('ok')
})

const [ONLY_NEWEST, OTHERS] = [[NEWEST], ['2025-06-18', '2025-11-25']].map((revisions) =>
  mcpOf({ revisions }),
) as [ReturnType<typeof mcpOf>, ReturnType<typeof mcpOf>]
const initialize = (wanted: unknown) => call('initialize', { protocolVersion: wanted })

// Without a header the revision is 2025-03-26. What `initialize` wants is for the server to judge.
it.each<[string, string, Told]>([
  ['ok', 'without a header where 2025-03-26 is spoken', {}],
  ['revision_unsupported', 'without a header where it is not', { mcp: OTHERS }],
  ['revision_unsupported', 'a stream without a header', { mcp: OTHERS, method: 'GET' }],
  ['revision_unsupported', 'without a header where only 2026 is spoken', { mcp: ONLY_NEWEST }],
  ['http_method_not_allowed', 'a stream there', { mcp: ONLY_NEWEST, method: 'GET' }],
  ['ok', 'a revision of the rule', { mcp: OTHERS, headers: version('2025-06-18') }],
  ['revision_unsupported', 'none of the rule', { mcp: OTHERS, headers: version('2025-03-26') }],
  ['revision_unsupported', 'the newest, not of the rule', { mcp: OTHERS, ...modern('ping') }],
  ['ok', 'initialize for what it wants', { mcp: OTHERS, body: initialize('2030-01-01') }],
  ['params_invalid', 'initialize without a revision', { body: initialize(undefined) }],
  ['revision_unsupported', 'initialize of 2026', { mcp: ONLY_NEWEST, body: initialize(NEWEST) }],
  ['ok', 'initialize again', { headers: version('2025-06-18'), body: initialize('2025-11-25') }],
  ['header_mismatch', 'initialize in 2026', { headers: version(NEWEST), body: initialize('x') }],
])('a revision: %s for %s', async (code, _, told) => {
  expect(await codeFor(told)).toBe(code)
})

it('tells a client the revisions and the methods of HTTP that there are', async () => {
  const paramsFor = async (told: Told) => {
    const outcome = await ask(told)
    return outcome.ok ? undefined : outcome.reason.params
  }
  const supported = ['2025-06-18', '2025-11-25']
  const said = (text: string) => paramsFor({ mcp: OTHERS, headers: version(text) })
  expect(await said('1999-01-01')).toEqual({ supported, requested: '1999-01-01' })
  expect(await said('x'.repeat(999))).toEqual({ supported, requested: 'x'.repeat(32) })
  expect(await said('é')).toEqual({ supported })
  expect(await paramsFor({ method: 'PATCH' })).toEqual({ allow: ['GET', 'POST', 'DELETE'] })
  const route = { methods: ['POST', 'PATCH'] } as const
  expect(await paramsFor({ method: 'PATCH', route })).toEqual({ allow: ['POST'] })
  expect(await paramsFor({ method: 'GET', headers: version(NEWEST) })).toEqual({ allow: ['POST'] })
})

const by = (id: string, told: Told = {}) => ({
  ...told,
  headers: { 'mcp-session-id': id, ...told.headers },
})

it.each(['GET', 'POST', 'DELETE'])('opens a session for its holder only (%s)', async (method) => {
  const id = await sessions.seal('s-1', HOLDER)
  expect((await readBy(by(id, { method }))).session).toBe('s-1')
  for (const changes of [
    { agent: 'mallory' },
    { issuer: 'https://other.example' },
    { subject: 'mallory' },
    { route: '* /other' },
    { resource: 'https://other.example' },
  ]) {
    const other = await sessions.seal('s-1', { ...HOLDER, ...changes })
    expect(await codeFor(by(other, { method }))).toBe('session_unknown')
  }
})

it('opens no session that was never sealed', async () => {
  const id = await sessions.seal('s-1', HOLDER)
  const [header = '', payload = '', signature = ''] = id.split('.')
  const typed = Buffer.from(header, 'base64url').toString()
  expect(typed).toContain(SESSION_TYP)
  const encoded = (text: string) => Buffer.from(text).toString('base64url')
  const assertion = encoded(typed.replace(SESSION_TYP, 'agent-assertion+jwt'))
  for (const one of [
    's-1',
    '',
    `${id}, ${id}`,
    `${id}x`,
    `${header}.${encoded('{"session":"s-2"}')}.${signature}`,
    `${assertion}.${payload}.${signature}`,
  ]) {
    expect(await codeFor(by(one))).toBe('session_unknown')
  }
})

it('ignores a session where the revision has none, and needs one to end it', async () => {
  expect(await readBy(by('anything', modern('ping')))).not.toHaveProperty('session')
  expect(await codeFor({ method: 'DELETE' })).toBe('session_missing')
})

it('refuses a session where it cannot be opened, and no other request', async () => {
  const ports = { sessions: { open: () => Promise.reject(new Error('down')) } }
  expect(await codeFor(by('x', { ports }))).toBe('session_unavailable')
  expect(await codeFor({ ports })).toBe('ok')
})
