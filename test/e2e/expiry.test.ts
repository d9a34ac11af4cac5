import { once } from 'node:events'
import { request, type ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { eventually } from '../kit/eventually.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { rare } from '../kit/property.ts'
import { PATIENCE } from '../kit/wait.ts'
import { type AskInit, HOST, RESOURCE, type Setting, startSetting, until } from './setting.ts'
import {
  fate,
  hanging,
  lastEvent,
  newAgent,
  revoke,
  SSE,
  STREAMING,
  withShortToken,
} from './streaming.ts'

const METHODS = 'GET,POST,DELETE'
const JSON_TYPE = { 'content-type': 'application/json' }
const mcp = { tools: { slow_count: [] } }

let setting: Setting
let servers: McpOrigin
/** Ends the steps of all calls. */
let release = () => {}
const step = new Promise<void>((done) => {
  release = done
})

beforeAll(async () => {
  servers = await startMcpOrigin({ step: () => step })
  const serving = { scopes: [], origin: servers.url, audiences: [RESOURCE], mcp }
  setting = await startSetting({
    gate: { ...STREAMING.gate, on_expiry: undefined },
    issuer: STREAMING.issuer,
    routes: [
      { match: `${METHODS} /mcp`, ...serving },
      { match: `${METHODS} /stateless`, ...serving },
      { match: `${METHODS} /modern`, ...serving },
      { match: 'POST /json/cut', scopes: [], audiences: [RESOURCE], mcp, on_expiry: 'cut' },
      { match: 'POST /json/brief', scopes: [], audiences: [RESOURCE], mcp, finish_within: '2s' },
      { match: 'POST /json/*', scopes: [], audiences: [RESOURCE], mcp },
      { match: `${METHODS} /brief/*`, ...serving, strip_prefix: '/brief', finish_within: '2s' },
      { match: 'GET /strict/*', scopes: [], revocation: 'strict' },
      { match: 'GET,POST /short/*', scopes: [], finish_within: '2s' },
      { match: 'GET,POST /all/*', scopes: [], on_revocation: 'end-all' },
      { match: 'GET,POST /v1/*', scopes: [] },
    ],
  })
})
afterAll(() => Promise.all([setting.close(), servers.close()]))

/** Waits until a token has expired, and a little more. */
const expired = (exp: number) => wait(Math.max(0, exp * 1000 - Date.now()) + 500)

/** Begins a request with a token that expires soon: an answer, and what the origin holds of it. */
const begin = (
  path: string,
  headers: object,
  part: string,
  init: AskInit = {},
  more: object = {},
) =>
  withShortToken(
    (claims) => setting.token({ ...claims, ...more }),
    async (token, exp) => {
      const answering = hanging(setting, path, { ...headers }, part)
      const response = await setting.ask(path, { ...init, token }).catch(() => undefined)
      if (response?.status !== 200) return undefined
      return { response, answer: await answering, exp, token }
    },
  )

/** The line of the journal about an answer that goes on after its token, of an agent. */
const lateLine = (agent: string) =>
  setting.gate.journalLine((line) => line.event === 'finished_after_expiry' && line.agent === agent)

describe.concurrent('an answer whose token expires', () => {
  it.each([
    ['/v1/events', SSE, 'GET'],
    ['/all/json', JSON_TYPE, 'POST'],
    ['/all/file', { 'content-length': 100_000 }, 'GET'],
  ])('finishes: %s %j %s', async (path, headers, method) => {
    const agent = newAgent()
    const body = method === 'POST' ? { body: '{"stream":true}' } : {}
    const { response, answer, exp } = await begin(
      path,
      headers,
      'data: one\n\n',
      { method, ...body },
      {
        client_id: agent,
      },
    )
    await expired(exp)
    answer.end('x'.repeat(100_000 - 11))
    const { bytes, error } = await fate(response)
    expect([bytes.length, error]).toEqual([100_000, false])
    const late = await lateLine(agent)
    const line = await setting.gate.journalLine(({ v, id }) => v === 1 && id === late.id)
    expect(late).toMatchObject({ request_id: line.request_id, route: line.route, jti: line.jti })
    expect(Date.parse(String(late.time))).toBeGreaterThanOrEqual(exp * 1000)
    expect(line).toMatchObject({ decision: 'allowed', origin_status: 200 })
  })

  it('does not finish later than finish_within after exp', async () => {
    const { response, exp } = await begin('/short/events', SSE, '')
    const { bytes } = await fate(response)
    expect(bytes.toString()).toBe(lastEvent('token_expired'))
    expect(Date.now()).toBeGreaterThanOrEqual((exp + 2) * 1000)
  })

  it('ends when its agent is revoked while it finishes', async () => {
    const agent = newAgent()
    const { response, exp } = await begin('/v1/revoked', SSE, '', {}, { client_id: agent })
    await expired(exp)
    await revoke(setting, agent)
    const { bytes } = await fate(response)
    expect(bytes.toString()).toBe(lastEvent('token_revoked'))
  })
})

it.concurrent('an answer that finishes ends when its token is given back', async () => {
  const agent = newAgent()
  const claims = { client_id: agent, jti: agent }
  const { response, exp, token } = await begin('/v1/given-back', SSE, '', {}, claims)
  await expired(exp)
  const given = await setting.ask('/.edgewarden/revoke', {
    method: 'POST',
    token: await setting.token({ client_id: agent }),
    body: new URLSearchParams({ token }),
  })
  expect(given.status).toBe(200)
  const { bytes } = await fate(response)
  expect(bytes.toString()).toBe(lastEvent('token_revoked'))
})

describe.concurrent('what ends with its token all the same', () => {
  it('is a WebSocket', async () => {
    const { closed, exp } = await withShortToken(setting.token, async (token, exp) => {
      const socket = new WebSocket(`${setting.gate.url.replace('http', 'ws')}/strict/socket`, {
        headers: { authorization: `Bearer ${token}` },
      })
      const closed = once(socket, 'close')
      const isOpen = await once(socket, 'open').then(
        () => true,
        () => false,
      )
      return isOpen ? { closed, exp } : undefined
    })
    const [code, reason] = await closed
    expect([code, String(reason)]).toEqual([4408, 'token_expired'])
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000)
  })

  /** Sends half a body; the origin answers before its end, if at all. */
  const half = (path: string, headers: object, begins?: (res: ServerResponse) => void) =>
    withShortToken(setting.token, async (token, exp) => {
      setting.origin.on(path, (_req, res) => begins?.(res))
      const sent = request({
        port: setting.gate.port,
        host: '127.0.0.1',
        path,
        method: 'POST',
        agent: false,
        headers: { host: HOST, authorization: `Bearer ${token}`, ...headers },
      })
      const answer = once(sent, 'response').then(
        ([response]) => response,
        () => undefined,
      )
      sent.write('half')
      const arrived = await setting.origin
        .arrival(({ url }) => url === path, 2_000)
        .catch(() => undefined)
      // On a busy machine the token may have expired before an answer has begun: then it is tried again.
      const isThere = arrived && (!begins || (await answer)?.statusCode === 200)
      if (isThere) return { answer, exp, sent }
      sent.destroy()
      return undefined
    })

  it('is an upload of which a part is there', async () => {
    const length = { 'content-length': 100_000 }
    const { answer, sent, exp } = await half('/all/upload-long', length)
    const response = await answer
    expect(response.statusCode).toBe(401)
    const text = (await response.setEncoding('utf8').toArray()).join('')
    expect(JSON.parse(text).code).toBe('token_expired_during_request')
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000)
    sent.destroy()
  })

  it.each(['/v1/duplex', '/all/duplex'])('is an answer to half a request: %s', async (path) => {
    const { answer, sent } = await half(path, {}, (res) => res.writeHead(200, SSE).flushHeaders())
    let text = ''
    const reading = async () => {
      for await (const part of (await answer).setEncoding('utf8')) text += part
    }
    // A POST that no dialect knows.
    await expect(reading()).rejects.toThrow('aborted')
    expect(text).toBe(lastEvent('token_expired'))
    sent.destroy()
  })
})

