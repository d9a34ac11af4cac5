import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { operation } from '../../../src/gate/guard/stages/operation.ts'
import { SESSION_TYP } from '../../../src/gate/model/mcp.ts'
import { agentOf, anyRoom, policyOf, routeOf } from '../../kit/facts.ts'
import {
  ask,
  call,
  codeFor,
  HOLDER,
  mcpOf,
  modern,
  OLDER,
  readBy,
  sessions,
  type Told,
} from './support.ts'

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)
const sha256 = (body: string, form: 'base64' | 'base64url') =>
  createHash('sha256').update(body).digest(form)

describe('a body', () => {
  const body = ` {"jsonrpc" : "2.0", "id": 1.0, "method":"\\u0070ing"}\n`

  it('is held byte for byte', async () => {
    const { held } = await readBy({ body })
    expect(text(held?.bytes)).toBe(body)
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
    const ofLength = (bytes: number) => JSON.stringify(call('ping')).padEnd(bytes)
    expect(await codeFor({ mcp, body: ofLength(1_024) })).toBe('ok')
    expect(await codeFor({ mcp, body: ofLength(1_025) })).toBe('body_too_large')
  })

  it('is held against what the client says of it', async () => {
    const said = (digest: string) => ({ 'content-digest': `sha-256=:${digest}:` })
    expect(await codeFor({ body, headers: said(sha256(body, 'base64')) })).toBe('ok')
    expect(await codeFor({ body, headers: said(sha256('x', 'base64')) })).toBe('digest_mismatch')
  })

  it('breaks off', async () => {
    const broken = new ReadableStream<Uint8Array>({ start: (c) => c.error(new Error('gone')) })
    expect(await codeFor({ body: broken })).toBe('body_incomplete')
  })

  it('is read whatever the mode of the rule', async () => {
    expect(await codeFor({ body: '{', route: { mode: 'shadow' } })).toBe('message_malformed')
  })
})

describe('a session', () => {
  const sealed = (session = 's-1', changes = {}) =>
    sessions.seal(session, { ...HOLDER, ...changes })
  const by = (id: string, told: Told = {}) => ({
    ...told,
    headers: { 'mcp-session-id': id, ...told.headers },
  })

  it.each(['GET', 'POST', 'DELETE'])('opens for whom it was sealed (%s)', async (method) => {
    const id = await sealed()
    expect((await readBy(by(id, { method }))).session).toBe('s-1')
    for (const said of OLDER) {
      const headers = { 'mcp-protocol-version': said }
      expect((await readBy(by(id, { method, headers }))).session).toBe('s-1')
    }
  })

  it.each([
    ['another agent', { agent: 'mallory' }],
    ['an agent of that name of another issuer', { issuer: 'https://other.example' }],
    ['that agent for another user', { subject: 'mallory' }],
    ['another rule', { route: '* /other' }],
    ['another resource', { resource: 'https://other.example' }],
  ])('of %s is none', async (_, changes) => {
    const id = await sealed('s-1', changes)
    for (const method of ['GET', 'POST', 'DELETE']) {
      expect(await codeFor(by(id, { method }))).toBe('session_unknown')
    }
  })

  it('that was never sealed is none', async () => {
    const id = await sealed()
    const [header = '', payload = '', signature = ''] = id.split('.')
    const typed = Buffer.from(header, 'base64url').toString()
    expect(typed).toContain(SESSION_TYP)
    const assertion = Buffer.from(typed.replace(SESSION_TYP, 'agent-assertion+jwt')).toString(
      'base64url',
    )
    const other = Buffer.from('{"session":"s-2"}').toString('base64url')
    for (const one of [
      's-1',
      '',
      `${id}, ${id}`,
      `${id}x`,
      `${header}.${other}.${signature}`,
      `${assertion}.${payload}.${signature}`,
    ]) {
      expect(await codeFor(by(one))).toBe('session_unknown')
    }
  })

  it('is ignored by a revision that has none', async () => {
    const { body, headers = {} } = modern('ping')
    expect(await readBy(by('anything', { body, headers }))).not.toHaveProperty('session')
  })

  it('has to be named by who ends it', async () => {
    expect(await codeFor({ method: 'DELETE' })).toBe('session_missing')
    expect(await codeFor({ method: 'GET' })).toBe('ok')
  })

  it('cannot be told from another without keys', async () => {
    const ports = { sessions: { open: () => Promise.reject(new Error('down')) } }
    expect(await codeFor(by('x', { ports }))).toBe('session_unavailable')
    const broken = {
      sessions: {
        open: () => {
          throw new Error('down')
        },
      },
    }
    expect(await codeFor(by('x', { ports: broken }))).toBe('session_unavailable')
    expect(await codeFor({ ports })).toBe('ok')
  })

  it('is judged before the body is read', async () => {
    const body = new ReadableStream(
      { pull: () => Promise.reject(new Error('read')) },
      { highWaterMark: 0 },
    )
    expect(await codeFor(by('x', { body }))).toBe('session_unknown')
  })
})

describe('of a head alone', () => {
  it('the messages are not known', async () => {
    const outcome = await ask({ isHead: true })
    expect(outcome).toEqual({
      ok: true,
      value: { operation: { kind: 'mcp', method: 'POST', messages: [] }, held: undefined },
    })
  })

  it.each<[string, Told]>([
    ['upgrade_refused', { headers: { upgrade: 'websocket' } }],
    ['message_type_unsupported', { headers: { 'content-type': 'text/plain' } }],
    ['session_unknown', { headers: { 'mcp-session-id': 'x' } }],
  ])('%s is known', async (code, told) => {
    expect(await codeFor({ ...told, isHead: true })).toBe(code)
  })
})

describe('an explanation', () => {
  const foundBy = async (told: Told) => {
    const outcome = await ask(told)
    if (!outcome.ok || 'end' in outcome) throw new Error('not read')
    return operation.found?.({
      request: { method: 'POST', url: '', headers: new Headers() },
      policy: policyOf(),
      route: routeOf('* /mcp'),
      agent: agentOf(),
      hold: () => anyRoom,
      ...outcome.value,
    })
  }

  it('shows what is used, not what is said', async () => {
    const session = await sessions.seal('s-1', HOLDER)
    const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }
    const body = call('tools/call', { name: 'echo', arguments: { text: 'confidential' } })
    const found = await foundBy({ headers, body })
    expect(found).toEqual({
      kind: 'mcp',
      method: 'POST',
      revision: '2025-11-25',
      session: true,
      messages: [{ method: 'tools/call', tools: ['echo'] }],
      body: JSON.stringify(body).length,
    })
  })

  it('says where there is nothing to show', async () => {
    expect(await foundBy({ isHead: true })).toMatchObject({
      session: false,
      messages: expect.stringContaining('not known'),
    })
  })
})
