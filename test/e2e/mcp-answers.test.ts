import { gzipSync } from 'node:zlib'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import { APP, COMMANDS, SECRET } from './commands-setting.ts'
import { asking, call, codeOf, JSON_TYPE, type McpInit, result, SSE } from './mcp-asking.ts'
import { askGate, type Setting, sharedSetting } from './setting.ts'

const TEXT = { 'content-type': 'text/plain' }
const CODED = { ...JSON_TYPE, 'content-encoding': 'zstd' }
const UTF_16 = { 'content-type': 'application/json; charset=utf-16' }
const LATIN_EVENTS = { 'content-type': 'text/event-stream; charset=latin1' }
const CHALLENGE = { 'www-authenticate': 'Bearer resource_metadata="https://evil.example/"' }
const NAN_LIST = '{"id":1,"result":{"tools":[{"name":"admin","inputSchema":{"default":NaN}}]}}'

let setting: Setting

beforeAll(async () => {
  setting = await sharedSetting(COMMANDS)
})
beforeEach(() => setting.origin.clear())

const { tokenOf, post, get } = asking(() => setting)

/** What comes of an answer that breaks off. */
const beforeEnd = async (response: Response) => {
  let text = ''
  const decoder = new TextDecoder()
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk)
  })()
  await expect(reading).rejects.toThrow()
  return text
}

const LISTS: readonly [string, string, object, object][] = [
  [
    'tools/list',
    'tools',
    {
      tools: ['get_weather', 'files_read', 'admin', 'unknown', 'Files_read'].map((name) => ({
        name,
      })),
    },
    { tools: [{ name: 'files_read' }] },
  ],
  [
    'prompts/list',
    'prompts',
    { prompts: [{ name: 'secret' }, { name: 'greeting', arguments: [] }] },
    { prompts: [{ name: 'greeting', arguments: [] }] },
  ],
  [
    'resources/list',
    'resources',
    {
      resources: [
        'file:///docs/a',
        'file:///etc/passwd',
        'file:///docs/../etc/passwd',
        'http://elsewhere/',
      ].map((uri) => ({ uri, name: 'file:///docs/x' })),
    },
    { resources: [{ uri: 'file:///docs/a', name: 'file:///docs/x' }] },
  ],
  [
    'resources/templates/list',
    'resourceTemplates',
    {
      resourceTemplates: [
        'file:///docs/{id}',
        'file:///{path}',
        'file:///etc/{x}',
        'db://{id}',
      ].map((uriTemplate) => ({ uriTemplate })),
    },
    { resourceTemplates: [{ uriTemplate: 'file:///docs/{id}' }, { uriTemplate: 'db://{id}' }] },
  ],
]