const rpc = (id: number) => ({
  method: 'POST',
  headers: {
    ...JSON_TYPE,
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25',
  },
  body: JSON.stringify({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'slow_count' },
  }),
})
const RESULT = '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'

describe.concurrent('an answer that has not begun', () => {
  /** Begins a call that the origin answers when told. */
  const pend = async (path: string, token: string, init: AskInit = {}) => {
    const answer = Promise.withResolvers<ServerResponse>()
    setting.origin.on(path, (_req, res) => answer.resolve(res))
    const asked = setting.ask(path, { ...init, token })
    const before = Date.now()
    return {
      asked,
      before,
      answer: await Promise.race([answer.promise, asked.then(() => undefined)]),
    }
  }
  const answered = async (path: string) =>
    (await setting.origin.arrival(({ url }) => url === path)).answered()

  it.each([
    ['/json/pending', rpc(1), 200],
    ['/all/pending-post', { method: 'POST', body: 'whole' }, 401],
  ])(
    'is the denial when its agent is revoked, and over for the origin: %s',
    async (path, init, status) => {
      const agent = newAgent()
      const { asked } = await pend(path, await setting.token({ client_id: agent }), init)
      await revoke(setting, agent)
      const response = await asked
      expect(response.status).toBe(status)
      expect(response.headers.get('www-authenticate')).toContain('invalid_token')
      expect(await response.text()).toContain('token_revoked')
      expect(await answered(path)).toBe('cut')
      const line = await setting.gate.journalLine((one) => one.agent === agent)
      expect(line).toMatchObject({ decision: 'denied', code: 'token_revoked' })
    },
  )

  it('comes all the same on other rules', async () => {
    const agent = newAgent()
    const token = await setting.token({ client_id: agent })
    const { asked, answer } = await pend('/v1/pending', token)
    const { asked: ending } = await pend('/all/pending', token)
    await revoke(setting, agent)
    // The gate knows by now.
    expect((await ending).status).toBe(401)
    answer?.end('done')
    expect(await (await asked).text()).toBe('done')
  })

  it('comes when its token expires meanwhile, and the journal says so', async () => {
    const agent = newAgent()
    const { asked, answer, exp } = await withShortToken(
      (claims) => setting.token({ ...claims, client_id: agent }),
      async (token, exp) => {
        const begun = await pend('/json/late', token, rpc(1))
        return begun.answer && { ...begun, exp }
      },
    )
    await expired(exp)
    answer?.writeHead(200, JSON_TYPE).write(RESULT.slice(0, 9))
    await wait(500)
    answer?.end(RESULT.slice(9))
    expect(await (await asked).text()).toBe(RESULT)
    await lateLine(agent)
  })

  it('is the denial where an expired token cuts, and no reason to call again', async () => {
    const { asked, exp } = await withShortToken(setting.token, async (token, exp) => {
      const begun = await pend('/json/cut', token, rpc(1))
      return begun.answer && { ...begun, exp }
    })
    const response = await asked
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      id: 1,
      error: { data: { code: 'token_expired_during_request' } },
    })
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000)
    expect(await answered('/json/cut')).toBe('cut')
  })
})

