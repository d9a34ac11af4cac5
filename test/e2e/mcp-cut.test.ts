import { beforeAll, describe, expect, it } from 'vitest'
import type { Handler } from '../kit/origin.ts'
import { readEvents, type SseEvent } from '../kit/sse.ts'
import { COMMANDS } from './commands-setting.ts'
import { asking, call, codeOf, JSON_TYPE, result, SSE } from './mcp-asking.ts'
import { outcome, type Setting, sharedSetting } from './setting.ts'
import { newAgent, revoke, withShortToken } from './streaming.ts'

let setting: Setting

/** The server's answers, by the agent that asks: the tests run at once. */
const servers = new Map<string, Handler>()

beforeAll(async () => {
  setting = await sharedSetting(COMMANDS)
  setting.origin.on('*', (req, res, recorded) =>
    servers.get(String(req.headers['x-agent-id']))?.(req, res, recorded),
  )
})

const { tokenOf, post, get } = asking(() => setting)

/** An agent, and the server that it has. */
const agentOf = (server: Handler) => {
  const id = newAgent()
  servers.set(`acme/${id}`, server)
  const isOwn = (request: { header(name: string): string | undefined }) =>
    request.header('x-agent-id') === `acme/${id}`
  return {
    id,
    token: (claims: object = {}) => tokenOf({ ...claims, client_id: id }),
    arrival: () => setting.origin.arrival(isOwn),
    requests: () => setting.origin.requests.filter(isOwn),
    /** What became of the server's answer. */
    answered: async () => (await setting.origin.arrival(isOwn)).answered(),
    revoke: () => revoke(setting, id),
  }
}

const asked = call('tools/call', { name: 'files_read', arguments: {} })

describe.concurrent('an answer to a call', () => {
  it('is 504 where it takes longer than `timeout`, so that no list comes later', async () => {
    const agent = agentOf((_req, res) => {
      res.writeHead(200, JSON_TYPE)
      res.write('{"id":1,"result":{')
    })
    const response = await post(asked, { path: '/brief', token: await agent.token() })
    expect([response.status, await codeOf(response)]).toEqual([504, 'origin_timeout'])
    expect(await agent.answered()).toBe('cut')
  })

  it('that is long and takes its time is cut when its agent is revoked, where the rule says so', async () => {
    const agent = agentOf((_req, res) => {
      res.writeHead(200, JSON_TYPE)
      res.write(`{"id":1,"result":{"content":[{"type":"text","text":"${'x'.repeat(128 * 1024)}`)
    })
    const response = await post(asked, { path: '/mcp/whole', token: await agent.token() })
    expect(response.status).toBe(200)
    await agent.revoke()
    await expect(response.text()).rejects.toThrow()
    expect(await agent.answered()).toBe('cut')
  })
})

describe.concurrent('a list that takes its time', () => {
  /** Comes for as long as it is let. */
  const trickle: Handler = (_req, res) => {
    res.writeHead(200, JSON_TYPE)
    res.write('{"id":1,"result":{"tools":[')
    const timer = setInterval(() => res.write(' '), 50)
    res.on('close', () => clearInterval(timer))
  }

  it('is none for a token that expires meanwhile', async () => {
    const agent = agentOf(trickle)
    const response = await withShortToken(agent.token, async (token) => {
      const answer = await post(call('tools/list'), { token })
      return agent.requests().length > 0 ? answer : undefined
    })
    expect([response.status, await codeOf(response), await agent.answered()]).toEqual([
      401,
      'token_expired_during_request',
      'cut',
    ])
    expect(response.headers.get('www-authenticate')).toContain('invalid_token')
  })

  it('is none for an agent that is revoked meanwhile', async () => {
    const agent = agentOf(trickle)
    const answering = post(call('tools/list'), { token: await agent.token() })
    await agent.arrival()
    await agent.revoke()
    const response = await answering
    expect([response.status, await codeOf(response), await agent.answered()]).toEqual([
      200,
      'token_revoked',
      'cut',
    ])
  })
})

describe.concurrent('a request that the server has not answered when its agent is revoked', () => {
  const revoked = async (send: (token: string) => Promise<Response>) => {
    const agent = agentOf(() => {})
    const response = send(await agent.token())
    await agent.arrival()
    await agent.revoke()
    await response
    expect(await agent.answered()).toBe('cut')
    return { agent, response: await response }
  }

  it('fails in the words of the protocol, so that no client logs in and repeats it', async () => {
    const { agent, response } = await revoked((token) => post(asked, { token }))
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'application/json',
    ])
    expect(await response.json()).toMatchObject({
      id: 1,
      error: {
        code: -32003,
        message: expect.stringContaining('has been revoked'),
        data: { code: 'token_revoked', error: 'invalid_token' },
      },
    })
    const again = await post(asked, { token: await agent.token() })
    expect(await outcome(again)).toMatchObject({ status: 401, code: 'token_revoked' })
    expect(agent.requests()).toHaveLength(1)
  })

  it('is 401 where the rule says `http`', async () => {
    const { response } = await revoked((token) => post(asked, { token, path: '/plainly' }))
    expect([response.status, await codeOf(response)]).toEqual([401, 'token_revoked'])
    expect(response.headers.get('www-authenticate')).toContain('invalid_token')
  })
})

describe.concurrent('a stream', () => {
  const ok = result({ tools: [{ name: 'files_read' }] })

  it('of notifications passes event by event, and ends quietly with its token', async () => {
    let goOn = () => {}
    const agent = agentOf((_req, res) => {
      res.writeHead(200, SSE)
      res.write(`data: ${ok}\n\n`)
      goOn = () => void res.write('data: {"half')
    })
    const rest = await withShortToken(agent.token, async (token) => {
      const events = readEvents(await get({ token }))
      const { value } = await events.next()
      return value?.data === ok ? events : undefined
    })
    goOn()
    const last: SseEvent[] = []
    for await (const event of rest) last.push(event)
    expect(last).toEqual([])
    expect(await agent.requests().at(-1)?.answered()).toBe('cut')
  })

  it('of a call ends with an error for the call when its agent is revoked', async () => {
    const agent = agentOf((_req, res) => {
      res.writeHead(200, SSE)
      res.write(': working\n\n')
    })
    const response = await post(asked, { token: await agent.token() })
    await agent.revoke()
    const text = await response.text()
    const [, data = ''] = /^: working\n\n:\nevent: message\ndata: (.*)\n\n$/.exec(text) ?? []
    expect(JSON.parse(data)).toEqual({
      jsonrpc: '2.0',
      id: 1,
      error: {
        code: -32003,
        message: expect.stringMatching(/^The token, .* revoked\. Stop .*\(token_revoked\)$/),
        data: {
          code: 'token_revoked',
          error: 'invalid_token',
          hint: expect.stringMatching(/^Stop/),
        },
      },
    })
  })
})
