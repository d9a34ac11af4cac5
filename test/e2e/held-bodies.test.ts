import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectRaw, type RawConnection } from '../kit/raw.ts'
import type { Members } from '../kit/signing.ts'
import { PATIENCE } from '../kit/wait.ts'
import { HOST, outcome, type Setting, startSetting } from './setting.ts'

const MIB = 1024 * 1024
const mcp = { tools: { echo: [] } }
const ROUTES = [
  { match: 'POST /scoped', scopes: ['wanted'], mcp },
  { match: 'POST /never', scopes: [], when: 'token.sub == "nobody"', mcp },
  { match: 'POST /bounded', scopes: [], revocation: 'bounded', mcp },
  { match: 'POST /mcp', scopes: [], mcp: { ...mcp, max_body: 4 * MIB } },
  { match: 'POST /told', scopes: [] },
  { match: 'POST /silent', scopes: [], timeout: '2s', mcp: { ...mcp, max_body: 4 * MIB } },
]

let setting: Setting
const open: RawConnection[] = []

beforeAll(async () => {
  setting = await startSetting({
    // Bodies stall here, so that the rest of a refused one is not waited for.
    gate: { assertion: { binding: 'body' }, unread_body: { within: '200ms' } },
    issuer: { admin: 'all' },
    routes: ROUTES,
  })
})
afterAll(async () => {
  for (const one of open) one.close()
  await setting.close()
})

/** Begins an upload that stalls after so many bytes of it. */
const stall = async (path: string, claims: Members, bytes: number) => {
  const token = await setting.token(claims)
  const connection = await connectRaw(setting.gate.port)
  open.push(connection)
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${HOST}`,
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    `Content-Length: ${Math.max(bytes + 1, 2)}`,
  ]
  connection.send(`${head.join('\r\n')}\r\n\r\n`)
  if (bytes > 0) connection.send(new Uint8Array(bytes).fill(0x20))
  return connection
}

const codeOf = async (connection: RawConnection) => {
  const { status, body } = await connection.response()
  connection.close()
  return [status, JSON.parse(body).code]
}

/** Calls a tool with so many characters. */
const ask = async (claims: Members, path: string, length = 0, signal?: AbortSignal) =>
  setting.ask(path, {
    method: 'POST',
    token: await setting.token(claims),
    headers: { 'content-type': 'application/json' },
    ...(signal && { signal }),
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'echo', arguments: { text: 'x'.repeat(length) } },
    }),
  })

const call = async (...asked: Parameters<typeof ask>) => outcome(await ask(...asked))

it.each([
  ['/scoped', 403, 'scope_missing'],
  ['/never', 403, 'condition_failed'],
])('%s answers before the body has come: %i %s', async (path, status, code) => {
  expect(await codeOf(await stall(path, { scope: 'nothing' }, 0))).toEqual([status, code])
})

it('a revoked agent uploads nothing, to a strict rule either', async () => {
  const claims = { client_id: 'stolen' }
  expect(await call(claims, '/bounded')).toMatchObject({ status: 200 })
  const revoked = await setting.ask('/.edgewarden/revocations', {
    method: 'POST',
    token: await setting.token({ scope: 'edgewarden:revoke' }),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'agent', issuer: setting.issuer.issuer, value: 'stolen' }),
  })
  expect(revoked.status).toBe(200)
  // As soon as the isolate's copy of the set knows of it.
  await expect.poll(() => call(claims, '/bounded')).toMatchObject({ code: 'token_revoked' })
  for (const path of ['/bounded', '/mcp', '/told']) {
    expect(await codeOf(await stall(path, claims, 0))).toEqual([401, 'token_revoked'])
  }
})

const FULL = [503, 'bodies_full']
/** The gate closes with bytes unread, so that a reset can reach the client before the answer does. */
const RESET = 'reset'
/** How those end that end first. */
const firstOf = async (all: readonly RawConnection[], count: number) => {
  const codes: unknown[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const one of all) {
    void codeOf(one)
      .catch(() => RESET)
      .then((code) => {
        if (codes.push(code) === count) resolve()
      })
  }
  await promise
  return codes
}
const closeAll = (all: readonly RawConnection[]) => {
  for (const one of all) one.close()
}
/** Until there is room for almost all that one agent may hold. */
const isFreeFor = (claims: Members) =>
  expect
    .poll(() => call(claims, '/mcp', 3 * MIB), { timeout: PATIENCE })
    .toMatchObject({ status: 200 })

it('one agent holds an eighth of all that may be held, whatever for, and leaves no other less', async () => {
  const [greedy, other] = [{ client_id: 'greedy' }, { client_id: 'another' }]
  const held = [
    await stall('/mcp', greedy, MIB),
    await stall('/told', greedy, MIB - 1_024),
    await stall('/mcp', greedy, MIB),
    await stall('/mcp', greedy, 1.5 * MIB),
  ]
  expect([FULL, RESET]).toContainEqual((await firstOf(held, 1))[0])
  const refused = await ask(greedy, '/mcp', 2 * MIB)
  expect(refused.headers.get('retry-after')).toBe('5')
  expect(Object.values(await outcome(refused))).toEqual(FULL)
  expect(await call(other, '/mcp', 2 * MIB)).toMatchObject({ status: 200 })
  closeAll(held)
  await isFreeFor(greedy)
})

it('all agents hold no more than there is, and leave it when they go', async () => {
  const held = []
  for (let i = 0; i < 12; i++) {
    held.push(await stall('/mcp', { client_id: `one of many ${i}` }, 4_000_000))
  }
  const answered = (await firstOf(held, 4)).filter((one) => one !== RESET)
  expect(answered).toContainEqual(FULL)
  expect(answered).toEqual(answered.map(() => FULL))
  const other = { client_id: 'another' }
  expect(Object.values(await call(other, '/mcp', 2 * MIB))).toEqual(FULL)
  expect(await call(other, '/mcp')).toMatchObject({ status: 200 })
  closeAll(held)
  await isFreeFor(other)
})

it('is held until the origin has answered, or who waited has gone', async () => {
  setting.origin.on('/silent', () => new Promise(() => {}))
  const claims = { client_id: 'impatient' }
  const hurry = new AbortController()
  const waiting = [1, 2, 3].map(() => ask(claims, '/silent', 1.3 * MIB, hurry.signal))
  const { requests } = setting.origin
  const isThere = () => requests.filter(({ url }) => url === '/silent').length === 3
  await setting.origin.arrival(isThere)
  expect(Object.values(await call(claims, '/mcp', MIB))).toEqual(FULL)
  hurry.abort()
  expect(await Promise.allSettled(waiting)).toMatchObject(Array(3).fill({ status: 'rejected' }))
  await expect.poll(() => call(claims, '/mcp', MIB)).toMatchObject({ status: 200 })
  expect(setting.gate.output()).not.toMatch(/unexpected_error|uncaught|unhandled/i)
})