describe('a list', () => {
  it.each(LISTS)('of %s in JSON', async (method, _member, given, expected) => {
    const etag = { ...JSON_TYPE, etag: '"all"', 'cache-control': 'public, max-age=60' }
    setting.origin.on('/mcp', reply(200, etag, result({ nextCursor: 'page-2', ...given })))
    const response = await post(call(method, { cursor: 'page-1' }))
    expect(await response.json()).toEqual(JSON.parse(result({ nextCursor: 'page-2', ...expected })))
    expect(response.headers.get('cache-control')).toBe('public, max-age=60, no-store')
    expect(response.headers.has('etag')).toBe(false)
    const [seen] = setting.origin.requests
    expect(seen?.body).toBe(call(method, { cursor: 'page-1' }))
    expect(seen?.header('accept-encoding')).toBe('identity')
    expect(seen?.header('accept')).toBe('application/json, text/event-stream')
  })

  it.each(LISTS)('of %s in events', async (method, _member, given, expected) => {
    const events = `: hello\r\n\r\nid: 1\r\ndata: ${result(given)}\r\n\r\n`
    setting.origin.on('/mcp', reply(200, SSE, events))
    const response = await post(call(method))
    expect(await response.text()).toBe(`: hello\r\n\r\nid: 1\ndata: ${result(expected)}\n\n`)
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it('of a stream that is gone on with is filtered too', async () => {
    const [, , given, expected] = LISTS[0] as (typeof LISTS)[number]
    setting.origin.on('/mcp', reply(200, SSE, `id: 8\ndata: ${result(given)}\n\n`))
    const response = await get({ headers: { 'last-event-id': '7' } })
    expect(await response.text()).toBe(`id: 8\ndata: ${result(expected)}\n\n`)
    expect(setting.origin.requests[0]?.header('last-event-id')).toBe('7')
  })

  it('in a batch of the revision that has them is filtered', async () => {
    const [method, , given, expected] = LISTS[0] as (typeof LISTS)[number]
    setting.origin.on('/mcp', reply(200, JSON_TYPE, `[${result(given)},{"id":2,"result":{}}]`))
    const response = await post(`[${call(method)}]`, { version: '2025-03-26' })
    expect(await response.text()).toBe(`[${result(expected)},{"id":2,"result":{}}]`)
  })

  it('holds no secret that its rule injects', async () => {
    const given = { tools: [{ name: 'files_x', d: SECRET }, { name: 'admin' }] }
    setting.origin.on('/secret', reply(200, JSON_TYPE, result(given)))
    const masked = result({ tools: [{ name: 'files_x', d: '*'.repeat(SECRET.length) }] })
    expect(await (await post(call('tools/list'), { path: '/secret' })).text()).toBe(masked)
    setting.origin.on('/secret', reply(200, SSE, `data: ${result(given)}\n\n`))
    const events = await post(call('tools/list'), { path: '/secret' })
    expect(await events.text()).toBe(`data: ${masked}\n\n`)
  })
})

describe('an answer', () => {
  it.each([
    ['no JSON', 200, JSON_TYPE, '{"tools', 'mcp_answer_invalid'],
    ['too much JSON', 200, JSON_TYPE, `"${'x'.repeat(2 * 1024 * 1024)}"`, 'mcp_answer_invalid'],
    ['no JSON by its type', 200, TEXT, result({}), 'mcp_answer_invalid'],
    ['a coding', 200, CODED, '{}', 'origin_encoding_unsupported'],
    ['a charset', 200, UTF_16, '{}', 'origin_encoding_unsupported'],
    ['a charset of events', 200, LATIN_EVENTS, 'data: 1\n\n', 'origin_encoding_unsupported'],
    ['what only lenient readers take', 200, JSON_TYPE, NAN_LIST, 'mcp_answer_invalid'],
    ['an error that may hold a list', 400, TEXT, NAN_LIST, 'mcp_answer_invalid'],
    ['a part', 206, JSON_TYPE, '{}', 'origin_encoding_unsupported'],
    ['a foreign challenge', 401, CHALLENGE, '', 'origin_credential_refused'],
  ])('that is %s is 502', async (_name, status, headers, body, code) => {
    setting.origin.on('/mcp', reply(status, headers, body))
    const response = await post(call('tools/list'))
    expect(response.status).toBe(502)
    expect(response.headers.has('www-authenticate')).toBe(false)
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({ id: 1, error: { data: { code } } })
    expect(text).not.toContain('evil.example')
  })

  it.each<[number, Record<string, string>]>([
    [200, TEXT],
    [405, TEXT],
    [200, {}],
    [200, { 'content-type': 'text/event-stream, text/event-stream' }],
    [500, { 'content-type': 'text/html, text/event-stream' }],
  ])('to a GET that is %i %j with a list is 502', async (status, headers) => {
    setting.origin.on('/mcp', reply(status, headers, `data: ${NAN_LIST}\n\n`))
    for (const sent of [{}, { 'last-event-id': '7' }]) {
      const response = await get({ headers: sent })
      expect([response.status, await codeOf(response)]).toEqual([502, 'mcp_answer_invalid'])
    }
  })

  it('in another charset than it says is 502', async () => {
    const list = Buffer.from(`\uFEFF${result({ tools: [{ name: 'admin' }] })}`, 'utf16le')
    setting.origin.on('/mcp', reply(200, JSON_TYPE, list))
    const response = await post(call('tools/list'))
    expect([response.status, await codeOf(response)]).toEqual([502, 'mcp_answer_invalid'])
  })

  it.each([
    ['whole', '\n\n'],
    ['the last, without an end', ''],
  ])('in events has all before one that cannot be read: %s', async (_name, end) => {
    const event = `id: 1\ndata: ${result({ tools: [] })}\n\n`
    for (const path of ['/mcp', '/secret']) {
      setting.origin.on(path, reply(200, SSE, `${event}data: ${NAN_LIST}${end}`))
      expect(await beforeEnd(await post(call('tools/list'), { path }))).toBe(event)
    }
  })

  it('that is 403 passes, without its challenge', async () => {
    const challenge = 'Bearer error="insufficient_scope", resource_metadata="https://evil.example/"'
    setting.origin.on(
      '/mcp',
      reply(403, { ...JSON_TYPE, 'www-authenticate': challenge }, '{"a":1}'),
    )
    const response = await post(call('tools/list'))
    expect([response.status, await response.text()]).toEqual([403, '{"a":1}'])
    expect(response.headers.has('www-authenticate')).toBe(false)
  })

  it('that is compressed all the same is read', async () => {
    const body = gzipSync(result({ tools: [{ name: 'admin' }] }))
    setting.origin.on('/mcp', reply(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }, body))
    const response = await post(call('tools/list'))
    expect(await response.text()).toBe(result({ tools: [] }))
    expect(response.headers.has('content-encoding')).toBe(false)
  })

  // The first 4,096 bytes of an answer without a length are read in one call, with a byte more.
  it.each([4_096, 4_097, 70_000])(
    'of %i bytes without a length is whole, and a list in it is filtered',
    async (size) => {
      const sized = (make: (text: string) => string) => make('x'.repeat(size - make('').length))
      const calls = sized((text) => result({ content: [{ type: 'text', text }] }))
      const listed = sized((text) => result({ tools: [{ name: 'admin', description: text }] }))
      const inParts = (body: string) =>
        setting.origin.on('/mcp', (_req, res) => {
          res.writeHead(200, JSON_TYPE)
          res.write(body.slice(0, 4_096))
          setImmediate(() => res.end(body.slice(4_096)))
        })
      inParts(calls)
      const asked = call('tools/call', { name: 'files_read', arguments: {} })
      expect(await (await post(asked)).text()).toBe(calls)
      inParts(listed)
      expect(await (await post(call('tools/list'))).text()).toBe(result({ tools: [] }))
    },
  )

  it('to a call passes, however long it is', async () => {
    const long = result({ content: [{ type: 'text', text: 'tools'.repeat(1024 * 1024) }] })
    const asked = call('tools/call', { name: 'files_read', arguments: {} })
    for (const path of ['/mcp', '/mcp/whole', '/secret']) {
      for (const length of [undefined, String(long.length)]) {
        const headers = { ...JSON_TYPE, ...(length && { 'content-length': length }) }
        setting.origin.on(path, reply(200, headers, long))
        const response = await post(asked, { path })
        expect(await response.text()).toBe(long)
        if (length) expect(response.headers.get('content-length')).toBe(length)
      }
    }
    setting.origin.on('/mcp', reply(200, SSE, `data: ${long}\n\n`))
    expect(await (await post(asked)).text()).toBe(`data: ${long}\n\n`)
  })

  const asked = call('tools/call', { name: 'files_read', arguments: {} })

  it('to a call tells no list that was asked for by the same id', async () => {
    const given = result({ tools: [{ name: 'admin' }, { name: 'files_read' }] })
    for (const path of ['/mcp', '/secret']) {
      setting.origin.on(path, reply(200, JSON_TYPE, given))
      const expected = result({ tools: [{ name: 'files_read' }] })
      expect(await (await post(asked, { path })).text()).toBe(expected)
    }
  })
})

describe('an unsupported revision', () => {
  const discover = async (text: string, type = JSON_TYPE) => {
    setting.origin.on('/mcp', reply(200, type, text))
    const params = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }
    const headers = { 'mcp-method': 'server/discover' }
    const answer = await post(call('server/discover', params), { version: '2026-07-28', headers })
    await answer.text()
    const refused = await post(call('ping'), { version: '2099-01-01' })
    expect(refused.status).toBe(400)
    const { error } = (await refused.json()) as { error: { data: { supported: string[] } } }
    return error.data.supported
  }
  const ALL = ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28']

  it('is answered with those that the server named last, of the rule’s', async () => {
    expect(await discover(result({ supportedVersions: ['2024-11-05'] }))).toEqual(ALL)
    const two = ['2026-07-28', '2027-01-01', '2025-11-25']
    expect(await discover(result({ supportedVersions: two }))).toEqual(['2025-11-25', '2026-07-28'])
    const one = `data: ${result({ supportedVersions: ['2026-07-28'] })}\n\n`
    expect(await discover(one, SSE)).toEqual(['2026-07-28'])
    const error = { code: -32022, message: 'x', data: { supported: ['2025-06-18'] } }
    expect(await discover(JSON.stringify({ id: 1, error }))).toEqual(['2025-06-18'])
    expect(await discover(result({ supportedVersions: ALL }))).toEqual(ALL)
  })
})