describe.concurrent('an event stream to an MCP client whose call is answered', () => {
  const RESPONSE = `data: ${RESULT}\n\n`

  it('goes on for half of finish_within, and ends without a word', async () => {
    const { response, exp } = await begin('/json/brief', SSE, RESPONSE, rpc(1))
    const { bytes, error } = await fate(response)
    expect([bytes.toString(), error]).toEqual([RESPONSE, false])
    expect(Date.now()).toBeGreaterThanOrEqual((exp + 1) * 1000)
  })
})

/** Holds one token at a time, and counts how often its user would have to log in. */
class Holder {
  token: string
  logins = 0
  readonly redirectUrl = 'http://127.0.0.1/callback'
  readonly clientMetadata = { redirect_uris: [this.redirectUrl] }

  constructor(token: string) {
    this.token = token
  }
  clientInformation() {
    return { client_id: 'someone' }
  }
  tokens() {
    return { access_token: this.token, token_type: 'Bearer' }
  }
  saveTokens() {}
  redirectToAuthorization() {
    this.logins += 1
  }
  saveCodeVerifier() {}
  codeVerifier() {
    return ''
  }
}

const SELF = { name: 'kit', version: '1.0.0' }
const urlOf = (path: string) => new URL(setting.gate.url + path)

const sdk = async (path: string, authProvider: Holder) => {
  const client = new Client(SELF)
  // Its optional members are not exactly the interface's.
  await client.connect(
    new StreamableHTTPClientTransport(urlOf(path), { authProvider }) as Transport,
  )
  return {
    client,
    call: (onprogress: () => void) =>
      client.callTool({ name: 'slow_count', arguments: { to: 2 } }, undefined, { onprogress }),
  }
}
const modern = (revision: string) => async (path: string, authProvider: Holder) => {
  const mode = revision < '2026' ? 'legacy' : { pin: revision }
  const client = new ModernClient(SELF, { versionNegotiation: { mode } })
  await client.connect(new ModernTransport(urlOf(path), { authProvider }))
  return {
    client,
    call: (onprogress: () => void) =>
      client.callTool({ name: 'slow_count', arguments: { to: 2 } }, { onprogress }),
  }
}

