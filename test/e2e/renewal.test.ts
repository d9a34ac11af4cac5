import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import type { Members } from '../kit/signing.ts'
import { HOST, RESOURCE, type Setting, startSetting } from './setting.ts'
import { newAgent, revoke, STREAMING, withShortToken } from './streaming.ts'

const RENEWAL = 'edgewarden.renew.v1'

let setting: Setting

beforeAll(async () => {
  setting = await startSetting({
    ...STREAMING,
    routes: [
      { match: 'GET /v1/scoped', scopes: ['read'] },
      { match: 'GET /v1/taken', scopes: [], token_subprotocols: ['mcp.auth.'] },
      { match: 'GET /v1/keyed', scopes: [], credential: { headers: ['x-api-key'] } },
      { match: 'GET /v1/late', scopes: [], on_expiry: 'finish', finish_within: '2s' },
      ...STREAMING.routes,
    ],
  })
})
afterAll(() => setting.close())

/** A WebSocket whose messages are read one after the other. */
const open = async (path: string, protocols: string[], headers: Record<string, string>) => {
  const url = `${setting.gate.url.replace('http', 'ws')}${path}`
  const socket = new WebSocket(url, protocols, { headers: { host: HOST, ...headers } })
  const messages: string[] = []
  const waiting: ((text: string) => void)[] = []
  socket.on('message', (data) => {
    const next = waiting.shift()
    if (next) next(String(data))
    else messages.push(String(data))
  })
  const closed = once(socket, 'close').then(([code, reason]) => [code, String(reason)])
  // A handshake that is refused fails `open` alone.
  closed.catch(() => {})
  await once(socket, 'open')
  const next = () => {
    const text = messages.shift()
    return text === undefined
      ? new Promise<string>((resolve) => waiting.push(resolve))
      : Promise.resolve(text)
  }
  /** What the gate says: the JSON of its next message. */
  const told = async () => {
    const text = await next()
    expect(text.startsWith(`${RENEWAL} {`), text).toBe(true)
    return JSON.parse(text.slice(RENEWAL.length)) as { expires?: number; code?: string }
  }
  const renew = (...words: string[]) => {
    socket.send([RENEWAL, ...words].join(' '))
    return told()
  }
  const echo = async (text: string) => {
    socket.send(text)
    return next()
  }
  return { socket, next, told, renew, echo, closed }
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const now = () => Math.floor(Date.now() / 1000)

/** An open WebSocket that may be renewed, and the claims of its token. */
const renewable = async (path = '/v1/socket', more: Members = {}, protocols = [RENEWAL]) => {
  const claims = { client_id: newAgent(), exp: now() + 120, ...more }
  const opened = await open(path, protocols, bearer(await setting.token(claims)))
  expect(await opened.told()).toEqual({ expires: claims.exp })
  return { ...opened, claims }
}

describe('a WebSocket whose client offers the subprotocol of renewal', () => {
  it('gets it as the answer if the origin chooses none, and the origin never sees it', async () => {
    const alone = await renewable('/v1/alone')
    expect(alone.socket.protocol).toBe(RENEWAL)
    const [request] = setting.origin.requests.filter(({ url }) => url === '/v1/alone')
    expect(request?.header('sec-websocket-protocol')).toBeUndefined()
    alone.socket.terminate()
    const beside = await renewable('/v1/beside', {}, ['realtime', RENEWAL])
    expect(beside.socket.protocol).toBe('realtime')
    const [other] = setting.origin.requests.filter(({ url }) => url === '/v1/beside')
    expect(other?.header('sec-websocket-protocol')).toBe('realtime')
    beside.socket.terminate()
  })

  it('stays open beyond the end of its first token once it has a new one', async () => {
    const { opened, claims } = await withShortToken(setting.token, async (token, exp) => {
      const opened = await open('/v1/socket', [RENEWAL], bearer(token)).catch(() => undefined)
      if (!opened) return undefined
      await opened.told()
      const claims = { exp: exp + 120 }
      const said = await opened.renew(await setting.token(claims))
      return now() < exp && said.expires === claims.exp ? { opened, claims, exp } : undefined
    })
    expect(claims.exp).toBeGreaterThan(now())
    const old = claims.exp - 120
    while (now() <= old + 1) await opened.echo('waiting')
    expect(await opened.echo('still here')).toBe('still here')
    opened.socket.terminate()
  })

  it('takes a token with more scopes, and then one that has no fewer', async () => {
    const { claims, renew, socket } = await renewable('/v1/scoped', { scope: 'read' })
    const token = (scope: string) => setting.token({ ...claims, scope, exp: claims.exp + 1 })
    expect(await renew(await token('read write'))).toEqual({ expires: claims.exp + 1 })
    expect(await renew(await token('read'))).toMatchObject({ code: 'renewal_mismatch' })
    expect(await renew(await token('write read'))).toEqual({ expires: claims.exp + 1 })
    socket.terminate()
  })

  it.each<[string, string, (claims: Members) => Promise<string>]>([
    [
      'of another agent',
      'renewal_mismatch',
      (claims) => setting.token({ ...claims, client_id: 'x' }),
    ],
    [
      'of another subject',
      'renewal_mismatch',
      (claims) => setting.token({ ...claims, sub: 'eve' }),
    ],
    [
      'of an agent that another agent acts for',
      'renewal_mismatch',
      (claims) => setting.token({ ...claims, act: { sub: 'other' } }),
    ],
    [
      'that has expired',
      'token_expired',
      (claims) => setting.token({ ...claims, iat: 1_000, exp: 2_000 }),
    ],
    [
      'without a scope that the rule needs',
      'scope_missing',
      (c) => setting.token({ ...c, scope: '' }),
    ],
    [
      'whose signature is forged',
      'signature_invalid',
      async (claims) =>
        `${(await setting.token(claims)).replace(/\.[^.]+$/, '')}.${'A'.repeat(86)}`,
    ],
    ['that is none', 'token_malformed', async () => 'nonsense'],
    ['that is too long', 'token_too_long', async () => 'a'.repeat(100_000)],
    [
      'with bytes that no header has',
      'credential_malformed',
      async () => 'a\r\nx-admin:\u00e9\u0000',
    ],
  ])('keeps its token when it gets one %s', async (_, code, mint) => {
    const { claims, renew, echo, socket } = await renewable('/v1/scoped', { scope: 'read' })
    expect(await renew(await mint({ ...claims, exp: claims.exp + 60 }))).toMatchObject({ code })
    expect(await echo('hello')).toBe('hello')
    const seen = JSON.stringify(setting.origin.requests.map(({ rawHeaders }) => rawHeaders))
    expect(seen).not.toContain('x-admin')
    socket.terminate()
  })

  it('ends when its first token does if the new one was refused', async () => {
    const { opened, exp } = await withShortToken(setting.token, async (token, exp) => {
      const opened = await open('/v1/socket', [RENEWAL], bearer(token)).catch(() => undefined)
      if (!opened) return undefined
      await opened.told()
      const said = await opened.renew(await setting.token({ client_id: 'x', exp: exp + 120 }))
      return said.code === 'renewal_mismatch' ? { opened, exp } : undefined
    })
    expect(await opened.closed).toEqual([4408, 'token_expired'])
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000)
  })

  it('ends when the agent is revoked after the renewal', async () => {
    const { claims, renew, closed } = await renewable()
    const token = await setting.token({ ...claims, exp: claims.exp + 60 })
    expect(await renew(token)).toEqual({ expires: claims.exp + 60 })
    await revoke(setting, claims.client_id)
    expect(await closed).toEqual([4401, 'token_revoked'])
  })

  it('needs a proof of the same key for a bound token', async () => {
    const [key, other] = [await createProofKey(), await createProofKey()]
    const claims = { client_id: newAgent(), exp: now() + 120 }
    const tokenOf = (by: typeof key, exp: number) =>
      setting.token({ ...claims, exp, cnf: { jkt: by.jkt } })
    const url = `${RESOURCE}/v1/socket`
    const proof = (by: typeof key, token: string) => proofOf(by, { url, token })
    const first = await tokenOf(key, claims.exp)
    const opened = await open('/v1/socket', [RENEWAL], {
      authorization: `DPoP ${first}`,
      dpop: await proof(key, first),
    })
    expect(await opened.told()).toEqual({ expires: claims.exp })
    const next = await tokenOf(key, claims.exp + 60)
    expect((await opened.renew(next)).code).toBeDefined()
    const foreign = await tokenOf(other, claims.exp + 60)
    expect(await opened.renew(foreign, await proof(other, foreign))).toMatchObject({
      code: 'renewal_mismatch',
    })
    const unbound = await setting.token({ ...claims, exp: claims.exp + 60 })
    expect(await opened.renew(unbound)).toMatchObject({ code: 'renewal_mismatch' })
    expect(await opened.renew(next, await proof(key, next))).toEqual({ expires: claims.exp + 60 })
    opened.socket.terminate()
  })

  it('takes the new token where the rule has tokens in a header of its own or in a subprotocol', async () => {
    const claims = { client_id: newAgent(), exp: now() + 120 }
    const first = await setting.token(claims)
    const keyed = await open('/v1/keyed', [RENEWAL], { 'x-api-key': first })
    const taken = await open('/v1/taken', [`mcp.auth.${first}`, RENEWAL], {})
    for (const one of [keyed, taken]) {
      expect(await one.told()).toEqual({ expires: claims.exp })
      const next = await setting.token({ ...claims, exp: claims.exp + 60 })
      expect(await one.renew(next)).toEqual({ expires: claims.exp + 60 })
      one.socket.terminate()
    }
  })

  it('is written in the journal as a request that names the first', async () => {
    const { claims, renew, socket } = await renewable()
    const token = await setting.token({ ...claims, exp: claims.exp + 60, jti: 'the-new-one' })
    await renew(token)
    const line = await setting.gate.journalLine(({ jti }) => jti === 'the-new-one')
    expect(line).toMatchObject({ decision: 'allowed', agent: claims.client_id })
    const first = setting.gate
      .journal()
      .filter(({ agent, renews }) => agent === claims.client_id && renews === undefined)
    expect(first.map(({ request_id: id }) => id)).toEqual([line.renews])
    expect(JSON.stringify(setting.gate.journal())).not.toContain(token)
    socket.terminate()
  })

  it('answers each of several new tokens, and checks one at a time', async () => {
    const { claims, told, socket } = await renewable()
    const tokens = [1, 2, 3, 4].map((n) => setting.token({ ...claims, exp: claims.exp + n }))
    for (const token of await Promise.all(tokens)) socket.send(`${RENEWAL} ${token}`)
    for (const _ of tokens) {
      const { expires, code } = await told()
      expect(expires ?? code).toSatisfy(
        (said) => said === 'renewal_busy' || (said > claims.exp && said < claims.exp + 5),
      )
    }
    socket.terminate()
  })

  it('checks ten new tokens in a minute, and answers no more than one beyond', async () => {
    const { next, socket } = await renewable()
    for (let sent = 0; sent < 200; sent++) socket.send(`${RENEWAL} nonsense`)
    socket.send('and on')
    const codes: string[] = []
    let text = await next()
    for (; text.startsWith(RENEWAL); text = await next()) {
      codes.push(JSON.parse(text.slice(RENEWAL.length)).code)
    }
    // The origin's messages go on.
    expect(text).toBe('and on')
    while (codes.length < 11) codes.push(JSON.parse((await next()).slice(RENEWAL.length)).code)
    expect(codes).toContain('renewal_busy')
    socket.send('the last')
    expect(await next()).toBe('the last')
    const checked = codes.filter((code) => code === 'token_malformed')
    expect(checked.length).toBeGreaterThan(0)
    expect(checked.length).toBeLessThanOrEqual(10)
    socket.terminate()
  })

  it.each(['/ignored/alone', '/v1/shadow', '/public'])(
    'opens where no token is watched, and says nothing: %s',
    async (path) => {
      const opened = await open(path, [RENEWAL], bearer(await setting.token()))
      expect(opened.socket.protocol).toBe(RENEWAL)
      expect(await opened.echo('first')).toBe('first')
      opened.socket.terminate()
    },
  )
})

describe('a WebSocket whose client does not offer it', () => {
  it('passes such a message to the origin, as any other', async () => {
    const opened = await open('/v1/socket', [], bearer(await setting.token()))
    expect(await opened.echo(`${RENEWAL} text`)).toBe(`${RENEWAL} text`)
    opened.socket.terminate()
  })
})

describe('a WebSocket whose token expires', () => {
  it('may finish within the time of the rule, and closes then with 4408', async () => {
    const { opened, exp } = await withShortToken(setting.token, async (token, exp) => {
      const opened = await open('/v1/late', [], bearer(token)).catch(() => undefined)
      return opened && { opened, exp }
    })
    expect(await opened.closed).toEqual([4408, 'token_expired'])
    expect(Date.now()).toBeGreaterThanOrEqual((exp + 2) * 1000)
  })
})