describe('a notification', () => {
  const updated = (uri: string) =>
    JSON.stringify({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } })

  it('tells of no resource that its reader may not use', async () => {
    const data = ['file:///docs/a', 'file:///etc/passwd', 'file:///docs/b'].map(updated)
    setting.origin.on(
      '/mcp',
      reply(200, SSE, data.map((one, i) => `id: ${i}\ndata: ${one}\n\n`).join('')),
    )
    expect(await (await get()).text()).toBe(
      `id: 0\ndata: ${data[0]}\n\nid: 1\n\nid: 2\ndata: ${data[2]}\n\n`,
    )
  })
})

describe('a session', () => {
  /** A server that gives one to whoever has none, and tells which it got. */
  const stateful = (id: string) =>
    setting.origin.on('*', async (req, res, recorded) => {
      await recorded.finished()
      const has = req.headers['mcp-session-id']
      res.writeHead(200, { ...JSON_TYPE, 'Mcp-Session-Id': has ?? id })
      res.end(JSON.stringify({ session: has ?? null }))
    })

  const begin = async (init: McpInit = {}) => {
    const response = await post(call('initialize', { protocolVersion: '2025-11-25' }), init)
    return response.headers.get('mcp-session-id') ?? ''
  }
  const using = async (session: string, init: McpInit = {}) => {
    const response = await post(call('ping'), { ...init, headers: { 'mcp-session-id': session } })
    const { status } = response
    const again = response.headers.get('mcp-session-id')
    return { status, again, body: (await response.json()) as Record<string, unknown> }
  }

  it('is handed out sealed and given to its server as it was', async () => {
    stateful('server-session-1')
    const sealed = await begin()
    expect(sealed).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
    expect(sealed).not.toContain('server-session-1')
    const { status, again, body } = await using(sealed)
    expect([status, again, body]).toEqual([200, sealed, { session: 'server-session-1' }])
    for (const method of ['GET', 'DELETE']) {
      setting.origin.clear()
      stateful('x')
      await get({ method, headers: { 'mcp-session-id': sealed } })
      expect(setting.origin.requests[0]?.header('mcp-session-id')).toBe('server-session-1')
    }
  })

  it('of the server reaches nobody in another spelling of the header', async () => {
    setting.origin.on('*', (_, res) => {
      res.writeHead(200, { ...JSON_TYPE, 'Mcp-Session-Id': 'own-id', mcp_session_id: 'own-id' })
      res.end('{}')
    })
    const response = await post(call('initialize', { protocolVersion: '2025-11-25' }))
    expect(response.headers.get('mcp-session-id')).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
    expect(response.headers.has('mcp_session_id')).toBe(false)
  })

  it('is for no other agent, rule or spelling, and never the server’s own', async () => {
    stateful('server-session-2')
    const sealed = await begin()
    const sent = setting.origin.requests.length
    const thief = await tokenOf({ client_id: 'thief' })
    for (const [session, init] of [
      [sealed, { token: thief }],
      [sealed, { token: await tokenOf({ sub: 'another user' }) }],
      [sealed, { path: '/other' }],
      ['server-session-2', {}],
      [`${sealed}x`, {}],
      [setting.origin.requests[0]?.header('x-agent-assertion') ?? '', {}],
      [await tokenOf(), {}],
    ] as const) {
      const { status, body } = await using(session, init)
      expect(status).toBe(404)
      expect(body).toMatchObject({ code: 'session_unknown' })
    }
    expect(setting.origin.requests).toHaveLength(sent)
    expect((await using(sealed)).status).toBe(200)
  })

  it('does not exist since 2026-07-28', async () => {
    stateful('server-session-4')
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }
    const response = await post(call('tools/list', { _meta }), {
      version: '2026-07-28',
      headers: { 'mcp-method': 'tools/list', 'mcp-session-id': 'anything' },
    })
    expect(response.headers.has('mcp-session-id')).toBe(false)
    expect(await response.json()).toEqual({ session: null })
    expect(setting.origin.requests[0]?.header('mcp-method')).toBe('tools/list')
  })

  it('and what mirrors the body reach a server in no other form', async () => {
    stateful('server-session-5')
    const headers = {
      'mcp-method': 'tools/call',
      'mcp-name': 'admin',
      mcp_name: 'admin',
      mcp_session_id: 'mine',
      'mcp-param-region': 'eu',
    }
    await post(call('ping'), { headers })
    const [seen] = setting.origin.requests
    for (const name of ['mcp-method', 'mcp-name', 'mcp_name', 'mcp_session_id', 'mcp-session-id']) {
      expect(seen?.header(name)).toBeUndefined()
    }
    expect(seen?.header('mcp-param-region')).toBe('eu')
    expect(seen?.header('mcp-protocol-version')).toBe('2025-11-25')
  })
})

describe('across origins', () => {
  it('pages may send what clients send, and read the session', async () => {
    const preflight = await askGate(setting.gate, '/mcp', {
      method: 'OPTIONS',
      headers: { origin: APP, 'access-control-request-method': 'POST' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')?.toLowerCase().split(',')).toEqual(
      [
        'authorization',
        'content-type',
        'mcp-protocol-version',
        'mcp-session-id',
        'last-event-id',
        'mcp-method',
        'mcp-name',
      ],
    )
    setting.origin.on('/mcp', reply(200, JSON_TYPE, '{}'))
    const response = await post(call('ping'), { headers: { origin: APP } })
    expect(response.headers.get('access-control-expose-headers')).toContain('Mcp-Session-Id')
    expect(response.headers.get('access-control-allow-origin')).toBe(APP)
  })
})
