import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { hangUp, later, rawReply, reply } from './answers.ts'
import { startFlood } from './flood.ts'
import { type Origin, startOrigin } from './origin.ts'
import { connectRaw, rawRequest, sendRaw } from './raw.ts'
import { feed, readEvents, sse } from './sse.ts'

let origin: Origin
beforeAll(async () => {
  origin = await startOrigin()
})
beforeEach(() => origin.clear())
afterAll(() => origin.close())

describe('raw client', () => {
  it('writes what it is given and nothing else', () => {
    const headers = [
      ['Host', 'a'],
      ['hOST', 'b'],
      ['X_y', ' \xff'],
    ] as const
    const bytes = rawRequest({ method: 'TRACE', target: '/a/../b', headers, body: 'x' })
    expect(bytes.toString('latin1')).toBe(
      'TRACE /a/../b HTTP/1.1\r\nHost: a\r\nhOST: b\r\nX_y:  \xff\r\n\r\nx',
    )
    expect(() => rawRequest({ target: '/€' })).toThrow(RangeError)
  })

  it('reaches the other side byte for byte', async () => {
    await sendRaw(origin.port, rawRequest({ target: '/a/../%2e//b?q', headers: [['X_a.B', '1']] }))
    expect(origin.requests[0]).toMatchObject({
      method: 'GET',
      url: '/a/../%2e//b?q',
      rawHeaders: [['X_a.B', '1']],
    })
  })

  const responses = [
    ['content-length', 'Content-Length: 3\r\n\r\nabc', 'abc', true],
    [
      'chunked',
      'Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n',
      'abc',
      true,
    ],
    ['trailers', 'Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: 1\r\n\r\n', 'a', true],
    ['until close', '\r\nabc', 'abc', true],
    ['cut length', 'Content-Length: 4\r\n\r\nabc', 'abc', false],
    ['cut chunk', 'Transfer-Encoding: chunked\r\n\r\n5\r\nab', 'ab', false],
    ['no last chunk', 'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n', 'ab', false],
  ] as const
  it.each(responses)('reads a body by %s', async (_name, rest, body, complete) => {
    const first = 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'
    origin.on('/', rawReply(`${first}HTTP/1.1 200 Fine\r\nA: 1\r\na:  2 \r\n${rest}`))
    const response = await sendRaw(origin.port, rawRequest({}))
    expect(response).toMatchObject({ status: 200, reason: 'Fine', body, complete })
    expect(response.headers.slice(0, 2)).toEqual([
      ['A', '1'],
      ['a', '2'],
    ])
    expect(response.header('A')).toBe('1, 2')
    expect(response.raw.toString()).toContain('103 Early Hints')
  })

  it('rejects where there is no response, and in time', async () => {
    origin.on('/gone', hangUp)
    origin.on('/never', () => {})
    const gone = sendRaw(origin.port, rawRequest({ target: '/gone' }))
    const never = sendRaw(origin.port, rawRequest({ target: '/never' }), 50)
    await expect(gone).rejects.toThrow('without a response')
    await expect(never).rejects.toThrow('not within 50 ms')
  })

  it('sends a body in pieces, and expects none after HEAD', async () => {
    const connection = await connectRaw(origin.port)
    connection.send(rawRequest({ method: 'POST', headers: [['Content-Length', '4']], body: 'ab' }))
    const request = await origin.arrival()
    await request.received(2)
    expect(request).toMatchObject({ state: 'arriving', body: 'ab' })
    connection.send('cd')
    expect((await connection.response()).status).toBe(200)
    connection.close()
    const head = await sendRaw(origin.port, rawRequest({ method: 'HEAD' }))
    expect(head).toMatchObject({ status: 200, body: '', complete: true })
  })
})