describe.concurrent('an MCP client', () => {
  it('gets the result of a call in which its token expires', async () => {
    const clients = [
      [sdk, '/stateless'] as const,
      [modern('2026-07-28'), '/modern'] as const,
      ...rare([sdk, '/mcp'] as const, [modern('2025-11-25'), '/mcp'] as const),
    ]
    const calls = clients.map(([connect, path]) =>
      withShortToken(setting.token, async (token, exp) => {
        const holder = new Holder(token)
        const connected = await connect(path, holder).catch(() => undefined)
        if (!connected) return undefined
        const begun = Promise.withResolvers<boolean>()
        const result = connected.call(() => begun.resolve(true))
        result.catch(() => begun.resolve(false))
        return (await begun.promise) ? { result, holder, client: connected.client, exp } : undefined
      }),
    )
    const all = await Promise.all(calls)
    await expired(Math.max(...all.map(({ exp }) => exp)))
    release()
    for (const { result, holder, client } of all) {
      expect(await result).toMatchObject({ content: [{ type: 'text' }] })
      expect(holder.logins).toBe(0)
      await client.close()
    }
  })

  /** Its requests for an event stream, which carry its agent's id. */
  const getsOf = (agent: string) =>
    servers.requests.filter((one) => one.method === 'GET' && one.header('x-agent-id') === agent)

  it.each([['sdk 1.32', sdk] as const, ...rare(['client 2.4', modern('2025-11-25')] as const)])(
    'opens its event stream again with its next token, and logs in nowhere: %s',
    async (_, connect) => {
      const agent = newAgent()
      const gets = () => getsOf(agent)
      const tokenOf = (claims: object = {}) => setting.token({ ...claims, client_id: agent })
      const { client, holder, exp } = await withShortToken(tokenOf, async (token, exp) => {
        const seen = gets().length
        const holder = new Holder(token)
        const connected = await connect('/brief/mcp', holder).catch(() => undefined)
        if (!connected) return undefined
        const isThere = await until(
          async () => gets().length > seen,
          (there) => there || Date.now() > exp * 1000,
          PATIENCE,
        )
        return isThere.at(-1) ? { client: connected.client, holder, exp } : undefined
      })
      const errors: Error[] = []
      client.onerror = (error) => errors.push(error)
      const first = gets().at(-1)
      holder.token = await tokenOf()
      expect(await first?.answered()).toBe('cut')
      expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000)
      await until(
        async () => gets().at(-1) !== first,
        (isOpen) => isOpen,
        PATIENCE,
      )
      let heard = 0
      client.fallbackNotificationHandler = async () => {
        heard += 1
      }
      // The server may have the request, and not yet the stream that it notifies.
      await eventually(async () => {
        await servers.listsChanged()
        expect(heard).toBeGreaterThan(0)
      })
      expect([holder.logins, errors]).toEqual([0, []])
      await client.close()
    },
  )
})