describe('flood', () => {
  it('goes on over its connections until it is ended, and tells what was answered', async () => {
    const problem = reply(401, { 'content-type': 'application/problem+json' }, '{"code":"no"}')
    origin.on('/odd', problem)
    const flood = startFlood(origin.port, 3, (count) => ({
      path: count % 2 === 1 ? '/odd' : '/even',
      headers: { 'x-count': `${count}` },
    }))
    await flood.reached(100)
    await flood.end()
    const { length } = origin.requests
    expect(flood.count).toBe(length)
    expect(length).toBeGreaterThanOrEqual(100)
    expect(Object.fromEntries(flood.answers)).toEqual({
      '200': Math.ceil(length / 2),
      '401 no': Math.floor(length / 2),
    })
    const counts = origin.requests.map((request) => request.header('x-count'))
    expect(new Set(counts).size).toBe(length)
    origin.on('/even', hangUp)
    const broken = startFlood(origin.port, 1, () => ({ path: '/even', headers: {} }))
    await expect(broken.reached(1)).rejects.toThrow('socket hang up')
  })
})

describe('origin', () => {
  it('records every header as it was written, and the body', async () => {
    const headers = [
      ['X_Agent_Id', '1'],
      ['X.Agent.Id', '2'],
      ['x-dup', 'a'],
      ['X-Dup', 'b'],
      ['Content-Length', '3'],
    ] as const
    await sendRaw(origin.port, rawRequest({ method: 'POST', headers, body: 'abc' }))
    const [request] = origin.requests
    expect(request?.rawHeaders).toEqual(headers)
    expect(request?.header('X-DUP')).toBe('a, b')
    expect(request?.header('x-agent-id')).toBeUndefined()
    expect(request).toMatchObject({ bodyLength: 3, body: 'abc', state: 'whole' })
    expect(request?.bodySha256).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
  })

  it('counts a large upload, keeps its digest only, and sees it cut', async () => {
    const connection = await connectRaw(origin.port)
    const headers = [['Content-Length', '300000']] as const
    connection.send(rawRequest({ method: 'PUT', headers, body: 'x'.repeat(200_000) }))
    const request = await origin.arrival((r) => r.method === 'PUT')
    await request.received(200_000)
    expect(request.body).toBeUndefined()
    const finished = request.finished()
    connection.close()
    expect(await finished).toBe('cut')
  })

  it('waits to answer until the test says so', async () => {
    const release = Promise.withResolvers<void>()
    origin.on('/slow', later(release.promise, reply(201, { 'x-a': '1' }, 'late')))
    const answer = fetch(`${origin.url}/slow`)
    const request = await origin.arrival()
    await expect(request.answered(20)).rejects.toThrow('still being answered')
    release.resolve()
    expect(await (await answer).text()).toBe('late')
    expect(await request.answered()).toBe('sent')
  })

  it('sends events one by one, and notices that the client left', async () => {
    const events = feed()
    const written = Promise.withResolvers<number>()
    origin.on('/sse', async (_req, res) => written.resolve(await sse(res, events)))
    const read = readEvents(await fetch(`${origin.url}/sse`))
    events.push('one')
    expect(await read.next()).toEqual({ done: false, value: { data: 'one' } })
    events.push({ event: 'named', id: '7', data: 'two\nlines' })
    expect((await read.next()).value).toEqual({ event: 'named', id: '7', data: 'two\nlines' })
    await read.return()
    expect(await written.promise).toBe(2)
    expect(await origin.requests[0]?.answered()).toBe('cut')
  })

  it('ends an event stream when the events end', async () => {
    origin.on('/sse', (_req, res) => sse(res, ['a', 'b'], 1))
    const data: string[] = []
    for await (const event of readEvents(await fetch(`${origin.url}/sse`))) data.push(event.data)
    expect(data).toEqual(['a', 'b'])
  })

  it('echoes over a WebSocket, and treats other upgrades as requests', async () => {
    const socket = new WebSocket(`ws://${origin.host}/ws?x`, ['first', 'second'])
    const echoed = new Promise((done) => socket.once('message', (data) => done(String(data))))
    await new Promise((done) => socket.once('open', done))
    socket.send('hello')
    expect(await echoed).toBe('hello')
    expect(socket.protocol).toBe('first')
    expect(origin.webSockets).toHaveLength(1)
    expect(origin.requests[0]?.url).toBe('/ws?x')
    socket.terminate()
    const headers = [
      ['Connection', 'Upgrade'],
      ['Upgrade', 'h2c'],
    ] as const
    expect((await sendRaw(origin.port, rawRequest({ headers }))).status).toBe(200)
  })
})
